"""Events put aside with their reason; later events of the same aggregate wait behind them (REL-42 .. REL-44)."""

import hashlib
import json
import traceback
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.envelope import Envelope

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


async def parked(session: AsyncSession, consumer: str = "") -> list[dict[str, Any]]:
    """Open dead letters, oldest first."""
    rows = await session.execute(
        text("""
            select consumer, event_id, subject, aggregate, version, class, reason, attempts, parked_at
            from dead_letter where state = 'PARKED' and (:consumer = '' or consumer = :consumer)
            order by parked_at, event_id
        """),
        {"consumer": consumer},
    )
    return [dict(row._mapping) for row in rows]


async def take(session: AsyncSession, consumer: str, event_id: UUID) -> tuple[Envelope, bytes] | None:
    """Lock an open dead letter and give the event, so that it can be replayed or discarded."""
    row = (
        await session.execute(
            text("""
                select subject, stream_seq, headers, payload from dead_letter
                where consumer = :consumer and event_id = :event_id and state = 'PARKED' for update
            """),
            {"consumer": consumer, "event_id": event_id},
        )
    ).first()
    if row is None:
        return None
    return Envelope.of(row.subject, row.stream_seq, row.headers), bytes(row.payload)


async def decide(session: AsyncSession, consumer: str, event_id: UUID, state: str, by: str, reason: str) -> None:
    """Say what became of a dead letter: REPLAYED or DISCARDED, by whom and why."""
    await session.execute(
        text("""
            update dead_letter set state = :state, decided_by = :by, decision_reason = :reason
            where consumer = :consumer and event_id = :event_id
        """),
        {"state": state, "by": by, "reason": reason, "consumer": consumer, "event_id": event_id},
    )
