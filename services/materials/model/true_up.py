"""Places below zero: more was used there than the book had, and a person has to find out why (MAT-55)."""

from collections.abc import Iterable

from sqlalchemy import text

from services.chassis.db import json_text
from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.materials.model import task as tasks
from services.materials.model.task import Kind

_BELOW = text("""
    select distinct on (n.balance) n.balance, n.movement, b.item, b.lot, b.location, b.on_hand, b.unit_code
    from negative_stock n join balance b on b.name = n.balance
    where n.site = :site and n.item = any(cast(:items as text[])) and n.end_time is null and b.on_hand < 0
      and not exists (select from negative_stock o where o.balance = n.balance and o.end_time is null and o.task <> '')
    order by n.balance, n.begin_time
""")
_ASKED = text("""
    update negative_stock n set task = x.task
    from jsonb_to_recordset(cast(:rows as jsonb)) x(balance text, movement text, task text)
    where n.balance = x.balance and n.movement = x.movement
""")


async def ask(unit: Unit, site: str, items: Iterable[str], correlation: str = "") -> None:
    """One task for each place of items that went below zero and has none; what heals the place completes it."""
    wanted = sorted(set(items))
    if not wanted:
        return
    await unit.flush()
    asked = []
    for row in await unit.execute(_BELOW, {"site": site, "items": wanted}):
        note = (
            f"{canonical(-row.on_hand)} {row.unit_code} more were used than were there: bring or count what is missing"
        )
        made = unit.add(
            tasks.new(
                unit, site, Kind.EXCEPTION_TASK, item=row.item, lot=row.lot, from_location=row.location,
                unit_code=row.unit_code, movement=row.movement, note=note, correlation=correlation,
            )
        )  # fmt: skip
        asked.append({"balance": row.balance, "movement": row.movement, "task": made.name})
    if asked:
        await unit.flush()
        await unit.execute(_ASKED, {"rows": json_text(asked)})
