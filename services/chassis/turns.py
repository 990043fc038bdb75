"""Units of one process that need several things at once take turns, in the order of their coming (PERF-2, PERF-4).

    unit -> asks for all its things at once -> nobody who came before has or wants one of them -> goes on
         -> else it is rolled back, waits with neither transaction nor connection, and is done anew in its turn

The database would do it too, with other means: who waits there for the second thing holds the first, so that others
wait for both, and its transaction keeps a connection and all events back meanwhile. And what the wait will be is known
here when it begins, so that a call is refused at once instead of at its deadline. Units of other processes are waited
for in the database.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TypeVar

R = TypeVar("R")

WITHIN = 8.0
"""Seconds after which a wait within a transaction is given up: it may not stand idle for longer than ten."""
BESIDE = 30.0
"""Seconds after which a wait for which nothing stays open is given up, where no deadline says less."""
EXPECTED, WAITED = 0.5, 0.75
"""Shares of the time that a call has left: refused is whose wait is expected to take the one, or takes the other."""
_WEIGHT = 0.1
"""Weight of the newest turn in the running mean of how long turns last."""


class NotItsTurn(TimeoutError):
    """Too many came before."""


@dataclass(eq=False, slots=True)
class Turn:
    """A place in the queues of some things."""

    keys: frozenset[str]
    before: int = 0
    """Queues in which somebody else is first."""
    began: float = 0.0
    free: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Later(NotItsTurn):
    """A unit has to wait for these things; it is done anew when its turn comes within `most` seconds.

    It stands in no queue yet: it may still be cancelled while it is rolled back.
    """

    def __init__(self, turns: "Turns", keys: frozenset[str], most: float) -> None:
        super().__init__()
        self.turns = turns
        self.keys = keys
        self.most = most


async def in_turn(once: Callable[[Turn | None], Awaitable[R]]) -> R:
    """Do a unit; when its turn has not come, wait for that and do it once more, given its turn."""
    try:
        return await once(None)
    except Later as later:
        turns, keys, most = later.turns, later.keys, later.most
    async with turns.coming(keys, most) as turn:
        return await once(turn)


class Turns:
    """The queues of one process."""

    def __init__(self, aside: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        """`aside` is entered by who waits with no connection."""
        self._aside = aside
        self._queues: dict[str, deque[Turn]] = {}
        self._turns: dict[Turn, None] = {}
        self._mean = 0.0

    @property
    def waiting(self) -> int:
        """Turns that are waited for."""
        return sum(1 for turn in self._turns if turn.before)

    def expected(self, keys: Iterable[str]) -> float:
        """Seconds that the next one who wants these things is expected to wait.

        So many turns come before, one after the other: of those who share nothing the longest chain counts.
        """
        chains: dict[str, int] = {}
        for turn in self._turns:
            length = 1 + max((chains.get(key, 0) for key in turn.keys), default=0)
            chains.update(dict.fromkeys(turn.keys, length))
        return self._mean * max((chains.get(key, 0) for key in keys), default=0)

    def free(self, keys: Iterable[str]) -> bool:
        """Whether nobody has or wants one of these things."""
        return not any(key in self._queues for key in keys)

    def ask(self, keys: Iterable[str]) -> Turn:
        """Stand in the queues of some things. `come` follows at once, then `end`."""
        turn = Turn(frozenset(keys))
        self._turns[turn] = None
        for key in turn.keys:
            queue = self._queues.setdefault(key, deque())
            turn.before += bool(queue)
            queue.append(turn)
        turn.began = time.monotonic()
        return turn

    async def come(self, turn: Turn, most: float) -> None:
        """Wait for a turn; NotItsTurn, and it is gone, when that lasts longer than `most` seconds."""
        try:
            if turn.before:
                async with asyncio.timeout(most):
                    await turn.free
        except TimeoutError:
            self._leave(turn)
            raise NotItsTurn from None
        except BaseException:
            self._leave(turn)
            raise
        turn.began = time.monotonic()

    @asynccontextmanager
    async def coming(self, keys: Iterable[str], most: float) -> AsyncIterator[Turn]:
        """Wait for a turn, which ends with the context."""
        turn = self.ask(keys)
        with self._aside():
            await self.come(turn, most)
        try:
            yield turn
        finally:
            self.end(turn)

    def end(self, turn: Turn) -> None:
        """Let the next ones go on."""
        self._mean += _WEIGHT * (time.monotonic() - turn.began - self._mean)
        self._leave(turn)

    def _leave(self, turn: Turn) -> None:
        del self._turns[turn]
        for key in turn.keys:
            queue = self._queues[key]
            first = queue[0] is turn
            queue.remove(turn)
            if not queue:
                del self._queues[key]
            elif first:
                self._next(queue[0])

    def _next(self, turn: Turn) -> None:
        turn.before -= 1
        if not turn.before and not turn.free.done():
            turn.free.set_result(None)
