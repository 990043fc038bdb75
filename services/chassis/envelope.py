"""What travels beside an event: who told it, about which aggregate, in which chain, because of what."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


class Poison(Exception):
    """The event cannot be applied, however often it is tried."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What travels beside an event."""

    event_id: UUID
    type: str
    aggregate: str
    version: int
    site: str
    correlation: str
    causation: UUID | None
    actor: str
    time: datetime
    traceparent: str
    subject: str
    stream_seq: int
    headers: Mapping[str, str]

    @classmethod
    def of(cls, subject: str, stream_seq: int, headers: Mapping[str, str]) -> "Envelope":
        """Read an envelope from headers; Poison when something is missing or malformed."""
        try:
            causation = headers.get("plantops-causation", "")
            site = headers["plantops-site"]
            return cls(
                event_id=UUID(headers["ce-id"]),
                type=headers["ce-type"],
                aggregate=headers["plantops-aggregate"],
                version=int(headers["plantops-version"]),
                site="" if site == "_" else site,
                correlation=headers["plantops-correlation"],
                causation=UUID(causation) if causation else None,
                actor=headers["plantops-actor"],
                time=datetime.fromisoformat(headers["ce-time"]),
                traceparent=headers.get("traceparent", ""),
                subject=subject,
                stream_seq=stream_seq,
                headers=dict(headers),
            )
        except (KeyError, ValueError) as error:
            raise Poison(f"the envelope is incomplete: {error}") from None
