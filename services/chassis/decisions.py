"""What becomes of a dead letter: looked at, applied as it is or corrected, or discarded (REL-44).

A replay runs the listener from the row: effect, state of the row and what waited behind it are one transaction, and
nothing is published again. Each decision is an audit record. Bodies of the rpcs that every service has.
"""

import json
from typing import Any
from uuid import UUID

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError
from plantops.type.v1.messaging_pb2 import DeadLetterContent, DeadLetterDecision
from sqlalchemy import text

from services.chassis import dead_letter
from services.chassis.dead_letter import Letter
from services.chassis.envelope import Envelope
from services.chassis.faults import FailedPrecondition, FieldInvalid, NotFound
from services.chassis.inbox import Inbox, OutOfTurn, transient
from services.chassis.operations import everywhere, letter_of
from services.chassis.resource import key_of
from services.chassis.unit import Unit

_ONE = text("""
    select d.consumer, d.event_id, d.headers ->> 'ce-type' as event_type, d.aggregate, d.version, d.class as kind,
           d.reason, d.attempts, d.parked_at, d.state, d.decided_by, d.decision_reason, d.decided_at,
           d.subject, d.headers, d.payload,
           (select count(*) from waiting_event w where w.consumer = d.consumer and w.aggregate = d.aggregate
               and d.aggregate <> '') as waiting
    from dead_letter d where d.consumer = :consumer and d.event_id = :event_id
""")


class DeadLetterNotFound(NotFound):
    """Nothing was put aside under that consumer and event."""

    text = "{consumer} has put aside no event {event_id}."


class DeadLetterDecided(FailedPrecondition):
    """Somebody has decided already."""

    text = "Event {event_id} of {consumer} is {state} already."


class NotApplicable(FailedPrecondition):
    """The event still cannot be applied; it stays put aside."""

    text = "The event still cannot be applied: {error}"


async def show(unit: Unit, request: Any) -> DeadLetterContent:
    """One dead letter with its event, in whatever state."""
    everywhere(unit)
    inbox = _inbox(unit, request.consumer)
    row = await _row(unit, request)
    found = DeadLetterContent(dead_letter=letter_of(row), subject=row.subject, payload=bytes(row.payload))
    found.headers.update({key: str(value) for key, value in row.headers.items()})
    kind = inbox.types.get(row.event_type or "")
    if kind is not None:
        message = message_factory.GetMessageClass(kind.descriptor)()
        try:
            message.ParseFromString(bytes(row.payload))
        except DecodeError:
            return found
        found.content_json = json.dumps(json_format.MessageToDict(message), indent=2, ensure_ascii=False)
    return found


async def replay(unit: Unit, request: Any) -> DeadLetterDecision:
    """Apply the event of a dead letter, corrected when the request says so, and what waits behind it."""
    everywhere(unit)
    inbox = _inbox(unit, request.consumer)
    letter = await _take(unit, request)
    envelope = letter.envelope
    if envelope is None:
        raise NotApplicable(error="the message does not say which event it is; it can only be discarded")
    payload = letter.payload
    if request.content_json:
        payload = _corrected(inbox.types[envelope.type].descriptor, request.content_json, envelope)
    try:
        async with unit.attempt():
            outcome, released = await inbox.again(unit, envelope, payload, past_gap=letter.kind == "gap")
    except OutOfTurn:
        raise
    except Exception as error:  # a refusal of the listener too: it is about the event, not about this request
        if transient(error):
            raise
        raise NotApplicable(error=f"{type(error).__name__}: {error}"[:500]) from error
    changed = {"content": request.content_json} if request.content_json else {}
    await _decide(unit, request, "REPLAYED", outcome, released, changed)
    return _decision(request, "REPLAYED", outcome, released)


async def discard(unit: Unit, request: Any) -> DeadLetterDecision:
    """Never apply the event of a dead letter; its version counts as passed."""
    everywhere(unit)
    inbox = _inbox(unit, request.consumer)
    letter = await _take(unit, request)
    released = 0
    if letter.envelope is not None:
        released = await inbox.skip(unit, letter.envelope, past_gap=letter.kind == "gap")
    await _decide(unit, request, "DISCARDED", "discarded", released, {})
    return _decision(request, "DISCARDED", "discarded", released)


async def _row(unit: Unit, request: Any) -> Any:
    key = {"consumer": request.consumer, "event_id": UUID(request.event_id)}
    row = (await unit.execute(_ONE, key)).first()
    if row is None:
        raise DeadLetterNotFound(consumer=request.consumer, event_id=request.event_id)
    return row


async def _take(unit: Unit, request: Any) -> Letter:
    letter = await dead_letter.take(unit.session, request.consumer, UUID(request.event_id))
    if letter is None:
        row = await _row(unit, request)
        raise DeadLetterDecided(event_id=request.event_id, consumer=request.consumer, state=row.state)
    return letter


async def _decide(unit: Unit, request: Any, state: str, outcome: str, released: int, changed: dict[str, str]) -> None:
    await dead_letter.decide(
        unit.session, request.consumer, UUID(request.event_id), state, unit.caller.name, request.reason
    )
    unit.audit(
        f"deadLetters/{request.consumer}/{request.event_id}",
        unit.context.action,
        {"state": "PARKED"},
        {"state": state, "outcome": outcome, "released": released, **changed},
    )


def _decision(request: Any, state: str, outcome: str, released: int) -> DeadLetterDecision:
    return DeadLetterDecision(
        consumer=request.consumer, event_id=request.event_id, state=state, outcome=outcome, released_count=released
    )


def _corrected(descriptor: Descriptor, content: str, envelope: Envelope) -> bytes:
    """The bytes of a corrected event; FieldInvalid unless it tells of the same resource and version."""
    message = message_factory.GetMessageClass(descriptor)()
    try:
        json_format.Parse(content, message)
    except json_format.ParseError as error:
        raise FieldInvalid(field="content_json", rule=f"must be a {descriptor.full_name}: {error}") from None
    key, unordered = key_of(descriptor)
    version = 0 if unordered else getattr(message, "version", 0)
    if (getattr(message, key), version) != (envelope.aggregate, envelope.version):
        rule = f"must tell of {envelope.aggregate}, version {envelope.version}, as the event that was put aside"
        raise FieldInvalid(field="content_json", rule=rule)
    return message.SerializeToString(deterministic=True)


def _inbox(unit: Unit, consumer: str) -> Inbox:
    consumers = unit.context.standing.consumers if unit.context.standing is not None else ()
    known = {item.inbox.consumer: item.inbox for item in consumers}
    if consumer not in known:
        rule = f"must be one of {', '.join(sorted(known))}"
        raise FieldInvalid(field="consumer", rule=rule, value=consumer)
    inbox: Inbox = known[consumer]
    return inbox
