"""What reconciliation asks and changes: events told again, events and versions received, versions rewound (REL-89).

After one database was restored to an earlier instant than the others, its inbox lacks events, which their owners
tell again; what others know of its own lost events is listed; and its next events would be taken for old ones until
the others expect them from the restored versions on. Bodies of the rpcs that every service has.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from plantops.type.v1.messaging_pb2 import ReceivedEvent, Replay, ResourceVersion
from sqlalchemy import text

from services.chassis import bus, query, replay
from services.chassis.faults import FieldInvalid
from services.chassis.operations import bound_to, everywhere, sources_of
from services.chassis.replay import Wanted
from services.chassis.unit import Unit

_REPLAYS = text("""
    select number, since, until, event_types, coalesce(cardinality(positions), 0) as positions, aggregate,
           requested_by, reason, requested_at, published, finished_at
    from replay_request where number < :before order by number desc limit :size
""")
_RECEIVED = text("""
    select event_id, received_at from inbox
    where consumer = :consumer and event_id > :after and received_at >= :start
    order by event_id limit :size
""")
_APPLIED = text("""
    select aggregate, version from applied
    where consumer = :consumer and aggregate > :after and version > 0 order by aggregate limit :size
""")
_BEHIND = text("""
    with told as (
        select given.aggregate, given.version as known,
               (select o.aggregate_version from outbox o where o.aggregate_id = given.aggregate
                order by o.pos desc limit 1) as version
        from unnest(cast(:aggregates as text[]), cast(:versions as bigint[])) as given(aggregate, version))
    select aggregate, coalesce(version, 0) as version
    from told
    where version < known
       or (version is null and not exists (select 1 from journal j where j.resource = told.aggregate))
    order by aggregate
""")
_REWIND = text("""
    with rewound as (
        update applied a set version = given.version
        from unnest(cast(:aggregates as text[]), cast(:versions as bigint[])) as given(aggregate, version)
        where a.consumer = :consumer and a.aggregate = given.aggregate and a.version > given.version
        returning a.aggregate)
    select aggregate from rewound order by aggregate
""")
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST = 2**63 - 1


async def replay_events(unit: Unit, request: Any) -> Replay:
    """Ask the relay to tell events again; what it does stands in List…Replays."""
    everywhere(unit)
    timed = request.HasField("start_time")
    if timed == bool(request.positions):
        raise FieldInvalid(field="start_time", rule="give a start_time or positions, not both and not neither")
    if request.HasField("end_time") and not timed:
        raise FieldInvalid(field="end_time", rule="belongs to a start_time")
    since = request.start_time.ToDatetime(tzinfo=UTC) if timed else None
    until = request.end_time.ToDatetime(tzinfo=UTC) if request.HasField("end_time") else None
    if since is not None and until is not None and until <= since:
        raise FieldInvalid(field="end_time", rule="must be after start_time")
    wanted = Wanted(
        since=since,
        until=(until or unit.now) if timed else None,
        event_types=list(request.event_types) or None,
        positions=sorted(set(request.positions)) or None,
    )
    number = await replay.ask(unit, wanted, by=unit.caller.name, reason=request.reason)
    row = (await unit.execute(_REPLAYS, {"before": number + 1, "size": 1})).one()
    unit.audit(
        f"replays/{number}",
        unit.context.action,
        None,
        {"since": str(row.since or ""), "until": str(row.until or ""), "events": row.positions},
    )
    return _replay(row)


async def replays(unit: Unit, request: Any, response: Any) -> Message:
    """A page of the requests to tell events again, the newest first."""
    everywhere(unit)
    size = query.page_size(request)
    bound, before = bound_to(unit), LARGEST
    if request.page_token:
        (before,) = query.open_token(request.page_token, bound, unit.context.page_token_key, 1)
    rows = (await unit.execute(_REPLAYS, {"before": before, "size": size + 1})).all()
    response.replays.extend(_replay(row) for row in rows[:size])
    if len(rows) > size:
        response.next_page_token = query.seal_token([rows[size - 1].number], bound, unit.context.page_token_key)
    message: Message = response
    return message


async def received_events(unit: Unit, request: Any, response: Any) -> Message:
    """A page of the ids in the inbox of a source."""
    everywhere(unit)
    consumer = _consumer(unit, request.source)
    size = query.page_size(request)
    start = request.start_time.ToDatetime(tzinfo=UTC) if request.HasField("start_time") else _BEGIN
    bound, after = bound_to(unit, consumer, start.isoformat()), str(UUID(int=0))
    if request.page_token:
        (after,) = query.open_token(request.page_token, bound, unit.context.page_token_key, 1)
    values = {"consumer": consumer, "after": UUID(after), "start": start, "size": size + 1}
    rows = (await unit.execute(_RECEIVED, values)).all()
    for row in rows[:size]:
        event = ReceivedEvent(event_id=str(row.event_id))
        event.receive_time.FromDatetime(row.received_at)
        response.received_events.append(event)
    if len(rows) > size:
        place = [str(rows[size - 1].event_id)]
        response.next_page_token = query.seal_token(place, bound, unit.context.page_token_key)
    message: Message = response
    return message


async def applied_versions(unit: Unit, request: Any, response: Any) -> Message:
    """A page of the versions up to which a source's resources were applied."""
    everywhere(unit)
    consumer = _consumer(unit, request.source)
    size = query.page_size(request)
    bound, after = bound_to(unit, consumer), ""
    if request.page_token:
        (after,) = query.open_token(request.page_token, bound, unit.context.page_token_key, 1)
    rows = (await unit.execute(_APPLIED, {"consumer": consumer, "after": after, "size": size + 1})).all()
    response.applied_versions.extend(
        ResourceVersion(resource=row.aggregate, version=row.version) for row in rows[:size]
    )
    if len(rows) > size:
        response.next_page_token = query.seal_token([rows[size - 1].aggregate], bound, unit.context.page_token_key)
    message: Message = response
    return message


async def told_versions(unit: Unit, request: Any, response: Any) -> Message:
    """Which of the given versions are higher than what this service tells of the resource; 0 = it never told of it.

    What the outbox does not hold any more stands in the journal, so that an old resource is not taken for a lost one.
    """
    everywhere(unit)
    rows = await unit.execute(_BEHIND, _pairs(request))
    response.behind_versions.extend(ResourceVersion(resource=row.aggregate, version=row.version) for row in rows)
    message: Message = response
    return message


async def rewind(unit: Unit, request: Any, response: Any) -> Message:
    """Expect the next events of resources after the given versions; lowers, never raises."""
    everywhere(unit)
    consumer = _consumer(unit, request.source)
    rewound = (await unit.execute(_REWIND, {"consumer": consumer, **_pairs(request)})).scalars().all()
    response.rewound_count = len(rewound)
    unit.audit(f"inboxes/{consumer}", unit.context.action, None, {"rewound": list(rewound)})
    message: Message = response
    return message


def _pairs(request: Any) -> dict[str, list[Any]]:
    return {
        "aggregates": [given.resource for given in request.versions],
        "versions": [given.version for given in request.versions],
    }


def _consumer(unit: Unit, source: str) -> str:
    service = unit.context.service
    sources = sources_of(service)
    if source not in sources:
        rule = f"{service} receives events of {', '.join(sorted(sources))}"
        raise FieldInvalid(field="source", rule=rule, value=source)
    return bus.consumer_of(service, source)


def _replay(row: Any) -> Replay:
    found = Replay(
        number=row.number,
        event_types=row.event_types or (),
        position_count=row.positions,
        resource=row.aggregate or "",
        requester=row.requested_by,
        reason=row.reason,
        published_count=row.published,
    )
    found.request_time.FromDatetime(row.requested_at)
    for field, value in (("start_time", row.since), ("end_time", row.until), ("finish_time", row.finished_at)):
        if value is not None:
            getattr(found, field).FromDatetime(value)
    return found
