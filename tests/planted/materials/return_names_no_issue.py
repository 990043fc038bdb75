"""Any serial that left comes back by the return of a reservation."""

from services.materials.model import serial_issue
from tests.planted.planting import replace, without

RULE = "MAT-48"


def plant() -> None:
    replace(serial_issue, "_ISSUES", without(serial_issue._ISSUES, "m.source = :source and", ":source <> '' and"))
