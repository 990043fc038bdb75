"""Reservations: allocation, issue by scan, return, release."""

from decimal import Decimal
from typing import Any

from sqlalchemy import text

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import canonical, decimal_of
from services.materials.model import location as locations
from services.materials.model import reservation, stock
from services.materials.model.item import Item, SiteFact, site_fact
from services.materials.model.ledger import Line, Posting
from services.materials.model.location import Kind, Location
from services.materials.model.lot import Lot
from services.materials.model.movement import MovementKind
from services.materials.model.reservation import Allocation, LotExpired, NotAllocated, NothingIssued, Reservation, State
from services.materials.rules import valuation

_HANDED_OUT = text("""
    select lot, sum(case when kind = 'ISSUE' then quantity else -quantity end) as quantity
    from movement where source = :source and kind in ('ISSUE', 'RETURN_TO_STOCK')
    group by lot having sum(case when kind = 'ISSUE' then quantity else -quantity end) > 0
""")


class ReservationService:
    """Claims on stock that cannot over-allocate."""

    async def get_reservation(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Reservation, request.name)

    async def list_reservations(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Reservation, request)

    async def allocate_reservation(self, request: Any, unit: Unit) -> Any:
        row = await stock.take_up(unit, Reservation, request.name)
        if row.state not in reservation.WAITING:
            row.move(State.ALLOCATED)
        await stock.serve(unit, row.site or "", {row.item})
        return row

    async def issue_reservation(self, request: Any, unit: Unit) -> Any:
        row = await stock.take_up(unit, Reservation, request.name)
        site = row.site or ""
        amount = await _amount(unit, row, request)
        if row.state not in (State.ALLOCATED, State.SHORT):
            row.move(State.ISSUED)
        taken = _allocation(row, request, amount)
        await _refuse_expired(unit, taken, await site_fact(unit, site))
        target = await locations.virtual(unit, site, Kind.CONSUMED)
        line = Line(
            item=row.item, lot=taken.lot, quantity=amount, allocated=amount, unit_code=row.unit_code,
            from_location=taken.location, to_location=target.name, to_virtual=True,
        )  # fmt: skip
        posting = Posting.new(unit, site, MovementKind.ISSUE, line, source=row.name, correlation=row.correlation)
        await stock.move(
            unit, site, [posting], lambda: unit.emit(row.issue(taken, posting), correlation=row.correlation)
        )
        return row

    async def return_issue(self, request: Any, unit: Unit) -> Any:
        row = await stock.take_up(unit, Reservation, request.name)
        site = row.site or ""
        amount = await _amount(unit, row, request)
        place = await unit.find(Location, request.location, lock=False)
        if place is None or place.site != site or place.virtual:
            raise FieldInvalid(field="location", rule="must be a place of the site", value=request.location)
        place.usable()
        lot = await _issued_lot(unit, row, request.lot, amount)
        source = await locations.virtual(unit, site, Kind.CONSUMED)
        currency = (await site_fact(unit, site)).currency_code
        line = Line(
            item=row.item, lot=lot, quantity=amount, unit_code=row.unit_code, from_location=source.name,
            to_location=place.name, from_virtual=True, cost=row.worth(amount, valuation.places(currency)),
        )  # fmt: skip
        posting = Posting.new(
            unit, site, MovementKind.RETURN_TO_STOCK, line, source=row.name, correlation=row.correlation,
            reason_code=request.reason,
        )  # fmt: skip
        await stock.move(unit, site, [posting], lambda: unit.emit(row.bring_back(posting), correlation=row.correlation))
        return row

    async def release_reservation(self, request: Any, unit: Unit) -> Any:
        row = await stock.take_up(unit, Reservation, request.name)
        if row.state not in reservation.OPEN:
            row.move(State.RELEASED)
        await reservation.give_back(unit, row)
        unit.emit(row.release(request.reason, unit.caller.name), correlation=row.correlation)
        await unit.flush()
        await stock.serve(unit, row.site or "", {row.item})
        return row


async def _amount(unit: Unit, row: Reservation, request: Any) -> Decimal:
    item = await unit.find(Item, row.item, lock=False)
    if item is None:
        raise FieldInvalid(field="name", rule=f"claims {row.item}, which is not known", value=row.name)
    amount = item.base(decimal_of(request.quantity.value), request.quantity.unit_code, "quantity.value")
    if amount <= 0:
        raise FieldInvalid(field="quantity.value", rule="must be more than 0", value=request.quantity.value)
    return amount


def _allocation(row: Reservation, request: Any, amount: Decimal) -> Allocation:
    """The allocation that a scan means: of the place and lot given, else the first (MAT-79)."""
    fitting = [
        taken
        for taken in row.allocations
        if request.location in ("", taken.location) and request.lot in ("", taken.lot)
    ]
    found = next((taken for taken in fitting if taken.quantity >= amount), None)
    if found is None:
        most = max((taken.quantity for taken in fitting), default=Decimal(0))
        raise NotAllocated(
            reservation=row.name, allocated=canonical(most), unit_code=row.unit_code,
            location=request.location or "any place", asked=canonical(amount),
        )  # fmt: skip
    return found


async def _refuse_expired(unit: Unit, taken: Allocation, fact: SiteFact) -> None:
    lot = await unit.find(Lot, taken.lot, lock=False) if taken.lot else None
    if lot is not None and lot.expire_date is not None and lot.expire_date < fact.day(unit.now):
        raise LotExpired(lot=lot.name, expire_date=lot.expire_date)


async def _issued_lot(unit: Unit, row: Reservation, wanted: str, amount: Decimal) -> str:
    """The lot that comes back: one that was handed out, and no more of it than that (MAT-48)."""
    rows = await unit.execute(_HANDED_OUT, {"source": row.name})
    issued: dict[str, Decimal] = {found.lot: found.quantity for found in rows}
    lot = wanted or (next(iter(issued)) if len(issued) == 1 else "")
    if not lot and len(issued) > 1:
        raise FieldInvalid(field="lot", rule=f"is required: {', '.join(sorted(issued))} were handed out")
    if amount > issued.get(lot, Decimal(0)):
        raise NothingIssued(
            reservation=row.name, issued=canonical(issued.get(lot, Decimal(0))), unit_code=row.unit_code,
            lot=lot or "any", asked=canonical(amount),
        )  # fmt: skip
    return lot
