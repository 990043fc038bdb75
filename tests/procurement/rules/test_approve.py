"""Levels from rolling totals: splitting an order does not lower its level."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.procurement.rules.approve import Decided, Tier, rolling, route, under_ceiling

D = Decimal
TIERS = [Tier(D(5000), automatic=False), Tier(D(10000), automatic=False)]
AUTOMATIC = [Tier(D(5000), automatic=True), Tier(D(10000), automatic=False)]


@pytest.mark.rule("PRC-70")
def test_three_orders_of_4000_take_the_levels_1_2_3_and_the_fourth_begins_anew() -> None:
    history: list[Decided] = []
    levels = []
    for _ in range(5):
        level = route(TIERS, D(4000), history).level
        levels.append(level)
        history.append(Decided(D(4000), level, automatic=False))
    assert levels == [1, 2, 3, 1, 2]


@pytest.mark.rule("PRC-70")
@pytest.mark.parametrize(
    ("amount", "level"), [("4999.99", 1), ("5000", 1), ("5000.01", 2), ("10000", 2), ("10000.01", 3)]
)
def test_a_limit_holds_up_to_itself(amount: str, level: int) -> None:
    assert route(TIERS, D(amount), []).level == level


@pytest.mark.rule("SEC-29")
@pytest.mark.rule("PRC-65")
def test_a_rule_approves_within_its_own_rolling_limit_whoever_asks() -> None:
    first = route(AUTOMATIC, D(3000), [])
    assert (first.level, first.automatic) == (1, True)
    history = [Decided(D(3000), 1, automatic=True, same_requester=False)]
    second = route(AUTOMATIC, D("2000.01"), history)
    assert (second.level, second.automatic) == (2, False)
    assert "5000.01" not in second.explanation  # at its level only the document itself counts
    assert route(AUTOMATIC, D(2000), history).automatic
    decided = [*history, Decided(D(3000), 2, automatic=False)]
    assert route(AUTOMATIC, D(3000), decided).automatic  # a decision above starts the total anew


@pytest.mark.rule("PRC-70")
def test_what_a_rule_approved_does_not_count_for_persons() -> None:
    history = [Decided(D(4000), 1, automatic=True), Decided(D(900), 1, automatic=True)]
    assert rolling(history, 2) == 0
    assert rolling(history, 1, automatic=True) == 4900
    assert under_ceiling(D(100), history) == 100


@pytest.mark.rule("PRC-70")
def test_totals_are_counted_by_requester() -> None:
    other = [Decided(D(4000), 1, automatic=False, same_requester=False)]
    assert route(TIERS, D(4000), other).level == 1
    assert under_ceiling(D(4000), other) == 4000


@pytest.mark.rule("SEC-29")
def test_a_ceiling_is_compared_with_all_of_the_window() -> None:
    history = [Decided(D(4000), level, automatic=False) for level in (1, 2)]
    assert under_ceiling(D(4000), history) == 12000


def test_without_tiers_a_person_decides() -> None:
    assert route([], D(1), []).automatic is False
    assert route([Tier(D(1), automatic=True)], D(2), []).automatic is False


@pytest.mark.rule("SEC-29")
@given(parts=st.lists(st.integers(1, 4000), min_size=1, max_size=8))
def test_parts_never_get_further_by_themselves_than_their_sum(parts: list[int]) -> None:
    """What a rule approves of the parts stays within what it would approve at once."""
    history: list[Decided] = []
    for part in parts:
        way = route(AUTOMATIC[:1], D(part), history)
        if way.automatic:
            history.append(Decided(D(part), way.level, automatic=True))
    assert sum(past.amount for past in history) <= 5000
