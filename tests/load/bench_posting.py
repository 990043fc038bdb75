"""Posting a movement: the service through gRPC against what the database does of itself (G1, G3-G5, G7-G9, R0).

The baselines stand in raw_post.py. R1 and R2 do what the service does - the same function for one movement, the same
rows of a batch - in a database like the service's, so the ratio says what a caller pays for going through the service.
What the function itself costs is held against R0, the least that a post has to write. All sides share one server and
the same cores. The database's CPU is that of the whole server during a turn, so the service's relay and jobs count
with its posts; a turn begins when they are through with those of the turn before.
"""

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import grpc
from plantops.materials.v1 import movements_pb2
from plantops.type.v1.quantity_pb2 import Quantity

from cli.engines import free_port
from services.materials.model.ledger import Line, content_of
from tests.load import echo, pgbench, raw_post, store
from tests.load.measure import Goal, Report, Side, Turn, also, compare, cpu_seconds, parent_of, tree_seconds
from tests.load.pgbench import Found
from tests.load.stage import Caller, Stage, child, running, service_process

IN_FLIGHT, SECONDS, ITEMS, BATCH = 64, 3, 200, 1000
_IDLE = 0.03
"""Share of a core that an idle server uses."""
CALLS_ALONE = 150
ONE_BY_ONE = {"LANES": "0"}
"""Settings of a service that posts each call by itself."""

G1 = Goal("G1", "posts/s, 64 in flight, raw post", "posts/s", must=0.45, aim=0.6)
G3 = Goal("G3", "p99 of a post, 64 in flight, raw post's", "ms", must=1.5, aim=1, better="lower")
G4 = Goal("G4", "p50 of a lone post, posted call by call", "ms", must=1.4, aim=1.1, better="lower")
G5 = Goal("G5", "posts/s on one hot row, raw post's", "posts/s", must=2, aim=4)
G7 = Goal("G7", "batch of 1000, movements/s, raw batch", "posts/s", must=0.7, aim=0.85)
G8 = Goal("G8", "CPU of the service per post, empty call", "CPU us", must=2, aim=1.5, better="lower")
G9 = Goal("G9", "CPU of the database per post, raw post", "CPU us", must=0.4, aim=0.3, better="lower")
G1_LEAST = Goal("G1", "posts/s, 64 in flight, R0's (context)", "posts/s")
G7_LEAST = Goal("G7", "batch of 1000, movements/s, R0's rows (context)", "posts/s")
R0_A = Goal("R0", "database CPU of the function, move, R0's", "CPU us", must=2, better="lower")
R0_B = Goal("R0", "documents' function, issue of the oldest lot, hold check (context)", "CPU us", better="lower")

_FUNCTION = """
\\set n random(1, :items)
with claim as (
  insert into idempotency (principal, method, request_id, request_hash, hash_version, status_code, answer, expires_at)
  values ('people/boss', '/bench', gen_random_uuid(), decode(md5('x'), 'hex'), 1, 0,
          convert_to(repeat('x', 250), 'UTF8'), now() + interval '30 days')),
told as (
  insert into outbox (event_id, aggregate_type, aggregate_id, aggregate_version, site, correlation, subject, payload,
                      headers, occurred_at)
  values (gen_random_uuid(), 'MovementPosted', 'bench', 1, 'bench', '', 'bench.v1.MovementPosted',
          convert_to(repeat('x', 250), 'UTF8'), jsonb_build_object('ce-source', '/bench'), now()))
select * from post_to_ledger('bench', 'people/boss', cast(replace(replace(replace('%s',
  '@movement', cast(gen_random_uuid() as text)), '@item', 'items/' || cast(:prefix as text) || '-' || :n), '@lot', %s)
  as jsonb));
"""
_OLDEST = """(select l.name from lot l join balance b on b.item = l.item and b.lot = l.name and not b.virtual
  and b.status = 'UNRESTRICTED' and b.on_hand - b.reserved >= 1
  where l.item = 'items/' || cast(:prefix as text) || '-' || :n order by l.first_receipt_time, l.name limit 1)"""


@dataclass(slots=True)
class Database:
    """One database: its address, a connection, and the tables that a post adds rows to."""

    url: str
    connection: Any
    tables: Mapping[str, str]

    async def rows(self) -> dict[str, int]:
        """Rows of each table."""
        query = " union all ".join(f"select '{what}', count(*) from {name}" for what, name in self.tables.items())  # noqa: S608
        return {what: count for what, count in await self.connection.fetch(query)}


class Bench:
    """The product's database, the same without a service, and the bare one, on one server; and the service."""

    def __init__(
        self, mine: Database, raw: Database, bare: Database, server: int, service: Any, caller: Caller
    ) -> None:
        self.mine, self.raw_side, self.bare, self.server = mine, raw, bare, server
        self.service, self.caller = service, caller
        self.seconds: float = SECONDS

    async def _idle(self) -> None:
        """Wait until relay and sealer are through with what was posted before: it is not the next one's work."""
        for _ in range(30):
            used, at = tree_seconds(self.server), time.monotonic()
            await asyncio.sleep(0.3)
            if tree_seconds(self.server) - used < _IDLE * (time.monotonic() - at):
                return

    async def _turn(self, side: Database, work: Callable[[Callable[[], None]], Awaitable[Found]]) -> Turn:
        """Work posts and tells what it measured; what it wrote for each post is the result."""
        await self._idle()
        before = await side.rows()
        used = own = 0.0

        def settled() -> None:
            nonlocal used, own
            used, own = tree_seconds(self.server), cpu_seconds(self.service.pid)

        settled()
        done = await work(settled)
        database = (tree_seconds(self.server) - used) / done.count * 1e6
        service = (cpu_seconds(self.service.pid) - own) / done.count * 1e6
        after = await side.rows()
        every = done.count + done.unmeasured
        written = {what: round((after[what] - count) / every, 3) for what, count in before.items()}
        more = {"p99": done.at(99), "database": database, "service": service, "refused": done.refused}
        return Turn(done.per_second, written, done.count, database, more)

    def raw(self, items: int, callers: int = IN_FLIGHT) -> Side:
        """R1: pgbench on the product's function."""
        return self._called(self.raw_side, raw_post.MOVE, items, "part", callers)

    def least(self, items: int, callers: int = IN_FLIGHT) -> Side:
        """R0: pgbench on the frozen function."""
        return self._called(self.bare, raw_post.LEAST, items, "part", callers)

    def _called(self, database: Database, script: str, items: int, prefix: str, callers: int) -> Side:
        async def work(settled: Callable[[], None]) -> Found:
            return await pgbench.drive(
                database.url, script, callers=callers, seconds=int(self.seconds),
                variables={"items": items, "prefix": prefix}, settled=settled,
            )  # fmt: skip

        async def side(number: int) -> Turn:
            return await self._turn(database, work)

        return side

    def function(self, script: str, prefix: str, callers: int = 8) -> Side:
        """CPU of one of the product's functions, called directly."""
        called = self._called(self.raw_side, script, ITEMS, prefix, callers)

        async def side(number: int) -> Turn:
            return _by(await called(number), "database")

        return side

    def unary(self, items: list[str], callers: int = IN_FLIGHT) -> Side:
        """Single posts through gRPC, so many in flight, for as long as a turn lasts."""

        async def work(settled: Callable[[], None]) -> Found:
            return await posts(self.caller, items, callers, self.seconds)

        async def side(number: int) -> Turn:
            return await self._turn(self.mine, work)

        return side

    def alone(self, caller: Caller, items: list[str]) -> Side:
        """Calls one after the other."""

        async def side(number: int) -> Turn:
            done = await posts(caller, items, 1, 600, CALLS_ALONE)
            return Turn(done.at(50), done.count, done.count)

        return side

    def batches(self, items: list[str]) -> Side:
        """Batches through gRPC, one after the other."""

        async def work(settled: Callable[[], None]) -> Found:
            requests = [batch_of(items) for _ in range(2)]
            times = []
            for request in requests:
                began = time.perf_counter()
                answer = await self.caller(request)
                times.append((time.perf_counter() - began) * 1000)
                assert all(outcome.HasField("movement") for outcome in answer.outcomes), answer.outcomes[0]
            return Found(len(times) * BATCH, len(times) * BATCH / sum(times) * 1000, times)

        async def side(number: int) -> Turn:
            return await self._turn(self.mine, work)

        return side

    def raw_batches(self, items: list[str]) -> Side:
        """R2: the same rows by `unnest`."""
        return self._written(self.raw_side, raw_post.write_batch, items)

    def least_batches(self, items: list[str]) -> Side:
        """The rows of R0 by `unnest`."""
        return self._written(self.bare, raw_post.write_least_batch, items)

    def _written(
        self, database: Database, write: Callable[[Any, Sequence[str]], Awaitable[None]], items: list[str]
    ) -> Side:
        async def work(settled: Callable[[], None]) -> Found:
            times = []
            for _ in range(10):
                began = time.perf_counter()
                await write(database.connection, _round(items, BATCH))
                times.append((time.perf_counter() - began) * 1000)
            return Found(len(times) * BATCH, len(times) * BATCH / sum(times) * 1000, times)

        async def side(number: int) -> Turn:
            return await self._turn(database, work)

        return side


async def posts(caller: Caller, items: list[str], callers: int, seconds: float, most: int = 1_000_000) -> Found:
    """Single posts, so many in flight, for so long or so many."""
    times: list[float] = []
    refused: list[int] = []
    began = time.perf_counter()
    places = itertools.cycle(items)
    left = iter(range(most))

    async def worker() -> None:
        while time.perf_counter() < began + seconds and next(left, None) is not None:
            request = _move(next(places))
            at = time.perf_counter()
            try:
                await caller(request)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                    raise
                refused.append(1)
                await asyncio.sleep(0.1)
                continue
            times.append((time.perf_counter() - at) * 1000)

    await asyncio.gather(*(worker() for _ in range(callers)))
    return Found(len(times), len(times) / (time.perf_counter() - began), times, len(refused))


def _round(items: list[str], count: int) -> list[str]:
    return list(itertools.islice(itertools.cycle(items), count))


def batch_of(items: list[str]) -> Any:
    """A batch of moves, of one item after the other."""
    return movements_pb2.BatchCreateMovementsRequest(
        parent=f"sites/{store.SITE}", requests=[_move(name) for name in _round(items, BATCH)]
    )


def _move(item: str) -> Any:
    what = movements_pb2.Movement(
        kind="MOVE", item=item, quantity=Quantity(value="1", unit_code="H87"), from_location=store.SHELF,
        to_location=store.BIN,
    )  # fmt: skip
    return movements_pb2.CreateMovementRequest(parent=f"sites/{store.SITE}", movement=what, request_id=str(uuid4()))


def _refused(report: Report) -> float:
    """Share of the calls that were refused for overload and waited a tenth of a second."""
    refused = sum(one.candidate.more["refused"] for one in report.rounds)
    return refused / (refused + sum(one.candidate.operations for one in report.rounds))


def _as_least(side: Side) -> Side:
    """A side held against R0, which writes less: rows are compared of the tables that both have."""

    async def held(number: int) -> Turn:
        turn = await side(number)
        assert isinstance(turn.result, dict)
        return replace(turn, result={what: turn.result[what] for what in raw_post.LEAST_TABLES})

    return held


def _by(turn: Turn, key: str) -> Turn:
    return Turn(turn.more[key], turn.result, turn.operations, turn.cpu_us, turn.more)


def function_script(kind: str, *, to: str = store.BIN, virtual: bool = False, lot: str = "''") -> str:
    """A call of the product's function for one line, with a claim and an event beside it."""
    line = Line("@item", Decimal(1), "H87", store.SHELF, to, lot="@lot", to_virtual=virtual)
    posting = {
        "n": 0, "name": f"sites/{store.SITE}/movements/@movement", "kind": kind, "effective_time": None,
        "reason_code": "", "source": "", "reverses": "", "correlation": "", "device": "",
        "lines": json.loads(content_of([line])),
    }  # fmt: skip
    return _FUNCTION % (json.dumps([posting]), lot)


async def _empty(caller: Caller, channel: Any, server: Any, seconds: float) -> Turn:
    """R3: the empty call with a post's bytes."""
    call = channel.unary_unary(echo.METHOD)
    content = _move("items/part-1").SerializeToString()
    ends, count = time.perf_counter() + seconds, 0
    used = cpu_seconds(server.pid)

    async def worker() -> None:
        nonlocal count
        while time.perf_counter() < ends:
            await call(content, metadata=caller.metadata, timeout=60)
            count += 1

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    each = (cpu_seconds(server.pid) - used) / count * 1e6
    return Turn(each, None, count, each)


async def run(found: Stage) -> list[Report]:
    """All comparisons."""
    admin = await asyncpg.connect(found.superuser("postgres"))
    built = await asyncpg.connect(found.superuser("materials"))
    await store.build(built)
    parts = await store.items(built, "part", ITEMS)
    dated = await store.items(built, "dated", ITEMS, tracking="LOT")
    await built.close()
    await admin.execute("create database baseline")
    await admin.execute("create database raw template materials")
    await admin.close()
    databases = []
    for name, tables in (
        ("materials", raw_post.TABLES), ("raw", raw_post.TABLES), ("baseline", raw_post.LEAST_TABLES),
    ):  # fmt: skip
        url = found.superuser(name)
        databases.append(Database(url, await asyncpg.connect(url), tables))
    mine, raw, bare = databases
    await bare.connection.execute((Path(__file__).parent / "baseline.sql").read_text())
    await bare.connection.execute(raw_post.BARE, [*parts, *dated], store.SHELF, store.BIN)
    for side in databases:
        await side.connection.execute("analyze")
    server = parent_of(await mine.connection.fetchval("select pg_backend_pid()"))
    port = free_port()
    empty = child(found, "echo", "tests.load.echo", {"PLANTOPS_ECHO_PORT": str(port)})
    places = {"MAX_CONCURRENT_CALLS": str(2 * IN_FLIGHT)}
    async with (
        service_process(found, "materials", **places) as (service, caller),
        service_process(found, "materials", "materials-one-by-one", **places, **ONE_BY_ONE) as (_, direct),
        running(empty, port, "ready"),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        bench = Bench(mine, raw, bare, server, service, caller)
        for one in (caller, direct):
            await posts(one, parts, 8, 600, 100)  # warm

        async def bare_call(number: int) -> Turn:
            return await _empty(caller, channel, empty, 1)

        async def post_cpu(number: int) -> Turn:
            turn = _by(await bench.unary(parts)(number), "service")
            return Turn(turn.figure, None, turn.operations, turn.figure)

        async def least(number: int) -> Turn:
            return _by(await bench.least(ITEMS, 8)(number), "database")

        many = await compare(G1, bench.unary(parts), bench.raw(ITEMS))
        lone = await compare(G4, bench.alone(caller, parts), bench.alone(direct, parts))
        hot = await compare(G5, bench.unary(parts[:1]), bench.raw(1))
        hot.more["refused of all calls"] = _refused(hot)
        batches = await compare(G7, bench.batches(parts), bench.raw_batches(parts))
        cpu = await compare(G8, post_cpu, bare_call)
        beside = [
            await compare(G1_LEAST, _as_least(bench.unary(parts)), bench.least(ITEMS)),
            await compare(G7_LEAST, _as_least(bench.batches(parts)), bench.least_batches(parts)),
        ]
        move = await compare(R0_A, _as_least(bench.function(raw_post.MOVE, "part")), least)
        issue = function_script("ISSUE", to=f"sites/{store.SITE}/locations/v-consumed", virtual=True, lot=_OLDEST)
        oldest = await compare(R0_B, _as_least(bench.function(issue, "dated")), least)
    for side in databases:
        await side.connection.close()
    return [many, also(many, G3, "p99"), lone, hot, batches, cpu, also(many, G9, "database"), move, oldest, *beside]
