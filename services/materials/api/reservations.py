"""Reservations: allocation, issue by scan, return, release."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from plantops.materials.v1 import reservations_pb2
from sqlalchemy import select, text

from services.chassis.faults import FieldInvalid
from services.chassis.query import among
from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.materials.api.reserving import available, reserve
from services.materials.model import (
    allocating,
    item_settings,
    picking,
    reservation,
    second_quantity,
    serial_issue,
    stock,
    substituting,
    swapping,
)
from services.materials.model import location as locations
from services.materials.model.item import Item, SiteFact, site_fact
from services.materials.model.ledger import ONE, Entered, Line, Posting, by_serial
from services.materials.model.location import Kind, Location
from services.materials.model.lot import Lot, named
from services.materials.model.movement import Balance, MovementKind
from services.materials.model.reservation import Allocation, LotExpired, NotAllocated, NothingIssued, Reservation, State
from services.materials.rules import valuation

ZERO = Decimal(0)

_HANDED_OUT = text("""
    select e.lot, sum(case when m.kind = 'ISSUE' then e.quantity else -e.quantity end) as quantity,
           coalesce(sum(case when m.kind = 'ISSUE' then e.second_quantity else -e.second_quantity end), 0) as second
    from movement m join movement_entry e on e.movement = m.name and e.side % 2 = 0
    where m.site = :site and m.source = :source and m.source <> '' and m.kind in ('ISSUE', 'RETURN_TO_STOCK')
    group by e.lot having sum(case when m.kind = 'ISSUE' then e.quantity else -e.quantity end) > 0
""")


class ReservationService:
    """Claims on stock that cannot over-allocate."""

    async def get_reservation(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Reservation, request.name)

    async def list_reservations(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Reservation, request)

    async def batch_reserve(self, request: Any, unit: Unit) -> Any:
        batch = await unit.batch(request.requests)
        await reserve(unit, request, batch.open)
        return batch.response(reservations_pb2.BatchReserveResponse)

    async def batch_get_availability(self, request: Any, unit: Unit) -> Any:
        return await available(unit, request)

    async def swap_allocation(self, request: Any, unit: Unit) -> Any:
        row, _ = await substituting.take_up(unit, request.name)
        if row.state not in reservation.OPEN:
            row.move(State.ALLOCATED)
        _, amount, _ = await _amount(unit, row, request)
        await swapping.swap(unit, row, amount, location=request.location, lot=request.lot)
        return row

    async def allocate_reservation(self, request: Any, unit: Unit) -> Any:
        row, alternates = await substituting.take_up(unit, request.name, anew=True)
        if row.state not in reservation.WAITING:
            row.move(State.ALLOCATED)
        soft = row.soft(unit.now)
        row.hard_time = row.expire_time = None
        await stock.serve(unit, row.site or "", {row.item})
        if (soft or alternates) and row.state in reservation.WAITING:
            await stock.claim(unit, row, alternates)
        return row

    async def issue_reservation(self, request: Any, unit: Unit) -> Any:
        row, _ = await substituting.take_up(unit, request.name)
        site = row.site or ""
        asked = await _asked(unit, row, request)
        amount, serials = asked.quantity, asked.serials
        if row.state not in (State.ALLOCATED, State.SHORT):
            row.move(State.ISSUED)
        extra = ZERO
        if serials:
            taken = [(found, ONE) for found in await serial_issue.allocations(unit, row, request, serials)]
        else:
            taken, extra = await _picked(unit, row, request, amount)
        await _refuse_expired(unit, taken[0][0].lot, await site_fact(unit, site))
        target = await locations.virtual(unit, site, Kind.CONSUMED)
        units = await _units_of(unit, [found for found, _ in taken])
        lines = [
            Line(
                item=row.item, lot=found.lot, serial=found.serial, quantity=part + extra, allocated=part,
                unit_code=row.unit_code, from_location=found.location, to_location=target.name, to_virtual=True,
                second_quantity=asked.second, second_unit_code=asked.second_unit_code,
                entered=None if found.serial else asked.entered, from_handling_unit=units[found.balance],
            )
            for found, part in taken
        ]  # fmt: skip
        posting = Posting.new(unit, site, MovementKind.ISSUE, *lines, source=row.name, correlation=row.correlation)
        before = row.issued
        whose = await substituting.whose(unit, row)
        await stock.move(
            unit, site, [posting], lambda: unit.emit(
                whose.told(row.issue(taken, posting, extra), posting, before), correlation=row.correlation
            ),
        )  # fmt: skip
        await picking.follow(unit, site, [row.name], "it was handed out")
        return row

    async def return_issue(self, request: Any, unit: Unit) -> Any:
        row, _ = await substituting.take_up(unit, request.name)
        site = row.site or ""
        asked = await _asked(unit, row, request)
        amount, serials = asked.quantity, asked.serials
        place = await unit.find(Location, request.location, lock=False)
        if place is None or place.site != site or place.virtual:
            raise FieldInvalid(field="location", rule="must be a place of the site", value=request.location)
        place.usable()
        issues = await serial_issue.issues(unit, row, serials)
        lot = await _issued_lot(unit, row, request.lot or (issues[0].lot if issues else ""), asked)
        source = await locations.virtual(unit, site, Kind.CONSUMED)
        digits = valuation.places((await site_fact(unit, site)).currency_code)
        line = Line(
            item=row.item, lot=lot, quantity=amount, unit_code=row.unit_code, from_location=source.name,
            to_location=place.name, from_virtual=True, cost=row.worth(amount, digits),
            second_quantity=asked.second, second_unit_code=asked.second_unit_code, entered=asked.entered,
        )  # fmt: skip
        lines = by_serial(line, serials, digits)
        for one, issue in zip(lines, issues, strict=False):
            one.returns = issue.left_by
        posting = Posting.new(
            unit, site, MovementKind.RETURN_TO_STOCK, *lines, source=row.name, correlation=row.correlation,
            reason_code=request.reason,
        )  # fmt: skip
        before = row.issued
        whose = await substituting.whose(unit, row)
        await stock.move(
            unit, site, [posting],
            lambda: unit.emit(whose.told(row.bring_back(posting), posting, before), correlation=row.correlation),
        )  # fmt: skip
        return row

    async def release_reservation(self, request: Any, unit: Unit) -> Any:
        row, _ = await substituting.take_up(unit, request.name)
        if row.state not in reservation.OPEN:
            row.move(State.RELEASED)
        ended = [row, *await substituting.give_up(unit, [row])]
        await allocating.give_back(unit, row)
        if row.substitutes:
            await substituting.settle(unit, [row], final=True)
        else:
            unit.emit(row.release(request.reason, unit.caller.name), correlation=row.correlation)
        await picking.follow(unit, row.site or "", [each.name for each in ended], request.reason)
        await stock.serve(unit, row.site or "", {each.item for each in ended})
        return row


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request says is handed out or brought back, in the base unit and as stated."""

    quantity: Decimal
    entered: Entered
    serials: list[str]
    second: Decimal | None
    second_unit_code: str


async def _amount(unit: Unit, row: Reservation, request: Any) -> tuple[Item, Decimal, Entered]:
    item = await unit.find(Item, row.item, lock=False)
    if item is None:
        raise FieldInvalid(field="name", rule=f"claims {row.item}, which is not known", value=row.name)
    amount, entered = item.stated(request.quantity, "quantity")
    if amount <= 0:
        raise FieldInvalid(field="quantity.value", rule="must be more than 0", value=request.quantity.value)
    return item, amount, entered


async def _asked(unit: Unit, row: Reservation, request: Any) -> _Asked:
    item, amount, entered = await _amount(unit, row, request)
    serials = named(item, request.serials, amount, "serials")
    return _Asked(amount, entered, serials, *second_quantity.stated(item, request, amount))


async def _picked(
    unit: Unit, row: Reservation, request: Any, amount: Decimal
) -> tuple[list[tuple[Allocation, Decimal]], Decimal]:
    """The allocation that a scan means, of the place and lot given, else the first; and what goes beyond it (MAT-79).

    Other stock than allocated is exchanged for it where that may be (MAT-75). Beyond all that is allocated only so much
    is handed out as the item's settings at the site allow.
    """
    found = _fitting(row, request, amount)
    held = found.quantity if found is not None else ZERO
    if found is None or held < amount:
        elsewhere = row.allocated - sum((taken.quantity for taken in _all_fitting(row, request)), ZERO)
        swapped = min(amount - held, elsewhere) if request.location or request.lot else ZERO
        extra = amount - held - swapped
        if extra > 0 and extra > await _tolerance(unit, row):
            raise _not_allocated(row, request, held, amount)
        if swapped > 0:
            try:
                await swapping.swap(unit, row, swapped, location=request.location, lot=request.lot)
            except swapping.SwapNotAllowed:
                raise _not_allocated(row, request, held, amount) from None
            found = _fitting(row, request, amount - extra)
        if found is None or found.quantity < amount - extra:
            raise _not_allocated(row, request, held, amount)
    return [(found, min(found.quantity, amount))], max(amount - found.quantity, ZERO)


def _all_fitting(row: Reservation, request: Any) -> list[Allocation]:
    return [
        taken
        for taken in row.allocations
        if request.location in ("", taken.location) and request.lot in ("", taken.lot)
    ]


def _fitting(row: Reservation, request: Any, amount: Decimal) -> Allocation | None:
    """The first allocation that does, else the largest."""
    fitting = _all_fitting(row, request)
    enough = next((taken for taken in fitting if taken.quantity >= amount), None)
    return enough or max(fitting, key=lambda taken: taken.quantity, default=None)


async def _tolerance(unit: Unit, row: Reservation) -> Decimal:
    """How much more may be handed out than was requested."""
    percent = await item_settings.over_issue_percent(unit, row.site or "", row.item)
    return (row.requested - row.over_issued) * percent / 100 - row.over_issued


def _not_allocated(row: Reservation, request: Any, most: Decimal, amount: Decimal) -> NotAllocated:
    return NotAllocated(
        reservation=row.name, allocated=canonical(most), unit_code=row.unit_code,
        location=request.location or "any place", asked=canonical(amount),
    )  # fmt: skip


async def _units_of(unit: Unit, taken: Sequence[Allocation]) -> dict[str, str]:
    """Balance -> handling unit of what was allocated."""
    statement = select(Balance.name, Balance.handling_unit).where(  # type: ignore[call-overload]
        among(Balance.name, [found.balance for found in taken])
    )
    return {row.name: row.handling_unit for row in await unit.execute(statement)}


async def _refuse_expired(unit: Unit, name: str, fact: SiteFact) -> None:
    lot = await unit.find(Lot, name, lock=False) if name else None
    if lot is not None and lot.expire_date is not None and lot.expire_date < fact.day(unit.now):
        raise LotExpired(lot=lot.name, expire_date=lot.expire_date)


async def _issued_lot(unit: Unit, row: Reservation, wanted: str, asked: _Asked) -> str:
    """The lot that comes back: one that was handed out, and no more of it than that (MAT-48)."""
    rows = await unit.execute(_HANDED_OUT, {"source": row.name, "site": row.site})
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
