"""People and grants as plain Python."""

from datetime import UTC, datetime, timedelta

import pytest

from services.chassis.faults import FieldInvalid, ResourceNotFound, SegregationOfDuties, TransitionNotAllowed
from services.maintenance.model.person import GrantState, GrantToSelf, Person

NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)
ROOT, RITA = "people/root", "people/rita"


def tom() -> Person:
    return Person(name="people/tom", display_name="Tom", grants=[], create_time=NOW, update_time=NOW)


def grant(person: Person, role: str, by: str = ROOT, site: str = "hamburg", **given: datetime | None) -> None:
    person.grant(role, site, by, NOW, given.get("from_time"), given.get("to_time"))


@pytest.mark.rule("MNT-208")
def test_a_grant_counts_from_its_start_to_its_end() -> None:
    person = tom()
    grant(person, "technician", from_time=NOW, to_time=NOW + timedelta(days=30))
    (held,) = person.in_force()
    assert (held.role, held.site, held.from_time, held.to_time) == (
        "technician", "hamburg", NOW, NOW + timedelta(days=30),
    )  # fmt: skip


@pytest.mark.rule("MNT-208")
@pytest.mark.parametrize("role", ["approver", "accountant", "administrator"])
def test_a_powerful_grant_waits_for_a_second_person(role: str) -> None:
    person = tom()
    grant(person, role)
    assert person.in_force() == []
    for by in (ROOT, "people/tom"):
        with pytest.raises(SegregationOfDuties):
            person.confirm(1, by)
    person.confirm(1, RITA)
    assert [held.role for held in person.in_force()] == [role]
    assert person.grants[0].confirmed_by == RITA


@pytest.mark.rule("MNT-208")
def test_nobody_grants_to_self() -> None:
    person = tom()
    with pytest.raises(GrantToSelf):
        grant(person, "technician", by="people/tom")
    assert person.grants == []


@pytest.mark.rule("MNT-208")
def test_a_revoked_grant_counts_no_more_and_stays_revoked() -> None:
    person = tom()
    grant(person, "technician")
    person.revoke(1, NOW + timedelta(hours=1))
    assert person.in_force() == []
    assert person.grants[0].to_time == NOW + timedelta(hours=1)
    with pytest.raises(TransitionNotAllowed):
        person.confirm(1, RITA)
    with pytest.raises(TransitionNotAllowed):
        person.revoke(1, NOW)
    assert person.grants[0].state is GrantState.REVOKED


@pytest.mark.parametrize(
    ("role", "site", "field"), [("king", "hamburg", "role"), ("technician", "sites/hamburg", "site")]
)
def test_a_grant_names_a_known_role_and_a_site_id(role: str, site: str, field: str) -> None:
    with pytest.raises(FieldInvalid) as refused:
        grant(tom(), role, site=site)
    assert refused.value.metadata["field"] == field


def test_a_grant_does_not_end_before_it_begins() -> None:
    with pytest.raises(FieldInvalid):
        grant(tom(), "technician", to_time=NOW)


def test_an_unknown_grant_is_not_found() -> None:
    with pytest.raises(ResourceNotFound):
        tom().confirm(7, RITA)
