"""A movement is reversed as often as somebody asks, by units that have not waited for their turn."""

from services.chassis.unit import Unit
from tests.planted.planting import edit_function, execute, replace

RULE = "MAT-46"


def plant() -> None:
    async def at_once(unit: Unit, keys: object) -> None:
        pass

    replace(Unit, "in_turn", at_once)
    edit_function("materials", "post_held", "where m.reverses = d.reverses and m.reverses <> ''", "where false")
    execute("materials", "drop index uq_movement_reverses")
