"""Replenishment policies, supply requests, the chain and the lookup of codes."""

from collections.abc import AsyncIterator
from typing import Any

from plantops.materials.v1 import chain_pb2
from sqlalchemy import or_, select

from services.chassis import chain, revisions
from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import values_for
from services.materials.api import backtests, evaluations, proposals
from services.materials.api.handling_unit_codes import handling_units_of, taken_out_of
from services.materials.model import enforcing, revising
from services.materials.model.item import Item, SiteFact
from services.materials.model.kanban import CardState, KanbanCard
from services.materials.model.location import Kind as Place
from services.materials.model.location import Location
from services.materials.model.lot import Lot, Serial
from services.materials.model.policy import SELECTOR, Outcome, Policy, Revision
from services.materials.model.receipt import Receipt, ReceiptState
from services.materials.model.supply_request import SupplyRequest
from services.materials.rules import gtin, lot_numbers


class MaterialsPolicyService:
    """Replenishment policies with revisions."""

    async def get_materials_policy(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Policy, request.name)

    async def list_materials_policies(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Policy, request)

    async def create_materials_policy(self, request: Any, unit: Unit) -> Any:
        values = values_for(Policy, request.materials_policy)
        name = unit.new_name("", Policy.COLLECTION, request.materials_policy_id)
        policy = Policy(name=name, **values).checked()
        if policy.item and await unit.find(Item, policy.item, lock=False) is None:
            raise FieldInvalid(field="materials_policy.item", rule="must be an item", value=policy.item)
        known = select(SiteFact.name).where(SiteFact.name == f"sites/{policy.site}")  # type: ignore[call-overload]
        if policy.site and await unit.first(known) is None:
            rule = "must be the id of a site that is known here"
            raise FieldInvalid(field="materials_policy.site", rule=rule, value=policy.site)
        if policy.location:
            await _face(unit, policy)
        return unit.add(policy)

    async def get_materials_revision(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Revision, request.name)

    async def list_materials_revisions(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Revision, request, parent_column=Revision.policy)

    async def create_materials_revision(self, request: Any, unit: Unit) -> Any:
        policy = await unit.get(Policy, request.parent)
        known = await unit.all(select(Revision.name).where(Revision.policy == policy.name))  # type: ignore[call-overload]
        name = unit.new_name(policy.name, Revision.COLLECTION, revisions.next_id(known))
        values = values_for(Revision, request.materials_revision)
        revision = Revision(name=name, policy=policy.name, author=unit.caller.name, **values)
        return unit.add(await _fitting(unit, policy, revision))

    async def update_materials_revision(self, request: Any, unit: Unit) -> Any:
        given = request.materials_revision
        revision = (await unit.get(Revision, given.name, etag=given.etag)).edited(unit.caller.name)
        policy = await unit.get(Policy, revision.policy, lock=False)
        return await _fitting(unit, policy, unit.update(revision, given, request.update_mask))

    async def submit_materials_revision(self, request: Any, unit: Unit) -> Any:
        policy = await unit.get(Policy, _policy(request.name), lock=False)
        await revising.refuse_twin(unit, policy, Revision, SELECTOR)
        return (await unit.get(Revision, request.name, etag=request.etag)).submit()

    async def return_materials_revision(self, request: Any, unit: Unit) -> Any:
        return (await unit.get(Revision, request.name)).send_back()

    async def approve_materials_revision(self, request: Any, unit: Unit) -> Any:
        revision = await unit.get(Revision, request.name)
        return revision.approve(unit.caller.name, request.content_hash, unit.now)

    async def activate_materials_revision(self, request: Any, unit: Unit) -> Any:
        return await enforcing.put_in_force(unit, request.name, request.etag)

    async def retire_materials_revision(self, request: Any, unit: Unit) -> Any:
        revision = await unit.get(Revision, request.name)
        policy = await unit.get(Policy, revision.policy)
        if policy.active_revision == revision.name:
            policy.active_revision = ""
        return revision.retire()

    async def evaluate_materials_policy(self, request: Any, unit: Unit) -> Any:
        return await evaluations.evaluated(request, unit)

    async def backtest_materials_revision(self, request: Any, unit: Unit) -> AsyncIterator[Any]:
        async for answer in backtests.played(request, unit):
            yield answer

    async def propose_reorder_point(self, request: Any, unit: Unit) -> Any:
        return await proposals.reorder_point(request, unit)

    async def get_supply_request(self, request: Any, unit: Unit) -> Any:
        return await unit.get(SupplyRequest, request.name)

    async def list_supply_requests(self, request: Any, unit: Unit) -> Any:
        return await unit.list(SupplyRequest, request)


def _policy(name: str) -> str:
    return name.rpartition(f"/{Revision.COLLECTION}/")[0]


async def _face(unit: Unit, policy: Policy) -> None:
    """FieldInvalid for what is no place that tasks fill, or for an item that they do not bring there."""
    place = await unit.find(Location, policy.location, lock=False)
    if place is None or place.virtual or place.kind in (Place.GROUP, Place.WIP, Place.TRANSIT):
        rule = "must be a place that holds stock"
        raise FieldInvalid(field="materials_policy.location", rule=rule, value=policy.location)
    item = await unit.get(Item, policy.item or "", lock=False)
    if item.catch is not None:
        rule = "must not have a catch weight: tasks cannot say how much they bring"
        raise FieldInvalid(field="materials_policy.item", rule=rule, value=item.name)


async def _fitting(unit: Unit, policy: Policy, revision: Revision) -> Revision:
    """FieldInvalid or QuantityNotOnGrid for parameters that do not fit each other, the item or the sites."""
    if policy.location and not isinstance(revision.outcome, Outcome):
        revision.outcome = Outcome.MOVE
    revision.checked().fits(policy)
    if policy.item:
        revision.on_grid(await unit.get(Item, policy.item, lock=False))
    if revision.source_site:
        known = select(SiteFact.name).where(SiteFact.name == revision.source_site)  # type: ignore[call-overload]
        if revision.source_site == f"sites/{policy.site}" or await unit.first(known) is None:
            rule = "must be another site that is known here"
            raise FieldInvalid(field="materials_revision.source_site", rule=rule, value=revision.source_site)
    return revision


class MaterialsChainService:
    """The part of a chain of work that materials owns."""

    async def list_materials_chain(self, request: Any, unit: Unit) -> Any:
        return await chain.page(unit, request, chain_pb2.ListMaterialsChainResponse())


class MaterialsLookupService:
    """What a code stands for in materials."""

    async def lookup_materials_code(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[-1]
        code = gtin.from_scan(request.code)
        answer = chain_pb2.LookupMaterialsCodeResponse()
        service = "plantops.materials.v1."
        numbers = gtin.forms(code)
        items = await unit.all(
            select(Item)
            .where(or_(Item.number == code, Item.gtins.overlap(numbers or [code])))  # type: ignore[arg-type, attr-defined]
            .order_by(Item.name)
            .limit(20)
        )
        for item in items:
            match = answer.matches.add(kind="item", resource=item.name, title=item.title, state=item.state.value)
            match.actions.add(verb="show stock", rpc=service + "BalanceService/ListBalances", resource=item.name)
            await taken_out_of(unit, request.handling_unit, item.name, match)
        number = lot_numbers.normal(code)
        for lot in await unit.all(select(Lot).where(Lot.number == number).order_by(Lot.name).limit(20)):  # type: ignore[arg-type]
            answer.matches.add(kind="lot", resource=lot.name, title=f"{lot.item} lot {lot.number}")
        for serial in await unit.all(
            select(Serial).where(Serial.number == number).order_by(Serial.name).limit(20)  # type: ignore[arg-type]
        ):
            title = f"{serial.item} serial {serial.number}"
            match = answer.matches.add(kind="serial", resource=serial.name, title=title)
            match.actions.add(verb="show history", rpc=service + "SerialService/GetSerialHistory", resource=serial.name)
        places = await unit.all(
            select(Location)
            .where(
                Location.site == site,  # type: ignore[arg-type]
                or_(Location.check_code == code, Location.name == f"{request.parent}/locations/{code.lower()}"),  # type: ignore[arg-type]
            )
            .limit(20)
        )
        for place in places:
            match = answer.matches.add(kind="location", resource=place.name, title=place.title, state=place.kind.value)
            match.actions.add(verb="show stock", rpc=service + "BalanceService/ListBalances", resource=place.name)
        for receipt in await unit.all(
            select(Receipt).where(Receipt.site == site, Receipt.number == code).limit(20)  # type: ignore[arg-type]
        ):
            match = answer.matches.add(
                kind="receipt", resource=receipt.name, title=receipt.supplier, state=receipt.state.value
            )
            if receipt.state is ReceiptState.ARRIVED:
                match.actions.add(verb="post", rpc=service + "ReceiptService/PostReceipt", resource=receipt.name)
        cards = select(KanbanCard).where(KanbanCard.site == site, KanbanCard.number == code)  # type: ignore[arg-type]
        for card in await unit.all(cards):
            match = answer.matches.add(kind="kanban card", resource=card.name, title=card.item, state=card.state.value)
            verb, rpc = ("empty", "EmptyKanbanCard") if card.state is CardState.FULL else ("fill", "FillKanbanCard")
            match.actions.add(verb=verb, rpc=f"{service}KanbanCardService/{rpc}", resource=card.name)
        await handling_units_of(unit, request, answer)
        return answer
