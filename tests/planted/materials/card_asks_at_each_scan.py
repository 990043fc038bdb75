"""Each scan of an empty card asks for another container."""

from typing import Any

from services.materials.model import kanban
from services.materials.model.kanban import CardState, KanbanCard
from tests.planted.planting import replace

RULE = "MAT-170"


def plant() -> None:
    original = kanban.take_up

    async def as_if_full(unit: Any, name: str) -> KanbanCard:
        card = await original(unit, name)
        if card.state is CardState.REQUESTED:
            card.empty()
            await unit.flush()
            await kanban.ask(unit, card.site or "", card.item)
        return card

    replace(kanban, "take_up", as_if_full)
