"""The name of a pack is refused where its code is taken."""

from typing import Any

from services.chassis.faults import UnitUnknown
from services.materials.model.item import Item
from services.materials.rules import units
from tests.planted.planting import replace

RULE = "MAT-8"


def plant() -> None:
    def unit_named(self: Any, word: str, field: str) -> str:
        if not units.looks_like_code(word):
            raise UnitUnknown(unit_code=word).at(field)
        return word

    replace(Item, "unit_named", unit_named)
