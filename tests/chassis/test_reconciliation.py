"""What reconciliation asks and changes: events told again, received, versions compared and rewound (REL-89, REL-90)."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money
from plantops.maintenance.v1 import operations_pb2 as maintenance
from plantops.materials.v1 import items_pb2
from plantops.materials.v1 import operations_pb2 as materials
from plantops.procurement.v1 import operations_pb2 as procurement
from plantops.type.v1.messaging_pb2 import ResourceVersion

from cli.databases import SERVICES
from tests.plant import Refused
from tests.world import Plant

CONSUMER = "procurement-materials"
KINDS: dict[str, Any] = {
    kind.DESCRIPTOR.name: kind
    for kind in (
        maintenance.ReplayMaintenanceEventsRequest, maintenance.ListMaintenanceReplaysRequest,
        maintenance.ListMaintenanceReceivedEventsRequest, maintenance.ListMaintenanceAppliedVersionsRequest,
        maintenance.CheckMaintenanceToldVersionsRequest, maintenance.RewindMaintenanceInboxRequest,
        materials.ReplayMaterialsEventsRequest, materials.ListMaterialsReplaysRequest,
        materials.ListMaterialsReceivedEventsRequest, materials.ListMaterialsAppliedVersionsRequest,
        materials.CheckMaterialsToldVersionsRequest, materials.RewindMaterialsInboxRequest,
        procurement.ReplayProcurementEventsRequest, procurement.ListProcurementReplaysRequest,
        procurement.ListProcurementReceivedEventsRequest, procurement.ListProcurementAppliedVersionsRequest,
        procurement.CheckProcurementToldVersionsRequest, procurement.RewindProcurementInboxRequest,
    )
}  # fmt: skip


def made(service: str, verb: str, what: str, **fields: Any) -> Any:
    if verb in ("Replay", "Rewind"):
        fields = {"reason": "a drill", "request_id": str(uuid4()), **fields}
    return KINDS[f"{verb}{service.capitalize()}{what}Request"](**fields)


async def pages(plant: Plant, field: str, service: str, verb: str, what: str, **fields: Any) -> list[Any]:
    found: list[Any] = []
    token = ""
    while True:
        page = await plant("opal", made(service, verb, what, page_token=token, page_size=2, **fields))
        found += getattr(page, field)
        token = page.next_page_token
        if not token:
            return found


async def item(plant: Plant, name: str) -> None:
    cost = Money(currency_code="EUR", units=80)
    new = items_pb2.Item(number=name, title="first", tracking="NONE", base_unit_code="H87", standard_cost=cost)
    await plant("mara", items_pb2.CreateItemRequest(item_id=name, item=new))


async def rename(plant: Plant, name: str, title: str) -> None:
    await plant("mara", items_pb2.UpdateItemRequest(item=items_pb2.Item(name=f"items/{name}", title=title)))


def title(plant: Plant, name: str) -> Any:
    return plant.value("procurement", "select title from item_fact where name = %s", f"items/{name}")


@pytest.fixture(scope="module")
async def busy(plant: Plant) -> Plant:
    for number in range(5):
        await item(plant, f"part-{number}")
    await plant.settle()
    return plant


@pytest.mark.rule("REL-89")
async def test_what_was_received_is_what_was_told(busy: Plant) -> None:
    told = {str(row[0]) for row in busy.rows("materials", "select event_id from outbox")}
    received = await pages(busy, "received_events", "procurement", "List", "ReceivedEvents", source="materials")
    ids = [event.event_id for event in received]
    assert set(ids) == told
    assert ids == sorted(ids)
    later = Timestamp()
    later.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    assert not await pages(
        busy, "received_events", "procurement", "List", "ReceivedEvents", source="materials", start_time=later
    )


@pytest.mark.rule("REL-89")
@pytest.mark.rule("REL-90")
async def test_a_missing_event_is_told_again_by_its_position_and_has_its_effect_once(busy: Plant) -> None:
    await item(busy, "lost")
    await busy.settle()
    event_id, position = busy.rows("materials", "select event_id, pos from outbox where aggregate_id = 'items/lost'")[0]
    with busy.look("procurement") as connection:
        connection.execute("delete from inbox where event_id = %s", [event_id])
        connection.execute("delete from applied where aggregate = 'items/lost'")
        connection.execute("delete from item_fact where name = 'items/lost'")
    request = made("materials", "Replay", "Events", positions=[position])
    replay = await busy("opal", request)
    assert (replay.position_count, replay.requester, replay.reason) == (1, "people/opal", "a drill")
    assert (await busy("opal", request)).number == replay.number  # the same decision again
    await busy.eventually(lambda: _title(busy, "lost"), lambda found: found == "first")

    async def finished() -> Any:
        listed = await pages(busy, "replays", "materials", "List", "Replays")
        return next(each for each in listed if each.number == replay.number)

    done = await busy.eventually(finished, lambda found: found.HasField("finish_time"))
    assert done.published_count == 1
    audit = "select actor, reason from audit where object = %s"
    assert busy.rows("materials", audit, f"replays/{replay.number}") == [("people/opal", "a drill")]


async def _title(plant: Plant, name: str) -> Any:
    return title(plant, name)


@pytest.mark.rule("REL-90")
async def test_all_events_of_a_time_are_told_again_and_change_nothing(busy: Plant) -> None:
    before = busy.rows("procurement", "select * from item_fact order by name")
    start = Timestamp()
    start.FromDatetime(busy.value("materials", "select min(recorded_at) from outbox").astimezone(UTC))
    count = busy.value("materials", "select count(*) from outbox where aggregate_type = 'ItemChanged'")
    replay = await busy("opal", made("materials", "Replay", "Events", start_time=start, event_types=["ItemChanged"]))

    async def finished() -> Any:
        return busy.rows(
            "materials", "select published, finished_at from replay_request where number = %s", replay.number
        )

    rows = await busy.eventually(finished, lambda found: found[0][1] is not None)
    assert rows[0][0] == count
    await busy.settle()
    assert busy.rows("procurement", "select * from item_fact order by name") == before
    assert busy.parked() == []


@pytest.mark.rule("REL-89")
async def test_after_a_restore_the_next_events_count_again(busy: Plant) -> None:
    """Materials comes back from a backup that is older than what procurement has applied."""
    await item(busy, "restored")
    for word in ("second", "third"):
        await rename(busy, "restored", word)
    await busy.settle()
    with busy.look("materials") as connection:  # materials as it was before the two changes
        connection.execute("set session_replication_role = replica")
        connection.execute("delete from outbox where aggregate_id = 'items/restored' and aggregate_version > 1")
        connection.execute("update item set event_version = 1, title = 'first' where name = 'items/restored'")
    versions = await pages(busy, "applied_versions", "procurement", "List", "AppliedVersions", source="materials")
    assert {(each.resource, each.version) for each in versions} >= {("items/restored", 3), ("items/part-1", 1)}
    answer = await busy("opal", made("materials", "Check", "ToldVersions", versions=versions))
    assert [(each.resource, each.version) for each in answer.behind_versions] == [("items/restored", 1)]

    await rename(busy, "restored", "again")  # version 2 for the second time: taken for an old one
    await busy.settle()
    assert title(busy, "restored") == "third"

    rewound = await busy(
        "opal",
        made("procurement", "Rewind", "Inbox", source="materials", versions=answer.behind_versions),
    )
    assert rewound.rewound_count == 1
    await rename(busy, "restored", "and again")  # version 3, waits for version 2
    position = busy.value("materials", "select max(pos) from outbox where aggregate_version = 2")
    await busy("opal", made("materials", "Replay", "Events", positions=[position]))
    await busy.eventually(lambda: _title(busy, "restored"), lambda found: found == "and again", 5)
    raised = [ResourceVersion(resource="items/restored", version=9)]
    nothing = await busy("opal", made("procurement", "Rewind", "Inbox", source="materials", versions=raised))
    assert nothing.rewound_count == 0  # lowered only, never raised


@pytest.mark.rule("REL-89")
async def test_after_a_restore_a_resource_that_was_lost_may_be_made_again(busy: Plant) -> None:
    """It was made behind the instant that materials came back to, and is made anew under its own name."""
    await item(busy, "remade")
    await rename(busy, "remade", "second")
    await busy.settle()
    with busy.look("materials") as connection:  # materials as it was before
        connection.execute("set session_replication_role = replica")
        connection.execute("delete from outbox where aggregate_id = 'items/remade'")
        connection.execute("delete from journal where resource = 'items/remade'")
        connection.execute("delete from item where name = 'items/remade'")
        connection.execute("delete from outbox where aggregate_id = 'items/part-2'")  # so old that its event was purged
    versions = [ResourceVersion(resource=f"items/{name}", version=2) for name in ("remade", "part-2")]
    answer = await busy("opal", made("materials", "Check", "ToldVersions", versions=versions))
    assert [(each.resource, each.version) for each in answer.behind_versions] == [("items/remade", 0)]
    await busy("opal", made("procurement", "Rewind", "Inbox", source="materials", versions=answer.behind_versions))
    await item(busy, "remade")
    await busy.eventually(lambda: _title(busy, "remade"), lambda found: found == "first", 5)


@pytest.mark.rule("API-11")
async def test_a_wrong_question_names_the_field(busy: Plant) -> None:
    now = Timestamp()
    now.GetCurrentTime()
    wrong = [
        (made("materials", "Replay", "Events"), "start_time"),
        (made("materials", "Replay", "Events", start_time=now, positions=[1]), "start_time"),
        (made("materials", "Replay", "Events", positions=[1], end_time=now), "end_time"),
        (made("materials", "Replay", "Events", start_time=now, end_time=now), "end_time"),
        (made("materials", "Replay", "Events", start_time=now, reason=""), "reason"),
        (made("materials", "List", "ReceivedEvents", source="nobody"), "source"),
        (made("materials", "List", "AppliedVersions", source="materials"), "source"),
        (
            made("materials", "Rewind", "Inbox", source="x", versions=[ResourceVersion(resource="a", version=1)]),
            "source",
        ),
    ]
    for request, field in wrong:
        with pytest.raises(Refused) as caught:
            await busy("opal", request)
        assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "FIELD_INVALID")
        assert field in str(caught.value)


@pytest.mark.rule("SEC-23")
@pytest.mark.parametrize("service", SERVICES)
async def test_reconciliation_needs_the_role_for_all_sites(busy: Plant, service: str) -> None:
    source = next(name for name in SERVICES if name != service)
    one = [ResourceVersion(resource="items/x", version=1)]
    for request in (
        made(service, "Replay", "Events", positions=[999_999]),
        made(service, "List", "Replays"),
        made(service, "List", "ReceivedEvents", source=source),
        made(service, "List", "AppliedVersions", source=source),
        made(service, "Check", "ToldVersions", versions=one),
        made(service, "Rewind", "Inbox", source=source, versions=one),
    ):
        here_only = busy.client(service, "people/opal", {"hamburg": ["operations"]})
        for client in (busy.client(service, "people/root"), busy.client(service, "people/vic"), here_only):
            with pytest.raises(Refused) as caught:
                await client(request)
            assert caught.value.code == "PERMISSION_DENIED"
        await busy("opal", request)
