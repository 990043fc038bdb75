"""Requisitions: needs to buy, from people and from events."""

from fractions import Fraction
from typing import Any

from services.chassis.faults import FieldInvalid, QuantityNotOnGrid, UnitIncompatible
from services.chassis.unit import Unit
from services.chassis.wire import canonical, decimal_of, python_of
from services.procurement.model import approval, facts, sourcing
from services.procurement.model.facts import ItemNotActive
from services.procurement.model.requisition import Requisition, SourceKind
from services.procurement.rules import cover


class RequisitionService:
    """Needs to buy."""

    async def get_requisition(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Requisition, request.name)

    async def list_requisitions(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Requisition, request)

    async def create_requisition(self, request: Any, unit: Unit) -> Any:
        message = request.requisition
        site = request.parent.split("/")[1]
        await facts.known_site(unit, site, "parent")
        place = message.delivery_location
        if place and not place.startswith(f"{request.parent}/locations/"):
            rule = "must be a location of the site"
            raise FieldInvalid(field="requisition.delivery_location", rule=rule, value=place)
        fact = await facts.item(unit, message.item)
        if fact is None:
            raise FieldInvalid(field="requisition.item", rule="must be an item", value=message.item)
        if fact.state != "ACTIVE":
            raise ItemNotActive(item=fact.name, state=fact.state)
        need = Requisition(
            name=unit.new_name(request.parent, Requisition.COLLECTION),
            site=site,
            number=await unit.next_number("RQ"),
            item=fact.name,
            quantity=(quantity := _base_quantity(message.quantity, fact)),
            needed=quantity,
            unit_code=fact.base_unit_code,
            need_date=python_of(message.need_date) if message.HasField("need_date") else None,
            delivery_location=place,
            reason=message.reason,
            source_kind=SourceKind.PERSON,
            requester=unit.caller.name,
        )
        await sourcing.propose(unit, need)
        unit.add(need)
        unit.emit(need.created())
        return need

    async def approve_requisition(self, request: Any, unit: Unit) -> Any:
        need = await unit.get(Requisition, request.name, etag=request.etag)
        await approval.approve_need(unit, need)
        return need

    async def reject_requisition(self, request: Any, unit: Unit) -> Any:
        need = await unit.get(Requisition, request.name)
        unit.emit(need.reject(request.reason), correlation=need.chain)
        return need


def _base_quantity(stated: Any, fact: facts.ItemFact) -> Any:
    """A stated quantity in the item's base unit; refused off its grid, never rounded (PRC-6, PRC-7)."""
    field = "requisition.quantity.value"
    value = decimal_of(stated.value, field)
    if value <= 0:
        raise FieldInvalid(field=field, rule="must be more than 0", value=stated.value)
    factor = fact.factor(stated.unit_code)
    if factor is None:
        raise UnitIncompatible(item=fact.name, from_unit=stated.unit_code, to_unit=fact.base_unit_code)
    exact = Fraction(value) * factor
    if (exact / Fraction(fact.base_step)).denominator != 1:
        grid = f"{canonical(fact.base_step)} {fact.base_unit_code}"
        raise QuantityNotOnGrid(field=field, value=f"{stated.value} {stated.unit_code}", grid=grid)
    return cover.floor(exact)
