"""Audit: one record per changed object and command, what was before and after, append-only (SEC-44 .. SEC-51)."""

from typing import Any
from uuid import uuid4

import asyncpg
import psycopg
import pytest

from cli.databases import DatabaseUrls
from services.chassis.serve import Process
from tests.chassis.sample.protos import pb
from tests.chassis.sample.service import Box
from tests.plant import Client, Refused


def q(value: str) -> dict[str, str]:
    return {"value": value, "unit_code": "H87"}


def records(look: psycopg.Connection[Any], name: str) -> list[Any]:
    return look.execute(
        "select actor, action, version, before, after, reason, request_id::text, roles, ip from audit"
        " where object = %s order by pos", [name],
    ).fetchall()  # fmt: skip


@pytest.mark.rule("SEC-47")
@pytest.mark.rule("SEC-51")
async def test_each_change_is_one_record_with_before_and_after(ana: Client, look: psycopg.Connection[Any]) -> None:
    key = str(uuid4())
    box = await ana(pb.CreateBoxRequest(parent="sites/hamburg", box=pb.Box(title="a", capacity=q("10"))))
    await ana(pb.FillBoxRequest(name=box.name, quantity=q("2"), request_id=key))
    await ana(pb.SealBoxRequest(name=box.name, reason="full enough"))
    made, filled, sealed = records(look, box.name)
    assert (made[0], made[1], made[2], made[3]) == ("people/ana", "sample.boxes.create", 1, None)
    assert made[4] == {
        "title": "a", "capacity": "10", "level": "0", "state": "OPEN", "unit_code": "H87",
    }  # fmt: skip
    assert (filled[2:5], filled[6]) == ((2, {"level": "0"}, {"level": "2"}), key)
    assert sealed[2:6] == (3, {"state": "OPEN"}, {"state": "SEALED"}, "full enough")
    assert {record[7] for record in (made, filled, sealed)} == {"packer"}
    assert {record[8] for record in (made, filled, sealed)} == {"127.0.0.1"}


@pytest.mark.rule("SEC-51")
async def test_a_record_names_the_version_that_the_object_has_after_the_unit(
    ana: Client, process: Process, look: psycopg.Connection[Any]
) -> None:
    box = await ana(pb.CreateBoxRequest(parent="sites/hamburg", box=pb.Box(title="a", capacity=q("10"))))
    async with process.commands.open_unit() as unit:
        row = await unit.get(Box, box.name)
        row.title = "b"
        await unit.flush()
        row.title = "c"
    assert [record[2] for record in records(look, box.name)] == [1, 3]
    assert records(look, box.name)[-1][3:5] == ({"title": "a"}, {"title": "c"})
    assert look.execute("select version from box where name = %s", [box.name]).fetchone() == (3,)


@pytest.mark.rule("SEC-51")
async def test_reads_replays_and_refusals_leave_no_record(ana: Client, look: psycopg.Connection[Any]) -> None:
    key = str(uuid4())
    box = await ana(pb.CreateBoxRequest(parent="sites/hamburg", box=pb.Box(title="a", capacity=q("3"))))
    await ana(pb.FillBoxRequest(name=box.name, quantity=q("2"), request_id=key))
    before = records(look, box.name)
    await ana(pb.GetBoxRequest(name=box.name))
    await ana(pb.FillBoxRequest(name=box.name, quantity=q("2"), request_id=key))
    for refused in (
        pb.FillBoxRequest(name=box.name, quantity=q("9")),
        pb.FillBoxRequest(name=box.name, quantity=q("x")),
        pb.FillBoxRequest(name=box.name, quantity=q("1"), etag='"1"'),
    ):
        with pytest.raises(Refused):
            await ana(refused)
    assert records(look, box.name) == before


@pytest.mark.rule("SEC-51")
async def test_a_batch_leaves_one_record_for_each_changed_object(ana: Client, look: psycopg.Connection[Any]) -> None:
    boxes = [
        await ana(pb.CreateBoxRequest(parent="sites/hamburg", box=pb.Box(title="a", capacity=q("9")))) for _ in range(2)
    ]
    entries = [pb.FillBoxRequest(name=box.name, quantity=q("1"), request_id=str(uuid4())) for box in (*boxes, boxes[0])]
    await ana(pb.BatchFillBoxesRequest(parent="sites/hamburg", requests=entries))
    assert [[record[3:5] for record in records(look, box.name)[1:]] for box in boxes] == [
        [({"level": "0"}, {"level": "2"})], [({"level": "0"}, {"level": "1"})],
    ]  # fmt: skip


@pytest.mark.rule("SEC-46")
@pytest.mark.rule("SEC-44")
@pytest.mark.parametrize("table", ["audit", "outbox", "journal"])
@pytest.mark.parametrize("statement", ["update {} set pos = default", "delete from {}", "truncate {}"])
async def test_what_was_recorded_stays_for_everyone(
    ana: Client, look: psycopg.Connection[Any], sample_urls: DatabaseUrls, table: str, statement: str
) -> None:
    box = await ana(pb.CreateBoxRequest(parent="sites/hamburg", box=pb.Box(title="a", capacity=q("9"))))
    await ana(pb.FillBoxRequest(name=box.name, quantity=q("1")))
    text = statement.format(table).replace("pos = default", "correlation = 'x'")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        look.execute(text)
    for url in (sample_urls.app, sample_urls.relay):
        connection = await asyncpg.connect(url)
        try:
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
                await connection.execute(text)
        finally:
            await connection.close()
