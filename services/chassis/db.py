"""The service's database: one pool per process, JSON with exact decimals, sessions that expire nothing.

The connection limit is a part of the plant's sizing (OPS-22): pool_size connections and no overflow; a call
that finds none in time is refused as overload.
"""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm.exc import StaleDataError

from services.chassis.wire import canonical

POOL_TIMEOUT = 2.0
"""Seconds that a call waits for a connection before it is refused."""


CLASHES = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock timeout: the whole unit is tried again."""
LOST = ("08", "57P01", "57P02", "57P03")
"""The connection or server went away: tried again only where the idempotency row makes it safe (REL-52)."""


def dialect_url(url: str, driver: str = "asyncpg") -> str:
    """postgresql://... with the driver named for SQLAlchemy."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in {"postgresql", "postgres"}:
        raise ValueError("a database URL begins with postgresql://")
    return f"postgresql+{driver}://{rest}"


def json_value(value: Any) -> Any:
    """JSON form of what rows hold beside plain JSON: decimals as canonical text, instants in UTC."""
    if isinstance(value, Decimal):
        return canonical(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def json_text(value: Any) -> str:
    """Compact JSON text for JSONB columns."""
    return json.dumps(value, default=json_value, separators=(",", ":"), ensure_ascii=False)


def engine(url: str, *, pool_size: int, application: str) -> AsyncEngine:
    """Pool of connections to the service's database."""
    return create_async_engine(
        dialect_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT,
        pool_pre_ping=True,
        json_serializer=json_text,
        connect_args={"server_settings": {"application_name": application, "timezone": "UTC"}},
    )


def sessions(source: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Sessions for units of work."""
    return async_sessionmaker(source, expire_on_commit=False)


def sqlstate(error: BaseException) -> str:
    """SQLSTATE of a database error, "" if none; a stale version counts as a serialization failure."""
    if isinstance(error, StaleDataError):
        return "40001"
    origin = getattr(error, "orig", error)
    candidates = (origin, getattr(origin, "__cause__", None))
    for candidate in candidates:
        state = getattr(candidate, "sqlstate", None)
        if state:
            return str(state)
    lost = getattr(error, "connection_invalidated", False) or any(map(_broken, candidates))
    return "08006" if lost else ""


def _broken(error: object) -> bool:
    """Whether the driver lost its connection in mid-protocol; it says so by errors that carry no SQLSTATE."""
    if isinstance(error, asyncpg.InternalClientError):
        return True
    return isinstance(error, asyncpg.InterfaceError) and not isinstance(error, ValueError)


DRIVER_ERRORS = (DBAPIError, StaleDataError, asyncpg.InternalClientError)
"""What the database or its driver raises; `sqlstate` tells them apart."""
