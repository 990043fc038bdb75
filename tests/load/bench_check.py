"""`plantops check` over a hundred thousand movements and over a million: time, and peak memory of service and client.

The movements are written by SQL so that every check of the ledger holds. What is judged is memory: it may not grow
with the ledger.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from cli.engines import free_port
from cli.home import SERVICES
from cli.processes import Child
from tests.load import store
from tests.load.measure import Goal, Report, ResultsDiffer, Turn, compare
from tests.load.stage import BOSS, Stage, apply_streams, running, service_child

SMALL, BIG, ITEMS = 100_000, 1_000_000, 1000
ROUNDS = 3
SERVICE = Goal("-", "check, 10 times the ledger, service", "MiB", must=1.2, better="lower")
CLIENT = Goal("-", "check, 10 times the ledger, client", "MiB", must=1.2, better="lower")
LONGER = Goal("-", "check, 10 times the ledger, time (context)", "s", better="lower")

_INDEXES = """
    select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as definition from pg_index i
    where i.indrelid = any(array['movement'::regclass, 'movement_entry'::regclass])
      and not exists (select from pg_constraint c where c.conindid = i.indexrelid)
"""
_MOVEMENTS = """
    insert into movement (name, site, version, event_version, correlation, create_time, update_time, kind, item, lot,
                          from_location, to_location, from_status, to_status, quantity, unit_code, effective_time,
                          record_time, reason_code, source, actor, reverses, cost, cost_currency_code, xid)
    select $1 || '/movements/' || i || '-' || k, split_part($1, '/', 2), 1, 0, '', at, at,
           case when k = 0 then 'OPENING' else 'MOVE' end, 'items/part-' || i, '',
           $1 || case when k = 0 then '/locations/v-opening' else '/locations/shelf' end,
           $1 || case when k = 0 then '/locations/shelf' else '/locations/bin' end, 'UNRESTRICTED', 'UNRESTRICTED',
           case when k = 0 then $3::int else 1 end, 'H87', at, at, '', '', 'people/boss', '', 0, 'EUR', 1
    from generate_series(1, $2::int) i, generate_series($4::int, $5::int - 1) k,
         lateral (select timestamptz '2026-01-01' + (k * $2::int + i) * interval '1 second' as at) t
"""
_ENTRIES = """
    insert into movement_entry (movement, side, site, balance, item, lot, location, status, quantity, unit_code,
                                entered_quantity, entered_quantity_unit_code, value, item_sequence, effective_time)
    select m.name, s.side, m.site,
           balance_key(m.site, m.item, s.place, '', 'UNRESTRICTED', '', '', '', ''), m.item, '', s.place,
           'UNRESTRICTED', s.sign * m.quantity, 'H87', s.sign * m.quantity, 'H87',
           case when m.kind = 'OPENING' then 0 end, 2 * split_part(m.name, '-', 2)::int + s.side, m.effective_time
    from movement m, lateral (values (1, m.from_location, -1), (2, m.to_location, 1)) as s(side, place, sign)
    where split_part(m.name, '-', 2)::int >= $1
"""
_BALANCES = """
    insert into balance (name, site, item, lot, location, status, virtual, on_hand, reserved, unit_code, update_time)
    select e.balance, e.site, e.item, '', e.location, 'UNRESTRICTED', e.location like '%/v-%', sum(e.quantity), 0,
           'H87', now()
    from movement_entry e group by e.balance, e.site, e.item, e.location
"""
_VALUES = """
    insert into value_balance (site, item, quantity, value, variance, currency_code, sequence)
    select site, item, $1, 0, 0, 'EUR', count(*) from movement_entry group by site, item
"""


async def fill(connection: Any, first: int, last: int) -> None:
    """Movements number `first` to `last` of each item; what was there before stays true."""
    site = f"sites/{store.SITE}"
    await connection.execute("set session_replication_role = replica")
    indexes = await connection.fetch(_INDEXES)
    for row in indexes:
        await connection.execute(f"drop index {row['name']}")
    await connection.execute(_MOVEMENTS, site, ITEMS, store.MUCH, first, last)
    await connection.execute(_ENTRIES, first)
    await connection.execute("truncate balance, value_balance cascade")
    await connection.execute(_BALANCES)
    await connection.execute(_VALUES, store.MUCH)
    for row in indexes:
        await connection.execute(row["definition"])
    await connection.execute("set session_replication_role = origin")
    await connection.execute("vacuum analyze")


def peak(pid: int) -> float:
    """Most resident memory of a process since it was reset, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def reset(pid: int) -> None:
    """Forget the peak."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def ask(addresses: str, token: Path) -> tuple[float, float, str]:
    """`plantops check` as a process: seconds, its peak memory in MiB, what it said."""
    environment = {**os.environ, "PLANTOPS_SERVICES": addresses, "PLANTOPS_TOKEN_FILE": str(token)}
    said, write = os.pipe()
    began = time.monotonic()
    command = [sys.executable, "-m", "cli", "check", "--site", store.SITE, "--as", BOSS]
    child = os.posix_spawn(
        sys.executable, command, environment,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_DUP2, write, 2), (os.POSIX_SPAWN_CLOSE, said),
        ],
    )  # fmt: skip
    os.close(write)
    with os.fdopen(said) as answer:
        text = answer.read()
    _, status, used = os.wait4(child, 0)
    if status:
        raise ResultsDiffer(f"plantops check ended with {os.waitstatus_to_exitcode(status)}: {text.strip()[-200:]}")
    return time.monotonic() - began, used.ru_maxrss / 1024, text


async def run(found: Stage) -> list[Report]:
    """Fill, ask, fill more, ask again: both sides are of one run, not of one round."""
    await apply_streams(found)
    connection = await asyncpg.connect(found.superuser("materials"))
    await store.build(connection)
    await connection.execute(
        "insert into ledger_head values ($1, 1000000000000)", store.SITE
    )  # nothing waits for a seal
    token = found.folder / "token"
    token.write_text(found.token())
    ports = {service: free_port() for service in SERVICES}
    addresses = ",".join(f"{service}=127.0.0.1:{port}" for service, port in ports.items())
    sides: dict[int, list[tuple[float, float, float]]] = {}
    known = 0
    for count in (SMALL, BIG):
        await fill(connection, known, count // ITEMS)
        known = count // ITEMS
        sides[count] = await _asked(found, ports, addresses, token, count)
    await connection.close()
    return [await _report(goal, sides, place) for place, goal in enumerate((LONGER, SERVICE, CLIENT))]


async def _asked(
    found: Stage, ports: dict[str, int], addresses: str, token: Path, count: int
) -> list[tuple[float, float, float]]:
    """(seconds, service's peak, client's peak) of some checks, each of fresh processes."""
    figures = []
    for number in range(ROUNDS):
        children = {
            service: service_child(found, service, port, f"{service}-{count}-{number}")
            for service, port in ports.items()
        }
        async with _all(children, ports):
            pid = children["materials"].pid
            reset(pid)
            seconds, client, said = await asyncio.to_thread(ask, addresses, token)
            assert f"{count} movements" in said, said
            figures.append((seconds, peak(pid), client))
    return figures


@asynccontextmanager
async def _all(children: dict[str, Child], ports: dict[str, int]) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for service, child in children.items():
            await stack.enter_async_context(running(child, ports[service], "ready"))
        yield


async def _report(goal: Goal, sides: dict[int, list[tuple[float, float, float]]], place: int) -> Report:
    small, big = (iter([row[place] for row in sides[count]]) for count in (SMALL, BIG))

    async def baseline(number: int) -> Turn:
        return Turn(next(small))

    async def candidate(number: int) -> Turn:
        return Turn(next(big))

    return await compare(goal, candidate, baseline, rounds=ROUNDS, repeats=0)
