"""What a run's process finds imported: the libraries and the services, none of them started, in one thread.

Names that a bug replaces are put into every module that has them (`planting.replace`), so it is in place no less than
in a process that imports the services after it.
"""

import gc
import pkgutil
import threading
from importlib import import_module

import grpc.aio
import hypothesis
import pytest
import schemathesis.pytest.plugin

import gateway
import services

LIBRARIES = (grpc.aio, hypothesis, pytest, schemathesis.pytest.plugin)

for package in (services, gateway):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if ".migrations" not in module.name and not module.name.endswith("__main__"):
            import_module(module.name)
gc.collect()
gc.freeze()  # a copy does not touch, and so not double, the memory of what is there
assert threading.active_count() == 1, "a process with threads cannot be copied"
