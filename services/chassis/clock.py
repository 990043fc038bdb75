"""Instants and time-ordered ids; what orders or expires uses the database's clock, not this one (REL-85)."""

import secrets
import time
from datetime import UTC, datetime
from itertools import product
from uuid import UUID

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: nothing that reads like something else
_THREES = ["".join(three) for three in product(_ALPHABET, repeat=3)]


def utc_now() -> datetime:
    """The present instant by this machine, aware, UTC; for logs and measurements only."""
    return datetime.now(UTC)


def uuid7(at: datetime | None = None) -> UUID:
    """A time-ordered UUID of version 7 (RFC 9562); the order is a hint only (REL-85).

    What is filed by the day of its id names an instant of the database's clock: this machine's may be wrong.
    """
    milliseconds = time.time_ns() // 1_000_000 if at is None else int(at.timestamp() * 1000)
    return UUID(int=(milliseconds << 80) | (7 << 76) | (secrets.randbits(12) << 64) | (2 << 62) | secrets.randbits(62))


def seconds_of(identifier: UUID) -> float:
    """When a UUID of version 7 was made, in seconds since 1970 by its maker's clock; for measurements only."""
    return (identifier.int >> 80) / 1000


def new_id() -> str:
    """A time-ordered id of 16 lower-case letters and digits: 45 bits of milliseconds, 30 of chance.

    The first character is a letter, so that the id is also a DNS label and a subject token.
    """
    number = ((time.time_ns() // 1_000_000) & ((1 << 45) - 1)) << 30 | secrets.randbits(30)
    return "r" + "".join([_THREES[number >> shift & 32767] for shift in (60, 45, 30, 15, 0)])
