"""Serials that are handed out for a reservation, and those that come back (MAT-16, MAT-75, MAT-79)."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.materials.model import allocating
from services.materials.model.ledger import ONE
from services.materials.model.lot import Serial
from services.materials.model.movement import Balance, Status
from services.materials.model.reservation import Allocation, NotAllocated, Reservation, SerialNotIssued

_ISSUES = text("""
    select s.name, s.lot, s.left_by, m.source = :source and m.kind = 'ISSUE' as mine
    from serial s left join movement m on m.name = s.left_by
    where s.name = any(cast(:names as text[])) order by s.name
""")


async def allocations(unit: Unit, row: Reservation, request: Any, serials: Sequence[str]) -> list[Allocation]:
    """The allocations of scanned serials; a free one of the same place and lot takes the place of an allocated one."""
    await _swap(unit, row, serials)
    mine = {taken.serial: taken for taken in row.allocations}
    found = [mine[serial] for serial in serials if serial in mine]
    fitting = [taken for taken in found if request.location in ("", taken.location) and request.lot in ("", taken.lot)]
    if len(fitting) < len(serials):
        raise NotAllocated(
            reservation=row.name, allocated=canonical(ONE * len(fitting)), unit_code=row.unit_code,
            location=request.location or "any place", asked=canonical(ONE * len(serials)),
        )  # fmt: skip
    one_lot({taken.lot for taken in fitting})
    return fitting


def one_lot(lots: set[str]) -> None:
    """FieldInvalid for serials of several lots: each lot is a movement of its own."""
    if len(lots) > 1:
        raise FieldInvalid(field="serials", rule="must be of one lot", value=sorted(lots))


async def _swap(unit: Unit, row: Reservation, serials: Sequence[str]) -> None:
    """Exchange allocated serials that were not scanned for free ones that were."""
    mine = {taken.serial for taken in row.allocations}
    others = await unit.get_many(Serial, set(serials) - mine, lock=False)
    spare = [taken for taken in row.allocations if taken.serial not in serials]
    pairs: list[tuple[Allocation, Serial, Balance]] = []
    for serial in others.values():
        here = serial.here
        old = next((taken for taken in spare if here is not None and _replaces(here, taken, row)), None)
        if here is not None and old is not None:
            spare.remove(old)
            pairs.append((old, serial, here))
    taken = await allocating.take(unit, {here.name: ONE for _, _, here in pairs})
    done = [(old, serial, here) for old, serial, here in pairs if here.name in taken]
    await allocating.give(unit, {old.balance: ONE for old, _, _ in done})
    for old, serial, here in done:
        row.gave(old, ONE)
        row.took(here.name, here.location, here.lot, ONE, serial.name)
    if done:
        await unit.flush()


def _replaces(here: Balance, old: Allocation, row: Reservation) -> bool:
    loose = not (here.handling_unit or here.owner or here.project) and here.status is Status.UNRESTRICTED
    return loose and here.item == row.item and (here.location, here.lot) == (old.location, old.lot)


async def issues(unit: Unit, row: Reservation, serials: Sequence[str]) -> list[Any]:
    """By which issue each serial left, in the order of their names; SerialNotIssued for one that left otherwise."""
    if not serials:
        return []
    found = (await unit.execute(_ISSUES, {"names": list(serials), "source": row.name})).all()
    known = {issue.name for issue in found if issue.mine}
    for serial in serials:
        if serial not in known:
            raise SerialNotIssued(serial=serial, reservation=row.name)
    one_lot({issue.lot for issue in found})
    return list(found)
