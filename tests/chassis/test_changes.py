"""Events by calls: in order, at least once, by rights and types, from where one stopped (REL-91)."""

import uuid
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from plantops.maintenance.v1 import changes_pb2 as of_maintenance
from plantops.maintenance.v1 import sites_pb2
from plantops.materials.v1 import changes_pb2, events_pb2, items_pb2
from plantops.procurement.v1 import changes_pb2 as of_procurement

from services.chassis import changes
from tests.plant import Refused
from tests.world import Plant

Ask = changes_pb2.StreamMaterialsChangesRequest


async def heard(plant: Plant, person: str = "vic", parent: str = "sites/-", **given: Any) -> list[Any]:
    found: list[Any] = await plant(person, Ask(parent=parent, **given))
    return found


async def item(plant: Plant, number: str) -> str:
    made = items_pb2.Item(number=number, title=number, base_unit_code="H87", tracking="NONE")
    return str((await plant("mara", items_pb2.CreateItemRequest(item=made))).name)


def tell(connection: psycopg.Connection[Any], aggregate: str, version: int, site: str = "") -> None:
    """An event as a transaction under way writes it."""
    payload = events_pb2.LotDatesChanged(lot=aggregate, version=version).SerializeToString()
    connection.execute(
        "insert into outbox (event_id, aggregate_type, aggregate_id, aggregate_version, site, correlation, subject,"
        " payload, headers, occurred_at) values (%s, 'LotDatesChanged', %s, %s, %s, %s,"
        " 'plantops.materials.v1.LotDatesChanged._.x',"
        ' %s, \'{"ce-type": "plantops.materials.v1.LotDatesChanged"}\', now())',
        [uuid.uuid4(), aggregate, version, site, aggregate, payload],
    )


def held(found: Sequence[Any]) -> list[tuple[str, int]]:
    return [(row.resource, row.version) for row in found if row.event_type == "LotDatesChanged"]


@pytest.fixture(scope="module")
async def two_sites(plant: Plant) -> Plant:
    for site in ("hamburg", "antwerp"):
        made = sites_pb2.Site(title=site, time_zone="Europe/Berlin", currency_code="EUR", country_code="DE")
        await plant("root", sites_pb2.CreateSiteRequest(site_id=site, site=made))
    await plant.settle()
    return plant


@pytest.mark.rule("REL-91")
async def test_a_stream_goes_on_where_it_stopped(two_sites: Plant) -> None:
    plant = two_sites
    names = [await item(plant, f"N-{n}") for n in range(5)]
    first = await heard(plant, event_types=["ItemChanged"], event_count=2)
    assert [row.resource for row in first] == names[:2]
    message = events_pb2.ItemChanged()
    assert first[0].event.Unpack(message)
    assert (message.item, first[0].actor) == (names[0], "people/mara")
    assert json_format.MessageToDict(first[0])["event"]["number"] == "N-0"
    rest = await heard(plant, event_types=["ItemChanged"], resume_token=first[-1].resume_token)
    assert [row.resource for row in rest] == [*names[2:], ""]
    assert (rest[-1].event_id, rest[-1].HasField("event")) == ("", False)
    new = await item(plant, "N-5")
    again = await heard(plant, event_types=["ItemChanged"], resume_token=rest[-1].resume_token)
    assert [row.resource for row in again] == [new, ""]
    twice = await heard(plant, event_types=["ItemChanged"], resume_token=first[-1].resume_token)
    assert [row.event_id for row in twice[:3]] == [row.event_id for row in rest[:3]]


@pytest.mark.rule("REL-91")
async def test_nothing_appears_behind_a_token_and_nothing_overtakes_its_own(two_sites: Plant) -> None:
    plant = two_sites
    begin = (await heard(plant, event_types=["LotDatesChanged"]))[-1].resume_token
    with plant.look("materials") as late, plant.look("materials") as early, plant.look("materials") as between:
        for connection in (late, early, between):
            connection.autocommit = False
        early.execute("select pg_current_xact_id()")
        between.execute("select pg_current_xact_id()")
        tell(late, "items/x/lots/a", 1)
        tell(early, "items/x/lots/b", 1)
        early.commit()
        assert held(await heard(plant, event_types=["LotDatesChanged"], resume_token=begin)) == [("items/x/lots/b", 1)]
        late.commit()
        seen = await heard(plant, event_types=["LotDatesChanged"], resume_token=begin)
        assert held(seen) == [("items/x/lots/b", 1)]
        tell(between, "items/x/lots/a", 2)
        between.commit()
    whole = await heard(plant, event_types=["LotDatesChanged"], resume_token=seen[-1].resume_token)
    assert held(whole) == [("items/x/lots/a", 1), ("items/x/lots/a", 2)]


@pytest.mark.rule("REL-91")
async def test_an_event_waits_for_the_one_before_it_of_its_resource(two_sites: Plant) -> None:
    plant = two_sites
    begin = (await heard(plant, event_types=["LotDatesChanged"]))[-1].resume_token
    with plant.look("materials") as first, plant.look("materials") as older, plant.look("materials") as open_:
        for connection in (first, older, open_):
            connection.autocommit = False
        older.execute("select pg_current_xact_id()")
        open_.execute("select pg_current_xact_id()")
        tell(first, "items/x/lots/c", 1)
        first.commit()
        tell(older, "items/x/lots/c", 2)
        older.commit()
        waits = await heard(plant, event_types=["LotDatesChanged"], resume_token=begin)
        assert held(waits) == []
        open_.commit()
    found = await heard(plant, event_types=["LotDatesChanged"], resume_token=waits[-1].resume_token)
    assert held(found) == [("items/x/lots/c", 1), ("items/x/lots/c", 2)]


@pytest.mark.rule("REL-91")
@pytest.mark.rule("SEC-15")
async def test_only_what_the_caller_may_see_comes(two_sites: Plant) -> None:
    plant = two_sites
    with plant.look("materials") as connection:
        for site in ("hamburg", "antwerp"):
            tell(connection, f"sites/{site}/lots/l", 1, site)
        connection.commit()
    both, mine = await heard(plant), await heard(plant, "eve")
    assert {row.site for row in both} >= {"sites/hamburg", "sites/antwerp"}
    assert {row.site for row in mine} == {"sites/antwerp", ""}
    assert {row.site for row in await heard(plant, parent="sites/hamburg")} == {"sites/hamburg", ""}
    with pytest.raises(Refused) as error:
        await heard(plant, "eve", parent="sites/hamburg")
    assert error.value.reason == "PERMISSION_DENIED"


@pytest.mark.rule("REL-91")
async def test_a_foreign_or_old_token_is_refused(two_sites: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = two_sites
    token = (await heard(plant))[-1].resume_token
    for given in ({"parent": "sites/hamburg"}, {"event_types": ["LotDatesChanged"]}, {"person": "sam"}):
        with pytest.raises(Refused) as error:
            await heard(plant, resume_token=token, **given)
        assert (error.value.reason, error.value.fields) == ("FIELD_INVALID", ["resume_token"])
    kept = changes.text("select now() + interval '1 day'")
    monkeypatch.setattr(changes, "_KEPT", kept)
    with pytest.raises(Refused) as error:
        await heard(plant, resume_token=token)
    assert (error.value.reason, error.value.code) == ("TOO_OLD", "FAILED_PRECONDITION")


@pytest.mark.rule("REL-91")
async def test_a_stream_waits_for_a_first_event(two_sites: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = two_sites
    token = (await heard(plant, event_types=["LotDatesChanged"]))[-1].resume_token
    looks, look = [], changes._window
    with plant.look("materials") as connection:
        connection.autocommit = False

        async def told_at_the_third_look(unit: Any, start: str) -> Any:
            looks.append(start)
            if len(looks) == 3:
                tell(connection, "items/x/lots/w", 1)
                connection.commit()
            return await look(unit, start)

        monkeypatch.setattr(changes, "_window", told_at_the_third_look)
        wait = Duration(seconds=10)
        found = await heard(
            plant, event_types=["LotDatesChanged"], resume_token=token, wait_duration=wait, event_count=1
        )
    assert held(found) == [("items/x/lots/w", 1)]


@pytest.mark.rule("REL-91")
async def test_each_service_has_its_stream(two_sites: Plant) -> None:
    plant = two_sites
    told = await plant("vic", of_maintenance.StreamMaintenanceChangesRequest(parent="sites/hamburg"))
    assert [row.event_type for row in told if row.resource == "sites/hamburg"] == ["SiteChanged"]
    (mark,) = await plant("vic", of_procurement.StreamProcurementChangesRequest(parent="sites/hamburg"))
    assert mark.resume_token
