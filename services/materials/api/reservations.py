"""Reservations: allocation, issue by scan, return, release."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.materials.model import location as locations
from services.materials.model import reservation, second_quantity, stock
from services.materials.model.item import Item, SiteFact, site_fact
from services.materials.model.ledger import Entered, Line, Posting
from services.materials.model.location import Kind, Location
from services.materials.model.lot import Lot
from services.materials.model.movement import MovementKind
from services.materials.model.reservation import Allocation, LotExpired, NotAllocated, NothingIssued, Reservation, State
from services.materials.rules import valuation

_HANDED_OUT = text("""
    select m.lot, sum(case when m.kind = 'ISSUE' then m.quantity else -m.quantity end) as quantity,
           coalesce(sum(case when m.kind = 'ISSUE' then e.second_quantity else -e.second_quantity end), 0) as second
    from movement m join movement_entry e on e.movement = m.name and e.side = 2
    where m.source = :source and m.kind in ('ISSUE', 'RETURN_TO_STOCK')
    group by m.lot having sum(case when m.kind = 'ISSUE' then m.quantity else -m.quantity end) > 0
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
        asked = await _asked(unit, row, request)
        amount = asked.quantity
        if row.state not in (State.ALLOCATED, State.SHORT):
            row.move(State.ISSUED)
        taken = _allocation(row, request, amount)
        await _refuse_expired(unit, taken, await site_fact(unit, site))
        target = await locations.virtual(unit, site, Kind.CONSUMED)
        line = Line(
            item=row.item, lot=taken.lot, quantity=amount, allocated=amount, unit_code=row.unit_code,
            from_location=taken.location, to_location=target.name, to_virtual=True, second_quantity=asked.second,
            second_unit_code=asked.second_unit_code, entered=asked.entered,
        )  # fmt: skip
        posting = Posting.new(unit, site, MovementKind.ISSUE, line, source=row.name, correlation=row.correlation)
        await stock.move(
            unit, site, [posting], lambda: unit.emit(row.issue(taken, posting), correlation=row.correlation)
        )
        return row

    async def return_issue(self, request: Any, unit: Unit) -> Any:
        row = await stock.take_up(unit, Reservation, request.name)
        site = row.site or ""
        asked = await _asked(unit, row, request)
        amount = asked.quantity
        place = await unit.find(Location, request.location, lock=False)
        if place is None or place.site != site or place.virtual:
            raise FieldInvalid(field="location", rule="must be a place of the site", value=request.location)
        place.usable()
        lot = await _issued_lot(unit, row, request.lot, asked)
        source = await locations.virtual(unit, site, Kind.CONSUMED)
        currency = (await site_fact(unit, site)).currency_code
        line = Line(
            item=row.item, lot=lot, quantity=amount, unit_code=row.unit_code, from_location=source.name,
            to_location=place.name, from_virtual=True, cost=row.worth(amount, valuation.places(currency)),
            second_quantity=asked.second, second_unit_code=asked.second_unit_code, entered=asked.entered,
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


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request says is handed out or brought back, in the base unit and as stated."""

    quantity: Decimal
    entered: Entered
    second: Decimal | None
    second_unit_code: str


async def _asked(unit: Unit, row: Reservation, request: Any) -> _Asked:
    item = await unit.find(Item, row.item, lock=False)
    if item is None:
        raise FieldInvalid(field="name", rule=f"claims {row.item}, which is not known", value=row.name)
    amount, entered = item.stated(request.quantity, "quantity")
    if amount <= 0:
        raise FieldInvalid(field="quantity.value", rule="must be more than 0", value=request.quantity.value)
    return _Asked(amount, entered, *second_quantity.stated(item, request, amount))


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


async def _issued_lot(unit: Unit, row: Reservation, wanted: str, asked: _Asked) -> str:
    """The lot that comes back: one that was handed out, and no more of it than that (MAT-48)."""
    rows = await unit.execute(_HANDED_OUT, {"source": row.name})
    found = {row.lot: row for row in rows}
    issued: dict[str, Decimal] = {lot: row.quantity for lot, row in found.items()}
    lot = wanted or (next(iter(issued)) if len(issued) == 1 else "")
    if not lot and len(issued) > 1:
        raise FieldInvalid(field="lot", rule=f"is required: {', '.join(sorted(issued))} were handed out")
    if asked.quantity > issued.get(lot, Decimal(0)):
        raise NothingIssued(
            reservation=row.name, issued=canonical(issued.get(lot, Decimal(0))), unit_code=row.unit_code,
            lot=lot or "any", asked=canonical(asked.quantity),
        )  # fmt: skip
    if asked.second is not None and asked.second > found[lot].second:
        raise NothingIssued(
            reservation=row.name, issued=canonical(found[lot].second), unit_code=asked.second_unit_code,
            lot=lot or "any", asked=canonical(asked.second),
        )  # fmt: skip
    return lot
