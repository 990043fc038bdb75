"""NATS: connecting, and the streams and consumers that are declared in services/streams.toml (REL-19 .. REL-29).

Services read the configuration of their own streams and consumers; only the admin command changes them.
"""

import asyncio
import json
import tomllib
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import nats
import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import SlowConsumerError

from services.chassis.remedies import Seldom, said

log = structlog.get_logger("bus")

DECLARED = Path(__file__).parents[1] / "streams.toml"
SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between what is wanted and what the server has."""

    kind: str
    name: str
    field: str
    have: object
    want: object

    def __str__(self) -> str:
        if self.want == "present":
            return f"{self.kind} {self.name} is missing"
        return f"{self.kind} {self.name}: {self.field} is {self.have!r}, wanted {self.want!r}"


def stream_of(service: str) -> str:
    """Name of a service's stream."""
    return service.upper()


def consumer_of(service: str, source: str) -> str:
    """Name under which a service counts what it has applied of another's events, and of its first durable consumer."""
    return f"{service}-{source}"


@cache
def declaration() -> dict[str, Any]:
    """The checked-in declaration: limits, streams and consumers with the events they receive."""
    return tomllib.loads(DECLARED.read_text())


def durables(service: str, source: str) -> dict[str, list[str]]:
    """Durable consumers with which a service reads another's stream -> the event types that each receives.

    There is one for each declared list: `materials-maintenance`, `materials-maintenance-2` and so on (REL-25).
    """
    lists = declaration()["consumers"].get(service, {}).get(source, [])
    name = consumer_of(service, source)
    return {f"{name}-{number}" if number > 1 else name: sorted(events) for number, events in enumerate(lists, 1)}


def received() -> dict[str, dict[str, list[str]]]:
    """Consuming service -> owner -> all event types that it receives, whichever consumer brings them."""
    return {
        service: {source: sorted(event for events in lists for event in events) for source, lists in sources.items()}
        for service, sources in declaration()["consumers"].items()
    }


def wanted_streams(replicas: int = 1) -> dict[str, dict[str, Any]]:
    """Stream name -> configuration in the server's own terms."""
    limits = declaration()["limits"]
    base = {
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "num_replicas": replicas,
        "max_age": limits["max_age_days"] * 86400 * SECOND,
        "max_bytes": limits["max_bytes"],
    }
    streams: dict[str, dict[str, Any]] = {}
    for service in declaration()["consumers"]:
        streams[stream_of(service)] = base | {
            "name": stream_of(service),
            "subjects": [f"plantops.{service}.v1.>"],
            "max_msg_size": limits["max_msg_size"],
            "duplicate_window": limits["duplicate_window_seconds"] * SECOND,
            "deny_delete": True,
            "deny_purge": True,
            "allow_direct": True,
            "allow_atomic": True,
        }
    streams["ADVISORIES"] = base | {
        "name": "ADVISORIES",
        "subjects": [
            "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
            "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>",
        ],
        "max_bytes": limits["advisory_bytes"],
    }
    return streams


def wanted_consumers() -> dict[tuple[str, str], dict[str, Any]]:
    """(stream, consumer) -> configuration in the server's own terms (REL-25)."""
    return {
        (stream_of(source), name): {
            "durable_name": name,
            "name": name,
            "ack_policy": "explicit",
            "deliver_policy": "all",
            "max_ack_pending": 256,
            "ack_wait": 30 * SECOND,
            "max_deliver": 50,
            "filter_subjects": [f"plantops.{source}.v1.{event}.>" for event in events],
        }
        for service, sources in received().items()
        for source in sources
        for name, events in durables(service, source).items()
    }


async def connect(
    url: str, name: str, *, wait: float = 0, report: Callable[[str, str], None] = lambda kind, said: None
) -> Client:
    """Connect for ever: reconnects without limit; `wait` bounds the first connection in seconds (0 = none).

    `report` hears of each trouble in one word, permission, slow_consumer, disconnected or other, and what was said
    (REL-29). An outage is a line in a while, not one for each attempt.
    """
    seldom = Seldom()

    async def on_error(error: Exception) -> None:
        if seldom.due(repr(error)):
            log.error("broker error", error=repr(error))
        report(_trouble(error), said(error))

    async def on_disconnect() -> None:
        log.warning("broker disconnected")
        report("disconnected", "")

    async def on_close() -> None:
        log.info("broker connection closed")

    connecting = nats.connect(
        url.split(","),
        name=name,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.5,  # type: ignore[arg-type]
        ping_interval=10,
        max_outstanding_pings=2,
        inbox_prefix=f"_INBOX_{name.split('@')[0]}",
        error_cb=on_error,
        disconnected_cb=on_disconnect,
        closed_cb=on_close,
    )
    return await (asyncio.wait_for(connecting, wait) if wait else connecting)


def _trouble(error: Exception) -> str:
    if "permissions violation" in str(error).lower():
        return "permission"
    return "slow_consumer" if isinstance(error, SlowConsumerError) else "other"


async def _ask(nc: Client, subject: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
    data = json.dumps(content).encode() if content is not None else b""
    answer = await nc.request(f"$JS.API.{subject}", data, timeout=5)
    found: dict[str, Any] = json.loads(answer.data)
    return found


async def _live(nc: Client, subject: str) -> dict[str, Any] | None:
    found = await _ask(nc, subject)
    if "error" in found:
        if found["error"].get("code") == 404:
            return None
        raise RuntimeError(f"{subject}: {found['error'].get('description')}")
    config: dict[str, Any] = found["config"]
    return config


def _differences(kind: str, name: str, have: dict[str, Any] | None, want: dict[str, Any]) -> list[Difference]:
    if have is None:
        return [Difference(kind, name, "it", "missing", "present")]
    have = dict(have)
    if "filter_subject" in have and "filter_subjects" not in have:
        have["filter_subjects"] = [have["filter_subject"]]
    return [
        Difference(kind, name, field, have.get(field), value)
        for field, value in want.items()
        if _plain(have.get(field)) != _plain(value)
    ]


def _plain(value: object) -> object:
    if isinstance(value, list):
        return sorted(map(str, value))
    return value or None


async def apply(nc: Client, *, replicas: int = 1) -> list[Difference]:
    """Make the server's streams and consumers what is declared; gives the differences that were there."""
    found: list[Difference] = []
    for name, want in wanted_streams(replicas).items():
        have = await _live(nc, f"STREAM.INFO.{name}")
        differences = _differences("stream", name, have, want)
        if differences:
            await _change(nc, f"STREAM.{'CREATE' if have is None else 'UPDATE'}.{name}", {**(have or {}), **want})
        found += differences
    for (stream, name), want in wanted_consumers().items():
        have = await _live(nc, f"CONSUMER.INFO.{stream}.{name}")
        differences = _differences("consumer", name, have, want)
        if differences:
            content = {
                "stream_name": stream,
                "config": want,
                "action": "create" if have is None else "update",
            }
            await _change(nc, f"CONSUMER.CREATE.{stream}.{name}", content)
        found += differences
    return found


async def _change(nc: Client, subject: str, content: dict[str, Any]) -> None:
    answer = await _ask(nc, subject, content)
    if "error" in answer:
        raise RuntimeError(f"{subject}: {answer['error'].get('description')}")


async def drift(nc: Client, service: str, *, replicas: int | None = None) -> list[Difference]:
    """Differences in the streams and consumers that a service uses (readiness, REL-19)."""
    found: list[Difference] = []
    streams = wanted_streams(replicas or 1)
    used = {stream_of(service)}
    for (stream, name), want in wanted_consumers().items():
        if name.startswith(f"{service}-"):
            used.add(stream)
            found += _differences("consumer", name, await _live(nc, f"CONSUMER.INFO.{stream}.{name}"), want)
    for name in sorted(used):
        want = {key: value for key, value in streams[name].items() if key != "num_replicas" or replicas}
        found += _differences("stream", name, await _live(nc, f"STREAM.INFO.{name}"), want)
    return found


@dataclass(frozen=True, slots=True)
class StreamStanding:
    """Which stream a name stands for at present, and how far it goes."""

    created: datetime
    last: int
    """Sequence of its last message, 0 before the first."""
    oldest: datetime | None
    """When its oldest message came; None while it holds none."""
    whole: bool
    """It holds every message that it was given."""


async def standing_of(nc: Client | None, stream: str) -> StreamStanding | None:
    """Identity and end of a stream; None when it is missing or the broker does not say."""
    found = await _info(nc, f"STREAM.INFO.{stream}")
    if found is None:
        return None
    state = found["state"]
    oldest = datetime.fromisoformat(state["first_ts"]) if state["messages"] else None
    whole = int(state["messages"]) == int(state["last_seq"])
    return StreamStanding(datetime.fromisoformat(found["created"]), int(state["last_seq"]), oldest, whole)


async def messages_in(nc: Client | None, stream: str) -> int | None:
    """Messages that a stream holds; None when the broker does not say."""
    found = await _info(nc, f"STREAM.INFO.{stream}")
    return None if found is None else int(found["state"]["messages"])


async def backlog_of(nc: Client | None, stream: str, consumer: str) -> tuple[int, int] | None:
    """(not delivered, not acknowledged) messages of a consumer; None when the broker does not say."""
    found = await _info(nc, f"CONSUMER.INFO.{stream}.{consumer}")
    return None if found is None else (int(found["num_pending"]), int(found["num_ack_pending"]))


async def _info(nc: Client | None, subject: str) -> dict[str, Any] | None:
    if nc is None or not nc.is_connected:
        return None
    try:
        found = await _ask(nc, subject)
    except (NatsError, TimeoutError, OSError):
        return None
    return None if "error" in found else found


def sync_always(monitor_url: str) -> bool:
    """Whether the broker writes each message through to disk (REL-20); blocking, run it in a thread."""
    with urllib.request.urlopen(f"{monitor_url.rstrip('/')}/varz", timeout=5) as answer:
        content = json.loads(answer.read())
    return content.get("jetstream", {}).get("config", {}).get("sync_always") is True


__all__ = [
    "Difference", "NatsError", "StreamStanding", "apply", "backlog_of", "connect", "consumer_of", "declaration",
    "drift", "durables", "messages_in", "received", "standing_of", "stream_of", "sync_always", "wanted_consumers",
    "wanted_streams",
]  # fmt: skip
