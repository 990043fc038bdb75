"""Named places where a test may kill, stop or delay this process, to prove that nothing is lost or doubled there.

`PLANTOPS_FAULT=point[@kind]:n:action`, several with commas: the n-th time that this process reaches the point
(while it does that kind of work: the name of the rpc or event, or `job`) it does the action, once.

    unit.before_commit:1:kill                          SIGKILL itself
    unit.after_commit@PostReceipt:1:stop               SIGSTOP itself
    relay.after_publish_before_store:3:delay=5         wait five seconds

Only the environment `test` accepts the key. Nothing is looked at while it is unset.
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import structlog

log = structlog.get_logger("fault_points")

POINTS = frozenset(
    {
        "unit.after_idempotency_insert", "unit.before_commit", "unit.after_commit", "relay.before_publish",
        "relay.after_publish_before_store", "relay.after_store", "inbox.after_insert", "inbox.after_commit_before_ack",
        "gateway.after_commit_before_reply",
    }
)  # fmt: skip

doing: ContextVar[Any] = ContextVar("doing", default=None)
"""What the current task works on: a unit's context."""


@dataclass(slots=True)
class Planned:
    """One fault to come: where, at which kind of work, after how many passes, what."""

    point: str
    kind: str
    left: int
    action: str
    seconds: float = 0.0


def parse(text: str) -> list[Planned]:
    """The faults of a setting; ValueError says what is wrong with it."""
    return [_one(part.strip()) for part in text.split(",") if part.strip()]


def _one(text: str) -> Planned:
    place, _, rest = text.partition(":")
    number, _, action = rest.partition(":")
    point, _, kind = place.partition("@")
    if point not in POINTS:
        raise ValueError(f"{point!r} is no fault point; known are {', '.join(sorted(POINTS))}")
    if not number.isascii() or not number.isdigit() or int(number) < 1:
        raise ValueError(f"{text!r}: expected point[@kind]:n:action with n from 1")
    name, _, given = action.partition("=")
    if name == "delay":
        try:
            return Planned(point, kind, int(number), name, float(given))
        except ValueError:
            raise ValueError(f"{text!r}: delay=<seconds>") from None
    if action not in {"kill", "stop"}:
        raise ValueError(f"{text!r}: the action is kill, stop or delay=<seconds>")
    return Planned(point, kind, int(number), action)


_armed: list[Planned] = []


def arm(faults: Sequence[Planned]) -> None:
    """Expect these faults in this process, and no others."""
    _armed[:] = faults


def planned(point: str) -> bool:
    """Whether something is to happen at a point."""
    return any(fault.point == point for fault in _armed)


async def reach(point: str, kind: str = "") -> None:
    """The process is at a named point; whatever is armed there and due happens now."""
    if _armed:
        await _fire(point, kind or _kind(doing.get()))


async def _fire(point: str, kind: str) -> None:
    for fault in list(_armed):
        if fault.point != point or (fault.kind and fault.kind != kind):
            continue
        fault.left -= 1
        if fault.left:
            continue
        _armed.remove(fault)
        log.warning("fault", point=point, kind=kind, action=fault.action)
        if fault.action == "delay":
            await asyncio.sleep(fault.seconds)
        else:
            os.kill(os.getpid(), signal.SIGKILL if fault.action == "kill" else signal.SIGSTOP)


def _kind(context: Any) -> str:
    if context is None:
        return ""
    if context.method is not None:
        return str(context.method.name)
    return str(context.event.type).rpartition(".")[2] if context.event is not None else "job"
