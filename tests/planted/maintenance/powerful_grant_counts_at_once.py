"""A powerful grant does not wait for a second person."""

from services.maintenance.model import person
from tests.planted.planting import replace

RULE = "MNT-208"


def plant() -> None:
    replace(person, "NEEDS_SECOND_PERSON", frozenset())
