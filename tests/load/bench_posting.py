"""Posting a movement: the service through gRPC against the least that a database has to write (G1, G3-G5, G7-G9, R0).

R0 is the function of baseline.sql; the product's beside it is the one that posts moves, for one movement with all that
it tells, notes, audits and answers. R1 is pgbench that calls it with as many in flight, R2 asyncpg that writes the rows
of a batch by `unnest`, R3 the empty gRPC call. Both sides share the same server and the same cores. The database's CPU
is that of the whole server during the turn, so the service's relay and jobs count with its posts.
"""

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
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
from tests.load import echo, pgbench, store
from tests.load.measure import Goal, Report, Side, Turn, also, compare, cpu_seconds, parent_of, tree_seconds
from tests.load.pgbench import Found
from tests.load.stage import Caller, Stage, child, running, service_process

IN_FLIGHT, SECONDS, ITEMS, BATCH = 64, 3, 200, 1000
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
R0_A = Goal("R0", "database CPU of the function, move, R0's", "CPU us", must=2, better="lower")
R0_B = Goal("R0", "documents' function, issue of the oldest lot, hold check (context)", "CPU us", better="lower")

_RAW = f"""
\\set n random(1, :items)
select post(gen_random_uuid(), 'items/' || cast(:prefix as text) || '-' || :n, '{store.SHELF}', '{store.BIN}', 1);
"""
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
_MOVE = """
\\set n random(1, :items)
with given as (
  select 'items/' || cast(:prefix as text) || '-' || :n as item, gen_random_uuid() as id)
select p.* from given g, post_moves(
  '%(site)s', 'bench.Ledger.Post', 'bench.ledger.post', array['people/boss'], array['|'], array[g.item], array[1],
  array[]::text[], array[]::int[], array['%(shelf)s', '%(bin)s'], array[1, 1], array['people/boss'], array[g.id],
  array[decode(md5('x'), 'hex')], array['sites/%(site)s/movements/' || g.id], array['MOVE'], array[g.item], array[''],
  array['%(shelf)s'], array['%(bin)s'], array['UNRESTRICTED'], array['UNRESTRICTED'], array['1'], array['H87'],
  array['1'], array['H87'], array[1::bigint], array[1::bigint], array[''], array[''], array['people/boss'], array[''],
  array[''], array['storekeeper'], array['127.0.0.1'], array[cast(jsonb_build_object('kind', 'MOVE') as text)],
  array['bench.v1.MovementPosted.bench.' || g.id],
  array['{"ce-source":"/bench","ce-subject":"' || g.item || '","Nats-Msg-Id":"'],
  array[convert_to(repeat('x', 230), 'UTF8')], array[convert_to(repeat('x', 200), 'UTF8')],
  array['\\x9a010a'::bytea], array['\\x9a010a'::bytea]) p;
"""
_OLDEST = """(select l.name from lot l join balance b on b.item = l.item and b.lot = l.name and not b.virtual
  and b.status = 'UNRESTRICTED' and b.on_hand - b.reserved >= 1
  where l.item = 'items/' || cast(:prefix as text) || '-' || :n order by l.first_receipt_time, l.name limit 1)"""
_BARE = """
    insert into balance (name, item, location, virtual, on_hand, unit_code)
    select balance_key(i, l), i, l, l <> $2, case when l = $2 then 1e9 else 0 end, 'H87'
    from unnest($1::text[]) i, unnest(array[$2, $3]) l
"""
_RAW_BATCH = """
    with given as (select * from unnest($1::uuid[], $2::text[], $3::text[]) as g(request, movement, item)),
    claim as (
      insert into idempotency (principal, method, request_id, request_hash, answer)
      select 'people/boss', '/bench.Ledger/Post', request, decode(md5(movement), 'hex'), convert_to(movement, 'UTF8')
      from given),
    net as (
      select balance_key(item, $4) as name, -count(*) as change from given group by item
      union all select balance_key(item, $5), count(*) from given group by item),
    held as (select b.name, n.change from balance b join net n using (name) order by b.name for no key update of b),
    moved as (
      update balance b set on_hand = b.on_hand + h.change, update_time = now() from held h where b.name = h.name),
    entered as (
      insert into ledger
      select g.movement, s.side, balance_key(g.item, s.place), g.item, s.place, s.sign, 'H87', clock_timestamp()
      from given g, (values (1, $4, -1), (2, $5, 1)) as s(side, place, sign))
    insert into outbox (event_id, aggregate_id, subject, payload, headers)
    select gen_random_uuid(), movement, 'bench.v1.MovementPosted.bench.' || movement,
           convert_to(repeat('x', 250), 'UTF8'),
           jsonb_build_object('ce-source', '/bench', 'ce-type', 'MovementPosted', 'ce-subject', movement)
    from given
"""


@dataclass(slots=True)
class Database:
    """One database: its address, a connection, and the table of ledger rows."""

    url: str
    connection: Any
    ledger: str

    async def rows(self) -> tuple[int, int]:
        """Rows of ledger and outbox."""
        query = f"select (select count(*) from {self.ledger}), (select count(*) from outbox)"  # noqa: S608
        found = await self.connection.fetchrow(query)
        return found[0], found[1]


class Bench:
    """The product's database and the bare one on one server, and the service."""

    def __init__(self, mine: Database, bare: Database, server: int, service: Any, caller: Caller) -> None:
        self.mine, self.bare, self.server = mine, bare, server
        self.service, self.caller = service, caller
        self.seconds: float = SECONDS

    async def _turn(self, side: Database, work: Callable[[], Any]) -> Turn:
        """Work that gives its posts a second, posts, and times; what it wrote for each post is the result."""
        before = await side.rows()
        used, own = tree_seconds(self.server), cpu_seconds(self.service.pid)
        done: Found = await work()
        count = done.count
        database = (tree_seconds(self.server) - used) / count * 1e6
        service = (cpu_seconds(self.service.pid) - own) / count * 1e6
        after = await side.rows()
        written = tuple(round((now - then) / count, 3) for now, then in zip(after, before, strict=True))
        more = {"p99": done.at(99), "database": database, "service": service, "refused": done.refused}
        return Turn(done.per_second, ("ledger and outbox rows per post", written), count, database, more)

    def raw(self, items: int, prefix: str, callers: int = IN_FLIGHT) -> Side:
        """R1: pgbench on R0's function."""

        async def work() -> Found:
            variables = {"items": items, "prefix": prefix}
            return await pgbench.drive(
                self.bare.url, _RAW, callers=callers, seconds=int(self.seconds), variables=variables
            )

        async def side(number: int) -> Turn:
            return await self._turn(self.bare, work)

        return side

    def function(self, script: str, prefix: str, callers: int = 8) -> Side:
        """The product's function, called directly."""

        async def work() -> Found:
            variables = {"items": ITEMS, "prefix": prefix}
            return await pgbench.drive(
                self.mine.url, script, callers=callers, seconds=int(self.seconds), variables=variables
            )

        async def side(number: int) -> Turn:
            found = await self._turn(self.mine, work)
            return _by(found, "database")

        return side

    def unary(self, items: list[str], callers: int = IN_FLIGHT) -> Side:
        """Single posts through gRPC, so many in flight, for as long as a turn lasts."""

        async def work() -> Found:
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

        async def work() -> Found:
            requests = [
                movements_pb2.BatchCreateMovementsRequest(
                    parent=f"sites/{store.SITE}", requests=[_move(name) for name in _round(items, BATCH)]
                )
                for _ in range(2)
            ]
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

        async def work() -> Found:
            times = []
            for _ in range(10):
                ids = [uuid4() for _ in range(BATCH)]
                names = [f"sites/{store.SITE}/movements/{key}" for key in ids]
                began = time.perf_counter()
                await self.bare.connection.execute(_RAW_BATCH, ids, names, _round(items, BATCH), store.SHELF, store.BIN)
                times.append((time.perf_counter() - began) * 1000)
            return Found(len(times) * BATCH, len(times) * BATCH / sum(times) * 1000, times)

        async def side(number: int) -> Turn:
            return await self._turn(self.bare, work)

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


def _by(turn: Turn, key: str) -> Turn:
    return Turn(turn.more[key], turn.result, turn.operations, turn.cpu_us, turn.more)


def move_script() -> str:
    """A call of the product's function for one move, which is its whole transaction."""
    return _MOVE % {"site": store.SITE, "shelf": store.SHELF, "bin": store.BIN}


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
    await admin.execute("create database baseline")
    await admin.close()
    mine = Database(found.superuser("materials"), await asyncpg.connect(found.superuser("materials")), "movement_entry")
    bare = Database(found.superuser("baseline"), await asyncpg.connect(found.superuser("baseline")), "ledger")
    await bare.connection.execute((Path(__file__).parent / "baseline.sql").read_text())
    await store.build(mine.connection)
    parts = await store.items(mine.connection, "part", ITEMS)
    dated = await store.items(mine.connection, "dated", ITEMS, tracking="LOT")
    await bare.connection.execute(_BARE, [*parts, *dated], store.SHELF, store.BIN)
    backend = await mine.connection.fetchval("select pg_backend_pid()")
    server = parent_of(backend)
    for side in (mine, bare):
        await side.connection.execute("analyze")
    port = free_port()
    empty = child(found, "echo", "tests.load.echo", {"PLANTOPS_ECHO_PORT": str(port)})
    places = {"MAX_CONCURRENT_CALLS": str(2 * IN_FLIGHT)}
    async with (
        service_process(found, "materials", **places) as (service, caller),
        service_process(found, "materials", "materials-one-by-one", **places, **ONE_BY_ONE) as (_, direct),
        running(empty, port, "ready"),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        bench = Bench(mine, bare, server, service, caller)
        for one in (caller, direct):
            await posts(one, parts, 8, 600, 100)  # warm

        async def bare_call(number: int) -> Turn:
            return await _empty(caller, channel, empty, 1)

        async def post_cpu(number: int) -> Turn:
            turn = _by(await bench.unary(parts)(number), "service")
            return Turn(turn.figure, None, turn.operations, turn.figure)

        many = await compare(G1, bench.unary(parts), bench.raw(ITEMS, "part"))
        lone = await compare(G4, bench.alone(caller, parts), bench.alone(direct, parts))
        hot = await compare(G5, bench.unary(parts[:1]), bench.raw(1, "part"))
        hot.more["refused of all calls"] = _refused(hot)
        batches = await compare(G7, bench.batches(parts), bench.raw_batches(parts))
        cpu = await compare(G8, post_cpu, bare_call)

        async def least(number: int) -> Turn:
            return _by(await bench.raw(ITEMS, "part", 8)(number), "database")

        move = await compare(R0_A, bench.function(move_script(), "part"), least)
        issue = function_script("ISSUE", to=f"sites/{store.SITE}/locations/v-consumed", virtual=True, lot=_OLDEST)
        oldest = await compare(R0_B, bench.function(issue, "dated"), least)
    for side in (mine, bare):
        await side.connection.close()
    return [many, also(many, G3, "p99"), lone, hot, batches, cpu, also(many, G9, "database"), move, oldest]
