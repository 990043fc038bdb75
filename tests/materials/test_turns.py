"""Stock is waited for in the database in the order of coming, by transactions of all processes (PERF-4)."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from tests.materials.builders import item, stocked
from tests.world import Plant

Connection = psycopg.Connection[Any]
HOLD = "select hold_items('hamburg', %s)"


@pytest.fixture
def connections(store: Plant) -> Iterator[list[Connection]]:
    """Three transactions of whoever posts."""
    with ExitStack() as stack:
        found = [stack.enter_context(store.look("materials")) for _ in range(3)]
        for connection in found:
            connection.execute("set lock_timeout = '5s'")
            connection.execute("begin")
        yield found
        for connection in found:
            connection.execute("rollback")


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as found:
        yield found


def waits(store: Plant, connection: Connection) -> None:
    """Wait until a connection's transaction waits for a lock."""
    until = time.monotonic() + 10
    asked = "select wait_event_type = 'Lock' from pg_stat_activity where pid = %s"
    while not store.value("materials", asked, connection.info.backend_pid):
        assert time.monotonic() < until, "it does not wait"
        time.sleep(0.01)


def asked(store: Plant, threads: ThreadPoolExecutor, connection: Connection, items: list[str]) -> Future[Any]:
    """Ask for items that somebody has."""
    found: Future[Any] = threads.submit(connection.execute, HOLD, [items])
    waits(store, connection)
    return found


@pytest.mark.rule("PERF-4")
async def test_who_came_first_has_its_turn_first_though_postings_change_the_balance_meanwhile(
    store: Plant, connections: list[Connection], threads: ThreadPoolExecutor
) -> None:
    names = [await item(store) for _ in range(2)]
    for name in names:
        await stocked(store, name, 5)
    one, two, three = connections
    one.execute(HOLD, [names[:1]])
    second = asked(store, threads, two, names)
    third = asked(store, threads, three, names[:1])
    one.execute("update value_balance set sequence = sequence where item = %s", names[:1])  # another version of the row
    one.execute("commit")
    second.result(5)
    assert not third.done()
    waits(store, three)
    two.execute("update value_balance set sequence = sequence where item = %s", names[:1])
    two.execute("commit")
    third.result(5)


@pytest.mark.rule("PERF-4")
async def test_all_items_together_are_waited_for_no_longer_than_one_lock(
    store: Plant, connections: list[Connection], threads: ThreadPoolExecutor
) -> None:
    names = [await item(store) for _ in range(2)]
    for name in names:
        await stocked(store, name, 5)
    one, two, three = connections
    order = "select item from unnest(%s::text[]) item order by queue_key('hamburg', item)"
    first, last = (row[0] for row in one.execute(order, [names]).fetchall())
    one.execute(HOLD, [[first]])
    two.execute(HOLD, [[last]])
    three.execute("set local lock_timeout = '1s'")
    began = time.monotonic()
    both = asked(store, threads, three, names)
    await asyncio.sleep(0.6)  # of the second that it has
    one.execute("commit")
    with pytest.raises(psycopg.errors.LockNotAvailable):
        both.result(5)
    assert time.monotonic() - began < 1.5


@pytest.mark.rule("PERF-4")
async def test_the_limit_of_a_lock_is_as_before_when_the_turn_has_come(
    store: Plant, connections: list[Connection], threads: ThreadPoolExecutor
) -> None:
    name = await item(store)
    await stocked(store, name, 5)
    one, two, _ = connections
    one.execute(HOLD, [[name]])
    second = asked(store, threads, two, [name])
    one.execute("commit")
    second.result(5)
    assert two.execute("show lock_timeout").fetchone() == ("5s",)


@pytest.mark.rule("PERF-4")
async def test_who_names_very_many_items_takes_no_queue_then_or_later(
    store: Plant, connections: list[Connection]
) -> None:
    one, two, _ = connections
    queues = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
    many = one.execute("select most_queues()").fetchone()
    assert many is not None
    names = [f"items/none-{number}" for number in range(many[0] + 1)]
    one.execute("select queue_for_items('hamburg', %s)", [names[:-1]])
    assert one.execute(queues).fetchone() == many
    two.execute("select queue_for_items('hamburg', %s)", [names])
    two.execute("select queue_for_items('hamburg', %s)", [["items/another"]])  # others wait for rows that it has by now
    assert two.execute(queues).fetchone() == (0,)
