"""What a release begins to follow, and what a stream holds no more, arrives whole and once (REL-25, REL-92)."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import tomllib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from plantops.procurement.v1 import suppliers_pb2

from cli.engines import Engines
from services.chassis import bus, catching_up, consumer, gaps
from services.chassis.serve import Process, process_of
from tests.procurement import builders as make
from tests.signing import Issuer
from tests.world import Plant, running

ROOT = Path(__file__).parents[2]
AGAIN_SECONDS = 5
"""After which what a killed process had in hand comes again; eight times this is longer than a busy machine needs."""
STREAM, FIRST, SECOND = "PROCUREMENT", "materials-procurement", "materials-procurement-2"


@pytest.fixture
async def before(templates: Engines, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Plant]:
    """A plant of the release before, whose materials follows what the first lists name; `take_over` ends that."""
    known, wanted = bus.declaration(), bus.wanted_consumers
    sources = {source: lists[:1] for source, lists in known["consumers"]["materials"].items()}
    first = {**known, "consumers": {**known["consumers"], "materials": sources}}
    monkeypatch.setattr(bus, "declaration", lambda: first)
    monkeypatch.setattr(consumer, "ACK_WAIT", float(AGAIN_SECONDS))
    short = {"ack_wait": AGAIN_SECONDS * bus.SECOND}
    monkeypatch.setattr(bus, "wanted_consumers", lambda: {key: config | short for key, config in wanted().items()})
    async with running(templates, issuer) as plant:
        yield plant


async def take_over(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The next release's declaration, applied; what was changed at the broker."""
    present = tomllib.loads(bus.DECLARED.read_text())
    monkeypatch.setattr(bus, "declaration", lambda: present)
    return [str(difference) for difference in await bus.apply(broker(plant))]


def broker(plant: Plant) -> Any:
    return plant.processes["procurement"].nc


@contextlib.asynccontextmanager
async def replicas(plant: Plant, count: int) -> AsyncIterator[list[Process]]:
    """So many replicas of materials of the next release, beside the one of the release before."""
    found = [process_of("materials", plant.processes["materials"].config) for _ in range(count)]
    await asyncio.gather(*(process.start() for process in found))
    try:
        yield found
    finally:
        await asyncio.gather(*(process.stop() for process in found))


async def killed_at(plant: Plant, fault: str, log: Path) -> int:
    """A replica of the next release as a process of its own, until it kills itself at a fault point; its exit code."""
    config = plant.processes["materials"].config
    secret = {"database_url", "relay_url", "nats_url", "page_token_key"}
    settings = {name: getattr(config, name).get_secret_value() for name in secret}
    settings |= {name: getattr(config, name) for name in ("environment", "issuer", "audience", "jwks")}
    settings |= {"company_prefix": config.company_prefix, "fault": fault}  # type: ignore[attr-defined]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PLANTOPS_")}
    with log.open("w") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.materials", cwd=ROOT, stdout=out, stderr=out,
            env=kept | {f"PLANTOPS_MATERIALS_{name.upper()}": str(value) for name, value in settings.items()},
        )  # fmt: skip
    try:
        return await asyncio.wait_for(process.wait(), 120)
    except TimeoutError:
        process.kill()
        await process.wait()
        return 0


async def suspend(plant: Plant, name: str) -> None:
    await plant("ben", suppliers_pb2.SuspendSupplierRequest(name=name, reason="late"))


async def states(plant: Plant) -> dict[str, tuple[str, int]]:
    """Supplier -> its state and version, as materials knows them."""
    query = (
        "select f.name, f.state, a.version from supplier_fact f join applied a on a.aggregate = f.name"
        " where a.consumer = 'materials-procurement'"
    )
    return {name: (state, version) for name, state, version in plant.rows("materials", query)}


def heard(plant: Plant) -> list[Any]:
    """Events of suppliers in the inbox, one row for each event that was told; a second one is refused there."""
    events = "select event_id from inbox where consumer = %s and split_part(subject, '.', 4) = 'SupplierChanged'"
    return sorted(row[0] for row in plant.rows("materials", events, FIRST))


def told(plant: Plant) -> list[Any]:
    events = "select event_id from outbox where aggregate_type = 'SupplierChanged'"
    return sorted(row[0] for row in plant.rows("procurement", events))


def asked(plant: Plant) -> list[Any]:
    """What procurement was asked to tell again of suppliers: types, since when."""
    query = "select event_types, since from replay_request where 'SupplierChanged' = any(event_types) order by number"
    return plant.rows("procurement", query)


def noted(plant: Plant) -> Any:
    return plant.value("materials", "select at from caught_up where consumer = %s", SECOND)


async def arrive(plant: Plant, wanted: dict[str, tuple[str, int]]) -> None:
    await plant.eventually(lambda: states(plant), lambda found: found == wanted)
    assert heard(plant) == told(plant)
    assert plant.parked() == []
    assert plant.rows("materials", "select * from waiting_event") == []


async def age(plant: Plant) -> None:
    """Let everything that the stream holds become too old for it."""
    nc = broker(plant)
    young = {"max_age": bus.SECOND // 5, "duplicate_window": bus.SECOND // 5}
    for change in (young, {}):
        config = bus.wanted_streams()[STREAM] | change
        answer = json.loads((await nc.request(f"$JS.API.STREAM.UPDATE.{STREAM}", json.dumps(config).encode())).data)
        assert "error" not in answer, answer
        await plant.eventually(lambda: bus.messages_in(nc, STREAM), lambda held: held == 0)


async def ask(plant: Plant) -> None:
    process = plant.processes["materials"]
    await catching_up.ask(process.commands.open_unit, "materials", process.nc)


@pytest.mark.rule("REL-25", "OPS-37")
async def test_what_a_release_begins_to_follow_comes_from_the_beginning(
    before: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = [await make.supplier(before) for _ in range(2)]
    await before.settle()
    assert await states(before) == {}
    info = await broker(before).jetstream().consumer_info(STREAM, FIRST)
    assert await take_over(before, monkeypatch) == [
        "consumer materials-maintenance-2 is missing",
        "consumer materials-procurement-2 is missing",
    ]
    async with replicas(before, 2):
        await suspend(before, one)
        await arrive(before, {one: ("SUSPENDED", 3), other: ("ACTIVE", 2)})
        await ask(before)
        assert noted(before) is not None
        assert asked(before) == []  # the stream holds everything
    assert (await broker(before).jetstream().consumer_info(STREAM, FIRST)).config == info.config
    assert before.processes["materials"].ready


@pytest.mark.rule("REL-25", "REL-31")
async def test_a_process_that_is_killed_while_it_catches_up_leaves_nothing_behind(
    before: Plant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = [await make.supplier(before) for _ in range(6)]
    await take_over(before, monkeypatch)
    log = tmp_path / "killed.log"
    code = await killed_at(before, "inbox.after_commit_before_ack@SupplierChanged:5:kill", log)
    assert code == -signal.SIGKILL, await asyncio.to_thread(log.read_text)
    assert 5 <= len(heard(before)) < len(told(before)) == 12
    await suspend(before, names[0])
    async with replicas(before, 1):
        wanted = {name: ("ACTIVE", 2) for name in names} | {names[0]: ("SUSPENDED", 3)}
        await arrive(before, wanted)


@pytest.mark.rule("REL-92")
async def test_what_the_stream_holds_no_more_is_told_again_by_its_owner(
    before: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = [await make.supplier(before) for _ in range(2)]
    await before.settle()
    await age(before)
    await take_over(before, monkeypatch)
    async with replicas(before, 2):
        await suspend(before, one)  # the stream holds the third event alone, which waits

        async def waiting() -> Any:
            return before.rows("materials", "select aggregate, version from waiting_event")

        await before.eventually(waiting, lambda found: found == [(one, 3)])
        assert await states(before) == {}
        await asyncio.gather(ask(before), ask(before))
        await arrive(before, {one: ("SUSPENDED", 3), other: ("ACTIVE", 2)})
        requests = asked(before)
        assert {tuple(types) for types, _ in requests} == {("SupplierChanged",)}
        await ask(before)  # all of it is noted: nobody is asked again
        assert asked(before) == requests


@pytest.mark.rule("REL-92")
async def test_an_owner_is_asked_until_it_has_answered_and_the_answer_is_noted(
    before: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await make.supplier(before)
    await before.settle()
    await age(before)
    await take_over(before, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(gaps, "subject_of", lambda service: f"nobody.{service}")
        await ask(before)
    assert (asked(before), noted(before)) == ([], None)

    async def killed(*_: Any) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(catching_up, "_note", killed)
        with pytest.raises(asyncio.CancelledError):
            await ask(before)
    assert noted(before) is None
    async with replicas(before, 1):
        await ask(before)
        assert noted(before) is not None
        await arrive(before, {name: ("ACTIVE", 2)})


@pytest.mark.rule("REL-92")
async def test_after_a_long_absence_only_what_was_told_meanwhile_is_asked_for(
    before: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await make.supplier(before)
    await before.settle()
    await take_over(before, monkeypatch)
    async with replicas(before, 1):
        await arrive(before, {name: ("ACTIVE", 2)})
        await ask(before)
    left: datetime = noted(before) - timedelta(days=40)
    with before.look("materials") as connection:
        connection.execute("update caught_up set at = %s where consumer = %s", [left, SECOND])
    await suspend(before, name)
    await before.settle()
    await age(before)
    await ask(before)
    assert asked(before) == [(["SupplierChanged"], left - catching_up.MARGIN)]
    async with replicas(before, 1):
        await arrive(before, {name: ("SUSPENDED", 3)})
