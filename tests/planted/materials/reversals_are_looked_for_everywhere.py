"""Whether a merge of lots was reversed is asked so that the index of reversals does not answer."""

from typing import Any

from sqlalchemy import select

from services.materials.model import genealogy
from services.materials.model.genealogy import GenealogyEdge
from services.materials.model.movement import Movement
from tests.planted.planting import replace

RULE = "PERF-10"


def plant() -> None:
    async def sources(unit: Any, lot: str) -> list[str]:
        reversal: Any = select(Movement.name).where(Movement.reverses == GenealogyEdge.movement)  # type: ignore
        wanted: Any = select(GenealogyEdge.input_lot).where(GenealogyEdge.output_lot == lot, ~reversal.exists())  # type: ignore
        return sorted(await unit.all(wanted))

    replace(genealogy, "sources", sources)
