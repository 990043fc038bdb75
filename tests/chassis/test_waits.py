"""Who waits: for its turn, for what others hold, for a twin, for a connection; and who is refused for it (PERF-2)."""

import asyncio
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from cli.engines import Engines
from services.chassis import command
from services.chassis.admission import OTHERS
from services.chassis.command import Call
from services.chassis.faults import (
    Overloaded,
    RequestInProgress,
)
from services.chassis.serve import Process
from services.chassis.unit import Unit
from tests.chassis.boxes import box, events, fill, filled, method
from tests.chassis.sample.protos import pb
from tests.chassis.sample.service import Box
from tests.plant import Client, superuser

IMPATIENT = text("""
    select now(), set_config('statement_timeout', :timeout, true), set_config('lock_timeout', '100', true)
""")


@pytest.mark.rule("REL-50")
@pytest.mark.rule("PERF-2")
async def test_who_waited_in_vain_for_what_another_holds_is_refused_and_may_come_back(
    ana: Client,
    process: Process,
    call: Call,
    look: psycopg.Connection[Any],
    bootstrapped: Engines,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = await box(ana)
    monkeypatch.setattr(command, "_BEGIN", IMPATIENT)
    sessions: list[Any] = []
    sent = fill(name)

    async def body(request: Any, unit: Unit) -> Box:
        sessions.append(unit.session)
        return await filled(request, unit)

    with superuser(bootstrapped, "sample") as other, other.transaction():
        other.execute("select from box where name = %s for update", [name])
        with pytest.raises(Overloaded) as caught:
            await process.commands.run(method("FillBox"), sent, call, body)
    assert (len(sessions), caught.value.metadata["limit"]) == (1, OTHERS)
    assert events(look, name) == (0, 0, 0)
    reply = await process.commands.run(method("FillBox"), sent, call, body)
    assert reply.message.level.value == "1"  # type: ignore[attr-defined]


@pytest.mark.rule("REL-60")
async def test_who_waited_in_vain_for_its_twin_is_told_so(
    ana: Client,
    process: Process,
    call: Call,
    bootstrapped: Engines,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = await box(ana)
    monkeypatch.setattr(command, "_BEGIN", IMPATIENT)
    sent = fill(name)
    with superuser(bootstrapped, "sample") as other, other.transaction():
        other.execute(
            "insert into idempotency (principal, method, request_id, request_hash, hash_version, expires_at)"
            " values ('people/ana', %s, %s, '', 1, now() + interval '1 day')",
            [method("FillBox").full_name, sent.request_id],
        )
        with pytest.raises(RequestInProgress):
            await process.commands.run(method("FillBox"), sent, call, filled)


@pytest.mark.rule("PERF-2")
async def test_a_unit_waits_for_its_turn_without_a_transaction_and_is_done_in_it(
    ana: Client, process: Process, call: Call, look: psycopg.Connection[Any]
) -> None:
    name = await box(ana)
    turns, went = process.commands.turns, asyncio.Event()
    tries: list[str] = []
    held = asyncio.Event()

    async def first(request: Any, unit: Unit) -> Box:
        await unit.in_turn([name])
        held.set()
        await went.wait()
        return await filled(request, unit)

    async def second(request: Any, unit: Unit) -> Box:
        tries.append("")
        await unit.in_turn([name, "another"])
        await unit.in_turn(["what is asked for later is waited for in the database"])
        tries[-1] = "in turn"
        return await filled(request, unit)

    one = asyncio.create_task(process.commands.run(method("FillBox"), fill(name), call, first))
    await held.wait()
    two = asyncio.create_task(process.commands.run(method("FillBox"), fill(name), call, second))
    still_open = (
        "select count(*) from pg_stat_activity where xact_start is not null and application_name like 'sample%%'"
    )
    for _ in range(1000):
        aside = process.commands.admission.aside
        if turns.waiting and aside == 1 and look.execute(still_open).fetchone() == (1,):
            break  # nothing stays open but the first one's
        await asyncio.sleep(0.01)
    else:
        raise AssertionError(f"{turns.waiting} wait, open are {look.execute(still_open).fetchone()}")
    went.set()
    await asyncio.gather(one, two)
    assert tries == ["", "in turn"]
    assert (turns.waiting, turns._queues, process.commands.work.busy) == (0, {}, 0)
    assert events(look, name) == (2, 2, 2)


@pytest.mark.rule("PERF-2")
async def test_a_call_that_would_wait_for_most_of_its_time_is_refused_at_once(
    ana: Client, process: Process, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await box(ana)
    turns = process.commands.turns
    monkeypatch.setattr(turns, "_mean", 6.0)  # of ten that it has
    turn = turns.ask([name])

    async def body(request: Any, unit: Unit) -> Box:
        await unit.in_turn([name])
        return await filled(request, unit)

    with pytest.raises(Overloaded):
        await process.commands.run(method("FillBox"), fill(name), call, body)
    monkeypatch.setattr(turns, "_mean", 0.1)
    monkeypatch.setattr("services.chassis.unit.WAITED", 0.01)
    with pytest.raises(Overloaded):  # it lasts longer than was expected
        await process.commands.run(method("FillBox"), fill(name), call, body)
    turns.end(turn)
    await process.commands.run(method("FillBox"), fill(name), call, body)
    assert turns._queues == {}


@pytest.mark.rule("REL-76")
async def test_a_call_that_finds_no_connection_in_time_is_refused_as_overload(
    ana: Client, process: Process, call: Call, look: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await box(ana)
    monkeypatch.setattr(process.engine.pool, "_timeout", 0.2)
    all_begun, go = asyncio.Barrier(process.config.pool_size + 1), asyncio.Event()

    async def holding(request: Any, unit: Unit) -> Box:
        await all_begun.wait()
        await go.wait()
        return await unit.get(Box, request.name, lock=False)

    request = pb.GetBoxRequest(name=name)
    held = [
        asyncio.ensure_future(process.commands.run(method("GetBox"), request, call, holding))
        for _ in range(process.config.pool_size)
    ]
    await all_begun.wait()
    with pytest.raises(Overloaded):
        await process.commands.run(method("GetBox"), request, call, holding)
    go.set()
    await asyncio.gather(*held)
