"""A service that is away for a moment fails every call."""

from gateway import upstream
from tests.planted.planting import replace

RULE = "REL-75"


def plant() -> None:
    replace(upstream, "safe", lambda rpc: False)
