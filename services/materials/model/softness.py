"""Soft claims hold no stock: they become hard when their time comes, soft when it moves, and may expire (MAT-76)."""

from collections.abc import Sequence

from services.chassis.unit import Unit
from services.materials.model import allocating, claim_rows, stock, substituting
from services.materials.model.reservation import Reservation


async def harden(unit: Unit, site: str, item: str) -> None:
    """Soft claims of an item that are in their window take stock in the order of their claim; what is too old ends."""
    given = await substituting.hold(unit, site, [item], await substituting.wait_for_alternates(unit, site, item))
    rows = await allocating.waiting(unit, site, [item])
    old = [row for row in rows if row.expire_time is not None and row.expire_time <= unit.now and row.soft(unit.now)]
    for row in old:
        unit.emit(row.expire(unit.caller.name), correlation=row.correlation)
    due = [row for row in rows if row.hard_time is not None and row.hard_time <= unit.now]
    for row in due:
        row.hard_time = row.expire_time = None
    await claim_rows.write(unit, [*old, *due])
    if due:
        await stock.claim_all(unit, site, due, alternates=given)


async def move(unit: Unit, site: str, rows: Sequence[Reservation]) -> list[str]:
    """Reservations are needed at another time: what they hold is kept, given back or taken, and cover judged again.

    Gives those that gave something back. The caller set the time, scheduled them and holds the items.
    """
    soft = [row for row in rows if row.soft(unit.now)]
    gave = [row.name for row in soft if row.allocations]
    loose = {row.item for row in soft if row.allocations}
    await allocating.give_back(unit, *soft)
    await claim_rows.write(unit, soft)
    await stock.serve(unit, site, loose)
    await stock.claim_all(unit, site, [row for row in rows if row.missing > 0])
    return gave
