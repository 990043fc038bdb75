"""Versions that were lost on the way are asked for at their owner; what will never come is put aside (REL-35)."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from google.type.money_pb2 import Money
from plantops.materials.v1 import items_pb2
from plantops.procurement.v1.operations_pb2 import ReplayProcurementDeadLetterRequest

from services.chassis import gaps
from services.chassis.inbox import Inbox
from tests.world import Plant

CONSUMER = "procurement-materials"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "PATIENCE", timedelta(0))


def inbox_of(plant: Plant) -> Inbox:
    return next(each.inbox for each in plant.processes["procurement"].consumers if each.inbox.consumer == CONSUMER)


async def close(plant: Plant) -> None:
    process = plant.processes["procurement"]
    await gaps.close(process.commands.open_unit, [inbox_of(plant)], process.nc)


async def rename(plant: Plant, name: str, title: str) -> None:
    await plant("mara", items_pb2.UpdateItemRequest(item=items_pb2.Item(name=f"items/{name}", title=title)))


def title(plant: Plant, name: str) -> Any:
    return plant.value("procurement", "select title from item_fact where name = %s", f"items/{name}")


def applied(plant: Plant, name: str) -> Any:
    query = "select version from applied where consumer = %s and aggregate = %s"
    return plant.value("procurement", query, CONSUMER, f"items/{name}")


@pytest.fixture
async def gapped(plant: Plant) -> str:
    """An item whose second event procurement never received, with the third waiting."""
    name = f"i{uuid4().hex[:8]}"
    cost = Money(currency_code="EUR", units=80)
    new = items_pb2.Item(number=name, title="first", tracking="NONE", base_unit_code="H87", standard_cost=cost)
    await plant("mara", items_pb2.CreateItemRequest(item_id=name, item=new))
    await rename(plant, name, "second")
    await plant.settle()
    second = "select event_id from outbox where aggregate_id = %s and aggregate_version = 2"
    event_id = plant.value("materials", second, f"items/{name}")
    with plant.look("procurement") as connection:
        connection.execute("delete from inbox where event_id = %s", [event_id])
        connection.execute("update applied set version = 1 where aggregate = %s", [f"items/{name}"])
        connection.execute("update item_fact set title = 'first' where name = %s", [f"items/{name}"])
    await rename(plant, name, "third")
    await plant.settle()
    assert (title(plant, name), applied(plant, name)) == ("first", 1)
    return name


def known(plant: Plant, name: str) -> Callable[[], Awaitable[Any]]:
    async def read() -> Any:
        return title(plant, name), applied(plant, name)

    return read


@pytest.mark.rule("REL-35")
async def test_versions_that_do_not_come_are_told_again_by_their_owner(plant: Plant, gapped: str) -> None:
    await close(plant)
    await plant.eventually(known(plant, gapped), lambda found: found == ("third", 3))
    asked = plant.rows(
        "materials",
        "select from_version, to_version, requested_by from replay_request where aggregate = %s",
        f"items/{gapped}",
    )
    assert asked == [(2, 2, "services/procurement")]
    await close(plant)  # nothing is open any more
    assert len(plant.rows("materials", "select 1 from replay_request where aggregate = %s", f"items/{gapped}")) == 1


async def test_a_gap_that_is_asked_for_twice_is_told_once(plant: Plant, gapped: str) -> None:
    relay = plant.processes["materials"].relay
    stopped = relay._stopping
    assert not stopped.is_set()
    with plant.look("materials") as connection, connection.transaction():
        connection.execute("select 1 from replay_request for update")
        await close(plant)
        await close(plant)
        count = plant.value("materials", "select count(*) from replay_request where aggregate = %s", f"items/{gapped}")
        assert count in (1, 2)  # a second one only where the first was finished meanwhile
    await plant.eventually(known(plant, gapped), lambda found: found == ("third", 3))


@pytest.mark.rule("REL-35")
async def test_what_will_never_come_is_put_aside_and_a_person_decides(plant: Plant, gapped: str) -> None:
    with plant.look("materials") as connection:
        connection.execute("set session_replication_role = replica")  # past the trigger that keeps the outbox whole
        connection.execute("delete from outbox where aggregate_id = %s and aggregate_version = 2", [f"items/{gapped}"])
    await close(plant)
    where = "select event_id::text, class, version, reason from dead_letter where aggregate = %s and state = 'PARKED'"
    (letter,) = plant.rows("procurement", where, f"items/{gapped}")
    assert letter[1:3] == ("gap", 3)
    assert "version 2 of" in letter[3]
    await rename(plant, gapped, "fourth")
    await plant.settle()
    assert (title(plant, gapped), applied(plant, gapped)) == ("first", 1)
    request = ReplayProcurementDeadLetterRequest(
        consumer=CONSUMER, event_id=letter[0], reason="version 2 is lost", request_id=str(uuid4())
    )
    answer = await plant("opal", request)
    assert (answer.outcome, answer.released_count) == ("applied", 1)
    assert (title(plant, gapped), applied(plant, gapped)) == ("fourth", 4)


@pytest.mark.rule("REL-43")
async def test_a_gap_that_is_a_dead_letter_is_left_to_a_person(plant: Plant, gapped: str) -> None:
    with plant.look("procurement") as connection:
        connection.execute(
            "insert into dead_letter (consumer, event_id, subject, stream_seq, aggregate, version, class, reason,"
            " stack_hash, headers, payload, attempts) values (%s, %s, 's', 8, %s, 2, 'poison', 'no', '', '{}', '', 1)",
            [CONSUMER, uuid4(), f"items/{gapped}"],
        )
    await close(plant)
    assert plant.value("materials", "select 1 from replay_request where aggregate = %s", f"items/{gapped}") is None
    with plant.look("procurement") as connection:
        connection.execute("delete from dead_letter where aggregate = %s", [f"items/{gapped}"])
    await close(plant)
    await plant.eventually(known(plant, gapped), lambda found: found == ("third", 3))


@pytest.mark.rule("REL-37")
async def test_a_consumer_knows_the_stream_that_it_reads(plant: Plant, gapped: str) -> None:
    await close(plant)
    await plant.eventually(known(plant, gapped), lambda found: found == ("third", 3))
    where = "select stream_created, stream_seq from consumer_position where consumer = %s"
    ((created, sequence),) = plant.rows("procurement", where, CONSUMER)
    assert sequence > 0
    assert not await inbox_of(plant).meet(created)  # the same stream: nothing changes
    assert plant.rows("procurement", where, CONSUMER) == [(created, sequence)]
    later = created + timedelta(seconds=1)
    assert await inbox_of(plant).meet(later)
    assert plant.rows("procurement", where, CONSUMER) == [(later, 0)]
    assert await inbox_of(plant).meet(created)


async def test_an_owner_that_is_away_is_asked_again_later(
    plant: Plant, gapped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(gaps, "subject_of", lambda service: f"nobody.{service}")
        await close(plant)
    assert applied(plant, gapped) == 1
    assert plant.value("procurement", "select 1 from dead_letter where aggregate = %s", f"items/{gapped}") is None
    await close(plant)
    await plant.eventually(known(plant, gapped), lambda found: found == ("third", 3))
