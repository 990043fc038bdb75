"""Sites, calendars and people through the rpcs."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from plantops.maintenance.v1 import assets_pb2, calendars_pb2, changes_pb2, events_pb2, people_pb2, sites_pb2

from tests.maintenance import builders as make
from tests.plant import Refused
from tests.world import Plant

Shift = calendars_pb2.Calendar.Shift
TECHNICIAN = {"hamburg": ["technician"]}


@pytest.fixture(scope="module", autouse=True)
async def two_sites(plant: Plant) -> None:
    await make.sites(plant)


def last_event(plant: Plant, kind: Any, aggregate: str) -> Any:
    """The newest event of an aggregate, parsed."""
    query = "select payload from outbox where aggregate_id = %s order by pos desc limit 1"
    return kind.FromString(bytes(plant.value("maintenance", query, aggregate)))


# --- sites and calendars --------------------------------------------------------------------------------------


@pytest.mark.rule("MNT-207")
async def test_a_site_is_told_whole_and_known_by_the_other_services(plant: Plant) -> None:
    site = await plant("root", sites_pb2.GetSiteRequest(name=make.HAMBURG))
    event = last_event(plant, events_pb2.SiteChanged, make.HAMBURG)
    for name in ("title", "time_zone", "currency_code", "country_code"):
        assert getattr(event, name) == getattr(site, name) != ""
    assert event.version == 1
    await plant.settle()
    assert plant.value("materials", "select currency_code from site_fact where name = %s", make.HAMBURG) == "EUR"
    assert plant.parked() == []


@pytest.mark.rule("REL-91")
async def test_what_changed_is_told_by_calls_too(plant: Plant) -> None:
    told = await plant("vic", changes_pb2.StreamMaintenanceChangesRequest(parent=make.HAMBURG))
    assert "SiteChanged" in [row.event_type for row in told if row.resource == make.HAMBURG]
    assert told[-1].resume_token


@pytest.mark.rule("MNT-207")
@pytest.mark.parametrize(("field", "value"), [("time_zone", "Asia/Tokyo"), ("currency_code", "USD")])
async def test_zone_and_currency_of_a_site_are_fixed(plant: Plant, field: str, value: str) -> None:
    changed = sites_pb2.Site(name=make.HAMBURG, **{field: value})
    with pytest.raises(Refused) as refused:
        await plant("root", sites_pb2.UpdateSiteRequest(site=changed, update_mask=FieldMask(paths=[field])))
    assert (refused.value.code, refused.value.metadata["field"]) == ("INVALID_ARGUMENT", field)


async def test_a_title_changes_with_a_fresh_etag_only(plant: Plant) -> None:
    site = await plant("root", sites_pb2.GetSiteRequest(name=make.ANTWERP))
    change = sites_pb2.Site(name=make.ANTWERP, title="Port of Antwerp", etag=site.etag)
    after = await plant("root", sites_pb2.UpdateSiteRequest(site=change))
    assert (after.title, after.time_zone) == ("Port of Antwerp", "Europe/Brussels")
    with pytest.raises(Refused) as refused:
        await plant("root", sites_pb2.UpdateSiteRequest(site=change))
    assert (refused.value.code, refused.value.reason) == ("ABORTED", "ETAG_MISMATCH")


async def test_a_site_needs_a_zone_that_exists(plant: Plant) -> None:
    site = sites_pb2.Site(title="Moon", time_zone="Moon/Sea", currency_code="EUR", country_code="DE")
    with pytest.raises(Refused) as refused:
        await plant("root", sites_pb2.CreateSiteRequest(site_id="moon", site=site))
    assert refused.value.metadata["field"] == "site.time_zone"


async def test_a_site_id_is_given_once(plant: Plant) -> None:
    site = sites_pb2.Site(title="Again", time_zone="Europe/Berlin", currency_code="EUR", country_code="DE")
    with pytest.raises(Refused) as refused:
        await plant("root", sites_pb2.CreateSiteRequest(site_id="hamburg", site=site))
    assert refused.value.code == "ALREADY_EXISTS"


async def test_the_sites_are_listed(plant: Plant) -> None:
    rows = (await plant("paul", sites_pb2.ListSitesRequest())).sites
    assert {site.name for site in rows} >= {make.HAMBURG, make.ANTWERP}


@pytest.mark.rule("MNT-207")
async def test_a_calendar_is_told_whole_each_time(plant: Plant) -> None:
    days = [make.day(date(2026, 12, 25)), make.day(date(2026, 5, 1)), make.day(date(2026, 5, 1))]
    calendar = calendars_pb2.Calendar(
        title="Two shifts", patterns=[Shift(day_of_week=1, start="22:00", end="06:00")], holidays=days
    )
    made = await plant(
        "root", calendars_pb2.CreateCalendarRequest(parent=make.HAMBURG, calendar_id="normal", calendar=calendar)
    )
    assert [day.month for day in made.holidays] == [5, 12]
    event = last_event(plant, events_pb2.CalendarChanged, made.name)
    assert (event.site, event.patterns[0].start, len(event.holidays)) == (make.HAMBURG, "22:00", 2)

    change = calendars_pb2.Calendar(name=made.name, title="Night", etag=made.etag)
    after = await plant("root", calendars_pb2.UpdateCalendarRequest(calendar=change))
    assert (after.title, len(after.holidays), after.revision) == ("Night", 2, 2)
    clear = calendars_pb2.UpdateCalendarRequest(
        calendar=calendars_pb2.Calendar(name=made.name), update_mask=FieldMask(paths=["holidays"])
    )
    assert len((await plant("root", clear)).holidays) == 0
    event = last_event(plant, events_pb2.CalendarChanged, made.name)
    assert (len(event.holidays), len(event.patterns), event.version) == (0, 1, 3)

    site = sites_pb2.Site(name=make.HAMBURG, calendar=made.name)
    await plant("root", sites_pb2.UpdateSiteRequest(site=site))
    assert last_event(plant, events_pb2.SiteChanged, make.HAMBURG).calendar == made.name
    found = await plant("root", calendars_pb2.GetCalendarRequest(name=made.name))
    listed = await plant("root", calendars_pb2.ListCalendarsRequest(parent=make.HAMBURG))
    assert list(listed.calendars) == [found]


async def test_a_site_does_not_follow_an_unknown_calendar(plant: Plant) -> None:
    site = sites_pb2.Site(name=make.HAMBURG, calendar=f"{make.HAMBURG}/calendars/none")
    with pytest.raises(Refused) as refused:
        await plant("root", sites_pb2.UpdateSiteRequest(site=site))
    assert refused.value.code == "NOT_FOUND"


# --- people ---------------------------------------------------------------------------------------------------


async def member(plant: Plant) -> str:
    request = people_pb2.CreatePersonRequest(
        person_id=make.new_id("tom"), person=people_pb2.Person(display_name="Tom Okafor")
    )
    name: str = (await plant("root", request)).name
    return name


async def sees_assets(plant: Plant, name: str, roles: Any) -> bool:
    try:
        await plant.client("maintenance", name, roles)(assets_pb2.ListAssetsRequest(parent=make.HAMBURG))
    except Refused as refused:
        if refused.reason != "PERMISSION_DENIED":
            raise
        return False
    return True


@pytest.mark.rule("MNT-208")
async def test_a_grant_counts_at_its_site_from_its_start_and_is_told_with_all_others(plant: Plant) -> None:
    name = await member(plant)
    assert not await sees_assets(plant, name, TECHNICIAN)
    person = await plant("root", people_pb2.GrantRoleRequest(name=name, role="technician", site="hamburg"))
    assert (person.grants[0].granted_by, person.grants[0].number) == ("people/root", 1)
    assert await sees_assets(plant, name, TECHNICIAN)
    later = people_pb2.GrantRoleRequest(name=name, role="planner", site="antwerp")
    later.from_time.CopyFrom(make.at(datetime.now(UTC) + timedelta(days=1)))
    await plant("root", later)
    event = last_event(plant, events_pb2.PersonChanged, name)
    assert [(grant.role, grant.site) for grant in event.grants] == [("technician", "hamburg"), ("planner", "antwerp")]
    with pytest.raises(Refused):
        await plant.client("maintenance", name, {"-": ["planner"]})(assets_pb2.ListAssetsRequest(parent=make.ANTWERP))
    await plant.settle()
    query = "select count(*) from principal_grant where principal = %s"
    assert [plant.value(service, query, name) for service in ("materials", "procurement")] == [2, 2]
    assert plant.parked() == []


@pytest.mark.rule("MNT-208")
async def test_a_powerful_grant_waits_for_a_second_person(plant: Plant) -> None:
    name = await member(plant)
    pending = await plant("root", people_pb2.GrantRoleRequest(name=name, role="administrator", site="-"))
    assert pending.grants[0].state == people_pb2.Person.Grant.PENDING
    assert list(last_event(plant, events_pb2.PersonChanged, name).grants) == []
    assert not await sees_assets(plant, name, {"-": ["administrator"]})
    confirm = people_pb2.ConfirmGrantRequest(name=name, grant=1)
    with pytest.raises(Refused) as refused:
        await plant("root", confirm)
    assert (refused.value.code, refused.value.reason) == ("PERMISSION_DENIED", "SEGREGATION_OF_DUTIES")
    second = plant.client("maintenance", "people/root2", {"-": ["administrator"]})
    await plant("root", people_pb2.CreatePersonRequest(person_id="root2", person=people_pb2.Person(display_name="R")))
    with plant.look("maintenance") as connection:
        connection.execute(
            "insert into principal_grant (principal, role, site, from_time) "
            "values ('people/root2', 'administrator', '-', now())"
        )
    after = await second(people_pb2.ConfirmGrantRequest(name=name, grant=1))
    assert (after.grants[0].state, after.grants[0].confirmed_by) == (people_pb2.Person.Grant.ACTIVE, "people/root2")
    assert await sees_assets(plant, name, {"-": ["administrator"]})
    with pytest.raises(Refused) as again:
        await second(people_pb2.ConfirmGrantRequest(name=name, grant=1))
    assert again.value.reason == "TRANSITION_NOT_ALLOWED"


@pytest.mark.rule("MNT-208")
async def test_nobody_grants_to_self(plant: Plant) -> None:
    await plant("root", people_pb2.CreatePersonRequest(person_id="root", person=people_pb2.Person(display_name="R")))
    with pytest.raises(Refused) as refused:
        await plant("root", people_pb2.GrantRoleRequest(name="people/root", role="planner", site="-"))
    assert (refused.value.code, refused.value.reason) == ("PERMISSION_DENIED", "GRANT_TO_SELF")
    assert list((await plant("root", people_pb2.GetPersonRequest(name="people/root"))).grants) == []


@pytest.mark.rule("MNT-208")
async def test_a_revoked_grant_counts_no_more(plant: Plant) -> None:
    name = await member(plant)
    await plant("root", people_pb2.GrantRoleRequest(name=name, role="technician", site="hamburg"))
    after = await plant("root", people_pb2.RevokeGrantRequest(name=name, grant=1, reason="left the crew"))
    assert after.grants[0].state == people_pb2.Person.Grant.REVOKED
    assert not await sees_assets(plant, name, TECHNICIAN)
    reason = plant.value("maintenance", "select reason from audit where object = %s order by pos desc limit 1", name)
    assert reason == "left the crew"


@pytest.mark.rule("MNT-208")
async def test_a_suspended_person_has_no_access_until_resumed(plant: Plant) -> None:
    name = await member(plant)
    await plant("root", people_pb2.GrantRoleRequest(name=name, role="technician", site="hamburg"))
    await plant("root", people_pb2.SuspendPersonRequest(name=name, reason="badge lost"))
    with pytest.raises(Refused) as refused:
        await plant.client("maintenance", name, TECHNICIAN)(assets_pb2.ListAssetsRequest(parent=make.HAMBURG))
    assert (refused.value.code, refused.value.reason) == ("PERMISSION_DENIED", "SUSPENDED")
    assert last_event(plant, events_pb2.PersonChanged, name).state == events_pb2.PersonChanged.SUSPENDED
    await plant.settle()
    state = plant.value("materials", "select state from principal_state where principal = %s", name)
    assert state == "SUSPENDED"
    with pytest.raises(Refused) as again:
        await plant("root", people_pb2.SuspendPersonRequest(name=name, reason="badge lost"))
    assert again.value.reason == "TRANSITION_NOT_ALLOWED"
    await plant("root", people_pb2.ResumePersonRequest(name=name, reason="badge found"))
    assert await sees_assets(plant, name, TECHNICIAN)


@pytest.mark.parametrize(("role", "site", "field"), [("king", "-", "role"), ("planner", "sites/hamburg", "site")])
async def test_a_wrong_grant_names_its_field(plant: Plant, role: str, site: str, field: str) -> None:
    with pytest.raises(Refused) as refused:
        await plant("root", people_pb2.GrantRoleRequest(name=await member(plant), role=role, site=site))
    assert (refused.value.code, refused.value.metadata["field"]) == ("INVALID_ARGUMENT", field)


async def test_a_planner_grants_nothing(plant: Plant) -> None:
    with pytest.raises(Refused) as refused:
        await plant("paul", people_pb2.GrantRoleRequest(name=await member(plant), role="planner", site="-"))
    assert refused.value.code == "PERMISSION_DENIED"


async def test_people_are_listed_by_state(plant: Plant) -> None:
    name = await member(plant)
    await plant("root", people_pb2.SuspendPersonRequest(name=name, reason="gone"))
    rows = (await plant("vic", people_pb2.ListPeopleRequest(filter="state = SUSPENDED", page_size=500))).people
    assert name in {person.name for person in rows}
    assert {person.state for person in rows} == {people_pb2.Person.SUSPENDED}
