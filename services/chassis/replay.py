"""Events that are told again: asked for by an administrator or for a gap, published by the relay (REL-14, REL-90).

A replay carries the event's own id, so that an inbox knows what it has applied, under a message id of its own, so
that the broker does not take it for what it already holds. The relay does one page between two rounds of its own,
remembers where it stands, and goes on there after a restart.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nats.aio.client import Client
from sqlalchemy import text

from services.chassis.publisher import Publisher
from services.chassis.unit import Unit

PAGE = 200
LOOKED_AT = 5_000
"""Rows of which those of some types are chosen at a time: an outbox holds years, and a statement has its time limit."""

_OPEN = """
    select number, since, until, event_types, positions, aggregate, from_version, to_version, position
    from replay_request where finished_at is null order by number limit 1
"""
_STANDS = """
    update replay_request
    set position = $2, published = published + $3, finished_at = case when $4 then now() end where number = $1
"""
_ASK = text("""
    insert into replay_request (since, until, event_types, positions, aggregate, from_version, to_version,
                                requested_by, reason)
    values (:since, :until, :event_types, :positions, :aggregate, :from_version, :to_version, :requested_by, :reason)
    returning number
""")
_ASKED = text("""
    select 1 from replay_request
    where finished_at is null and aggregate = :aggregate and from_version <= :from_version and to_version >= :to_version
""")
_OPEN_FOR = text("""
    select number from replay_request
    where finished_at is null and event_types = cast(:event_types as text[]) and since <= :since and until >= :until
    order by number limit 1
""")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be told again: a time, positions of the outbox, or versions of an aggregate; exactly one of them."""

    since: datetime | None = None
    until: datetime | None = None
    event_types: Sequence[str] | None = None
    positions: Sequence[int] | None = None
    aggregate: str | None = None
    from_version: int | None = None
    to_version: int | None = None


async def ask(unit: Unit, wanted: Wanted, *, by: str, reason: str) -> int:
    """Write a request for the relay; gives its number."""
    values = {
        "since": wanted.since,
        "until": wanted.until,
        "event_types": list(wanted.event_types) if wanted.event_types else None,
        "positions": list(wanted.positions) if wanted.positions is not None else None,
        "aggregate": wanted.aggregate,
        "from_version": wanted.from_version,
        "to_version": wanted.to_version,
        "requested_by": by,
        "reason": reason,
    }
    return int((await unit.execute(_ASK, values)).scalar_one())


async def asked(unit: Unit, aggregate: str, from_version: int, to_version: int) -> bool:
    """Whether these versions are on their way already."""
    key = {"aggregate": aggregate, "from_version": from_version, "to_version": to_version}
    return (await unit.execute(_ASKED, key)).first() is not None


async def open_for(unit: Unit, wanted: Wanted) -> int | None:
    """Number of the request by which events of these types and this time are on their way already."""
    values = {"event_types": list(wanted.event_types or ()), "since": wanted.since, "until": wanted.until}
    found: int | None = (await unit.execute(_OPEN_FOR, values)).scalar()
    return found


async def work(connection: Any, publisher: Publisher, nc: Client, stored: int) -> bool:
    """Publish the next page of the oldest request, below what the relay has published itself; whether it did."""
    request = await connection.fetchrow(_OPEN)
    if request is None:
        return False
    query, values, limit = _page(request)
    rows = await connection.fetch(query, request["position"], str(stored), PAGE, limit, *values)
    looked_at, last = rows[0]["looked_at"], rows[0]["last"]
    again = [_again(row, request["number"]) for row in rows if row["pos"] is not None]
    done = await publisher.publish(nc, again)
    acknowledged = 0
    for row in again:  # up to the first that was not acknowledged, so that none is skipped
        if row["pos"] not in done:
            break
        acknowledged += 1
    position = again[acknowledged - 1]["pos"] if acknowledged else request["position"]
    through = acknowledged == len(again) < PAGE
    if through and last is not None:
        position = last
    finished = through and looked_at < limit
    await connection.execute(_STANDS, request["number"], position, acknowledged, finished)
    return acknowledged > 0 or through


def _page(request: Mapping[str, Any]) -> tuple[str, list[Any], int]:
    """The statement for a request, its values, and how many rows it looks at.

    It has only the conditions of the request, so that each finds its index; types have none, so a part of the rows is
    looked at and those of the types are chosen. It gives at least one row, which says how far it has looked.
    """
    conditions, values, types = [], [], request["event_types"]
    for condition, value in (
        ("recorded_at >= {}", request["since"]),
        ("recorded_at < {}", request["until"]),
        ("pos = any({})", request["positions"]),
        ("aggregate_id = {}", request["aggregate"]),
        ("aggregate_version >= {}", request["from_version"]),
        ("aggregate_version <= {}", request["to_version"]),
    ):
        if value is not None:
            values.append(value)
            conditions.append(condition.format(f"${len(values) + 4}"))
    chosen = "true"
    if types is not None:
        values.append(types)
        chosen = f"aggregate_type = any(${len(values) + 4})"
    query = f"""
        with part as materialized (
            select pos, recorded_at, {chosen} as chosen from outbox
            where pos > $1 and xid < $2::text::xid8 and {" and ".join(conditions)} order by pos limit $4
        ), page as (select pos, recorded_at from part where chosen order by pos limit $3)
        select s.looked_at, s.last, o.pos, o.aggregate_id, o.subject, o.payload, o.headers
        from (select count(*) as looked_at, max(pos) as last from part) s
        left join (page p join outbox o on o.pos = p.pos and o.recorded_at = p.recorded_at) on true
        order by o.pos
    """  # noqa: S608
    return query, values, PAGE if types is None else LOOKED_AT


def _again(row: Mapping[str, Any], number: int) -> dict[str, Any]:
    headers = json.loads(row["headers"])
    headers["Nats-Msg-Id"] = f"{headers['Nats-Msg-Id']}/replay-{number}"
    return {**row, "headers": json.dumps(headers)}
