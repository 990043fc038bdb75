"""A process takes so many calls at a time; more are refused at once, and nobody waits in vain (P6)."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st

from cli import databases
from cli.engines import Engines
from services.chassis.admission import Admission, Work
from services.chassis.command import Call, Late
from services.chassis.faults import Overloaded
from services.chassis.serve import Process
from tests.chassis.sample.protos import pb
from tests.plant import Client, Refused, config_of, superuser
from tests.signing import Issuer

PLACES, CONNECTIONS = 2, 4


@pytest.fixture(scope="module")
async def small(
    bootstrapped: Engines, sample_urls: databases.DatabaseUrls, issuer: Issuer, roles_for_sample: None
) -> AsyncIterator[Process]:
    """The sample service with two places."""
    config = config_of(
        "sample", bootstrapped, sample_urls, issuer, max_concurrent_calls=PLACES, pool_size=CONNECTIONS,
        principals={"people/ana": {"hamburg": ["packer"]}},
    )  # fmt: skip
    found = Process(
        "sample",
        config,
        api=sys.modules["tests.chassis.sample"],
        services=pb.DESCRIPTOR.services_by_name.values(),
    )
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def client(small: Process, issuer: Issuer) -> AsyncIterator[Client]:
    found = Client(small, issuer.token("people/ana", {"hamburg": ["packer"]}))
    yield found
    await found.close()


@pytest.fixture
async def box(client: Client) -> str:
    content = pb.Box(title="tea", capacity={"value": "100", "unit_code": "H87"})
    name: str = (await client(pb.CreateBoxRequest(parent="sites/hamburg", box=content))).name
    return name


@contextmanager
def held(engines: Engines, name: str) -> Iterator[Any]:
    """A row lock on a box that holds changes back."""
    with superuser(engines, "sample") as connection:
        connection.execute("begin")
        connection.execute("select 1 from box where name = %s for update", [name])
        yield connection
        connection.execute("rollback")


def fill(name: str) -> Any:
    return pb.FillBoxRequest(name=name, quantity={"value": "1", "unit_code": "H87"}, request_id=str(uuid4()))


async def until_waiting(engines: Engines, count: int) -> None:
    """Wait until so many sessions wait for a lock."""
    async with asyncio.timeout(20):
        while True:
            with superuser(engines, "sample") as connection:
                row = connection.execute(
                    "select count(*) from pg_stat_activity where datname = 'sample' and wait_event_type = 'Lock'"
                ).fetchone()
            if row == (count,):
                return
            await asyncio.sleep(0.02)


@pytest.mark.rule("REL-76")
async def test_calls_beyond_the_places_are_refused_before_anything_is_done_for_them(
    small: Process, client: Client, box: str, bootstrapped: Engines
) -> None:
    with held(bootstrapped, box):
        flying = [asyncio.ensure_future(client(fill(box))) for _ in range(PLACES)]
        await until_waiting(bootstrapped, PLACES)
        with pytest.raises(Refused) as caught:
            await client(pb.GetBoxRequest(name=box), token="no token at all")  # it is not looked at
        assert (caught.value.code, caught.value.reason) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
        status = status_pb2.Status.FromString(caught.value.trailing["grpc-status-details-bin"])
        again = error_details_pb2.RetryInfo()
        assert any(detail.Unpack(again) for detail in status.details)
        assert again.retry_delay.seconds == 1
        stub = health_pb2_grpc.HealthStub(client.channel)
        answers = [await stub.Check(health_pb2.HealthCheckRequest(service=""), timeout=5) for _ in range(PLACES + 1)]
        assert {answer.status for answer in answers} == {health_pb2.HealthCheckResponse.SERVING}
    assert len(await asyncio.gather(*flying)) == PLACES
    assert small.commands.admission.inside == 0
    with pytest.raises(Refused) as caught:
        await client(pb.GetBoxRequest(name=box), token="no token at all")
    assert caught.value.code == "UNAUTHENTICATED"


@pytest.mark.rule("REL-73")
async def test_work_for_a_caller_who_left_is_cancelled(client: Client, box: str, bootstrapped: Engines) -> None:
    with held(bootstrapped, box):
        leaving = asyncio.ensure_future(client(fill(box), timeout=20))
        await until_waiting(bootstrapped, 1)
        leaving.cancel()
        await until_waiting(bootstrapped, 0)
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert (await client(pb.GetBoxRequest(name=box))).level.value == "0"


@pytest.mark.rule("REL-73")
async def test_a_call_whose_time_is_over_is_not_begun(small: Process) -> None:
    async def body(*_: object) -> Any:
        raise AssertionError("begun")

    rpc = pb.DESCRIPTOR.services_by_name["BoxService"].methods_by_name["GetBox"]
    with pytest.raises(Late):
        await small.commands.run(rpc, pb.GetBoxRequest(), Call(token="none", timeout=0), body)
    with pytest.raises(Late):
        await anext(small.commands.streams.read(rpc, pb.GetBoxRequest(), Call(token="none", timeout=-1), body))


@pytest.mark.rule("REL-76")
async def test_streams_leave_half_of_the_connections_to_calls(small: Process, client: Client, box: str) -> None:
    admission = small.commands.admission
    list_boxes = pb.ListBoxesRequest(parent="sites/hamburg")
    stream = client.channel.unary_stream(
        "/plantops.sample.v1.BoxService/StreamBoxes",
        request_serializer=pb.ListBoxesRequest.SerializeToString,
        response_deserializer=pb.Box.FromString,
    )
    async with admission.stream(), admission.stream():
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await anext(aiter(stream(list_boxes, metadata=client.metadata(), timeout=10)))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await client(pb.GetBoxRequest(name=box))).name == box
    assert [found.name async for found in stream(list_boxes, metadata=client.metadata(), timeout=10)]
    assert admission.streams == 0


@pytest.mark.rule("REL-76")
async def test_when_the_database_is_slow_fewer_calls_are_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    admission = Admission(limit=64, connections=4)
    now = 0.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    for _ in range(200):  # each unit holds its connection for a second
        with admission.working():
            now += 1.0
    monkeypatch.undo()
    for _ in range(4 + 4):  # those who work, and those for whom a connection is free within a second
        admission.enter(None)
    with pytest.raises(Overloaded, match="the wait for the database"):
        admission.enter(None)
    for _ in range(4):
        admission.leave()
    with pytest.raises(Overloaded):
        admission.enter(0.1)  # it could not be answered in its time
    admission.enter(0.3)


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 8))
def test_places_are_neither_lost_nor_won(steps: list[bool], limit: int) -> None:
    admission, inside = Admission(limit, 4), 0
    for comes in steps:
        if comes:
            try:
                admission.enter(5)
                inside += 1
            except Overloaded:
                assert inside == limit
        elif inside:
            admission.leave()
            inside -= 1
        assert admission.inside == inside <= limit


@pytest.mark.rule("PERF-2")
async def test_a_few_units_work_at_a_time_and_who_has_its_turn_is_not_kept_waiting() -> None:
    work, began, ends = Work(2), list[str](), asyncio.Event()

    async def unit(name: str, *, first: bool = False) -> None:
        async with work.place(first=first):
            began.append(name)
            await ends.wait()

    tasks = [asyncio.create_task(unit(name)) for name in "abcd"]
    await asyncio.sleep(0)
    assert began == ["a", "b"]
    tasks.append(asyncio.create_task(unit("in turn", first=True)))
    await asyncio.sleep(0)
    assert (began, work.busy) == (["a", "b", "in turn"], 3)
    tasks[2].cancel()
    ends.set()
    await asyncio.wait(tasks)
    assert (began, work.busy) == (["a", "b", "in turn", "d"], 0)
    async with work.place(first=False):
        pass


@pytest.mark.rule("REL-76")
@pytest.mark.rule("PERF-2")
async def test_changes_are_let_in_as_they_will_find_a_place_and_reads_as_they_find_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    admission, work, ends, now = Admission(limit=64, connections=16), Work(2), asyncio.Event(), 0.0
    with monkeypatch.context() as patched:
        patched.setattr(asyncio.get_running_loop(), "time", lambda: now)
        for _ in range(200):  # each change keeps its place for half a second
            async with work.place(first=False):
                now += 0.5

    async def change() -> None:
        admission.enter(None, work)
        async with work.place(first=False, aside=admission.waiting_aside):
            await ends.wait()
        admission.leave()

    changes = []
    for _ in range(2 + 3):  # those who work, and those for whom a place is free within a second
        changes.append(asyncio.create_task(change()))
        await asyncio.sleep(0)
    assert (work.busy, admission.inside, admission.aside) == (2, 5, 3)
    assert work.wait == pytest.approx(1.0, abs=0.01)
    changes.append(asyncio.create_task(change()))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="the wait for the database"):
        admission.enter(None, work)
    admission.enter(None)  # who reads waits for nobody
    ends.set()
    await asyncio.gather(*changes)
    assert (work.wait, admission.inside, admission.aside) == (0, 1, 0)
