"""How many calls a process takes at a time; who comes beyond is refused at once (REL-76).

    call -> a place? -> who is it -> database ...
             no: RESOURCE_EXHAUSTED, before any work is done for it

A call in excess is answered before its token is looked at and before it queues for the database: a refusal has to be
far cheaper than a call, else refusing is what the process spends its time on. Health calls need no place.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from datetime import timedelta

from services.chassis.faults import Overloaded

MOST_WAIT = 1.0
"""Seconds that a call may be expected to wait for a database connection; half of what it may really wait."""
RETRY = timedelta(seconds=1)
OTHERS = "the wait for what others change"
_WEIGHT = 0.05
"""Weight of the newest unit in the running mean of how long units hold a connection."""


_REASONS = {
    "the number of calls at a time": "calls",
    "the wait for the database": "wait",
    OTHERS: "locks",
    "the number of streams at a time": "streams",
    "the number of database connections": "pool",
    "the number of the database's connections": "connections",
}


def shed_reason(fault: Overloaded) -> str:
    """Which limit was reached, in one word for the metrics: calls, wait, locks, streams, pool, connections or rate."""
    return _REASONS.get(fault.metadata["limit"], "rate")


class Work:
    """Places of units that change something: a few at a time, in the order of their coming.

    So many units side by side take so many times as long, and keep from others what they have locked for all that
    time. Reads need no place: they lock nothing.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.busy = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._held = 0.0

    @property
    def wait(self) -> float:
        """Seconds that the next one is expected to wait for a place."""
        return 0.0 if self.busy < self.most else (len(self._waiting) + 1) * self._held / self.most

    @asynccontextmanager
    async def place(
        self, *, first: bool, aside: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> AsyncIterator[None]:
        """A place; `first` is given one at once, for whom others wait. `aside` is entered by who waits."""
        if not first and self.busy >= self.most:
            with aside():
                await self._come()
        else:
            self.busy += 1
        begin = asyncio.get_running_loop().time()
        try:
            yield
        finally:
            self._held += _WEIGHT * (asyncio.get_running_loop().time() - begin - self._held)
            self._leave()

    async def _come(self) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        self.busy -= 1
        while self._waiting and self.busy < self.most:
            next_one = self._waiting.popleft()
            if not next_one.done():  # who went away has cancelled it
                next_one.set_result(None)
                self.busy += 1


class Admission:
    """The places of one process.

    Beside the number of calls it bounds the wait that they would have: so many calls share so many connections, each
    for as long as units held one lately. When the database is slow fewer calls get in, instead of all of them
    waiting for their refusal.
    """

    def __init__(self, limit: int, connections: int) -> None:
        self.limit = limit
        self.connections = connections
        self.inside = 0
        self.streams = 0
        self.aside = 0
        self.refused = 0
        self._held = 0.0

    @property
    def wait(self) -> float:
        """Seconds that the next call is expected to wait for a connection."""
        return max(0, self.inside - self.aside + 1 - self.connections) * self._held / self.connections

    def enter(self, left: float | None, work: Work | None = None) -> None:
        """Take a place for a call that has so many seconds left; Overloaded when there is none or it waits too long.

        `work` is where it will ask for a place as well.
        """
        if self.inside >= self.limit:
            raise self._full("the number of calls at a time")
        expected = self.wait if work is None else max(self.wait, work.wait)
        if expected > (MOST_WAIT if left is None else min(MOST_WAIT, left)):
            raise self._full("the wait for the database")
        self.inside += 1

    def leave(self) -> None:
        """Give the place back."""
        self.inside -= 1

    @contextmanager
    def waiting_aside(self) -> Iterator[None]:
        """The call waits for a lane, a turn or a place to work, each with a bound of its own, and for no connection."""
        self.aside += 1
        try:
            yield
        finally:
            self.aside -= 1

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[None]:
        """A place for a server stream, which keeps its connection to its end: half of the connections at most."""
        if self.streams >= max(1, self.connections // 2):
            raise self._full("the number of streams at a time")
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1

    @contextmanager
    def working(self) -> Iterator[None]:
        """A unary unit holds a connection for as long as this lasts."""
        begin = asyncio.get_running_loop().time()
        try:
            yield
        finally:
            self._held += _WEIGHT * (asyncio.get_running_loop().time() - begin - self._held)

    def _full(self, limit: str) -> Exception:
        self.refused += 1
        return Overloaded(limit=limit).retry_in(RETRY)
