"""Real PostgreSQL and NATS, started once by each test worker; databases cloned from a migrated template (REL-6)."""

import gc
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from cli.engines import Engines, start
from tests import memory

sys.path.insert(0, str(Path(__file__).parents[1] / "gen"))

settings.register_profile(
    "normal", max_examples=25, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("deep", max_examples=500, deadline=None, print_blob=True)
settings.register_profile(  # where it counts whether something is noticed, and not the least example of it
    "noticing", settings.get_profile("normal"), phases=[Phase.explicit, Phase.generate]
)
settings.load_profile(os.environ.get("PLANTOPS_TEST_PROFILE", "normal"))

pytest_plugins = ["tests.rules", "tests.plant", "tests.world"]


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """PostgreSQL and NATS of this worker, without safety against power loss.

    PLANTOPS_TEST_ENGINES gives others by a list of their addresses, on which this run is alone.
    """
    if given := os.environ.get("PLANTOPS_TEST_ENGINES", ""):
        yield Engines(*json.loads(given))
        return
    with tempfile.TemporaryDirectory(prefix="plantops-test-", dir=memory.place(), ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # the servers' account passes through
        with start(Path(folder), durable=False) as found:
            yield found


LONGEST = ("test_crash.py", "test_rolling.py", "test_plans.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that the workers end together."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def pytest_collection_finish() -> None:
    """What was imported stays: no later collection looks through its million objects."""
    gc.collect()
    gc.freeze()
