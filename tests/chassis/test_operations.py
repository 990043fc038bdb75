"""What administrators ask every service about its events: a whole plant, three services alike."""

from typing import Any
from uuid import uuid4

import pytest
from google.type.money_pb2 import Money
from plantops.maintenance.v1 import sites_pb2
from plantops.maintenance.v1.operations_pb2 import (
    CheckMaintenanceInboxRequest,
    GetMaintenanceMessagingRequest,
    ListMaintenanceDeadLettersRequest,
    ListMaintenanceToldEventsRequest,
)
from plantops.materials.v1 import items_pb2
from plantops.materials.v1.operations_pb2 import (
    CheckMaterialsInboxRequest,
    GetMaterialsMessagingRequest,
    ListMaterialsDeadLettersRequest,
    ListMaterialsToldEventsRequest,
)
from plantops.procurement.v1.operations_pb2 import (
    CheckProcurementInboxRequest,
    GetProcurementMessagingRequest,
    ListProcurementDeadLettersRequest,
    ListProcurementToldEventsRequest,
)
from plantops.type.v1.messaging_pb2 import EventReference

from cli.databases import SERVICES
from services.chassis import bus
from tests.plant import Refused
from tests.world import Plant

REQUESTS: dict[str, Any] = {
    kind.DESCRIPTOR.name: kind
    for kind in (
        CheckMaintenanceInboxRequest, GetMaintenanceMessagingRequest, ListMaintenanceDeadLettersRequest,
        ListMaintenanceToldEventsRequest,
        CheckMaterialsInboxRequest, GetMaterialsMessagingRequest, ListMaterialsDeadLettersRequest,
        ListMaterialsToldEventsRequest,
        CheckProcurementInboxRequest, GetProcurementMessagingRequest, ListProcurementDeadLettersRequest,
        ListProcurementToldEventsRequest,
    )
}  # fmt: skip


def made(service: str, verb: str, what: str, **fields: Any) -> Any:
    """A request of one service's operations, e.g. made("materials", "List", "ToldEvents")."""
    return REQUESTS[f"{verb}{service.capitalize()}{what}Request"](**fields)


async def told_of(plant: Plant, service: str, **fields: Any) -> list[Any]:
    """All events that a service tells, page by page."""
    found: list[Any] = []
    token = ""
    while True:
        page = await plant("opal", made(service, "List", "ToldEvents", page_token=token, **fields))
        found += page.told_events
        token = page.next_page_token
        if not token:
            return found


async def missing(plant: Plant, service: str, source: str, events: list[Any]) -> list[str]:
    if not events:
        return []
    references = [EventReference(event_id=event.event_id, event_type=event.event_type) for event in events]
    answer = await plant("opal", made(service, "Check", "Inbox", source=source, events=references))
    return list(answer.missing_event_ids)


@pytest.fixture(scope="module")
async def busy(plant: Plant) -> Plant:
    """A plant in which maintenance and materials told something that others follow."""
    for name in ("hamburg", "antwerp", "lyon"):
        await plant(
            "root",
            sites_pb2.CreateSiteRequest(
                site_id=name,
                site=sites_pb2.Site(title=name, time_zone="Europe/Berlin", currency_code="EUR", country_code="DE"),
            ),
        )
    for number in range(3):
        await plant(
            "mara",
            items_pb2.CreateItemRequest(
                item_id=f"filter-{number}",
                item=items_pb2.Item(
                    number=f"10{number}",
                    title="Filter",
                    tracking="NONE",
                    base_unit_code="H87",
                    standard_cost=Money(currency_code="EUR", units=80),
                ),
            ),
        )
    await plant.settle()
    return plant


@pytest.mark.rule("REL-89")
async def test_when_all_is_at_rest_what_was_told_agrees_with_what_was_received(busy: Plant) -> None:
    for source in SERVICES:
        told = await told_of(busy, source)
        assert len(told) == busy.value(source, "select count(*) from outbox")
        for service, sources in bus.received().items():
            if source in sources:
                assert await missing(busy, service, source, told) == []
    assert len(await told_of(busy, "maintenance")) == 3
    assert len(await told_of(busy, "materials")) == 3


@pytest.mark.rule("REL-89")
@pytest.mark.rule("REL-45")
async def test_an_event_that_never_arrived_is_found(busy: Plant) -> None:
    told = await told_of(busy, "maintenance")
    lost = told[1]
    kept = busy.rows("materials", "select * from inbox where event_id = %s", lost.event_id)
    with busy.look("materials") as connection:
        connection.execute("delete from inbox where event_id = %s", [lost.event_id])
    try:
        assert await missing(busy, "materials", "maintenance", told) == [lost.event_id]
        assert await missing(busy, "procurement", "maintenance", told) == []
    finally:
        with busy.look("materials") as connection:
            connection.execute("insert into inbox values (%s, %s, %s, %s, %s)", kept[0])
    assert await missing(busy, "materials", "maintenance", told) == []


@pytest.mark.rule("API-11")
@pytest.mark.rule("REL-89")
async def test_an_event_that_waits_or_was_put_aside_is_not_missing(busy: Plant) -> None:
    waiting, parked, unknown = str(uuid4()), str(uuid4()), str(uuid4())
    with busy.look("materials") as connection:
        connection.execute(
            "insert into waiting_event values ('materials-maintenance', 'sites/x', 9, %s, 's', 9, '{}', '', now())",
            [waiting],
        )
        connection.execute(
            "insert into dead_letter (consumer, event_id, subject, stream_seq, aggregate, version, class, reason,"
            " stack_hash, headers, payload, attempts) values ('materials-maintenance', %s, 's', 8, 'sites/x', 8,"
            " 'poison', 'ValueError: no', '', '{\"ce-type\": \"plantops.maintenance.v1.SiteChanged\"}', '', 1)",
            [parked],
        )
    try:
        asked = [EventReference(event_id=key, event_type="SiteChanged") for key in (waiting, parked, unknown)]
        asked.append(EventReference(event_id=str(uuid4()), event_type="NobodyFollowsThis"))
        answer = await busy("opal", made("materials", "Check", "Inbox", source="maintenance", events=asked))
        assert (list(answer.missing_event_ids), answer.followed_count) == ([unknown], 3)

        letters = await busy("opal", made("materials", "List", "DeadLetters"))
        (letter,) = letters.dead_letters
        assert (letter.event_id, letter.reason, letter.version) == (parked, "ValueError: no", 8)
        assert (letter.event_type, letter.waiting_count) == ("plantops.maintenance.v1.SiteChanged", 1)

        state = await busy("opal", made("materials", "Get", "Messaging"))
        (consumer,) = [each for each in state.consumers if each.source == "maintenance"]
        assert (consumer.waiting_count, consumer.dead_letter_count) == (1, 1)
    finally:
        with busy.look("materials") as connection:
            connection.execute("delete from waiting_event")
            connection.execute("delete from dead_letter")


@pytest.mark.rule("API-11")
async def test_messaging_counts_outbox_stream_and_consumers(busy: Plant) -> None:
    states = {service: await busy("opal", made(service, "Get", "Messaging")) for service in SERVICES}
    for service, state in states.items():
        told = busy.value(service, "select count(*) from outbox")
        assert state.ready
        assert (state.service, list(state.reasons)) == (service, [])
        assert (state.told_count, state.unpublished_count, state.stream_message_count) == (told, 0, told)
        assert not state.HasField("oldest_unpublished_duration")
        assert {each.source for each in state.consumers} == set(bus.received()[service])
        assert {(each.pending_count, each.unacknowledged_count) for each in state.consumers} == {(0, 0)}
        assert {each.consumer for each in state.consumers} == {f"{service}-{each.source}" for each in state.consumers}


async def test_how_far_a_consumer_came_is_known_soon(busy: Plant) -> None:
    async def applied() -> int:
        state = await busy("opal", made("materials", "Get", "Messaging"))
        return next(each.applied_sequence for each in state.consumers if each.source == "maintenance")

    await busy.eventually(applied, lambda found: found == 3)


async def test_what_the_relay_has_not_published_is_counted_with_its_age(busy: Plant) -> None:
    stored = busy.value("procurement", "select stored::text from relay_position")
    with busy.look("procurement") as connection:
        connection.execute(
            "insert into outbox (event_id, aggregate_type, aggregate_id, aggregate_version, site, correlation,"
            " subject, payload, headers, occurred_at, recorded_at) values (%s, 'T', 'x', 1, '_', 'c',"
            " 'nobody.hears.this', '', '{}', now(), now() - interval '1 minute')",
            [uuid4()],
        )
    state = await busy("opal", made("procurement", "Get", "Messaging"))
    assert (state.told_count, state.unpublished_count) == (1, 1)
    assert state.oldest_unpublished_duration.ToSeconds() >= 60
    assert busy.value("procurement", "select stored::text from relay_position") == stored
    with busy.look("procurement") as connection:
        connection.execute("alter table outbox disable trigger outbox_append_only")
        connection.execute("delete from outbox")
        connection.execute("alter table outbox enable trigger outbox_append_only")


@pytest.mark.rule("API-11")
async def test_told_events_come_in_pages_and_stop_at_the_horizon(busy: Plant) -> None:
    told = await told_of(busy, "maintenance")
    assert await told_of(busy, "maintenance", page_size=1) == told
    assert [event.position for event in told] == sorted(event.position for event in told)
    assert [event.event_type for event in told] == ["SiteChanged"] * 3
    later = await told_of(busy, "maintenance", start_time=told[1].record_time)
    assert later == told[1:]
    with busy.look("maintenance") as open_one, open_one.transaction():
        open_one.execute("select pg_current_xact_id()")  # a writer that has not ended: the horizon stays here
        await busy("root", sites_pb2.UpdateSiteRequest(site=sites_pb2.Site(name="sites/lyon", title="Lyon")))
        assert await told_of(busy, "maintenance") == told
    assert len(await told_of(busy, "maintenance")) == 4
    await busy.settle()


def changed(token: str) -> str:
    """The token with another first character."""
    return ("B" if token.startswith("A") else "A") + token[1:]


async def test_a_token_belongs_to_its_list_and_caller(busy: Plant) -> None:
    page = await busy("opal", made("maintenance", "List", "ToldEvents", page_size=1))
    for bad in (
        made("maintenance", "List", "ToldEvents", page_token=changed(page.next_page_token)),
        made("maintenance", "List", "ToldEvents", page_token="1-2"),
        made("maintenance", "List", "DeadLetters", page_token=page.next_page_token),
        made("maintenance", "List", "ToldEvents", page_size=-1),
        made("maintenance", "Check", "Inbox", source="nobody", events=[
            EventReference(event_id=str(uuid4()), event_type="SiteChanged")]),
        made("materials", "Check", "Inbox", source="maintenance", events=[
            EventReference(event_id="not-a-uuid", event_type="SiteChanged")]),
        made("materials", "Check", "Inbox", source="maintenance"),
    ):  # fmt: skip
        with pytest.raises(Refused) as caught:
            await busy("opal", bad)
        assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "FIELD_INVALID")


@pytest.mark.rule("SEC-23")
@pytest.mark.parametrize("service", SERVICES)
async def test_operations_need_the_role_for_all_sites(busy: Plant, service: str) -> None:
    requests = [
        made(service, "Get", "Messaging"),
        made(service, "List", "ToldEvents"),
        made(service, "List", "DeadLetters"),
        made(service, "Check", "Inbox", source=next(iter(bus.received()[service])),
             events=[EventReference(event_id=str(uuid4()), event_type="SiteChanged")]),
    ]  # fmt: skip
    here_only = busy.client(service, "people/opal", {"hamburg": ["operations"]})
    for request in requests:
        for client in (busy.client(service, "people/root"), busy.client(service, "people/vic"), here_only):
            with pytest.raises(Refused) as caught:
                await client(request)
            assert (caught.value.code, caught.value.reason) == ("PERMISSION_DENIED", "PERMISSION_DENIED")
        await busy("opal", request)


async def test_the_app_role_reads_what_was_told_and_changes_none_of_it(busy: Plant) -> None:
    import asyncpg

    url = busy.processes["materials"].config.database_url.get_secret_value()
    connection = await asyncpg.connect(url)
    try:
        assert await connection.fetchval("select count(event_id) from outbox") >= 3
        for change in ("update outbox set payload = ''", "delete from outbox"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(change)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("update relay_position set stored = '0'")
    finally:
        await connection.close()
