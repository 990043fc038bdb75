"""Who supplies, and why the others were passed over."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.procurement.rules.price import Price, Terms
from services.procurement.rules.source import Candidate, choose, offer_of

D = Decimal
TODAY = date(2026, 3, 2)


def candidate(
    name: str, amount: str, rank: int = 1, *, excluded: str = "", currency: str = "EUR", lead_days: int = 3,
    minimum: str = "0", factor: int = 1,
) -> Candidate:  # fmt: skip
    terms = Terms(D(minimum), D(1), D(1), [Price(D(0), D(amount))], currency)
    return Candidate(name, f"suppliers/{name}", rank, Fraction(factor), terms, lead_days, excluded)


@pytest.mark.rule("PRC-32")
def test_rank_survives_a_cheaper_rival_and_says_why_it_was_passed_over() -> None:
    choice = choose([candidate("cheap", "9", 2), candidate("first", "10", 1)], D(10), TODAY, "RANK")
    assert choice.offer is not None
    assert choice.offer.candidate.name == "first"
    assert choice.explanation == [
        "cheap passed over: rank 2, 10 for 90 EUR, there on 2026-03-05",
        "first chosen by RANK: rank 1, 10 for 100 EUR, there on 2026-03-05",
    ]


@pytest.mark.rule("PRC-32")
def test_cheapest_takes_the_lowest_total_of_the_corrected_quantity() -> None:
    dear_minimum = candidate("minimum", "6", 1, minimum="20")  # 120 for a need of 10
    choice = choose([dear_minimum, candidate("plain", "9", 2)], D(10), TODAY, "CHEAPEST")
    assert choice.offer is not None
    assert (choice.offer.candidate.name, choice.offer.total) == ("plain", 90)


@pytest.mark.rule("PRC-32")
def test_rank_0_stands_last_and_ties_go_to_total_then_name() -> None:
    rows = [candidate("a", "1", 0), candidate("b", "5", 3), candidate("c", "4", 3), candidate("d", "4", 3)]
    choice = choose(rows, D(1), TODAY, "RANK")
    assert choice.offer is not None
    assert choice.offer.candidate.name == "c"
    assert any(words.startswith("a passed over: no rank") for words in choice.explanation)


@pytest.mark.rule("PRC-25")
def test_who_may_not_supply_is_named_with_the_reason() -> None:
    rows = [candidate("off", "1", excluded="the supplier is SUSPENDED"), candidate("on", "2")]
    choice = choose(rows, D(1), TODAY, "RANK")
    assert choice.offer is not None
    assert choice.offer.candidate.name == "on"
    assert choice.explanation[0] == "off passed over: the supplier is SUSPENDED"
    nobody = choose(rows[:1], D(1), TODAY, "RANK")
    assert nobody.offer is None
    assert nobody.explanation[-1] == "nobody can supply it"


@pytest.mark.rule("PRC-5")
def test_totals_of_two_currencies_are_never_compared() -> None:
    rows = [candidate("euro", "100", 1), candidate("yen", "5", 2, currency="JPY"), candidate("other", "90", 3)]
    choice = choose(rows, D(1), TODAY, "CHEAPEST")
    assert choice.offer is not None
    assert choice.offer.candidate.name == "other"
    assert "yen passed over: JPY is not compared with EUR" in choice.explanation


@pytest.mark.rule("PRC-33")
def test_the_offer_counts_in_order_units_and_arrives_after_the_lead_time() -> None:
    found = offer_of(candidate("boxes", "30", factor=12, lead_days=0), D(13), TODAY)
    assert (found.quantity, found.total, found.arrival) == (2, 60, TODAY)
    assert offer_of(candidate("later", "1", lead_days=10), D(1), TODAY).arrival == TODAY + timedelta(days=10)


@pytest.mark.rule("PRC-32")
@given(
    amounts=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    ranks=st.lists(st.integers(0, 3), min_size=5, max_size=5),
    how=st.sampled_from(["RANK", "CHEAPEST"]),
    order=st.randoms(use_true_random=False),
)
def test_the_order_of_candidates_changes_nothing_and_each_is_named_once(
    amounts: list[int], ranks: list[int], how: str, order: object
) -> None:
    rows = [candidate(f"s{index}", str(amount), ranks[index]) for index, amount in enumerate(amounts)]
    choice = choose(rows, D(2), TODAY, how)
    shuffled = list(rows)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert choose(shuffled, D(2), TODAY, how) == choice
    assert sorted(words.split(" ")[0] for words in choice.explanation) == sorted(row.name for row in rows)
    assert choice.offer is not None
    if how == "CHEAPEST":
        assert choice.offer.total == 2 * min(amounts)
