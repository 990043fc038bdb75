"""The service's database: one pool per process, JSON with exact decimals, sessions that expire nothing.

The connection limit is a part of the plant's sizing (OPS-22): pool_size connections and no overflow; a call
that finds none in time is refused as overload.
"""

import json
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection

from services.chassis import remedies
from services.chassis.metrics import Metrics
from services.chassis.wire import canonical

POOL_TIMEOUT = 2.0
"""Seconds that a call waits for a connection before it is refused."""
STATEMENTS = 400
"""Prepared statements that a connection keeps: more than units use day by day, or each is prepared again and again."""
_ARRAYS_OF = (
    "uuid", "int", "bigint", "smallint", "numeric", "bytea", "boolean", "timestamptz", "date", "varchar",
)  # fmt: skip

LOCKED = "55P03"
"""What was waited for stays locked."""
CLASHES = frozenset({"40001", "40P01", LOCKED})
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
    return _JSON.encode(value)


_JSON = json.JSONEncoder(default=json_value, separators=(",", ":"), ensure_ascii=False)


def engine(url: str, *, pool_size: int, application: str, metrics: Metrics | None = None) -> AsyncEngine:
    """Pool of connections to the service's database."""
    made = create_async_engine(
        dialect_url(url),
        poolclass=_timed(metrics) if metrics is not None else None,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT,
        pool_use_lifo=True,  # those with their statements prepared first
        hide_parameters=True,  # an error's text goes to the log
        json_serializer=json_text,
        connect_args={
            "server_settings": {"application_name": application, "timezone": "UTC"},
            "prepared_statement_cache_size": STATEMENTS,
        },
    )
    event.listen(made.sync_engine, "connect", _know_types)
    event.listen(made.sync_engine, "checkout", _ping)
    return made


def _know_types(connection: Any, record: object) -> None:
    """Ask for the types of arrays once, when nobody waits: the driver would ask for each in the midst of a unit."""
    wanted = ", ".join(f"${number}::{name}[]" for number, name in enumerate(_ARRAYS_OF, 1))
    connection.run_async(lambda driver: driver.prepare(f"select {wanted}"))


def _ping(connection: Any, record: object, proxy: object) -> None:
    """Whether the connection still stands, by one statement; the library's own ping takes a transaction for it."""
    try:
        connection.run_async(lambda driver: driver.execute("select"))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise InvalidatePoolError from error


def _timed(metrics: Metrics) -> type[AsyncAdaptedQueuePool]:
    """A pool that says how long a unit waited for its connection, opening and ping included (OPS-41)."""

    class Timed(AsyncAdaptedQueuePool):
        def connect(self) -> PoolProxiedConnection:
            began = time.perf_counter()
            try:
                return super().connect()
            finally:
                metrics.observe("plantops_db_pool_wait_seconds", time.perf_counter() - began)

    return Timed


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


DRIVER_ERRORS = (DBAPIError, StaleDataError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What the database or its driver raises; `sqlstate` tells them apart."""

_BY_STATE: Mapping[str, tuple[str, str]] = {
    "28P01": ("the database refuses the password", "correct it in database_url"),
    "28000": ("the database refuses the user", "correct it in database_url"),
    "3D000": ("the database does not exist", "create it, then run `plantops migrate {service}`"),
    "42501": ("the database refuses a right", "run `plantops migrate {service}`, which grants it"),
    "42P01": ("the database lacks a table", "run `plantops migrate {service}`"),
    "53100": ("the database's volume is full", "free or add space; nothing is lost and nothing else is to do"),
    "53300": ("the database has no connection left", "lower pool_size or the replicas, or raise max_connections"),
    "57P03": ("the database starts, stops or recovers", "wait; if it lasts, read the database's log"),
    "08": ("the connection to the database broke", "wait; if it lasts, look whether the database runs"),
    "57P": ("the database ended the connection", "wait; if it lasts, look whether the database runs"),
    "53": ("the database lacks a resource", "read the database's log"),
}
"""SQLSTATE, or its beginning -> what is wrong, and what to do."""


def what_is_wrong(error: BaseException, service: str, url: str) -> str:
    """Why the database cannot be used, and what to do."""
    if isinstance(error, PoolTimeout):
        return (
            f"database: all connections of the pool were in use for {POOL_TIMEOUT:g} s: "
            "look for slow statements, then raise pool_size"
        )
    state = sqlstate(error)
    for begin in (state, state[:3], state[:2]):
        if begin in _BY_STATE:
            wrong, remedy = _BY_STATE[begin]
            return f"database: {wrong} ({remedies.said(error)}): {remedy.format(service=service)}"
    if isinstance(error, OSError):  # a TimeoutError is one too
        place, cause = remedies.place_of(url), remedies.said(error)
        return f"database: nothing answers at {place} ({cause}): start the database, or correct database_url"
    return f"database: {type(error).__name__}: {remedies.said(error)}: read the process's and the database's log"
