"""How a service stands with its events, for administrators and reconciliation (REL-45, REL-89).

What is told comes from the outbox, what was received from inbox, waiting events and dead letters, what should
be received from the declared streams. The caller needs the permission for the whole enterprise. The broker
is asked when the transaction has ended (REL-53).
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from plantops.type.v1.messaging_pb2 import DeadLetter, Messaging, ToldEvent
from sqlalchemy import text

from services.chassis import bus, query
from services.chassis.access import denied
from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit

_TOLD = text("""
    select count(o.pos) as told, count(o.pos) filter (where o.xid >= p.stored) as unpublished,
           now() - min(o.recorded_at) filter (where o.xid >= p.stored) as oldest
    from relay_position p left join outbox o on true where p.shard = 0
""")

_RECEIVED = text("""
    select c.consumer,
           (select coalesce(max(stream_seq), 0) from consumer_position where consumer = c.consumer) as applied,
           (select count(*) from waiting_event where consumer = c.consumer) as waiting,
           (select count(*) from dead_letter where consumer = c.consumer and state = 'PARKED') as parked
    from unnest(cast(:consumers as text[])) as c(consumer)
""")

_PAGE = text("""
    with s as materialized (select pg_snapshot_xmin(pg_current_snapshot()) as now_h),
         w as (select least(coalesce(cast(cast(:horizon as text) as xid8), now_h), now_h) as h from s)
    select w.h::text as horizon, o.pos, o.event_id, o.aggregate_type, o.aggregate_id, o.aggregate_version,
           o.recorded_at
    from w left join outbox o on o.xid < w.h and o.pos > :after and o.recorded_at >= :start
    order by o.pos limit :size
""")

_KNOWN = text("""
    select event_id from inbox where consumer = :consumer and event_id = any(cast(:ids as uuid[]))
    union select event_id from waiting_event where consumer = :consumer and event_id = any(cast(:ids as uuid[]))
    union select event_id from dead_letter where consumer = :consumer and event_id = any(cast(:ids as uuid[]))
""")

_PARKED = text("""
    select d.consumer, d.event_id, d.headers ->> 'ce-type' as event_type, d.aggregate, d.version, d.class as kind,
           d.reason, d.attempts, d.parked_at, d.state, d.decided_by, d.decision_reason, d.decided_at,
           (select count(*) from waiting_event w where w.consumer = d.consumer and w.aggregate = d.aggregate)
               as waiting
    from dead_letter d
    where d.state = 'PARKED'
      and (d.parked_at, d.consumer, d.event_id) > (cast(:at as timestamptz), :consumer, cast(:event_id as uuid))
    order by d.parked_at, d.consumer, d.event_id limit :size
""")

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


async def messaging(unit: Unit) -> Messaging:
    """Outbox, own stream, consumers and readiness of this service."""
    everywhere(unit)
    service = unit.context.service
    sources = sources_of(service)
    told = (await unit.execute(_TOLD)).one()
    names = {bus.consumer_of(service, source): source for source in sources}
    rows = (await unit.execute(_RECEIVED, {"consumers": list(names)})).all()
    await unit.release()
    found = Messaging(service=service, told_count=told.told, unpublished_count=told.unpublished)
    if told.oldest is not None:
        found.oldest_unpublished_duration.FromTimedelta(told.oldest)
    standing = unit.context.standing
    if standing is not None:
        found.ready = standing.ready
        found.reasons.extend(standing.why)
    nc = standing.nc if standing is not None else None
    kept = await bus.messages_in(nc, bus.stream_of(service))
    if kept is not None:
        found.stream_message_count = kept
    for row in rows:
        consumer = found.consumers.add(
            consumer=row.consumer,
            source=names[row.consumer],
            applied_sequence=row.applied,
            waiting_count=row.waiting,
            dead_letter_count=row.parked,
        )
        source = names[row.consumer]
        backlogs = [await bus.backlog_of(nc, bus.stream_of(source), one) for one in bus.durables(service, source)]
        if None not in backlogs:
            consumer.pending_count, consumer.unacknowledged_count = map(sum, zip(*backlogs, strict=True))
    return found


async def told_events(unit: Unit, request: Any, response: Any) -> Message:
    """A page of the outbox below the horizon of the first page, so that a whole walk misses nothing told before."""
    everywhere(unit)
    size = query.page_size(request)
    start = request.start_time.ToDatetime(tzinfo=UTC) if request.HasField("start_time") else _BEGIN
    bound = bound_to(unit, start.isoformat())
    horizon, after = None, 0
    if request.page_token:
        horizon, after = query.open_token(request.page_token, bound, unit.context.page_token_key, 2)
    rows = (await unit.execute(_PAGE, {"horizon": horizon, "after": after, "start": start, "size": size + 1})).all()
    told = [row for row in rows if row.pos is not None]
    for row in told[:size]:
        entry = ToldEvent(
            event_id=str(row.event_id),
            event_type=row.aggregate_type,
            resource=row.aggregate_id,
            version=row.aggregate_version,
            position=row.pos,
        )
        entry.record_time.FromDatetime(row.recorded_at)
        response.told_events.append(entry)
    if len(told) > size:
        place = [told[0].horizon, told[size - 1].pos]
        response.next_page_token = query.seal_token(place, bound, unit.context.page_token_key)
    message: Message = response
    return message


async def check_inbox(unit: Unit, request: Any, response: Any) -> Message:
    """Which of another service's events are followed here and neither applied, waiting nor put aside."""
    everywhere(unit)
    service = unit.context.service
    sources = sources_of(service)
    if request.source not in sources:
        known = ", ".join(sorted(sources))
        raise FieldInvalid(field="source", rule=f"{service} receives events of {known}", value=request.source)
    types = set(sources[request.source])
    wanted = {UUID(event.event_id): event.event_id for event in request.events if event.event_type in types}
    rows = await unit.execute(_KNOWN, {"consumer": bus.consumer_of(service, request.source), "ids": list(wanted)})
    known_ids = set(rows.scalars())
    response.followed_count = len(wanted)
    response.missing_event_ids.extend(text_id for key, text_id in wanted.items() if key not in known_ids)
    message: Message = response
    return message


async def dead_letters(unit: Unit, request: Any, response: Any) -> Message:
    """A page of the dead letters that nobody has decided yet."""
    everywhere(unit)
    size = query.page_size(request)
    bound = bound_to(unit)
    at, consumer, event_id = _BEGIN.isoformat(), "", str(UUID(int=0))
    if request.page_token:
        at, consumer, event_id = query.open_token(request.page_token, bound, unit.context.page_token_key, 3)
    rows = (
        await unit.execute(
            _PARKED,
            {"at": datetime.fromisoformat(at), "consumer": consumer, "event_id": UUID(event_id), "size": size + 1},
        )
    ).all()
    for row in rows[:size]:
        response.dead_letters.append(letter_of(row))
    if len(rows) > size:
        last = rows[size - 1]
        place = [last.parked_at, last.consumer, last.event_id]
        response.next_page_token = query.seal_token(place, bound, unit.context.page_token_key)
    message: Message = response
    return message


def letter_of(row: Any) -> DeadLetter:
    """A dead letter's message from its row."""
    letter = DeadLetter(
        consumer=row.consumer,
        event_id=str(row.event_id),
        event_type=row.event_type or "",
        resource=row.aggregate,
        version=row.version,
        failure_class=row.kind,
        reason=row.reason,
        attempt_count=row.attempts,
        waiting_count=row.waiting,
        state=row.state,
        decider=row.decided_by or "",
        decision_reason=row.decision_reason or "",
    )
    letter.park_time.FromDatetime(row.parked_at)
    if row.decided_at is not None:
        letter.decide_time.FromDatetime(row.decided_at)
    return letter


def everywhere(unit: Unit) -> None:
    """What all sites share is asked with the permission for all sites (SEC-23)."""
    if not unit.caller.may(unit.context.action):
        raise denied(unit.context.action)


def sources_of(service: str) -> dict[str, list[str]]:
    """Services whose events a service receives, with the types."""
    return bus.received().get(service, {})


def bound_to(unit: Unit, *more: str) -> str:
    """What a page token of this call belongs to."""
    return "\n".join([unit.caller.name, unit.context.action, *more])
