"""Every row is tried against a stream that has no room."""

from services.chassis import publisher
from tests.planted.planting import replace

RULE = "REL-21"


def plant() -> None:
    replace(publisher, "FULL", frozenset())
