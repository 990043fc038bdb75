"""Many reservations with their allocations are written by two statements, not by one for each (PERF-1)."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Text, bindparam, cast, column, func, inspect, literal_column, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.exc import StaleDataError

from services.chassis import audit
from services.chassis.db import json_text
from services.chassis.unit import Unit
from services.materials.model.reservation import Allocation, Reservation

_FIXED = frozenset({"name", "site", "create_time"})
_TABLE: Any = Reservation.metadata.tables["reservation"]
_NEW = func.jsonb_populate_recordset(
    literal_column("null::reservation"), cast(bindparam("rows", type_=Text), JSONB)
).table_valued(*(column(known.name, known.type) for known in _TABLE.columns), name="x")
_WRITE = (
    update(_TABLE)
    .where(_TABLE.c.name == _NEW.c.name, _TABLE.c.version == _NEW.c.version - 1)
    .values({known: _NEW.c[known.name] for known in _TABLE.columns if known.name not in _FIXED})
    .returning(_TABLE.c.name)
)
_ALLOCATIONS = text("""
    with wanted as (
      select x.* from jsonb_populate_recordset(null::allocation, cast(:rows as jsonb)) x
    ), gone as (
      delete from allocation a where a.reservation = any(cast(:reservations as text[]))
        and not exists (select from wanted w where w.reservation = a.reservation and w.balance = a.balance)
    )
    insert into allocation as a select * from wanted
    on conflict on constraint pk_allocation do update set quantity = excluded.quantity
    where a.quantity <> excluded.quantity
""")


async def write(unit: Unit, rows: Iterable[Reservation]) -> None:
    """Write known reservations that were changed, guarded by their versions; the session's rows stand as written."""
    changed = [row for row in rows if inspect(row).persistent and inspect(row).modified]  # type: ignore[attr-defined]
    if not changed:
        return
    session = unit.session.sync_session
    values, allocations = [], []
    for row in changed:
        row.update_time = unit.now
        before, after = audit.changes(row)
        unit.audit(row.name, "", before, after, row.version + 1)
        values.append(_values(row) | {"version": row.version + 1})
        allocations += [_values(taken) for taken in row.allocations]
    with session.no_autoflush:
        written = (await unit.execute(_WRITE, {"rows": json_text(values)})).all()
        if len(written) < len(changed):
            raise StaleDataError(f"{len(changed) - len(written)} of {len(changed)} reservations were changed meanwhile")
        names = [row.name for row in changed]
        await unit.execute(_ALLOCATIONS, {"reservations": names, "rows": json_text(allocations)})
        for row in changed:
            _settle(session, row)


def _values(row: Any) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in inspect(row).mapper.column_attrs}


def _settle(session: Any, row: Reservation) -> None:
    """What the session holds is what was written."""
    history = inspect(row).attrs.allocations.history  # type: ignore[attr-defined]
    taken: list[Allocation] = list(row.allocations)
    for gone in [*(history.deleted or ()), *(history.added or ())]:
        if gone in session:
            session.expunge(gone)
    for new in history.added or ():
        make_transient_to_detached(new)
        session.add(new)
    for kept in taken:
        set_committed_value(kept, "quantity", kept.quantity)
    for name, value in _values(row).items():
        set_committed_value(row, name, value)
    set_committed_value(row, "version", row.version + 1)
    set_committed_value(row, "allocations", taken)
