"""A change is let in although it will wait long for a place to work."""

from services.chassis import admission
from tests.planted.planting import replace

RULE = "REL-76"


def plant() -> None:
    replace(admission.Work, "wait", 0.0)
