"""`plantops dead-letters` and `plantops outbox`: what was put aside, and what is told again (REL-44, REL-90)."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from cli.check import request_of
from cli.home import SERVICES
from cli.session import Session
from services.chassis import bus

STEP_SECONDS = 0.5


def service_of(consumer: str) -> str:
    """The service that a consumer belongs to."""
    return consumer.partition("-")[0]


async def listed(session: Session, *, person: str, service: str = "") -> int:
    """Print the open dead letters of one service or of all, oldest first."""
    count = 0
    for name in [service] if service else SERVICES:
        async for letter in session.pages(person, request_of(name, "List{}DeadLetters")):
            count += 1
            at = letter.park_time.ToDatetime().isoformat(sep=" ", timespec="seconds")
            print(f"{letter.consumer} {letter.event_id}  {letter.failure_class}  {at}Z")
            print(f"  {letter.event_type.rpartition('.')[2]} of {letter.resource}, version {letter.version}")
            print(f"  {letter.reason}")
            if letter.waiting_count:
                print(f"  {letter.waiting_count} later events wait behind it")
    print({0: "no dead letter", 1: "1 dead letter"}.get(count, f"{count} dead letters"))
    return 0


async def shown(session: Session, consumer: str, event_id: str, *, person: str) -> int:
    """Print one dead letter with its event."""
    found = await session.call(person, _request(consumer, "Get{}DeadLetter", event_id))
    letter = found.dead_letter
    print(
        f"{letter.event_type or 'a message without a type'} of {letter.resource or 'nothing'}, version {letter.version}"
    )
    print(f"  {letter.state}, {letter.failure_class}: {letter.reason}")
    if letter.decider:
        print(f"  decided by {letter.decider}: {letter.decision_reason}")
    print(f"  subject {found.subject}")
    for key, value in sorted(found.headers.items()):
        print(f"  {key}: {value}")
    print(found.content_json or f"  {len(found.payload)} bytes that are no such event: {found.payload[:64].hex(' ')}")
    return 0


async def decided(
    session: Session, verb: str, consumer: str, event_id: str, *, person: str, reason: str, content: str = ""
) -> int:
    """Replay or discard a dead letter and print what became of it."""
    given: dict[str, Any] = {"reason": reason, "content_json": content} if content else {"reason": reason}
    pattern = "Replay{}DeadLetter" if verb == "replay" else "Discard{}DeadLetter"
    answer = await session.call(person, _request(consumer, pattern, event_id, **given))
    print(f"{answer.state}: {answer.outcome}; {answer.released_count} events that waited behind it are applied")
    return 0


async def told_again(
    session: Session,
    service: str,
    *,
    person: str,
    since: datetime,
    until: datetime | None,
    consumer: str,
    reason: str,
) -> int:
    """Have a service tell its events of a time again, and wait until it did."""
    request: Any = request_of(service, "Replay{}Events", reason=reason)
    request.start_time.FromDatetime(since)
    if until is not None:
        request.end_time.FromDatetime(until)
    if consumer:
        request.event_types.extend(_types(service, consumer))
    replay = await session.call(person, request)
    print(f"{service}: replay {replay.number} asked for")
    while True:
        async for row in session.pages(person, request_of(service, "List{}Replays")):
            if row.number == replay.number:
                replay = row
                break
        if replay.HasField("finish_time"):
            print(f"{service}: {replay.published_count} events told again")
            return 0
        await asyncio.sleep(STEP_SECONDS)


def _types(service: str, consumer: str) -> Sequence[str]:
    return bus.received().get(service_of(consumer), {}).get(service, [])


def _request(consumer: str, pattern: str, event_id: str, **more: Any) -> Any:
    return request_of(service_of(consumer), pattern, consumer=consumer, event_id=event_id, **more)
