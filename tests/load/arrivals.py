"""A load generator in a process of its own: plain HTTP/1.1 with finished bytes over kept connections.

Closed loop: so many callers, each asks again when it is answered. Open loop: requests arrive at random moments of a
given rate whatever the answers do, as from many people who know nothing of each other; each is timed from the
moment at which it was due, also when the generator was late or every connection was busy.

`python -m tests.load.arrivals` reads one order a line from standard input and answers each with one line, JSON both.
"""

import asyncio
import contextlib
import itertools
import json
import random
import resource
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.load.measure import percentile

TICK_SECONDS = 0.002
MOST_CONNECTIONS = 400
PATIENCE_SECONDS = 30.0
_BEGIN = datetime(2020, 1, 1, tzinfo=UTC)


def reading(number: int, meters: list[str], salt: str) -> tuple[str, str, str]:
    """A change: the next reading of one of many meters, under a key of its own."""
    meter, at = meters[number % len(meters)], number // len(meters)
    body = {"rawValue": {"value": str(at)}, "measureTime": (_BEGIN + timedelta(hours=at)).isoformat()}
    key = f"idempotency-key: {number:08x}-{salt}-4000-8000-000000000000\r\n"
    return f"POST /v1/{meter}/readings", key, json.dumps(body)


def requests(order: dict[str, Any]) -> Iterator[bytes]:
    """Finished requests without end: one address again and again, or readings."""
    common = f"host: gateway\r\nauthorization: Bearer {order['token']}\r\n"
    if path := order.get("path"):
        return itertools.repeat(f"GET {path} HTTP/1.1\r\n{common}\r\n".encode())
    salt = f"{random.randrange(16**4):04x}"

    def made() -> Iterator[bytes]:
        for number in itertools.count(order["first"]):
            line, key, body = reading(number, order["meters"], salt)
            head = f"{line} HTTP/1.1\r\n{common}{key}content-type: application/json\r\n"
            yield f"{head}content-length: {len(body)}\r\n\r\n{body}".encode()

    return made()


class Connection(asyncio.Protocol):
    """One kept connection with at most one request under way."""

    def __init__(self, load: "Load") -> None:
        self.load = load
        self.due: float | None = None
        self._transport: Any = None
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self, content: bytes, due: float) -> None:
        """Send a request; its answer is told to the load."""
        self.due = due
        self._transport.write(content)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        low = head.lower()
        at = low.find(b"content-length: ")
        if at >= 0 and len(rest) < int(low[at + 16 :].split(b"\r", 1)[0]):
            return
        status, self._buffer = int(head[9:12]), b""
        due, self.due = self.due, None
        assert due is not None
        if b"connection: close" in low:
            self._transport.close()
            self.load.answered(None, status, due)
        else:
            self.load.answered(self, status, due)

    def connection_lost(self, error: Exception | None) -> None:
        self.load.lost(self)

    def close(self) -> None:
        """End the connection."""
        self._transport.close()


@dataclass
class Load:
    """One order under way."""

    port: int
    source: Iterator[bytes]
    again: bool
    """Closed loop: who is answered asks again."""
    ends: float
    idle: deque[Connection] = field(default_factory=deque)
    waiting: deque[tuple[bytes, float]] = field(default_factory=deque)
    connections: set[Connection] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    opening: int = 0
    open: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    times: dict[bool, list[tuple[float, float]]] = field(default_factory=lambda: {True: [], False: []})
    """Accepted and refused: when it was answered, and how long it took."""
    done: asyncio.Event = field(default_factory=asyncio.Event)
    """Nothing is under way after the end."""
    in_time: int = 0
    """Good answers before the end."""

    def arrive(self, due: float) -> None:
        """A request is due: send it over an idle connection, a new one, or the next that is free."""
        self.open += 1
        content = next(self.source)
        if self.idle:
            self.idle.pop().ask(content, due)
            return
        self.waiting.append((content, due))
        if len(self.connections) + self.opening < MOST_CONNECTIONS:
            self.opening += 1
            task = asyncio.ensure_future(self._connect())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _connect(self) -> None:
        try:
            loop = asyncio.get_running_loop()
            _, made = await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.port)
            self.connections.add(made)
            self.free(made)
        except OSError:
            await asyncio.sleep(0.05)
            if self.waiting:
                self.answered(None, 0, self.waiting.popleft()[1])
        finally:
            self.opening -= 1

    def free(self, connection: Connection) -> None:
        """A connection can take the next request."""
        if self.waiting:
            connection.ask(*self.waiting.popleft())
        else:
            self.idle.append(connection)

    def answered(self, connection: Connection | None, status: int, due: float) -> None:
        """Note an answer; 0 stands for a connection that ended without one."""
        now = time.monotonic()
        self.open -= 1
        self.codes[status] += 1
        good = 200 <= status < 300
        self.times[good].append((now, now - due))
        self.in_time += good and now <= self.ends
        if connection is not None:
            self.free(connection)
        if self.again and now < self.ends:
            self.arrive(now)
        elif not self.open and now >= self.ends:
            self.done.set()

    def lost(self, connection: Connection) -> None:
        """A connection ended; with a request under way that is a failure."""
        self.connections.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        if connection.due is not None:
            due, connection.due = connection.due, None
            self.answered(None, 0, due)


async def work(order: dict[str, Any]) -> dict[str, Any]:
    """Carry out one order; what came of it."""
    began, used = time.monotonic(), _cpu()
    seconds = order["seconds"]
    load = Load(order["port"], requests(order), "callers" in order, began + seconds)
    if load.again:
        for _ in range(order["callers"]):
            load.arrive(began)
        await asyncio.sleep(seconds)
    else:
        await _arrivals(load, order["rate"], began)
    cpu = _cpu() - used
    if not load.open:
        load.done.set()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await load.done.wait()
    for connection in list(load.connections):
        connection.close()
    good, refused = load.times[True], load.times[False]
    late = [at - began for at, took in good if took > 1] + [at - began for at, _ in refused]
    return {
        "goodput": load.in_time / seconds,
        "sent": sum(load.codes.values()) + load.open,
        "unanswered": load.open,
        "codes": {str(code): count for code, count in sorted(load.codes.items())},
        "cpu": cpu,
        "last_trouble": max(late, default=0.0),
        **_percentiles("good", [took for _, took in good]),
        **_percentiles("refused", [took for _, took in refused]),
    }


async def _arrivals(load: Load, rate: float, began: float) -> None:
    due = began
    while (now := time.monotonic()) < load.ends:
        while due <= now:
            load.arrive(due)
            due += random.expovariate(rate)
        await asyncio.sleep(TICK_SECONDS)


def _percentiles(name: str, values: list[float]) -> dict[str, float]:
    return {f"{name}_p{number}": percentile(values, number) * 1000 if values else 0.0 for number in (50, 99)}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def serve() -> None:
    """Orders from standard input until its end."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await work(json.loads(line))), flush=True)


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
