"""What tests of kanban need: loops in force, cards, scans."""

from typing import Any

from plantops.materials.v1 import kanban_cards_pb2

from tests.materials.builders import SITE, fresh
from tests.materials.policies import activate, policy
from tests.world import Plant

Card = kanban_cards_pb2.KanbanCard


def units(plant: Plant) -> Any:
    """Opens units as jobs get them."""
    return plant.processes["materials"].commands.open_unit


async def loop(plant: Plant, name: str, count: int = 2, location: str = "", **given: Any) -> str:
    """A loop of cards in force; gives its policy."""
    made = await policy(plant, name, "" if location else "hamburg", location=location)
    values = {"kind": "KANBAN", "order_quantity": 20, "card_count": count, "reorder_point": 0, **given}
    await activate(plant, made.name, **values)
    return str(made.name)


async def card(plant: Plant, loop_name: str, **given: Any) -> Any:
    """A card of a loop with a full container."""
    made = Card(number=fresh("K"), policy=loop_name, **given)
    return await plant("mara", kanban_cards_pb2.CreateKanbanCardRequest(parent=SITE, kanban_card=made))


async def empty(plant: Plant, what: Any) -> Any:
    """Scan a card whose container is empty."""
    return await plant("sam", kanban_cards_pb2.EmptyKanbanCardRequest(name=what.name))


async def full(plant: Plant, what: Any) -> Any:
    """Scan a card whose container is full again."""
    return await plant("sam", kanban_cards_pb2.FillKanbanCardRequest(name=what.name))


async def seen(plant: Plant, what: Any) -> Any:
    """A card as it stands."""
    return await plant("vic", kanban_cards_pb2.GetKanbanCardRequest(name=what.name))
