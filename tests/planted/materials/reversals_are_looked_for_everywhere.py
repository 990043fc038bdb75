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
        movements: Any = Movement
        edges: Any = GenealogyEdge
        reversal = select(movements.name).where(movements.reverses == edges.movement)
        wanted = select(edges.input_lot).where(edges.output_lot == lot, ~reversal.exists())
        return sorted(await unit.all(wanted))

    replace(genealogy, "sources", sources)
