"""Events written with the state they tell of: outbox and journal rows in the unit's transaction (REL-1, REL-2).

Rows are inserted and never changed; only the relay publishes them.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.db import json_text

SHARED = "_"
"""Site token of what the whole enterprise shares."""

_TOKEN = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One event with the envelope it travels in."""

    event: Message
    event_id: UUID
    aggregate: str
    aggregate_version: int
    unordered: bool
    site: str
    correlation: str
    also: tuple[str, ...]
    actor: str
    causation: UUID | None
    occurred_at: datetime
    traceparent: str

    def in_chain(self, name: str) -> "OutboxRow":
        """The same event in another chain; the one it was in is kept beside it."""
        others = {*self.also, self.correlation} - {name}
        return replace(self, correlation=name, also=tuple(sorted(others)))

    def subject(self, service: str) -> str:
        """plantops.<service>.v1.<Event>.<site>.<last part of the correlation> (REL-24)."""
        kind = self.event.DESCRIPTOR.name
        chain = _TOKEN.sub("-", self.correlation.rsplit("/", 1)[-1]) or SHARED
        site = _TOKEN.sub("-", self.site) or SHARED
        return f"plantops.{service}.v1.{kind}.{site}.{chain}"

    def headers(self, service: str) -> dict[str, str]:
        """CloudEvents attributes, message id and envelope as headers."""
        return {
            "Nats-Msg-Id": str(self.event_id),
            "ce-id": str(self.event_id),
            "ce-time": self.occurred_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            **self._known_headers(service),
        }

    def opened_headers(self, service: str) -> str:
        """The headers as JSON that the database ends with the event's id and time: `..."Nats-Msg-Id":"`."""
        return json_text(self._known_headers(service))[:-1] + ',"Nats-Msg-Id":"'

    def _known_headers(self, service: str) -> dict[str, str]:
        found = {
            "ce-specversion": "1.0",
            "ce-type": self.event.DESCRIPTOR.full_name,
            "ce-source": f"/plantops/{service}",
            "ce-subject": self.aggregate,
            "plantops-aggregate": self.aggregate,
            "plantops-version": str(self.aggregate_version),
            "plantops-site": self.site or SHARED,
            "plantops-correlation": self.correlation,
            "plantops-actor": self.actor,
        }
        if self.causation is not None:
            found["plantops-causation"] = str(self.causation)
        if self.traceparent:
            found["traceparent"] = self.traceparent
        return found


_OUTBOX = text("""
    insert into outbox (event_id, aggregate_type, aggregate_id, aggregate_version, site, correlation, subject,
                        payload, headers, occurred_at)
    select event_id, type, aggregate, version, site, correlation, subject, payload, headers::jsonb, occurred_at
    from unnest(cast(:event_id as uuid[]), cast(:type as text[]), cast(:aggregate as text[]),
                cast(:version as bigint[]), cast(:site as text[]), cast(:correlation as text[]),
                cast(:subject as text[]), cast(:payload as bytea[]), cast(:headers as text[]),
                cast(:occurred_at as timestamptz[])) with ordinality
        as entry(event_id, type, aggregate, version, site, correlation, subject, payload, headers, occurred_at,
                 place)
    order by place
""")

_JOURNAL = text("""
    insert into journal (event_id, event_type, resource, version, actor, correlation, causation, occurred_at)
    select event_id, type, aggregate, version, actor, correlation, causation, occurred_at
    from unnest(cast(:event_id as uuid[]), cast(:type as text[]), cast(:aggregate as text[]),
                cast(:version as bigint[]), cast(:actor as text[]), cast(:correlation as text[]),
                cast(:causation as uuid[]), cast(:occurred_at as timestamptz[])) with ordinality
        as entry(event_id, type, aggregate, version, actor, correlation, causation, occurred_at, place)
    order by place
""")


async def write(session: AsyncSession, service: str, rows: list[OutboxRow]) -> None:
    """Write events in two statements: one row each to send, one row per chain they belong to."""
    if not rows:
        return
    await session.execute(
        _OUTBOX,
        {
            "event_id": [row.event_id for row in rows],
            "type": [row.event.DESCRIPTOR.name for row in rows],
            "aggregate": [row.aggregate for row in rows],
            "version": [row.aggregate_version for row in rows],
            "site": [row.site for row in rows],
            "correlation": [row.correlation for row in rows],
            "subject": [row.subject(service) for row in rows],
            "payload": [row.event.SerializeToString(deterministic=True) for row in rows],
            "headers": [json_text(row.headers(service)) for row in rows],
            "occurred_at": [row.occurred_at for row in rows],
        },
    )
    entries = [(row, chain) for row in rows for chain in (row.correlation, *row.also)]
    values: dict[str, list[Any]] = {
        "event_id": [row.event_id for row, _ in entries],
        "type": [row.event.DESCRIPTOR.name for row, _ in entries],
        "aggregate": [row.aggregate for row, _ in entries],
        "version": [row.aggregate_version for row, _ in entries],
        "actor": [row.actor for row, _ in entries],
        "correlation": [chain for _, chain in entries],
        "causation": [row.causation for row, _ in entries],
        "occurred_at": [row.occurred_at for row, _ in entries],
    }
    await session.execute(_JOURNAL, values)
