"""Calls are let in however long they would wait for the database."""

from services.chassis.admission import Admission
from tests.planted.planting import replace

RULE = "REL-76"


def plant() -> None:
    replace(Admission, "wait", property(lambda self: 0.0))
