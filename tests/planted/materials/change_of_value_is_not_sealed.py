"""What a change of value says is no part of what is sealed."""

from collections.abc import Sequence

from services.chassis.unit import Unit
from services.materials.model import sealing
from services.materials.model.movement import Movement, Revaluation
from tests.planted.planting import replace

RULE = "MAT-43"


def plant() -> None:
    async def values(unit: Unit, rows: Sequence[Movement]) -> dict[str, Revaluation]:
        return {}

    replace(sealing, "_values", values)
