"""The sealed ledger: numbers without a hole, a chain of hashes, and what a look at it finds after tampering."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from plantops.materials.v1 import movements_pb2

from services.materials.model import sealing
from tests.materials.builders import SITE, at, batch, item, movement, post, stocked
from tests.plant import Refused
from tests.world import Plant

_NUMBERS = "select ledger_number from ledger_seal where site = 'hamburg' order by 1"
_COUNT = "select count(*) from movement where site = 'hamburg'"


async def verified(store: Plant, first: int = 0, count: int = 0) -> Any:
    return await store("opal", movements_pb2.VerifyLedgerRequest(name=SITE, first_number=first, count=count))


async def sealed(store: Plant) -> Any:
    """The whole ledger as verified, when all of it is sealed."""

    async def look() -> Any:
        return await verified(store, count=5000)

    return await store.eventually(look, lambda found: found.unsealed_count == 0 or found.finding)


async def numbers(store: Plant, names: Sequence[str]) -> list[int]:
    rows = store.rows("materials", "select movement, ledger_number from ledger_seal where movement = any(%s)", names)
    return [dict(rows)[name] for name in names]


@pytest.mark.rule("MAT-43")
async def test_movements_get_numbers_without_a_hole_in_the_order_of_their_commit(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 100)
    posted = [await post(store, movement("MOVE", name, 1, from_location=at("shelf"), to_location=at("bin")))]
    assert posted[0].ledger_number == 0  # posting waits for no seal
    outcomes = await batch(store, [movement("SCRAP", name, 1, from_location=at("bin")), movement("MOVE", name, 9)])
    posted += [outcome.movement for outcome in outcomes if not outcome.HasField("status")]
    posted += [await post(store, movement("ADJUST", name, 2, to_location=at("bin")))]
    found = await sealed(store)
    assert not found.finding
    assert found.next_number == 0
    mine = await numbers(store, [row.name for row in posted])
    assert mine == sorted(mine)
    every = [row[0] for row in store.rows("materials", _NUMBERS)]
    assert every == list(range(1, found.last_number + 1))
    assert store.value("materials", _COUNT) == found.verified_count == len(every)
    shown = await store("vic", movements_pb2.GetMovementRequest(name=posted[-1].name))
    assert (shown.ledger_number, len(shown.hash)) == (mine[-1], 64)


@pytest.mark.rule("MAT-43")
async def test_a_part_is_verified_from_a_number_on(store: Plant) -> None:
    name = await item(store)
    for _ in range(5):
        await stocked(store, name, 1)
    whole = await sealed(store)
    first = await verified(store, count=2)
    assert (first.verified_count, first.last_number, first.next_number) == (2, 2, 3)
    rest = await verified(store, first=3, count=5000)
    assert (rest.last_number, rest.last_hash) == (whole.last_number, whole.last_hash)
    beyond = await verified(store, first=whole.last_number + 2)
    assert (beyond.bad_number, beyond.finding) == (whole.last_number + 1, "the seal is missing")


@pytest.mark.rule("MAT-43")
async def test_the_head_of_each_day_can_be_kept_elsewhere(store: Plant) -> None:
    await stocked(store, await item(store), 1)
    whole = await sealed(store)
    heads = (await store("vic", movements_pb2.ListLedgerHeadsRequest(parent=SITE))).ledger_heads
    assert (heads[0].ledger_number, heads[0].hash) == (whole.last_number, whole.last_hash)
    assert len({str(head.day) for head in heads}) == len(heads)


TAMPERED = {
    "a quantity": (
        "update movement_entry set quantity = quantity * 2 where movement = %(name)s",
        "movement or entries are not what was sealed",
    ),
    "who did it": (
        "update movement set actor = 'people/eve' where name = %(name)s", "movement or entries are not what was sealed",
    ),
    "an entry taken away": (
        "delete from movement_entry where movement = %(name)s and side = 2",
        "movement or entries are not what was sealed",
    ),
    "a seal taken away": ("delete from ledger_seal where movement = %(name)s", "the seal is missing"),
}  # fmt: skip


@pytest.mark.rule("MAT-43")
@pytest.mark.rule("MAT-45")
@pytest.mark.parametrize("what", TAMPERED)
async def test_a_look_names_the_first_movement_that_was_tampered_with(store: Plant, what: str) -> None:
    """One byte changed in an old entry, behind all guards, as only a superuser can."""
    name = await item(store)
    posted = [await stocked(store, name, 1) for _ in range(3)]
    await sealed(store)
    (number,) = await numbers(store, [posted[1].name])
    statement, why = TAMPERED[what]
    tables = ("movement", "movement_entry", "ledger_seal")
    with store.look("materials") as connection:
        kept = {
            table: connection.execute(f"select * from {table} order by 1, 2").fetchall()  # noqa: S608
            for table in tables
        }
        connection.execute("set session_replication_role = replica")  # past all triggers
        connection.execute(statement, {"name": posted[1].name})
    try:
        found = await verified(store, count=5000)
        assert (found.bad_number, found.finding) == (number, why)
        assert found.verified_count == number - 1
        if "seal" not in what:
            assert found.bad_movement == posted[1].name
    finally:
        _put_back(store, kept)
    assert not (await sealed(store)).finding


def _put_back(store: Plant, kept: dict[str, Any]) -> None:
    with store.look("materials") as connection:
        connection.execute("set session_replication_role = replica")
        for table, rows in kept.items():
            connection.execute(f"delete from {table}")  # noqa: S608
            for row in rows:
                marks = ", ".join(["%s"] * len(row))
                connection.execute(f"insert into {table} values ({marks})", row)  # noqa: S608


@pytest.mark.rule("MAT-43")
async def test_a_movement_written_behind_the_seals_is_named(store: Plant) -> None:
    posted = await stocked(store, await item(store), 1)
    await sealed(store)
    with store.look("materials") as connection:
        connection.execute(
            'insert into movement select (jsonb_populate_record(m, \'{"name": "sites/hamburg/movements/forged"}\')).*'
            " from movement m where name = %s",
            [posted.name],
        )
    found = await verified(store, count=5000)
    assert (found.bad_movement, found.finding[:27]) == ("sites/hamburg/movements/forged", "the movement was never seal")
    with store.look("materials") as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("delete from movement where name = 'sites/hamburg/movements/forged'")


@pytest.mark.rule("MAT-43")
async def test_two_sealers_and_postings_at_once_leave_no_hole(store: Plant) -> None:
    """A transaction that began early and commits late is not passed over: what is sealed lies below a horizon."""
    name = await item(store)
    await stocked(store, name, 500)
    commands = store.processes["materials"].commands
    stop = asyncio.Event()

    async def seal() -> None:
        while not stop.is_set():
            async with commands.open_unit() as unit:
                await sealing.seal_some(unit, "hamburg")

    async def move(count: int) -> None:
        for _ in range(count):
            await post(store, movement("MOVE", name, 1, from_location=at("shelf"), to_location=at("bin")))

    sealers = [asyncio.create_task(seal()) for _ in range(2)]
    await asyncio.gather(*(move(6) for _ in range(4)))
    stop.set()
    await asyncio.gather(*sealers)
    found = await sealed(store)
    assert not found.finding
    count = store.value("materials", _COUNT)
    assert (found.last_number, found.verified_count) == (count, count)


async def test_only_operations_may_look_into_the_seals(store: Plant) -> None:
    with pytest.raises(Refused) as refused:
        await store("sam", movements_pb2.VerifyLedgerRequest(name=SITE))
    assert refused.value.code == "PERMISSION_DENIED"
    with pytest.raises(Refused) as unknown:
        await store("opal", movements_pb2.VerifyLedgerRequest(name="sites/nowhere"))
    assert unknown.value.reason in ("FIELD_INVALID", "PERMISSION_DENIED")
