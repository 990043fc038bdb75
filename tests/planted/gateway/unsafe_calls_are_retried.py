"""A change without request id is tried again."""

from gateway import upstream
from tests.planted.planting import replace

RULE = "REL-75"


def plant() -> None:
    replace(upstream, "safe", lambda rpc: True)
