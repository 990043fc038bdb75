"""`plantops reconcile`: outboxes against inboxes by event id; what is missing is told again, the rest listed (REL-89).

    told and not received        the owner tells it again; the inbox applies it once
    received and never told      the owner came back from a backup that is older: listed for a person
    applied beyond what is told  the owner's next events would be taken for old ones: rewound on request

Nothing is changed with `--dry-run`. The services are asked by their operations rpcs alone.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

from cli.check import request_of
from cli.home import SERVICES
from cli.session import Session
from services.chassis import bus

CHUNK = 1000
WAIT_SECONDS = 60.0
SHOWN = 20


@dataclass(slots=True)
class Pair:
    """What one service told and another received."""

    source: str
    service: str
    told: int = 0
    followed: int = 0
    missing: list[int] = field(default_factory=list)
    """Positions in the source's outbox."""
    unknown: list[str] = field(default_factory=list)
    """Event ids that the source's outbox does not hold."""
    ahead: list[Any] = field(default_factory=list)
    """Resources that were applied beyond what the source tells, with the version that it tells."""

    @property
    def clean(self) -> bool:
        return not (self.missing or self.unknown or self.ahead)


async def reconcile(
    session: Session, *, person: str, dry_run: bool = False, rewind: bool = False, reason: str = ""
) -> int:
    """Compare all services, mend what can be mended, print the rest; 0 when nothing is left."""
    pairs = await compare(session, person)
    for pair in pairs:
        _print(pair)
    if dry_run or all(pair.clean for pair in pairs):
        return _verdict(pairs)
    if rewind:
        for pair in pairs:
            await _rewind(session, person, pair, reason)
    asked = [await _tell_again(session, person, pair, reason) for pair in pairs if pair.missing]
    if asked or rewind:
        pairs = await _settled(session, person)
        print("after the repair:")
        for pair in pairs:
            _print(pair)
    return _verdict(pairs)


async def compare(session: Session, person: str) -> list[Pair]:
    """Every service against every other one whose events it receives."""
    found: list[Pair] = []
    for source in SERVICES:
        told = [row async for row in session.pages(person, request_of(source, "List{}ToldEvents", page_size=500))]
        known = {row.event_id for row in told}
        for service in SERVICES:
            if source in bus.received().get(service, {}):
                pair = Pair(source, service, told=len(told))
                await _missing(session, person, pair, told)
                await _unknown(session, person, pair, known)
                await _ahead(session, person, pair)
                found.append(pair)
    return found


async def _missing(session: Session, person: str, pair: Pair, told: Sequence[Any]) -> None:
    positions = {row.event_id: row.position for row in told}
    for begin in range(0, len(told), CHUNK):
        question: Any = request_of(pair.service, "Check{}Inbox", source=pair.source)
        for row in told[begin : begin + CHUNK]:
            question.events.add(event_id=row.event_id, event_type=row.event_type)
        answer = await session.call(person, question)
        pair.followed += answer.followed_count
        pair.missing += [positions[event_id] for event_id in answer.missing_event_ids]


async def _unknown(session: Session, person: str, pair: Pair, known: set[str]) -> None:
    request = request_of(pair.service, "List{}ReceivedEvents", source=pair.source, page_size=500)
    candidates = [row.event_id async for row in session.pages(person, request) if row.event_id not in known]
    if candidates:  # told between the two questions, or never
        again = request_of(pair.source, "List{}ToldEvents", page_size=500)
        known = {row.event_id async for row in session.pages(person, again)}
    pair.unknown = [event_id for event_id in candidates if event_id not in known]


async def _ahead(session: Session, person: str, pair: Pair) -> None:
    request = request_of(pair.service, "List{}AppliedVersions", source=pair.source, page_size=500)
    applied = [row async for row in session.pages(person, request)]
    for begin in range(0, len(applied), CHUNK):
        question = request_of(pair.source, "Check{}ToldVersions", versions=applied[begin : begin + CHUNK])
        pair.ahead += (await session.call(person, question)).behind_versions


async def _tell_again(session: Session, person: str, pair: Pair, reason: str) -> Message:
    why = reason or f"{pair.service} lacks {len(pair.missing)} events"
    request = request_of(pair.source, "Replay{}Events", positions=pair.missing[:10_000], reason=why)
    replay = await session.call(person, request)
    print(f"{pair.source} tells {replay.position_count} events again (replay {replay.number})")
    answer: Message = replay
    return answer


async def _rewind(session: Session, person: str, pair: Pair, reason: str) -> None:
    for begin in range(0, len(pair.ahead), CHUNK):
        versions = pair.ahead[begin : begin + CHUNK]
        request = request_of(pair.service, "Rewind{}Inbox", source=pair.source, versions=versions, reason=reason)
        count = (await session.call(person, request)).rewound_count
        print(f"{pair.service}: the next events of {count} resources of {pair.source} are expected anew")


async def _settled(session: Session, person: str) -> list[Pair]:
    """Compare again until nothing is missing or the wait is over."""
    until = time.monotonic() + WAIT_SECONDS
    while True:
        pairs = await compare(session, person)
        if not any(pair.missing for pair in pairs) or time.monotonic() > until:
            return pairs
        await asyncio.sleep(0.5)


def _print(pair: Pair) -> None:
    counts = f"{pair.told} events told, {pair.followed} followed, {len(pair.missing)} missing"
    print(f"{pair.source} -> {pair.service}: {counts}")
    for event_id in pair.unknown[:SHOWN]:
        print(f"  received and never told: {event_id}")
    if len(pair.unknown) > SHOWN:
        print(f"  … and {len(pair.unknown) - SHOWN} more")
    for row in pair.ahead[:SHOWN]:
        print(f"  applied beyond what is told: {row.resource}, told up to version {row.version}")
    if len(pair.ahead) > SHOWN:
        print(f"  … and {len(pair.ahead) - SHOWN} more")


def _verdict(pairs: Sequence[Pair]) -> int:
    missing = sum(len(pair.missing) for pair in pairs)
    unknown = sum(len(pair.unknown) for pair in pairs)
    ahead = sum(len(pair.ahead) for pair in pairs)
    if not (missing or unknown or ahead):
        print("difference 0")
        return 0
    print(f"difference: {missing} missing, {unknown} received and never told, {ahead} resources applied beyond")
    if ahead:
        print("  `plantops reconcile --rewind --reason ...` lets the next events of these resources count again")
    return 1
