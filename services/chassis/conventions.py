"""Names and attributes of spans, in one place, since the conventions for them still change (OPS-42).

OpenTelemetry's semantic conventions of 2025 for HTTP, RPC, databases and messaging. Nothing about a person, no body and
no parameter of a statement: attributes are routes, rpcs, codes, streams, event types and SQL with placeholders.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

Attributes = Mapping[str, str | int]

LONGEST_STATEMENT = 2000
COMMIT: Attributes = {"db.system.name": "postgresql", "db.operation.name": "COMMIT"}
SERVER_FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""Canonical codes that are the server's fault and not the caller's (OPS-44)."""
_TARGET = re.compile(r"\b(?:from|into|update|join|table)\s+([a-z_][a-z0-9_.]*)", re.IGNORECASE)


def http_request(method: str) -> Attributes:
    """A request at the gateway, when it begins; its route is known later."""
    return {"http.request.method": method}


def http_answer(route: str, status: int) -> Attributes:
    """What is known at the end of a request."""
    return {"http.route": route, "http.response.status_code": status}


def rpc(service: str, method: str) -> Attributes:
    """A gRPC call, on either side."""
    return {"rpc.system.name": "grpc", "rpc.service": service, "rpc.method": method}


def rpc_answer(code: str) -> Attributes:
    """How a gRPC call ended."""
    return {"rpc.response.status_code": code}


@lru_cache(maxsize=4096)
def statement(text: str) -> tuple[str, Attributes]:
    """Name and attributes of a SQL statement, whose values are parameters."""
    plain = " ".join(text.split())
    operation = plain.partition(" ")[0].upper()
    target = _TARGET.search(plain)
    summary = f"{operation} {target[1]}" if target else operation
    return summary, {
        "db.system.name": "postgresql",
        "db.operation.name": operation,
        "db.query.summary": summary,
        "db.query.text": plain[:LONGEST_STATEMENT],
    }


def publishing(stream: str, count: int) -> Attributes:
    """Events sent to a stream, one or a batch."""
    return {
        "messaging.system": "nats",
        "messaging.destination.name": stream,
        "messaging.operation.type": "send",
        "messaging.operation.name": "publish",
        "messaging.batch.message_count": count,
    }


def processing(stream: str, consumer: str, event_id: str, event_type: str) -> Attributes:
    """An event applied by a consumer."""
    return {
        "messaging.system": "nats",
        "messaging.destination.name": stream,
        "messaging.consumer.group.name": consumer,
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.message.id": event_id,
        "plantops.event.type": event_type,
    }


def outcome(word: str) -> Attributes:
    """What became of an event: applied, known, stale, waiting, ignored, delayed or parked."""
    return {"plantops.event.outcome": word}
