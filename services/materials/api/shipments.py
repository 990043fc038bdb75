"""Shipments: packing, leaving to a customer, and what comes back."""

from collections.abc import Iterable, Sequence
from typing import Any

from services.chassis.faults import FieldInvalid, TransitionNotAllowed
from services.chassis.unit import Unit
from services.chassis.wire import enum_name, values_for
from services.materials.api import delivery_note, goods
from services.materials.api.transfers import take_up
from services.materials.model import goods as going
from services.materials.model import loading, second_quantity, ship_tasks, stock
from services.materials.model import location as locations
from services.materials.model.item import Item, site_fact
from services.materials.model.ledger import ZERO, Line, Posting, by_serial
from services.materials.model.location import Kind
from services.materials.model.lot import Lot, named
from services.materials.model.movement import MovementKind, Status
from services.materials.model.reservation import LotExpired
from services.materials.model.shipment import NotForCustomers, Shipment, ShipmentLine, ShippedUnit, State
from services.materials.rules import valuation

_CHANGES = ("customer", "address", "source_system", "external_id", "carrier", "lines")


class ShipmentService:
    """Goods that leave to customers."""

    async def get_shipment(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Shipment, request.name)

    async def list_shipments(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Shipment, request)

    async def get_delivery_note(self, request: Any, unit: Unit) -> Any:
        row = await unit.get(Shipment, request.name.removesuffix("/deliveryNote"))
        return await delivery_note.written(unit, row)

    async def create_shipment(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[1]
        await site_fact(unit, site)
        name = unit.new_name(request.parent, Shipment.COLLECTION)
        values = values_for(Shipment, request.shipment)
        row = unit.add(Shipment(name=name, number=await unit.next_number("SH"), lines=[], **values))
        row.lines = await goods.lines(unit, site, request.shipment.lines, ShipmentLine, "shipment", shipment=name)
        return row

    async def update_shipment(self, request: Any, unit: Unit) -> Any:
        row = await unit.get(Shipment, request.shipment.name, etag=request.shipment.etag)
        if row.state is not State.DRAFT:
            raise TransitionNotAllowed(
                resource=row.name, state=row.state.value, allowed="reading", wanted=State.DRAFT.value
            )
        unit.update(row, request.shipment, request.update_mask, only=_CHANGES)
        if not row.customer:
            raise FieldInvalid(field="shipment.customer", rule="is required")
        if request.shipment.lines or {"lines", "*"} & set(request.update_mask.paths):
            row.lines.clear()
            await unit.flush()
            rows, site = request.shipment.lines, row.site or ""
            row.lines = await goods.lines(unit, site, rows, ShipmentLine, "shipment", shipment=row.name)
            row.touch()
        return row

    async def pack_shipment(self, request: Any, unit: Unit) -> Any:
        row, loaded = await take_up(unit, Shipment, ShipmentLine, request.name, request.etag)
        await loading.ready(unit, row.site or "", loaded, leaves=True, at=unit.now)
        row.pack()
        return row

    async def unpack_shipment(self, request: Any, unit: Unit) -> Any:
        row = (await unit.get(Shipment, request.name, etag=request.etag)).move(State.DRAFT)
        await ship_tasks.stop(unit, row)
        return row

    async def cancel_shipment(self, request: Any, unit: Unit) -> Any:
        row = (await unit.get(Shipment, request.name, etag=request.etag)).move(State.CANCELLED)
        await ship_tasks.stop(unit, row)
        return row

    async def release_shipment(self, request: Any, unit: Unit) -> Any:
        row, loaded = await take_up(unit, Shipment, ShipmentLine, request.name, request.etag)
        await _for_customers(unit, row.site or "", [one for one in row.lines if not one.of_unit])
        place = (await locations.named(unit, {request.location})).get(request.location)
        await ship_tasks.release(unit, row, loaded, place, request.location)
        return row

    async def ship_shipment(self, request: Any, unit: Unit) -> Any:
        row, loaded = await take_up(unit, Shipment, ShipmentLine, request.name, request.etag)
        site = row.site or ""
        await ship_tasks.done(unit, row)
        await loading.ready(unit, site, loaded, leaves=True, at=unit.now)
        row.ship(loaded, unit.now)
        await _for_customers(unit, site, row.lines)
        target = await locations.virtual(unit, site, Kind.CUSTOMER)
        of = [(one, going.outgoing(one, target)) for one in row.lines]
        lines = [line for _, some in of for line in some]
        await going.refuse_claimed(unit, site, row.name, lines)
        for one in loaded.rows.values():
            unit.session.add(ShippedUnit.of(row.name, one))
        posting = Posting.new(unit, site, MovementKind.SHIP, *lines, source=row.name, correlation=row.chain)
        row.movement = posting.name
        await stock.move(unit, site, [posting])
        await loading.ship(unit, list(loaded.rows.values()), unit.now)
        for one, some in of:
            one.cost, one.cost_currency_code = sum((line.cost or ZERO for line in some), ZERO), posting.currency_code
        return row

    async def receive_customer_return(self, request: Any, unit: Unit) -> Any:
        row, _ = await take_up(unit, Shipment, ShipmentLine, request.name)
        site = row.site or ""
        one = row.line_of(request.line)
        item = await unit.get(Item, one.item, lock=False)
        amount, entered = item.stated(request.quantity, "quantity")
        if amount <= 0:
            raise FieldInvalid(field="quantity.value", rule="must be more than 0", value=request.quantity.value)
        serials = named(item, request.serials, amount, "serials")
        second, second_unit = second_quantity.stated(item, request, amount)
        place = (await locations.named(unit, {request.location})).get(request.location)
        if place is None or place.site != site or place.virtual or place.kind is Kind.TRANSIT:
            rule = "must be a place of the site that goods lie at"
            raise FieldInvalid(field="location", rule=rule, value=request.location)
        status = Status(enum_name(request, "status")) if request.status else Status.CUSTOMER_RETURN
        if status is Status.UNRESTRICTED:
            raise FieldInvalid(field="status", rule="must not be UNRESTRICTED: somebody looks at it first")
        digits = valuation.places((await site_fact(unit, site)).currency_code)
        source = await locations.virtual(unit, site, Kind.CUSTOMER)
        line = Line(
            item=one.item, lot=one.lot, quantity=amount, unit_code=one.unit_code, from_location=source.name,
            to_location=place.usable().name, from_status=status, to_status=status, from_virtual=True, entered=entered,
            second_quantity=second, second_unit_code=second_unit, returns=row.movement,
            cost=one.bring_back(amount, second, serials, digits),
        )  # fmt: skip
        row.touch()
        posting = Posting.new(
            unit, site, MovementKind.RETURN_FROM_CUSTOMER, *by_serial(line, serials, digits), source=row.name,
            correlation=row.chain, reason_code=request.reason_code,
        )  # fmt: skip
        await stock.move(unit, site, [posting])
        return row


async def _for_customers(unit: Unit, site: str, rows: Sequence[ShipmentLine]) -> None:
    """NotForCustomers or LotExpired for what the company does not own, may not use, or may not use any more."""
    for one in rows:
        if one.status is not Status.UNRESTRICTED or one.owner:
            why = f"owned by {one.owner}" if one.owner else one.status.value
            raise NotForCustomers(item=one.item, location=one.location, why=why)
    await _refuse_expired(unit, site, (one.lot for one in rows))


async def _refuse_expired(unit: Unit, site: str, names: Iterable[str]) -> None:
    today = (await site_fact(unit, site)).day(unit.now)
    for lot in (await unit.get_many(Lot, set(names) - {""}, lock=False)).values():
        if lot.expire_date is not None and lot.expire_date < today:
            raise LotExpired(lot=lot.name, expire_date=lot.expire_date)
