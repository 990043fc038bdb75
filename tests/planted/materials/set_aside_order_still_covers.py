"""An order that a person set aside is counted on."""

from sqlalchemy import text

from services.materials.model import replenishing
from tests.planted.planting import replace

RULE = "MAT-169"


def plant() -> None:
    statement = str(replenishing._SUPPLIES)
    assert "and not e.set_aside" in statement
    replace(replenishing, "_SUPPLIES", text(statement.replace("and not e.set_aside", "")))
