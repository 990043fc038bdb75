"""One audit record per changed object and command: who, what, before, after, why (SEC-47, SEC-51)."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.db import json_text

if TYPE_CHECKING:
    from services.chassis.resource import ResourceColumns
    from services.chassis.unit import Unit

_SILENT = frozenset({"version", "event_version", "create_time", "update_time", "name", "site"})

Values = dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Record:
    """One record; `before` and `after` hold the changed fields only."""

    actor: str
    device: str
    on_behalf_of: str
    roles: str
    action: str
    object: str
    version: int
    before: Values
    after: Values
    reason: str
    request_id: UUID | None
    correlation: str
    ip: str


def record(unit: "Unit", name: str, action: str, version: int, before: Values, after: Values) -> Record:
    """The record of a change that a unit makes."""
    caller = unit.caller
    on_behalf_of = caller.on_behalf_of
    if unit.event is not None and unit.event.actor != caller.name:
        on_behalf_of = unit.event.actor
    return Record(
        actor=caller.name,
        device=caller.device,
        on_behalf_of=on_behalf_of,
        roles=caller.role_names,
        action=action,
        object=name,
        version=version,
        before=before,
        after=after,
        reason=unit.reason,
        request_id=unit.request_id,
        correlation=unit.correlation,
        ip=unit.context.ip,
    )


def merge(known: Record | None, new: Record) -> Record:
    """Two changes of one object in one unit are one record: the first before, the last after and its version."""
    if known is None:
        return new
    version = max(known.version, new.version)
    if known.before is None and known.after is not None:
        return replace(new, version=version, before=None, after={**known.after, **(new.after or {})})
    return replace(
        new,
        version=version,
        before={**(new.before or {}), **(known.before or {})},
        after={**(known.after or {}), **(new.after or {})},
    )


def changes(row: "ResourceColumns") -> tuple[Values, Values]:
    """(before, after) of the changed columns; before is None for a new row."""
    state: Any = inspect(row)
    columns = [attribute.key for attribute in state.mapper.column_attrs]
    hidden = _SILENT | row.HIDDEN
    if not state.has_identity:
        filled = {key: getattr(row, key) for key in columns if key not in hidden}
        return None, {key: _plain(value) for key, value in filled.items() if value not in (None, "", [])}
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for key in columns:
        history = state.attrs[key].history
        if key in hidden or not history.has_changes():
            continue
        before[key] = _plain(history.deleted[0]) if history.deleted else None
        after[key] = _plain(getattr(row, key))
    return before, after


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal | date | datetime | UUID) or value is None:
        return value
    return value.value if hasattr(value, "value") else value


_WRITE = text("""
    insert into audit (actor, device, on_behalf_of, roles, action, object, version, before, after, reason,
                       request_id, correlation, ip)
    select actor, nullif(device, ''), nullif(on_behalf_of, ''), roles, action, object, version, before::jsonb,
           after::jsonb, nullif(reason, ''), request_id, nullif(correlation, ''), nullif(ip, '')
    from unnest(cast(:actor as text[]), cast(:device as text[]), cast(:on_behalf_of as text[]),
                cast(:roles as text[]), cast(:action as text[]), cast(:object as text[]),
                cast(:version as bigint[]), cast(:before as text[]), cast(:after as text[]),
                cast(:reason as text[]), cast(:request_id as uuid[]), cast(:correlation as text[]),
                cast(:ip as text[])) as entry(actor, device, on_behalf_of, roles, action, object, version,
                before, after, reason, request_id, correlation, ip)
""")


async def write(session: AsyncSession, rows: list[Record]) -> None:
    """Write records in one statement."""
    if not rows:
        return
    names = ("actor", "device", "on_behalf_of", "roles", "action", "object", "version", "reason")
    values: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in names}
    values |= {name: [getattr(row, name) for row in rows] for name in ("request_id", "correlation", "ip")}
    for name in ("before", "after"):
        found = [getattr(row, name) for row in rows]
        values[name] = [None if item is None else json_text(dict(sorted(item.items()))) for item in found]
    await session.execute(_WRITE, values)
