"""The parts of the fault runs by themselves: plan, proxy, protocol, points, checks of order."""

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from plantops.materials.v1 import items_pb2, movements_pb2

from services.chassis import bus, consumer, fault_points, relay
from tests.faults import checkers, exhaustive, plan, planted_runs, report
from tests.faults.child import shortened
from tests.faults.commands import http_form, methods
from tests.faults.plan import KINDS, MIXES, POINTS, STORIES
from tests.faults.plant import TIMERS
from tests.faults.postgres_wire import CommitWatch
from tests.faults.proxy import AFTER, BEFORE, Edge
from tests.faults.stories import Actor


def test_a_seed_decides_everything() -> None:
    for seed in range(25):
        assert plan.plan(seed) == plan.plan(seed)
    assert len({str(plan.plan(seed)) for seed in range(25)}) == 25


def test_twenty_seeds_go_through_every_kind_of_fault() -> None:
    assert {kind for mix in MIXES for kind in mix} == set(KINDS)
    assert len(MIXES) == 20
    for seed in range(20):
        made = plan.plan(seed, seconds=10)
        assert {fault.kind for fault in made.faults} == set(made.mix)
        assert all(0 <= fault.at <= 10 for fault in made.faults)
        assert all(0 <= story.site < made.sites for story in made.stories)


def test_every_story_can_be_told_and_every_point_is_known() -> None:
    assert all(callable(getattr(Actor, name)) for name in STORIES)
    assert set(POINTS) == fault_points.POINTS
    for case in exhaustive.cases():
        assert fault_points.parse(case.fault)
        assert case.story in STORIES
    assert {case.point for case in exhaustive.cases()} == fault_points.POINTS


def test_an_exhaustive_run_knows_kinds_that_exist() -> None:
    known = {name for _, name in methods()}
    assert {kind for kinds in exhaustive.COMMANDS.values() for kind in kinds} <= known


def test_shorter_waits_end_with_the_plant_that_has_them() -> None:
    def waits() -> list[object]:
        return [bus.wanted_consumers(), consumer.ACK_WAIT, relay.BEAT_SECONDS, relay.BEAT_LIMIT]

    known = waits()
    with shortened(TIMERS):
        shorter = waits()
    assert [mine != usual for mine, usual in zip(shorter, known, strict=True)] == [True] * len(known)
    assert waits() == known


# --- the protocol ---------------------------------------------------------------------------------------------


def message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


STARTUP = message(b"", (196608).to_bytes(4) + b"user\0x\0\0")
TLS = message(b"", (80877103).to_bytes(4))


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ([message(b"Q", b"COMMIT;\0")], True),
        ([message(b"Q", b"commit\0")], True),
        ([message(b"Q", b"select 'COMMIT'\0")], False),
        ([message(b"P", b"s1\0COMMIT\0\0\0"), message(b"B", b"\0s1\0\0\0"), message(b"E", b"\0\0\0\0\0")], True),
        ([message(b"P", b"s1\0select 1\0\0\0"), message(b"B", b"\0s1\0\0\0"), message(b"E", b"\0\0\0\0\0")], False),
        ([message(b"P", b"s1\0COMMIT\0\0\0")], False),
    ],
)
def test_a_commit_is_seen_simple_or_extended_whole_or_in_pieces(sent: list[bytes], seen: bool) -> None:
    stream = b"".join([TLS, STARTUP, *sent])
    assert CommitWatch().sees_commit(stream) is seen
    watch = CommitWatch()
    assert any([watch.sees_commit(stream[at : at + 1]) for at in range(len(stream))]) is seen


# --- the proxy ------------------------------------------------------------------------------------------------


@pytest.fixture
async def server() -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answers every piece that it gets with its length; keeps what it got."""
    got: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            got.append(data)
            writer.write(b"%d;" % len(data))
        writer.close()

    running = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with running:
        yield running.sockets[0].getsockname()[1], got


async def through(edge: Edge, data: bytes) -> bytes:
    """What comes back for one piece; b"" for a connection that was broken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    try:
        writer.write(data)
        await writer.drain()
        return await reader.read(100)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_an_edge_passes_delays_throttles_and_swallows(server: tuple[int, list[bytes]]) -> None:
    async with Edge("x", ("127.0.0.1", server[0])) as edge:
        assert await through(edge, b"12345") == b"5;"
        edge.latency = 0.05
        begin = time.monotonic()
        assert await through(edge, b"12345") == b"5;"
        assert time.monotonic() - begin >= 0.1
        edge.latency, edge.rate = 0, 100
        begin = time.monotonic()
        assert await through(edge, b"x" * 10) == b"10;"
        assert time.monotonic() - begin >= 0.1
        edge.rate = 0
        edge.swallow()
        waiting = asyncio.create_task(through(edge, b"123"))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        edge.heal()
        assert await waiting == b"3;"


async def test_an_edge_resets_and_refuses(server: tuple[int, list[bytes]]) -> None:
    async with Edge("x", ("127.0.0.1", server[0])) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(b"1")
        assert await reader.read(10) == b"1;"
        edge.cut()
        with pytest.raises(ConnectionError):
            await reader.readexactly(1)
        writer.close()
        edge.refusing = True
        assert await through(edge, b"1") == b""
        edge.heal()
        assert await through(edge, b"1") == b"1;"


@pytest.mark.parametrize(("when", "arrives"), [(BEFORE, False), (AFTER, True)])
async def test_an_edge_breaks_off_at_the_commit(server: tuple[int, list[bytes]], when: str, arrives: bool) -> None:
    commit = message(b"Q", b"COMMIT;\0")
    async with Edge("x", ("127.0.0.1", server[0]), postgres=True) as edge:
        edge.break_commits(when)
        assert await through(edge, STARTUP + message(b"Q", b"select 1\0")) != b""
        assert await through(edge, STARTUP + commit) == b""
        assert any(data.endswith(commit) for data in server[1]) is arrives
        assert await through(edge, STARTUP + commit) != b""
        assert edge.cuts == 1


# --- commands and checks ----------------------------------------------------------------------------------------


def test_a_command_over_http_has_the_contracts_path_and_body() -> None:
    move = movements_pb2.CreateMovementRequest(parent="sites/a", movement={"kind": "MOVE"}, request_id="x")
    path, body = http_form(methods()[move.DESCRIPTOR.full_name, "CreateMovement"], move)
    assert (path, body) == ("/v1/sites/a/movements", {"movement": {"kind": "MOVE"}})
    item = items_pb2.CreateItemRequest(item_id="bolt", item={"title": "Bolt"})
    path, body = http_form(methods()[item.DESCRIPTOR.full_name, "CreateItem"], item)
    assert (path, body) == ("/v1/items?itemId=bolt", {"title": "Bolt"})


def test_the_order_of_a_stream_counts_first_publications() -> None:
    good = [("a", "x", 1), ("b", "x", 2), ("a", "x", 1), ("c", "y", 1), ("d", "z", 0)]
    assert checkers._stream_order("s", good) == []
    assert checkers._stream_order("s", [("b", "x", 2), ("a", "x", 1)]) == ["I5 s x: version 1 was published after 2"]


def test_a_report_counts_what_was_lost_and_doubled() -> None:
    outcome: Any = SimpleNamespace(
        plan=plan.plan(1), happened=[], commands={"sent": 2, "acknowledged": 2}, absorbed={}, unavailable=1.0,
        outbox_age=2.0, converged=3.0, seconds=4.0, internal=[], cheap_checks=1, good=False,
        findings=["I3 X 1 acknowledged: 0 effects", "I3 X 2 acknowledged: 2 effects", "I2 y"],
    )  # fmt: skip
    figures = report.summary([outcome], [], {})
    assert (figures["lost"], figures["doubled"], figures["invariant violations"]) == (1, 1, 3)
    assert figures["failed seeds"] == [1]
    assert "failed: [1]" in report.table(figures)


def test_planted_bugs_name_modules_and_checkers_that_exist() -> None:
    from importlib.util import find_spec

    for planted in planted_runs.PLANTED:
        assert all(find_spec(module) for module in planted.modules)
        assert {*planted.by} <= {*checkers.CHECKS, "I10"}
    assert len({planted.name for planted in planted_runs.PLANTED}) == len(planted_runs.PLANTED) == 17
