"""One unit of work under trouble: clashes, lost connections, deadlines, cancellation (REL-50 .. REL-53, REL-74)."""

import asyncio
import time
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import text

from services.chassis import command
from services.chassis.command import Call
from services.chassis.faults import (
    Conflict,
    DeadlineExceeded,
    DependencyUnavailable,
    Fault,
)
from services.chassis.idempotency import StoredRefusal
from services.chassis.serve import Process
from services.chassis.unit import Unit
from services.chassis.wire import decimal_of
from tests.chassis.boxes import Body, box, events, fill, filled, method, state_of
from tests.chassis.sample.protos import pb
from tests.chassis.sample.service import Box
from tests.plant import Client, tables


@pytest.mark.rule("REL-50")
@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
async def test_a_clash_repeats_the_whole_unit_with_a_fresh_session(
    ana: Client, process: Process, call: Call, look: psycopg.Connection[Any], sqlstate: str
) -> None:
    name = await box(ana)
    sessions: list[Any] = []

    async def body(request: Any, unit: Unit) -> Box:
        sessions.append(unit.session)
        found = await filled(request, unit)
        if len(sessions) < 3:
            await state_of(unit, sqlstate)
        return found

    reply = await process.commands.run(method("FillBox"), fill(name), call, body)
    assert len({id(session) for session in sessions}) == 3
    assert reply.message.level.value == "1"  # type: ignore[attr-defined]
    assert events(look, name) == (1, 1, 1)


@pytest.mark.rule("REL-50")
async def test_a_clash_that_stays_is_told_and_leaves_nothing(
    ana: Client, process: Process, call: Call, look: psycopg.Connection[Any]
) -> None:
    name = await box(ana)
    before = tables(look)

    async def body(request: Any, unit: Unit) -> Box:
        found = await filled(request, unit)
        await state_of(unit, "40001")
        return found

    with pytest.raises(Conflict) as caught:
        await process.commands.run(method("FillBox"), fill(name), call, body)
    assert caught.value.metadata["sqlstate"] == "40001"
    assert tables(look) == before


@pytest.mark.rule("REL-50")
@pytest.mark.rule("REL-51")
async def test_two_units_that_lock_in_opposite_order_both_succeed(
    ana: Client, process: Process, call: Call, look: psycopg.Connection[Any]
) -> None:
    names = [await box(ana), await box(ana)]
    met = asyncio.Barrier(2)

    def crossing(first: str, second: str) -> Body:
        waited = False

        async def body(request: Any, unit: Unit) -> Box:
            nonlocal waited
            one = await unit.get(Box, first)
            if not waited:
                waited = True
                await met.wait()
            other = await unit.get(Box, second)
            unit.emit(one.fill(decimal_of("1")), other.fill(decimal_of("1")))
            return one

        return body

    await asyncio.gather(
        process.commands.run(method("FillBox"), fill(names[0]), call, crossing(names[0], names[1])),
        process.commands.run(method("FillBox"), fill(names[1]), call, crossing(names[1], names[0])),
    )
    assert [events(look, name) for name in names] == [(2, 2, 2), (2, 2, 2)]


@pytest.mark.rule("REL-51")
async def test_many_rows_are_locked_in_one_order(ana: Client, process: Process, call: Call) -> None:
    names = sorted([await box(ana) for _ in range(4)])

    def body(order: list[str]) -> Body:
        async def locked(request: Any, unit: Unit) -> Box:
            found = await unit.get_many(Box, order)
            assert sorted(found) == names
            await asyncio.sleep(0)
            return found[names[0]]

        return locked

    await asyncio.gather(
        *(
            process.commands.run(method("FillBox"), fill(names[0]), call, body(order))
            for order in (names, names[::-1], names[2:] + names[:2])
        )
    )


@pytest.mark.rule("REL-52")
@pytest.mark.rule("REL-50")
async def test_a_lost_connection_is_tried_again_only_where_the_request_id_makes_it_safe(
    ana: Client, process: Process, call: Call, look: psycopg.Connection[Any]
) -> None:
    name = await box(ana)
    tries = 0

    async def broken(unit: Unit) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            pid = (await unit.execute(text("select pg_backend_pid()"))).scalar_one()
            look.execute("select pg_terminate_backend(%s)", [pid])
            await unit.execute(text("select 1"))

    async def changing(request: Any, unit: Unit) -> Box:
        found = await filled(request, unit)
        await broken(unit)
        return found

    async def reading(request: Any, unit: Unit) -> Box:
        await broken(unit)
        return await unit.get(Box, request.name)

    await process.commands.run(method("FillBox"), fill(name), call, changing)
    assert (tries, events(look, name)) == (2, (1, 1, 1))
    tries = 0
    with pytest.raises(DependencyUnavailable):
        await process.commands.run(method("GetBox"), pb.GetBoxRequest(name=name), call, reading)
    assert tries == 1


@pytest.mark.rule("REL-73")
@pytest.mark.rule("REL-53")
async def test_no_unit_lasts_longer_than_the_longest_whatever_the_caller_allows(
    ana: Client, process: Process, call: Call, look: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await box(ana)
    monkeypatch.setattr(command, "LONGEST", 0.3)

    async def body(request: Any, unit: Unit) -> Box:
        found = await filled(request, unit)
        await unit.execute(text("select pg_sleep(20)"))
        return found

    with pytest.raises(DeadlineExceeded) as caught:
        await process.commands.run(method("FillBox"), fill(name), call, body)
    assert caught.value.reason == "DEADLINE_EXCEEDED"
    assert caught.value.metadata == {"limit": "0.3"}
    assert events(look, name) == (0, 0, 0)


@pytest.mark.rule("REL-73")
async def test_without_a_deadline_the_service_sets_one(
    ana: Client, process: Process, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    async def body(request: Any, unit: Unit) -> None:
        seen.append((await unit.execute(text("select current_setting('statement_timeout')"))).scalar_one())

    for timeout in (None, 3.0):
        await process.commands.run(method("FillBox"), fill(await box(ana)), Call(call.token, timeout=timeout), body)
    milliseconds = [int(value.removesuffix("ms")) if value.endswith("ms") else int(value[:-1]) * 1000 for value in seen]
    assert 9_000 < milliseconds[0] <= 10_000
    assert 2_000 < milliseconds[1] <= 3_000


@pytest.mark.rule("REL-30")
@pytest.mark.rule("REL-85")
@pytest.mark.parametrize("wrong", [-2 * 3600, 400 * 86400])
async def test_an_event_is_filed_by_the_databases_day_whatever_this_machines_clock_says(
    ana: Client, process: Process, look: psycopg.Connection[Any], wrong: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, now_ns = await box(ana), time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + wrong * 1_000_000_000)
    async with process.commands.open_unit() as unit:
        unit.emit((await unit.get(Box, name)).fill(decimal_of("1")))
    found = look.execute(
        "select extract(epoch from uuid_extract_timestamp(event_id) - recorded_at)::float from outbox"
        " where aggregate_id = %s order by pos desc limit 1", [name],
    ).fetchone()  # fmt: skip
    assert found is not None
    assert abs(found[0]) < 60


@pytest.mark.rule("REL-74")
@pytest.mark.parametrize("cancels", [1, 2])
async def test_a_command_cancelled_during_commit_is_done_whole_and_told_by_a_retry(
    ana: Client, process: Process, call: Call, look: psycopg.Connection[Any], cancels: int
) -> None:
    name, key = await box(ana), str(uuid4())
    look.execute(
        "create function slow_commit() returns trigger language plpgsql as"
        " $$ begin perform pg_sleep(0.6); return null; end $$"
    )
    look.execute(
        "create constraint trigger slow after update on box deferrable initially deferred"
        " for each row execute function slow_commit()"
    )
    try:
        running = asyncio.ensure_future(process.commands.run(method("FillBox"), fill(name, key), call, filled))
        for _ in range(500):
            busy = look.execute(
                "select count(*) from pg_stat_activity"
                " where datname = 'sample' and query ilike 'commit%%' and state = 'active'"
            ).fetchone()
            if busy == (1,):
                break
            await asyncio.sleep(0.01)
        assert busy == (1,)
        for _ in range(cancels):
            running.cancel()
            await asyncio.sleep(0.05)
        with pytest.raises(asyncio.CancelledError):
            await running
    finally:
        look.execute("drop trigger slow on box")
        look.execute("drop function slow_commit")
    assert events(look, name) == (1, 1, 1)
    reply = await process.commands.run(method("FillBox"), fill(name, key), call, filled)
    assert reply.replayed
    assert events(look, name) == (1, 1, 1)
    opened = "select count(*) from pg_stat_activity where datname = 'sample' and state like 'idle in transaction%'"
    async with asyncio.timeout(10):  # nothing is left open; other parts of the process open some for a moment
        while True:
            if look.execute(opened).fetchone() == (0,):
                break
            await asyncio.sleep(0.02)


@pytest.mark.rule("REL-50")
@pytest.mark.parametrize(
    ("sqlstate", "fault"), [("40001", Conflict), ("57014", DeadlineExceeded), ("25P04", DeadlineExceeded)]
)
async def test_in_a_stream_trouble_has_a_canonical_code_too(
    ana: Client, process: Process, call: Call, sqlstate: str, fault: type[Fault]
) -> None:
    name = await box(ana)

    async def pour() -> None:
        async with process.commands.streams.opener(method("PourBoxes"), call)(fill(name)) as unit:
            await filled(fill(name), unit)
            await state_of(unit, sqlstate)

    with pytest.raises(fault):
        await pour()

    async def rows(request: Any, unit: Unit) -> Any:
        yield await unit.get(Box, name, lock=False)
        await state_of(unit, sqlstate)

    request = pb.ListBoxesRequest(parent="sites/hamburg")
    with pytest.raises(fault):
        [row async for row in process.commands.streams.read(method("StreamBoxes"), request, call, rows)]


async def test_a_client_stream_checks_each_message(ana: Client, process: Process, call: Call) -> None:
    open_unit = process.commands.streams.opener(method("PourBoxes"), call)
    for bad in (fill("sites/antwerp/boxes/x"), fill("sites/hamburg/boxes/none", "7"), fill("x" * 300)):
        with pytest.raises(Fault):
            async with open_unit(bad):
                pytest.fail("the unit opened")
    total = ana.channel.stream_unary(
        "/plantops.sample.v1.BoxService/SumBoxes",
        request_serializer=pb.FillBoxRequest.SerializeToString,
        response_deserializer=pb.SumBoxesResponse.FromString,
    )
    name = await box(ana)
    answer = await total(iter([fill(name), fill(name), fill("sites/hamburg/boxes/none")]), metadata=ana.metadata())
    assert answer.box_count == 2


async def test_an_attempt_that_fails_takes_its_events_and_records_with_it(
    ana: Client, process: Process, call: Call, look: psycopg.Connection[Any]
) -> None:
    name = await box(ana)

    async def body(request: Any, unit: Unit) -> Box:
        found = await filled(request, unit)

        async def tried() -> None:
            async with unit.attempt():
                unit.emit(found.fill(decimal_of("5")))
                raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await tried()
        await unit.session.refresh(found)
        return found

    await process.commands.run(method("FillBox"), fill(name), call, body)
    assert events(look, name) == (1, 1, 1)


async def test_only_a_reading_unit_may_end_its_transaction_early(ana: Client, process: Process, call: Call) -> None:
    async def body(request: Any, unit: Unit) -> Box:
        found = await unit.get(Box, request.name)
        await unit.release()
        return found

    name = await box(ana)
    await process.commands.run(method("GetBox"), pb.GetBoxRequest(name=name), call, body)
    with pytest.raises(RuntimeError, match="ends with its commit"):
        await process.commands.run(method("FillBox"), fill(name), call, body)


@pytest.mark.rule("REL-62")
async def test_a_refusal_that_may_change_by_itself_is_not_stored(
    ana: Client, process: Process, call: Call, look: psycopg.Connection[Any]
) -> None:
    key = str(uuid4())
    name = f"sites/hamburg/boxes/late-{key[:8]}"
    for _ in range(2):
        with pytest.raises(Fault) as caught:
            await process.commands.run(method("FillBox"), fill(name, key), call, filled)
        assert not isinstance(caught.value, StoredRefusal)
    assert look.execute("select count(*) from idempotency where request_id = %s", [key]).fetchone() == (0,)


@pytest.mark.rule("REL-65")
async def test_answers_are_kept_thirty_days_and_then_swept(
    ana: Client, process: Process, look: psycopg.Connection[Any]
) -> None:
    from services.chassis.serve import keep_house

    name, keys = await box(ana), [str(uuid4()), str(uuid4())]
    for key in keys:
        await ana(fill(name, key))
    kept = "select round(extract(epoch from expires_at - now()) / 86400) from idempotency where request_id = %s"
    assert look.execute(kept, [keys[0]]).fetchone() == (30,)
    look.execute("update idempotency set expires_at = now() - interval '1 s' where request_id = %s", [keys[0]])
    await keep_house(process.commands.open_unit)
    left = look.execute("select request_id::text from idempotency where request_id = any(%s::uuid[])", [keys])
    assert left.fetchall() == [(keys[1],)]


@pytest.mark.parametrize("count", [0, 1, 3, 29, 30, 31, 100])
async def test_rows_of_a_query_come_in_portions_however_many_they_are(process: Process, count: int) -> None:
    query = "select n, $2::text as word from generate_series(1, $1::int) n order by n"
    async with process.commands.open_unit() as unit:
        found = [rows async for rows in unit.rows(query, count, "x", size=3)]
        assert [(row["n"], row["word"]) for rows in found for row in rows] == [(n, "x") for n in range(1, count + 1)]
        assert all(len(rows) == 3 for rows in found[:-1])
        # and in the unit's transaction
        await unit.execute(text("select set_config('app.here', 'yes', true)"))
        assert [rows async for rows in unit.rows("select current_setting('app.here')", size=3)] == [[("yes",)]]


async def test_an_error_of_rows_is_told_as_one_of_a_statement(process: Process, call: Call) -> None:
    async def failing(request: Any, unit: Unit) -> None:
        async for _ in unit.rows("select pg_terminate_backend(pg_backend_pid())", size=1):
            pass

    with pytest.raises(DependencyUnavailable):
        await process.commands.run(method("GetBox"), pb.GetBoxRequest(name="sites/hamburg/boxes/b"), call, failing)
