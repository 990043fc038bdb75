"""Turns of units that need several things at once: order of coming, no holding while waiting, early refusal."""

import asyncio
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.turns import Later, NotItsTurn, Turn, Turns, in_turn

WANTED = st.lists(st.sets(st.sampled_from("abcdef"), min_size=1, max_size=4), min_size=1, max_size=12)


async def take(queues: Turns, keys: Iterable[str]) -> Turn:
    """Ask for things and wait for the turn."""
    turn = queues.ask(keys)
    await queues.come(turn, 10)
    return turn


async def settled() -> None:
    """Let every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.rule("PERF-2")
async def test_who_waits_for_two_things_holds_neither_and_is_not_overtaken() -> None:
    queues = Turns()
    first = await take(queues, "a")
    both = asyncio.create_task(take(queues, "ab"))
    await settled()
    other = await take(queues, "c")  # what nobody wants is had at once
    later = asyncio.create_task(take(queues, "b"))
    await settled()
    assert (both.done(), later.done(), queues.waiting) == (False, False, 2)
    queues.end(first)
    await settled()
    assert (both.done(), later.done()) == (True, False)
    queues.end(both.result())
    await settled()
    assert later.done()
    queues.end(later.result())
    queues.end(other)
    assert (queues.waiting, queues._queues, queues._turns) == (0, {}, {})


@pytest.mark.rule("PERF-2")
@given(wanted=WANTED)
async def test_each_thing_is_had_by_one_at_a_time_in_the_order_of_coming(wanted: list[set[str]]) -> None:
    queues = Turns()
    had: dict[str, list[int]] = {}
    busy: set[str] = set()

    async def work(number: int, keys: set[str]) -> None:
        turn = await take(queues, keys)
        assert not busy & keys
        busy.update(keys)
        for key in keys:
            had.setdefault(key, []).append(number)
        await asyncio.sleep(0)
        busy.difference_update(keys)
        queues.end(turn)

    await asyncio.gather(*(work(number, keys) for number, keys in enumerate(wanted)))
    assert had == {key: [n for n, keys in enumerate(wanted) if key in keys] for key in set().union(*wanted)}
    assert queues._queues == {}


@pytest.mark.rule("PERF-2")
async def test_the_wait_is_that_of_the_longest_chain_before_it() -> None:
    queues = Turns()
    queues._mean = 1.0
    waiting = [asyncio.create_task(take(queues, keys)) for keys in ("ab", "bc", "cd", "xy")]
    await settled()
    assert [queues.expected(keys) for keys in ("d", "a", "ax", "x", "z")] == [3.0, 1.0, 1.0, 1.0, 0.0]
    assert queues.expected("dz") == 3.0
    assert [queues.free(keys) for keys in ("z", "dz", "x")] == [True, False, False]
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.rule("PERF-2")
async def test_who_goes_away_lets_the_next_one_on() -> None:
    queues = Turns()
    first = await take(queues, "a")
    gone = asyncio.create_task(take(queues, "ab"))
    await settled()
    behind = asyncio.create_task(take(queues, "b"))
    await settled()
    gone.cancel()
    await settled()
    assert behind.done()
    last = asyncio.create_task(take(queues, "a"))
    await settled()
    queues.end(first)
    last.cancel()  # at the moment of its turn
    with pytest.raises(asyncio.CancelledError):
        await last
    queues.end(await take(queues, "a"))
    queues.end(behind.result())
    assert queues._queues == {}


@pytest.mark.rule("PERF-2")
async def test_who_waited_too_long_stands_in_no_queue_any_more() -> None:
    queues = Turns()
    first = await take(queues, "a")
    with pytest.raises(NotItsTurn):
        await queues.come(queues.ask("a"), 0.01)
    queues.end(first)
    queues.end(await take(queues, "a"))
    assert queues._queues == {}


@pytest.mark.rule("PERF-2")
async def test_a_unit_that_goes_away_before_it_waits_blocks_nobody() -> None:
    queues, rolling_back = Turns(), asyncio.Event()
    first = await take(queues, "a")

    async def once(turn: Turn | None) -> None:
        try:
            raise Later(queues, frozenset("a"), 10)
        finally:
            rolling_back.set()
            await asyncio.sleep(10)  # the rollback, in which its deadline comes

    gone = asyncio.create_task(in_turn(once))
    await rolling_back.wait()
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    queues.end(first)
    assert queues.free("a")
