"""An event is tried for ever, although it may be what ends the process."""

from services.chassis import dead_letter
from tests.planted.planting import replace

RULE = "REL-41"


def plant() -> None:
    replace(dead_letter, "MAX_ATTEMPTS", 10**9)
