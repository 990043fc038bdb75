"""The queue of a lane: what waits together goes together, nobody waits for a timer, nobody waits too long."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from plantops.materials.v1 import movements_pb2

from services.chassis import lanes
from services.chassis.access import Claims
from services.chassis.faults import Overloaded
from services.chassis.lanes import Lane, Lanes, Member, Place
from services.chassis.tracing import current
from tests.chassis.spans import KEPT, OTHER, Kept


class Work:
    """Notes the batches; each lasts until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.free = asyncio.Event()
        self.free.set()

    async def __call__(self, batch: list[Member]) -> None:
        self.batches.append([member.request.parent for member in batch])
        await self.free.wait()
        for member in batch:
            member.tell()


METHOD = movements_pb2.DESCRIPTOR.services_by_name["MovementService"].methods_by_name["CreateMovement"]


def member(name: str, group: str = "a", *, request_id: str = "", left: float = 10, key: str = "x") -> Member:
    request: Any = SimpleNamespace(parent=name, request_id=request_id or str(uuid4()))
    ends = time.monotonic() + left
    return Member(cast(Any, None), Place(group, key), METHOD, request, cast(Any, None), Claims("people/ana"), ends)


async def all_done(lane: Lane) -> None:
    while lane.task is not None:
        await asyncio.wait([lane.task])


@pytest.mark.rule("PERF-2")
async def test_a_lone_call_goes_at_once_and_what_comes_meanwhile_goes_together() -> None:
    work = Work()
    lane = Lane(work)
    lane.put(member("1"))
    work.free.clear()
    await asyncio.sleep(0)
    for name in ("2", "3", "4"):
        lane.put(member(name))
    work.free.set()
    await all_done(lane)
    assert work.batches == [["1"], ["2", "3", "4"]]


@pytest.mark.rule("PERF-2")
async def test_a_batch_holds_one_group_each_call_once_and_at_most_512() -> None:
    work = Work()
    lane = Lane(work)
    twin = str(uuid4())
    for one in (member("1", request_id=twin), member("2", "b"), member("3", request_id=twin.upper()), member("4")):
        lane.put(one)
    await all_done(lane)
    assert work.batches == [["1", "4"], ["2"], ["3"]]
    work.batches.clear()
    for number in range(600):
        lane.put(member(str(number)))
    await all_done(lane)
    assert [len(batch) for batch in work.batches] == [lanes.MOST, 600 - lanes.MOST]


@pytest.mark.rule("PERF-2")
async def test_who_would_wait_too_long_is_refused_before_it_is_queued() -> None:
    work = Work()
    work.free.clear()
    lane = Lane(work)
    lane.put(member("1"))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        lane.put(member("no time left", left=0))
    lane._began -= 0.5  # the transaction lasts for half a second already
    with pytest.raises(Overloaded) as refused:
        lane.put(member("less than it takes", left=0.4))
    assert refused.value.retry_after is not None
    lane.put(member("2"))
    lane._began -= 2
    with pytest.raises(Overloaded):
        lane.put(member("longer than anybody shall wait"))
    work.free.set()
    await all_done(lane)
    assert work.batches == [["1"], ["2"]]
    lane.put(member("3"))  # idle again: at once
    await all_done(lane)
    assert work.batches[-1] == ["3"]


@pytest.mark.rule("PERF-2")
async def test_what_is_queued_is_done_before_a_drain_ends() -> None:
    work = Work()
    work.free.clear()
    found: Any = SimpleNamespace(admission=None)
    process = lanes.Lanes(found, 2)
    for lane in process.lanes:
        lane._work = work
        lane.put(member("1"))
    await asyncio.sleep(0)
    process.lanes[0].put(member("2"))
    drained = asyncio.ensure_future(process.drain())
    await asyncio.sleep(0)
    assert not drained.done()
    work.free.set()
    await drained
    assert sorted(work.batches) == [["1"], ["1"], ["2"]]


@pytest.mark.rule("PERF-2")
async def test_while_a_lane_is_held_up_calls_on_other_stock_take_the_next() -> None:
    work = Work()
    work.free.clear()
    process = lanes.Lanes(cast(Any, SimpleNamespace(admission=None)), 2)
    first, second = process.lanes
    first._work = second._work = work

    def put(key: str) -> Lane:
        one = member(key, key=key)
        lane = process._lane_of(one.place)
        lane.put(one)
        return lane

    assert put("a") is first
    await asyncio.sleep(0)
    assert put("b") is first  # which is not held up yet
    first._began -= lanes.SLOW
    assert [put(key) is second for key in ("c", "a", "b", "c")] == [True, False, False, True]
    work.free.set()
    await all_done(first)
    await all_done(second)
    assert (first.places, second.places) == ({}, {})
    assert put("c") is first
    await all_done(first)


@pytest.mark.rule("PERF-2")
async def test_a_caller_that_has_gone_is_not_told() -> None:
    work = Work()
    work.free.clear()
    lane = Lane(work)
    gone, here = member("1"), member("2")
    lane.put(gone)
    lane.put(here)
    await asyncio.sleep(0)
    gone.done.cancel()
    work.free.set()
    assert await here.done is None


@pytest.mark.rule("OPS-42")
@pytest.mark.parametrize("whose", [(KEPT,), (KEPT, OTHER)])
async def test_a_lane_works_below_the_one_call_or_is_linked_to_each(kept: Kept, whose: tuple[str, ...]) -> None:
    source = kept.tracing(0)
    inside: list[str] = []

    async def retried(*given: Any, safe: bool) -> None:
        inside.append(current())

    commands: Any = SimpleNamespace(tracing=source, retried=retried)
    batch = [member(f"sites/{number}") for number, _ in enumerate(whose)]
    for one, traceparent in zip(batch, whose, strict=True):
        one.call = cast(Any, SimpleNamespace(traceparent=traceparent))
    await Lanes(commands, 1)._in_a_unit(batch)
    (span,) = kept.finished(source)
    linked = [f"{link.context.trace_id:032x}" for link in span.links]
    traces = [traceparent.split("-")[1] for traceparent in whose]
    mine = inside[0].split("-")[1]
    assert ([mine], linked) == (traces, []) if len(whose) == 1 else linked == traces and mine not in traces
