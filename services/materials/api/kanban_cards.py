"""Kanban cards: loops, scans of empty and full containers, how many a loop needs (MAT-170)."""

from typing import Any

from plantops.materials.v1 import kanban_cards_pb2
from sqlalchemy import func, select

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.materials.api.proposals import positive
from services.materials.model import kanban
from services.materials.model.item import Item
from services.materials.model.kanban import CardState, KanbanCard, KanbanLoopComplete
from services.materials.model.location import Location
from services.materials.rules import safety_stock
from services.materials.rules.decisions import plain


class KanbanCardService:
    """Kanban cards of a site."""

    async def get_kanban_card(self, request: Any, unit: Unit) -> Any:
        return await unit.get(KanbanCard, request.name)

    async def list_kanban_cards(self, request: Any, unit: Unit) -> Any:
        return await unit.list(KanbanCard, request)

    async def create_kanban_card(self, request: Any, unit: Unit) -> Any:
        given = request.kanban_card
        policy, revision = await kanban.loop_of(unit, given.policy, lock=True)
        site = request.parent.removeprefix("sites/")
        if site != (policy.location.split("/")[1] if policy.location else policy.site):
            raise FieldInvalid(field="kanban_card.policy", rule="must be of the site", value=policy.name)
        if given.location != policy.location and (policy.location or given.location):
            await _place(unit, request.parent, given.location, policy.location)
        held = await unit.first(select(func.count()).where(KanbanCard.policy == policy.name))  # type: ignore[arg-type]
        if held >= revision.card_count:
            raise KanbanLoopComplete(policy=policy.name, count=held, revision=revision.name)
        item = await unit.get(Item, policy.item or "", lock=False)
        name = unit.new_name(request.parent, KanbanCard.COLLECTION, request.kanban_card_id)
        return unit.add(
            KanbanCard(
                name=name, number=given.number, policy=policy.name, item=item.name, unit_code=item.base_unit_code,
                location=policy.location or given.location,
            )
        )  # fmt: skip

    async def empty_kanban_card(self, request: Any, unit: Unit) -> Any:
        card = await kanban.take_up(unit, request.name)
        if card.state is CardState.FULL:
            card.empty()
            await unit.flush()
            await kanban.ask(unit, card.site or "", card.item)
        return card

    async def send_kanban_card(self, request: Any, unit: Unit) -> Any:
        card = await kanban.take_up(unit, request.name)
        await kanban.sent(unit, card)
        return card

    async def fill_kanban_card(self, request: Any, unit: Unit) -> Any:
        card = await kanban.take_up(unit, request.name)
        if card.state is not CardState.FULL:
            await kanban.filled(unit, card)
        return card

    async def propose_kanban_cards(self, request: Any, unit: Unit) -> Any:
        mean, lead = positive(request, "mean_demand"), positive(request, "mean_lead_time")
        share, container = positive(request, "safety_share"), positive(request, "container_quantity")
        if container == 0:
            raise FieldInvalid(field="container_quantity", rule="must be more than 0", value=container)
        count = safety_stock.cards(mean, lead, share, container)
        words = f"{plain(mean)} * {plain(lead)} * (1 + {plain(share)}) / {plain(container)}, up: {count}"
        explanation = [f"all times in {request.time_unit_code}", words]
        return kanban_cards_pb2.ProposeKanbanCardsResponse(card_count=count, explanation=explanation)


async def _place(unit: Unit, parent: str, name: str, wanted: str) -> None:
    """FieldInvalid unless it is the loop's place, or a place of the site where the loop has none."""
    if wanted and name and name != wanted:
        raise FieldInvalid(field="kanban_card.location", rule="must be the place of the policy", value=name)
    if name and (not name.startswith(f"{parent}/") or await unit.find(Location, name, lock=False) is None):
        raise FieldInvalid(field="kanban_card.location", rule="must be a location of the site", value=name)
