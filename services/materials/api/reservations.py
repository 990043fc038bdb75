"""Reservations: allocation, issue by scan, return, release."""

from typing import Any

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import canonical, decimal_of
from services.materials.model import location as locations
from services.materials.model import reservation, stock
from services.materials.model.item import Item
from services.materials.model.ledger import Movement, MovementKind, Posting
from services.materials.model.location import Kind, Location
from services.materials.model.reservation import NotAllocated, Reservation, State


class ReservationService:
    """Claims on stock that cannot over-allocate."""

    async def get_reservation(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Reservation, request.name)

    async def list_reservations(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Reservation, request)

    async def allocate_reservation(self, request: Any, unit: Unit) -> Any:
        row = await unit.get(Reservation, request.name)
        if row.state in reservation.WAITING:
            await reservation.allocate(unit, row)
            if row.judge() and row.state is State.ALLOCATED:
                unit.emit(row.told_allocated(), correlation=row.correlation)
        return row

    async def issue_reservation(self, request: Any, unit: Unit) -> Any:
        row = await unit.get(Reservation, request.name)
        site = row.site or ""
        amount = await _amount(unit, row, request)
        if row.state not in (State.ALLOCATED, State.SHORT):
            row.move(State.ISSUED)
        found = next(
            (
                taken
                for taken in row.allocations
                if (not request.location or taken.location == request.location)
                and (not request.lot or taken.lot == request.lot)
            ),
            None,
        )
        if found is None or found.quantity < amount:
            raise NotAllocated(
                reservation=row.name, allocated=canonical(found.quantity) if found else "0",
                unit_code=row.unit_code, location=request.location or "any place", asked=canonical(amount),
            )  # fmt: skip
        target = await locations.virtual(unit, site, Kind.CONSUMED)
        posting = Posting(
            name=unit.new_name(f"sites/{site}", Movement.COLLECTION), kind=MovementKind.ISSUE, item=row.item,
            lot=found.lot, quantity=amount, allocated=amount, unit_code=row.unit_code, from_location=found.location,
            to_location=target.name, to_virtual=True, source=row.name, correlation=row.correlation,
        )  # fmt: skip
        row.gave(found, amount)
        if row.state is State.SHORT and row.missing == amount:
            row.judge()
        event = row.issue  # the state may become ISSUED only when the movement is posted
        await stock.move(unit, site, [posting])
        if row.state is State.SHORT and row.issued + amount + row.released >= row.requested:
            row.move(State.ALLOCATED)
        unit.emit(
            event(amount, posting.name, posting.lot, posting.cost, posting.currency_code), correlation=row.correlation
        )
        return row

    async def return_issue(self, request: Any, unit: Unit) -> Any:
        row = await unit.get(Reservation, request.name)
        site = row.site or ""
        amount = await _amount(unit, row, request)
        place = await unit.find(Location, request.location, lock=False)
        if place is None or place.site != site or place.virtual:
            raise FieldInvalid(field="location", rule="must be a place of the site", value=request.location)
        place.usable()
        source = await locations.virtual(unit, site, Kind.CONSUMED)
        posting = Posting(
            name=unit.new_name(f"sites/{site}", Movement.COLLECTION), kind=MovementKind.RETURN_TO_STOCK,
            item=row.item, lot=request.lot, quantity=amount, unit_code=row.unit_code, from_location=source.name,
            to_location=place.name, from_virtual=True, source=row.name, correlation=row.correlation,
            reason_code=request.reason,
        )  # fmt: skip
        event, posting.cost = row.bring_back(amount, posting.name, request.lot, "")
        await stock.move(unit, site, [posting])
        if posting.cost is not None and posting.currency_code:
            from services.chassis.wire import money

            event.cost.CopyFrom(money(-posting.cost, posting.currency_code))
        unit.emit(event, correlation=row.correlation)
        return row

    async def release_reservation(self, request: Any, unit: Unit) -> Any:
        row = await unit.get(Reservation, request.name)
        if row.state not in reservation.OPEN:
            row.move(State.RELEASED)
        await reservation.give_back(unit, row)
        unit.emit(row.release(request.reason, unit.caller.name), correlation=row.correlation)
        await unit.flush()
        await stock.serve(unit, row.site or "", {row.item})
        return row


async def _amount(unit: Unit, row: Reservation, request: Any) -> Any:
    item = await unit.get(Item, row.item, lock=False)
    amount = item.base(decimal_of(request.quantity.value), request.quantity.unit_code, "quantity.value")
    if amount <= 0:
        raise FieldInvalid(field="quantity.value", rule="must be more than 0", value=request.quantity.value)
    return amount
