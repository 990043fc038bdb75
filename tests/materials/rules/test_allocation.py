"""The order in which stock is taken."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.db import json_text
from services.materials.model.item import SiteFact
from services.materials.rules import decisions
from services.materials.rules.allocation import (
    Candidate,
    Demand,
    Key,
    OrderKey,
    Rules,
    Why,
    order,
    plan,
    refusal,
)

D = Decimal
TODAY = date(2026, 3, 10)
ONE = D(1)

candidates = st.lists(
    st.builds(
        Candidate,
        balance=st.uuids().map(str), location=st.just("x"), lot=st.text("ab", max_size=2),
        free=st.integers(0, 20).map(Decimal),
        expires=st.one_of(st.none(), st.dates(date(2026, 3, 1), date(2026, 3, 20))),
        received=st.one_of(st.none(), st.datetimes(timezones=st.just(UTC), min_value=datetime(2025, 1, 1))),
        path=st.integers(0, 3),
    ),
    max_size=8,
)  # fmt: skip


def demand(needed: Decimal = ONE, **given: Any) -> Demand:
    known: dict[str, Any] = {"reservation": "r", "needed": needed, "unit_code": "", "day": TODAY}
    return Demand(**(known | given))


def stock(balance: str, free: int = 5, **given: object) -> Candidate:
    return Candidate(balance=balance, location="x", lot="", free=D(free), **given)  # type: ignore[arg-type]


@pytest.mark.rule("MAT-85")
def test_first_expires_then_oldest_then_along_the_path_then_by_name() -> None:
    old, new = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    wanted = [
        stock("e1", expires=date(2026, 4, 1), received=new),
        stock("e2", expires=date(2026, 5, 1), received=old),
        stock("o1", received=old, path=9),
        stock("o2", received=new, path=1),
        stock("p1", path=1),
        stock("p2", path=2),
        stock("p3", path=2),
    ]
    assert [row.balance for row in order(reversed(wanted), demand())] == [row.balance for row in wanted]


@pytest.mark.rule("MAT-86")
def test_the_expiry_date_is_the_last_usable_day() -> None:
    rows = [stock("today", expires=TODAY), stock("gone", expires=date(2026, 3, 9))]
    assert [(row.balance, amount) for row, amount in plan(rows, demand(D(9))).taken] == [("today", D(5))]


@pytest.mark.rule("MAT-85")
@given(rows=candidates, needed=st.integers(1, 60).map(Decimal))
def test_a_plan_takes_no_more_than_is_free_and_all_that_may_be_used_if_it_is_short(
    rows: list[Candidate], needed: Decimal
) -> None:
    free = {row.balance: row.free for row in rows}
    fitting = [row.balance for row in order(rows, demand(needed)) if refusal(row, demand(needed)) is None]
    found = plan(rows, demand(needed)).taken
    total = sum((amount for _, amount in found), D(0))
    usable = sum((free[row.balance] for row in rows if row.usable(TODAY)), D(0))
    assert total == min(needed, usable)
    assert all(0 < amount <= free[row.balance] for row, amount in found)
    assert [row.balance for row, _ in found] == fitting[: len(found)]


def balances(rows: list[Candidate]) -> list[str]:
    return [row.balance for row in rows]


@pytest.mark.rule("MAT-85")
@pytest.mark.parametrize(
    ("key", "ascending"),
    [
        (Key.EXPIRY, "cab"),
        (Key.RECEIPT_AGE, "bac"),
        (Key.FULL_UNIT_FIRST, "bac"),
        (Key.LEAST_FRAGMENTS, "cab"),
        (Key.EMPTY_BIN_FIRST, "abc"),
        (Key.PATH, "bca"),
        (Key.DISTANCE, "acb"),
    ],
)
def test_each_key_orders_and_the_name_breaks_ties(key: Key, ascending: str) -> None:
    rows = [
        stock("a", 4, expires=date(2026, 5, 1), received=datetime(2026, 2, 1, tzinfo=UTC), path=8, place_quantity=D(4)),
        stock(
            "b", 3, expires=date(2026, 6, 1), received=datetime(2026, 1, 1, tzinfo=UTC), path=1, place_quantity=D(9),
            handling_unit="h", unit_quantity=D(3),
        ),
        stock("c", 9, expires=date(2026, 4, 1), received=None, path=4, place_quantity=D(9)),
    ]  # fmt: skip
    wanted = demand(D(5), path=8)
    assert "".join(balances(order(rows, wanted, [OrderKey(key)]))) == ascending
    if key in (Key.EXPIRY, Key.LEAST_FRAGMENTS, Key.PATH, Key.DISTANCE):
        assert "".join(balances(order(rows, wanted, [OrderKey(key, descending=True)]))) == ascending[::-1]


@pytest.mark.rule("MAT-85")
def test_what_has_no_expiry_comes_last_either_way() -> None:
    rows = [stock("none"), stock("soon", expires=date(2026, 4, 1)), stock("late", expires=date(2026, 5, 1))]
    down = [OrderKey(Key.EXPIRY, descending=True)]
    assert balances(order(rows, demand(), down)) == ["late", "soon", "none"]


@pytest.mark.rule("MAT-88")
@pytest.mark.parametrize(
    ("given_", "asked", "why"),
    [
        ({}, {}, None),
        ({"status": "INSPECTION"}, {}, Why.WRONG_STATUS),
        ({"held_by": "sites/x/holds/h"}, {}, Why.HELD),
        ({"locked": "COUNT"}, {}, Why.LOCKED),
        ({"locked": "OUTBOUND"}, {}, Why.LOCKED),
        ({"owner": "suppliers/acme"}, {}, Why.OTHER_OWNER),
        ({"owner": "suppliers/acme"}, {"owner": "suppliers/acme"}, None),
        ({}, {"owner": "suppliers/acme"}, Why.OTHER_OWNER),
        ({}, {"lot": "items/i/lots/1"}, Why.OTHER_LOT),
        ({"unit_code": "KGM"}, {}, Why.OTHER_UNIT_OF_MEASURE),
        ({"expires": date(2026, 3, 9)}, {}, Why.EXPIRES_BEFORE_THE_NEED),
        ({"expires": TODAY}, {}, None),
        ({"expires": TODAY, "life_days": 1}, {}, Why.EXPIRES_BEFORE_THE_NEED),
        ({"expires": TODAY, "life_days": 1}, {"life_days": 0}, None),
        ({"expires": TODAY}, {"life_days": 1}, Why.EXPIRES_BEFORE_THE_NEED),
        ({"free": D(0)}, {}, Why.CLAIMED),
    ],
)
def test_what_is_never_taken_says_why(given_: dict[str, Any], asked: dict[str, Any], why: Why | None) -> None:
    row = stock("b")
    for name, value in given_.items():
        setattr(row, name, value)
    assert refusal(row, demand(**asked)) is why
    assert [reason for _, reason in plan([row], demand(**asked)).passed] == ([] if why is None else [why])


@pytest.mark.rule("MAT-88")
@pytest.mark.parametrize(("needed", "taken"), [(3, [("loose", 2)]), (4, [("box", 4)]), (6, [("box", 4), ("loose", 2)])])
def test_a_unit_that_is_not_broken_is_taken_whole_or_not(needed: int, taken: list[tuple[str, int]]) -> None:
    box = stock("box", 4, handling_unit="h", unit_quantity=D(4), unbreakable=True)
    found = plan([stock("loose", 2), box], demand(D(needed)))
    assert [(row.balance, int(amount)) for row, amount in found.taken] == taken


@pytest.mark.rule("MAT-88")
def test_a_policy_keeps_units_whole_and_a_claimed_one_is_not_taken() -> None:
    box = stock("box", 3, handling_unit="h", unit_quantity=D(4))
    assert plan([box], demand(D(9))).taken
    box.free = D(3)
    found = plan([box], demand(D(9)), Rules(keep_units_whole=True))
    assert [why for _, why in found.passed] == [Why.UNIT_IS_NOT_BROKEN]


@pytest.mark.rule("MAT-86")
@pytest.mark.parametrize(
    ("zone", "last", "first_after"),
    [
        ("Pacific/Tongatapu", "2026-11-26T10:59:59", "2026-11-26T11:00:00"),
        ("Pacific/Auckland", "2026-11-26T10:59:59", "2026-11-26T11:00:00"),
        ("Europe/Berlin", "2026-11-26T22:59:59", "2026-11-26T23:00:00"),
        ("America/St_Johns", "2026-11-27T03:29:59", "2026-11-27T03:30:00"),
    ],
)
def test_a_lot_is_usable_through_the_end_of_its_day_in_the_zone_of_the_site(
    zone: str, last: str, first_after: str
) -> None:
    fact = SiteFact(name="sites/x", time_zone=zone, currency_code="EUR")
    row = stock("b", expires=date(2026, 11, 26))
    assert row.usable(fact.day(datetime.fromisoformat(f"{last}+00:00")))
    assert not row.usable(fact.day(datetime.fromisoformat(f"{first_after}+00:00")))


@pytest.mark.rule("MAT-86")
@pytest.mark.parametrize(
    ("expires", "last", "first_after"),
    [
        (date(2026, 10, 25), "2026-10-25T22:59:59", "2026-10-25T23:00:00"),
        (date(2026, 3, 29), "2026-03-29T21:59:59", "2026-03-29T22:00:00"),
    ],
)
def test_the_days_when_clocks_change_are_as_long_as_they_are(expires: date, last: str, first_after: str) -> None:
    fact = SiteFact(name="sites/x", time_zone="Europe/Berlin", currency_code="EUR")
    row = stock("b", expires=expires)
    assert row.usable(fact.day(datetime.fromisoformat(f"{last}+00:00")))
    assert not row.usable(fact.day(datetime.fromisoformat(f"{first_after}+00:00")))


_RULES = st.builds(
    Rules,
    order=st.lists(st.builds(OrderKey, st.sampled_from(list(Key)), st.booleans()), max_size=4).map(tuple),
    keep_units_whole=st.booleans(),
)
_DEMANDS = st.lists(
    st.builds(
        Demand, reservation=st.uuids().map(str), needed=st.integers(1, 30).map(Decimal), unit_code=st.just(""),
        day=st.just(TODAY), life_days=st.one_of(st.none(), st.integers(0, 9)),
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip


@pytest.mark.rule("MAT-89")
@given(rows=candidates, demands=_DEMANDS, rules=_RULES)
def test_a_decision_is_the_same_from_its_recorded_inputs_and_takes_nothing_twice(
    rows: list[Candidate], demands: list[Demand], rules: Rules
) -> None:
    free = {row.balance: row.free for row in rows}
    plans, recorded, outcome = decisions.record(demands, rows, rules)
    assert json_text(decisions.replay(json.loads(json_text(recorded)))) == json_text(outcome)
    taken: dict[str, Decimal] = {}
    for found in plans:
        assert sum((amount for _, amount in found.taken), D(0)) <= found.demand.needed
        for row, amount in found.taken:
            taken[row.balance] = taken.get(row.balance, D(0)) + amount
    assert all(amount <= free[balance] for balance, amount in taken.items())


@pytest.mark.rule("MAT-89")
def test_of_very_many_candidates_those_that_were_taken_are_recorded_and_a_few_others() -> None:
    rows = [stock(f"b{number:03}", 2) for number in range(200)]
    plans, recorded, outcome = decisions.record([demand(D(120))], rows, Rules())
    assert len(plans[0].taken) == 60
    assert len(recorded["candidates"]) == 60 + decisions.LISTED
    assert json_text(decisions.replay(recorded)) == json_text(outcome)
