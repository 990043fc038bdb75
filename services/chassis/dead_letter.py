"""Events put aside with their reason; later events of the same aggregate wait behind them (REL-42 .. REL-44)."""

import contextlib
import hashlib
import json
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.envelope import Envelope, Poison

MAX_ATTEMPTS = 8
"""Deliveries after which an event is parked, checked before its listener runs (REL-41)."""

_PARK = text("""
    insert into dead_letter (consumer, event_id, subject, stream_seq, aggregate, version, class, reason,
                             stack_hash, headers, payload, attempts)
    values (:consumer, :event_id, :subject, :stream_seq, :aggregate, :version, :class, :reason, :stack_hash,
            cast(:headers as jsonb), :payload, :attempts)
    on conflict (consumer, event_id) do nothing
""")


async def park(
    session: AsyncSession,
    consumer: str,
    envelope: Envelope,
    payload: bytes,
    error: BaseException,
    *,
    attempts: int,
    kind: str = "poison",
) -> None:
    """Put an event aside, in the caller's transaction."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    await session.execute(
        _PARK,
        {
            "consumer": consumer,
            "event_id": envelope.event_id,
            "subject": envelope.subject,
            "stream_seq": envelope.stream_seq,
            "aggregate": envelope.aggregate,
            "version": envelope.version,
            "class": kind,
            "reason": f"{type(error).__name__}: {error}"[:2000],
            "stack_hash": hashlib.sha256(frames.encode()).hexdigest()[:16],
            "headers": json.dumps(dict(envelope.headers)),
            "payload": payload,
            "attempts": attempts,
        },
    )


async def park_bare(
    session: AsyncSession,
    consumer: str,
    stream: str,
    stream_seq: int,
    subject: str,
    headers: Mapping[str, str],
    payload: bytes,
    error: BaseException,
) -> None:
    """Put aside a message that does not say which event it is: it can be looked at and discarded, not replayed."""
    await session.execute(
        _PARK,
        {
            "consumer": consumer,
            "event_id": uuid5(NAMESPACE_URL, f"{stream}/{stream_seq}"),
            "subject": subject,
            "stream_seq": stream_seq,
            "aggregate": "",
            "version": 0,
            "class": "poison",
            "reason": f"{type(error).__name__}: {error}"[:2000],
            "stack_hash": "",
            "headers": json.dumps(dict(headers)),
            "payload": payload,
            "attempts": 1,
        },
    )


@dataclass(frozen=True, slots=True)
class Letter:
    """An open dead letter: the event that it holds, and the class of its failure."""

    envelope: Envelope | None
    """None when the message does not say which event it is."""
    payload: bytes
    kind: str


async def take(session: AsyncSession, consumer: str, event_id: UUID) -> Letter | None:
    """Lock an open dead letter, so that it can be replayed or discarded."""
    row = (
        await session.execute(
            text("""
                select subject, stream_seq, headers, payload, class as kind from dead_letter
                where consumer = :consumer and event_id = :event_id and state = 'PARKED' for update
            """),
            {"consumer": consumer, "event_id": event_id},
        )
    ).first()
    if row is None:
        return None
    envelope: Envelope | None = None
    with contextlib.suppress(Poison):
        envelope = Envelope.of(row.subject, row.stream_seq, row.headers)
    return Letter(envelope, bytes(row.payload), row.kind)


async def decide(session: AsyncSession, consumer: str, event_id: UUID, state: str, by: str, reason: str) -> None:
    """Say what became of a dead letter: REPLAYED or DISCARDED, by whom and why."""
    await session.execute(
        text("""
            update dead_letter set state = :state, decided_by = :by, decision_reason = :reason, decided_at = now()
            where consumer = :consumer and event_id = :event_id
        """),
        {"state": state, "by": by, "reason": reason, "consumer": consumer, "event_id": event_id},
    )
