"""Alternates: how much of one covers a demand, which may stand in, and that they take no more than they cover."""

from datetime import date, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules.allocation import Candidate, Demand, Rules
from services.materials.rules.substitution import Need, Offer, Ratio, Stock, Why, fit, record, refusal, replay, run

DAY = date(2026, 6, 1)
STEPS = st.sampled_from([D(1), D("0.5"), D("0.001"), D(12)])
RATIOS = st.builds(Ratio, st.integers(1, 1000), st.integers(1, 1000), STEPS, STEPS)


def need(lacking: str | int | D = 6, **given_: Any) -> Need:
    values = {"day": DAY, "unit_code": "H87", **given_.pop("demand", {})}
    return Need(Demand("r1", D(lacking), **values), **given_)


def offer(item: str = "items/b", numerator: int = 1, denominator: int = 1, **given_: Any) -> Offer:
    return Offer(item, "H87", Ratio(numerator, denominator, D(1), D(1)), **given_)


def stock(item: str, *free: int) -> Stock:
    return Stock([Candidate(f"{item}-{n}", "shelf", "", D(each), "H87") for n, each in enumerate(free)])


@pytest.mark.rule("MAT-10")
@pytest.mark.parametrize(
    ("numerator", "denominator", "demanded", "takes", "amount", "covers"),
    [
        (1, 1, "4", "4", "3", "3"),
        (3, 1, "2", "6", "5", "1"),  # 5 of which 3 make 1
        (1, 3, "4", "2", "1", "3"),  # half of a third is not to be had
        (2, 3, "5", "4", "3", "4"),
        (3, 2, "1", "2", "1", "0"),
    ],
)
def test_an_alternate_covers_by_its_ratio(
    numerator: int, denominator: int, demanded: str, takes: str, amount: str, covers: str
) -> None:
    ratio = Ratio(numerator, denominator, D(1), D(1))
    assert (ratio.takes(D(demanded)), ratio.covers(D(amount))) == (D(takes), D(covers))


@pytest.mark.rule("MAT-10")
@given(RATIOS, st.decimals(0, 10000, places=3), st.decimals(0, 10000, places=3))
def test_what_is_taken_covers_the_demand_and_no_step_less_does(ratio: Ratio, demanded: D, amount: D) -> None:
    takes, covers = ratio.takes(demanded), ratio.covers(amount)
    assert takes * ratio.denominator >= demanded * ratio.numerator
    assert takes == 0 or (takes - ratio.step) * ratio.denominator < demanded * ratio.numerator
    assert ratio.takes(covers) <= amount
    assert ratio.takes(covers + ratio.covered_step) > amount
    assert takes % ratio.step == covers % ratio.covered_step == 0


@pytest.mark.rule("MAT-10", "MAT-88")
@given(
    RATIOS, st.integers(1, 200), st.lists(st.integers(0, 50), max_size=6), st.booleans(), st.booleans()
)  # fmt: skip
def test_never_more_is_taken_than_covers_the_demand_or_is_free(
    ratio: Ratio, lacking: int, free: list[int], whole: bool, boxed: bool
) -> None:
    wanted = lacking * ratio.covered_step
    there = Stock(
        [
            Candidate(
                f"b{n}", "shelf", "", each * ratio.step, "H87", handling_unit=f"h{n}" if boxed else "",
                unit_quantity=each * ratio.step,
            )
            for n, each in enumerate(free)
        ],
        Rules(keep_units_whole=whole),
    )  # fmt: skip
    before = {row.balance: row.free for row in there.candidates}
    found = fit(Offer("items/b", "H87", ratio), need(wanted), wanted, there)
    assert 0 <= found.covered <= wanted
    assert found.taken == ratio.takes(found.covered)
    assert found.taken == sum(before[row.balance] - row.free for row in there.candidates)
    assert all(row.free >= 0 for row in there.candidates)
    assert (found.why is Why.NOT_ENOUGH_STOCK) is (found.covered == 0)
    if not (whole and boxed):
        assert found.covered == min(wanted, ratio.covers(sum(before.values(), D(0))))


@pytest.mark.rule("MAT-10", "MAT-89")
@pytest.mark.parametrize(
    ("offered", "asked", "why"),
    [
        (offer(), need(), None),
        (offer(turned=True, both_ways=True), need(), None),
        (offer(turned=True), need(), Why.OTHER_DIRECTION),
        (offer(first=DAY, last=DAY), need(), None),
        (offer(first=DAY + timedelta(days=1)), need(), Why.NOT_VALID_ON_THE_DAY),
        (offer(last=DAY - timedelta(days=1)), need(), Why.NOT_VALID_ON_THE_DAY),
        (offer(in_use=False), need(), Why.NOT_IN_USE),
        (offer(), need(refused=True), Why.POLICY_REFUSES),
        (offer(), need(demand={"lot": "items/a/lots/1"}), Why.LOT_IS_ASKED),
        (offer(), need(given_back=["items/b"]), Why.GIVEN_BACK),
    ],
)
def test_an_alternate_may_not_stand_in_for_a_reason(offered: Offer, asked: Need, why: Why | None) -> None:
    assert refusal(offered, asked) is why


@pytest.mark.rule("MAT-10", "MAT-89", "MAT-85")
def test_alternates_take_their_turn_and_the_decision_is_the_same_again() -> None:
    offers = [offer("items/x", turned=True), offer("items/b", 3), offer("items/c"), offer("items/d"), offer("items/e")]
    stocks = {"items/b": stock("b", 2, 5), "items/c": stock("c", 0), "items/d": stock("d", 9)}
    needs = [need(5), need(4)]
    found, inputs, outcome = record(needs, offers, stocks, "sites/s/decisions/1")
    assert [[(each.offer.item[-1], int(each.covered), int(each.taken), each.why) for each in row] for row in found] == [
        [
            ("x", 0, 0, Why.OTHER_DIRECTION), ("b", 2, 6, None), ("c", 0, 0, Why.NOT_ENOUGH_STOCK), ("d", 3, 3, None),
            ("e", 0, 0, Why.NOT_NEEDED),
        ],
        [
            ("x", 0, 0, Why.OTHER_DIRECTION), ("b", 0, 0, Why.NOT_ENOUGH_STOCK), ("c", 0, 0, Why.NOT_ENOUGH_STOCK),
            ("d", 4, 4, None), ("e", 0, 0, Why.NOT_NEEDED),
        ],
    ]  # fmt: skip
    assert replay(inputs) == outcome
    again = {"items/b": stock("b", 2, 5), "items/c": stock("c", 0), "items/d": stock("d", 9)}
    assert [[each.covered for each in row] for row in run(needs, offers, again)] == [
        [each.covered for each in row] for row in found
    ]
