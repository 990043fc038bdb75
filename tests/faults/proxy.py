"""A TCP proxy per edge of the plant: it delays, throttles, swallows, cuts, and breaks off exactly at a COMMIT."""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field
from typing import Self

from tests.faults.postgres_wire import CommitWatch

CHUNK = 64 * 1024
SLOW_CHUNK = 1024
BEFORE, AFTER = "before", "after"
"""A connection is broken off before the COMMIT reaches the server, or when its answer comes back."""


@dataclass
class Edge:
    """One edge and what is wrong with it now."""

    name: str
    target: tuple[str, int]
    postgres: bool = False
    latency: float = 0.0
    """Seconds that every piece takes in each direction."""
    rate: float = 0.0
    """Bytes per second; 0 = as fast as it goes."""
    refusing: bool = False
    """New connections are closed at once."""
    cuts: int = 0
    """How many connections were broken off at a COMMIT."""
    port: int = 0
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)
    _pairs: set["_Pair"] = field(default_factory=set)
    _commits: list[str] = field(default_factory=list)
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._flowing.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self.heal()
        self._server.close()
        self.cut()
        while self._pairs:
            await asyncio.sleep(0.01)

    def cut(self) -> None:
        """Reset every connection; new ones may come."""
        for pair in list(self._pairs):
            pair.reset()

    def swallow(self) -> None:
        """A black hole: nothing passes and nothing is closed, until `heal`."""
        self._flowing.clear()

    def heal(self) -> None:
        """Nothing is wrong any more; what was swallowed arrives now."""
        self.latency, self.rate, self.refusing = 0.0, 0.0, False
        self._commits.clear()
        self._flowing.set()

    def break_commits(self, when: str, count: int = 1) -> None:
        """Break off the connections of the next COMMITs: before they arrive, or with their answers."""
        self._commits += [when] * count

    def take_commit(self) -> str:
        """What to do with a COMMIT that passes now."""
        if not self._commits:
            return ""
        self.cuts += 1
        return self._commits.pop(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            _reset(writer)
            return
        try:
            other = await asyncio.open_connection(*self.target)
        except OSError:
            _reset(writer)
            return
        pair = _Pair(self, (reader, writer), other)
        self._pairs.add(pair)
        try:
            await pair.run()
        finally:
            self._pairs.discard(pair)

    async def carry(self, size: int) -> None:
        """Wait as long as a piece of this size takes now."""
        if self.latency:
            await asyncio.sleep(self.latency)
        if self.rate:
            await asyncio.sleep(size / self.rate)
        if not self._flowing.is_set():
            await self._flowing.wait()


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Pair:
    def __init__(self, edge: Edge, client: Streams, server: Streams) -> None:
        self.edge = edge
        self.client = client
        self.server = server
        self.watch = CommitWatch() if edge.postgres else None
        self._answer_is_cut = False
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        self._tasks = [
            asyncio.create_task(self._pump(self.client[0], self.server[1], forth=True)),
            asyncio.create_task(self._pump(self.server[0], self.client[1], forth=False)),
        ]
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _, writer in (self.client, self.server):
            writer.close()

    def reset(self) -> None:
        for _, writer in (self.client, self.server):
            _reset(writer)
        for task in self._tasks:
            task.cancel()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, forth: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(SLOW_CHUNK if self.edge.rate else CHUNK):
                await self.edge.carry(len(data))
                if self.watch is not None and forth and self.watch.sees_commit(data):
                    when = self.edge.take_commit()
                    if when == BEFORE:
                        self.reset()
                        return
                    self._answer_is_cut = when == AFTER
                elif self.watch is not None and not forth and self._answer_is_cut:
                    self.reset()  # the server has answered the COMMIT: it happened, and nobody hears of it
                    return
                writer.write(data)
                await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
