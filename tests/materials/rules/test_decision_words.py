"""What a decision says: its plain form, the same again from it, and sentences that people read (MAT-89)."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal as D

import pytest

from services.materials.rules import decisions, substitution
from services.materials.rules.allocation import Candidate, Demand, Key, OrderKey, Rules
from services.materials.rules.substitution import Need, Offer, Ratio, Stock

DAY = date(2026, 6, 1)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
OLD = Candidate("b1", "shelf", "L1", D("4.500"), "KGM", date(2026, 7, 1), NOON, life_days=3)
NEW = Candidate("b2", "rack", "", D(9), "KGM", received=NOON, path=4)
HELD = Candidate("b3", "floor", "L2", D(7), "KGM", held_by="holds/1")
ASKED = Demand("r1", D(6), "KGM", DAY)
RULES = Rules("rev", (OrderKey(Key.EXPIRY), OrderKey(Key.PATH, True)), window_hours=8, minimum_lives={"WORK": 2})


@pytest.mark.rule("MAT-89")
def test_a_decision_is_kept_with_all_that_it_depends_on() -> None:
    plans, inputs, outcome = decisions.record([ASKED], [replace(HELD), replace(NEW), replace(OLD)], RULES)
    assert [(row.balance, amount) for row, amount in plans[0].taken] == [("b1", D("4.5")), ("b2", D("1.5"))]
    assert inputs["demands"] == [
        {"reservation": "r1", "needed": "6", "unit_code": "KGM", "day": "2026-06-01", "life_days": None, "lot": "",
         "owner": "", "path": None}
    ]  # fmt: skip
    assert {name: inputs["rules"][name] for name in ("revision", "order", "window_hours", "minimum_lives")} == {
        "revision": "rev", "order": [{"key": "EXPIRY", "descending": False}, {"key": "PATH", "descending": True}],
        "window_hours": 8, "minimum_lives": {"WORK": 2},
    }  # fmt: skip
    assert [row["balance"] for row in inputs["candidates"]] == ["b1", "b2", "b3"]
    first = inputs["candidates"][0]
    assert (first["free"], first["expires"], first["received"], first["held_by"]) == (
        "4.5", "2026-07-01", "2026-05-01T12:00:00+00:00", "",
    )  # fmt: skip
    assert outcome == {
        "demands": [
            {
                "reservation": "r1",
                "taken": [
                    {"balance": "b1", "location": "shelf", "lot": "L1", "quantity": "4.5"},
                    {"balance": "b2", "location": "rack", "lot": "", "quantity": "1.5"},
                ],
                "passed_over": [{"balance": "b3", "location": "floor", "lot": "L2", "why": "HELD"}],
            }
        ]
    }
    assert decisions.replay(inputs) == outcome
    assert [decisions.read_row(Candidate, row) for row in inputs["candidates"]] == [OLD, NEW, HELD]


@pytest.mark.rule("MAT-89")
def test_stock_beyond_what_is_listed_is_left_out_but_for_what_was_taken() -> None:
    many = [Candidate(f"b{number:03}", "shelf", "", D(1), "KGM", path=number) for number in range(decisions.LISTED + 9)]
    rules = Rules(order=(OrderKey(Key.PATH, True),))
    plans, inputs, outcome = decisions.record([replace(ASKED, needed=D(2))], many, rules)
    names = [row["balance"] for row in inputs["candidates"]]
    taken = [row.balance for row, _ in plans[0].taken]
    assert taken == [many[-1].balance, many[-2].balance]
    assert names == [row.balance for row in many[7:]]
    assert len(outcome["demands"][0]["passed_over"]) == decisions.LISTED
    assert decisions.replay(inputs)["demands"][0]["taken"] == outcome["demands"][0]["taken"]


@pytest.mark.rule("MAT-89")
def test_a_decision_is_said_in_sentences() -> None:
    found = decisions.record([ASKED], [replace(HELD), replace(NEW), replace(OLD)], RULES)[2]
    assert decisions.words(found, "KGM") == [
        "r1 takes 4.5 KGM at shelf L1",
        "r1 takes 1.5 KGM at rack",
        "r1 passes over floor L2: held",
    ]
    two = decisions.record([replace(ASKED, needed=D(1)), replace(ASKED, reservation="r2")], [replace(OLD)], RULES)[2]
    assert decisions.words(two, "KGM") == ["r1 takes 1 KGM at shelf L1", "r2 takes 3.5 KGM at shelf L1"]
    locked = decisions.record([ASKED], [replace(NEW, locked="OUTBOUND"), replace(OLD, expires=DAY)], RULES)[2]
    assert decisions.words(locked, "KGM") == [
        "r1 passes over shelf L1: expires before the need",
        "r1 passes over rack: locked",
    ]


@pytest.mark.rule("MAT-89")
@pytest.mark.rule("MAT-10")
def test_what_alternates_do_is_kept_and_said() -> None:
    offers = [
        Offer("items/x", "GRM", Ratio(1000, 1, D(1), D("0.5")), turned=True),
        Offer("items/b", "GRM", Ratio(1000, 1, D(1), D("0.5")), first=DAY, last=DAY),
        Offer("items/c", "KGM", Ratio(2, 1, D(1), D("0.5"))),
    ]
    stocks = {
        "items/b": Stock([Candidate("b1", "shelf", "L1", D(1500), "GRM"), Candidate("b2", "rack", "", D(9), "GRM",
                                                                                   held_by="holds/1")]),
        "items/c": Stock([Candidate("c1", "floor", "", D(2), "KGM")], RULES),
    }  # fmt: skip
    needs = [Need(replace(ASKED, needed=D(4)), "WORK", given_back=["items/z"])]
    _, inputs, outcome = substitution.record(needs, offers, stocks, "sites/s/decisions/1")
    assert outcome == {
        "before": "sites/s/decisions/1",
        "demands": [
            {
                "reservation": "r1",
                "alternates": [
                    {
                        "item": "items/x", "covers": "0", "quantity": "0", "unit_code": "GRM",
                        "why": "OTHER_DIRECTION", "taken": [], "passed_over": [],
                    },
                    {
                        "item": "items/b", "covers": "1.5", "quantity": "1500", "unit_code": "GRM", "why": "",
                        "taken": [{"balance": "b1", "location": "shelf", "lot": "L1", "quantity": "1500"}],
                        "passed_over": [{"balance": "b2", "location": "rack", "lot": "", "why": "HELD"}],
                    },
                    {
                        "item": "items/c", "covers": "1", "quantity": "2", "unit_code": "KGM", "why": "",
                        "taken": [{"balance": "c1", "location": "floor", "lot": "", "quantity": "2"}],
                        "passed_over": [],
                    },
                ],
            }
        ],
    }  # fmt: skip
    assert (inputs["before"], inputs["needs"][0]["given_back"], inputs["needs"][0]["demand_kind"]) == (
        "sites/s/decisions/1", ["items/z"], "WORK",
    )  # fmt: skip
    assert inputs["offers"][1] == {
        "item": "items/b", "unit_code": "GRM", "both_ways": False, "turned": False, "in_use": True,
        "first": "2026-06-01", "last": "2026-06-01",
        "ratio": {"numerator": 1000, "denominator": 1, "step": "1", "covered_step": "0.5"},
    }  # fmt: skip
    assert substitution.replay(inputs) == outcome
    assert substitution.words(outcome, "KGM") == [
        "sites/s/decisions/1 took the item itself",
        "r1 takes none of items/x: other direction",
        "r1 takes 1500 GRM of items/b for 1.5 KGM",
        "items/b at shelf L1",
        "items/b at rack is passed over: held",
        "r1 takes 2 KGM of items/c for 1 KGM",
        "items/c at floor",
    ]
    assert substitution.words({**outcome, "before": ""}, "KGM")[0] == "r1 takes none of items/x: other direction"


@pytest.mark.rule("MAT-89")
def test_of_an_alternate_as_much_is_listed_as_of_the_item_itself() -> None:
    many = [Candidate(f"b{number:03}", "shelf", "", D(1), "KGM", path=number) for number in range(decisions.LISTED + 9)]
    stocks = {"items/b": Stock(many, Rules(order=(OrderKey(Key.PATH, True),)))}
    offers = [Offer("items/b", "KGM", Ratio(1, 1, D(1), D(1)))]
    _, inputs, outcome = substitution.record([Need(replace(ASKED, needed=D(2)))], offers, stocks, "")
    assert [row["balance"] for row in inputs["stocks"]["items/b"]["candidates"]] == [row.balance for row in many[7:]]
    alternate = outcome["demands"][0]["alternates"][0]
    assert [row["balance"] for row in alternate["taken"]] == [many[-1].balance, many[-2].balance]
    assert len(alternate["passed_over"]) == decisions.LISTED
    assert all(row["free"] == "1" for row in inputs["stocks"]["items/b"]["candidates"])
    assert substitution.replay(inputs)["demands"][0]["alternates"][0]["taken"] == alternate["taken"]


@pytest.mark.rule("MAT-10")
def test_the_life_that_an_alternate_must_have_left_is_that_of_its_own_policy_for_the_demand() -> None:
    good_for_two_days = Candidate("b1", "shelf", "", D(5), "KGM", expires=date(2026, 6, 3))
    offer = Offer("items/b", "KGM", Ratio(1, 1, D(1), D(1)))

    def covered(minimum: int | None, asked: int | None = None) -> D:
        rules = Rules(minimum_lives={} if minimum is None else {"WORK": minimum})
        need = Need(replace(ASKED, life_days=asked), "WORK")
        return substitution.fit(offer, need, D(5), Stock([replace(good_for_two_days)], rules)).covered

    assert [covered(None), covered(2), covered(3), covered(3, 2), covered(2, 3)] == [5, 5, 0, 5, 0]
