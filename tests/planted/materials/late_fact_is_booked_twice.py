"""A fact that a posted count had seen already is booked without its opposite."""

from services.materials.model import late_facts
from tests.planted.planting import replace, without

RULE = "MAT-150"


def plant() -> None:
    replace(late_facts, "_POSTED", without(late_facts._POSTED, "where not k.virtual", "where false"))
