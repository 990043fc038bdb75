"""Postings of one item do not wait for each other."""

from services.chassis.unit import Unit
from tests.planted.planting import edit_function, replace

RULE = "MAT-80"


def plant() -> None:
    async def at_once(unit: Unit, keys: object) -> None:
        pass

    replace(Unit, "in_turn", at_once)
    edit_function("materials", "hold_items", "perform queue_for_items(p_site, p_items);", "")
    edit_function("materials", "hold_items", "order by v.item for update", "order by v.item")
