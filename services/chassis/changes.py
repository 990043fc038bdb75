"""A service's events in order, by calls instead of by the broker: from the outbox, with a token to go on (REL-91).

Like the relay, a stream reads windows below the horizon, under which every transaction has ended, so that no event
appears behind a token that was given out. A window ends before what would overtake an event of its own resource.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from plantops.type.v1.change_pb2 import Change
from sqlalchemy import text

from services.chassis import query
from services.chassis.access import EVERYWHERE
from services.chassis.faults import FieldInvalid, TooOld
from services.chassis.unit import Unit

MOST, USUAL = 50_000, 10_000
PAGE = 500
LONGEST_WAIT = 10.0
"""Seconds that a call may wait for a first event."""
LOOK_SECONDS = 0.25

_HORIZON = text("select pg_snapshot_xmin(pg_current_snapshot())::text as horizon, clock_timestamp() as at")
_OVERTAKES = text("""
    select min(o.xid)::text from outbox e
    join outbox o on o.aggregate_id = e.aggregate_id and o.pos > e.pos
      and o.xid >= cast(cast(:start as text) as xid8) and o.xid < cast(cast(:end as text) as xid8)
    where e.xid >= cast(cast(:end as text) as xid8)
""")
_WINDOW = text("""
    select o.pos, o.event_id, o.aggregate_type, o.aggregate_id, o.aggregate_version, o.site, o.correlation, o.payload,
           o.headers, o.occurred_at
    from outbox o
    where o.xid >= cast(cast(:start as text) as xid8) and o.xid < cast(cast(:end as text) as xid8) and o.pos > :pos
      and o.recorded_at >= :since
      and (cast(:sites as text[]) is null or o.site = '' or o.site = any(cast(:sites as text[])))
      and (cast(:types as text[]) is null or o.aggregate_type = any(cast(:types as text[])))
    order by o.pos limit :size
""")
_FIRST = text("""
    select min(o.pos + 0) from outbox o
    where o.xid >= cast(cast(:start as text) as xid8) and o.xid < cast(cast(:end as text) as xid8)
""")
_KEPT = text("""
    select min(cast(substring(pg_get_expr(c.relpartbound, c.oid) from $$FROM \\('([^']+)'\\)$$) as timestamptz))
    from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'outbox'::regclass
""")
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING = 2**62


class EventsTooOld(TooOld):
    """What was told behind the token is not kept any more: begin anew with what the service knows now."""

    reason = "TOO_OLD"
    text = "Events since {time} are not all kept any more; the oldest are of {limit}."


async def stream(unit: Unit, request: Any) -> AsyncIterator[Change]:
    """Changes behind the request's token that the caller may see, and a mark at the end."""
    wanted = _wanted(unit, request)
    bound = "\n".join([unit.caller.name, unit.context.action, request.parent, *sorted(request.event_types)])
    key = unit.context.page_token_key
    start, end, pos, seen, since = "0", "0", -1, _BEGIN.isoformat(), _since(request).isoformat()
    if request.resume_token:
        try:
            start, end, pos, seen, since = query.open_token(request.resume_token, bound, key, 5)
        except FieldInvalid:
            rule = "must come from a stream of the same caller with the same parent and event types"
            raise FieldInvalid(field="resume_token", rule=rule) from None
        kept = (await unit.execute(_KEPT)).scalar()
        if kept is None or datetime.fromisoformat(seen) < kept:
            raise EventsTooOld(time=seen, limit=kept.isoformat() if kept is not None else "nothing")
    left = min(request.event_count or USUAL, MOST)
    ends = time.monotonic() + min(request.wait_duration.seconds, LONGEST_WAIT)
    sent = 0

    def token() -> str:
        return query.seal_token([start, end, pos, seen, since], bound, key)

    while True:
        size = min(PAGE, left - sent)
        where = {"start": start, "end": end, "pos": pos, "since": datetime.fromisoformat(since)}
        rows = (await unit.execute(_WINDOW, {**wanted, **where, "size": size})).all() if size else []
        for row in rows:
            pos = row.pos
            sent += 1
            yield _change(row, token())
        if len(rows) == size:  # there may be more of this window
            if sent >= left:
                return
            continue
        start = end
        end, seen = await _window(unit, start)
        pos = await _before_first(unit, start, end)
        if end != start:
            continue
        if sent or time.monotonic() >= ends:
            yield Change(resume_token=token())
            return
        await unit.release()  # the connection serves others meanwhile
        await asyncio.sleep(LOOK_SECONDS)


async def _window(unit: Unit, start: str) -> tuple[str, str]:
    """The end of the window that begins there, and when it was looked for."""
    row = (await unit.execute(_HORIZON)).one()
    end = max(int(row.horizon), int(start))
    while end > int(start):
        found = (await unit.execute(_OVERTAKES, {"start": start, "end": str(end)})).scalar()
        if found is None:
            break
        end = int(found)
    return str(end), row.at.isoformat()


async def _before_first(unit: Unit, start: str, end: str) -> int:
    """The position behind which a window begins: found by transaction, as its pages go on by position."""
    if start in ("0", end):
        return -1
    found: int | None = (await unit.execute(_FIRST, {"start": start, "end": end})).scalar()
    return _NOTHING if found is None else found - 1


def _wanted(unit: Unit, request: Any) -> dict[str, Any]:
    site = request.parent.split("/")[1]
    sites = unit.caller.sites(unit.context.action) if site == EVERYWHERE else [site]
    return {"sites": None if sites is None else sorted(sites), "types": sorted(request.event_types) or None}


def _since(request: Any) -> datetime:
    found: datetime = request.start_time.ToDatetime(tzinfo=UTC) if request.HasField("start_time") else _BEGIN
    return found


def _change(row: Any, token: str) -> Change:
    change = Change(
        resume_token=token,
        event_id=str(row.event_id),
        event_type=row.aggregate_type,
        resource=row.aggregate_id,
        version=row.aggregate_version,
        site=f"sites/{row.site}" if row.site else "",
        correlation=row.correlation,
        causation=row.headers.get("plantops-causation", ""),
        actor=row.headers.get("plantops-actor", ""),
    )
    change.occur_time.FromDatetime(row.occurred_at)
    change.event.type_url = f"type.googleapis.com/{row.headers['ce-type']}"
    change.event.value = row.payload
    return change
