"""Order quantity, price break and rounding, by known answers and by properties."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.procurement.rules.price import (
    NoPrice,
    Price,
    Terms,
    accept_limit,
    minor_unit,
    net,
    order_quantity,
    plain,
    price_of,
    quote,
)

D = Decimal
TODAY = date(2026, 3, 2)
quantities = st.decimals(min_value="0.000001", max_value=10**6, places=6)


def prices(*rows: tuple[str, str]) -> list[Price]:
    return [Price(D(break_quantity), D(amount)) for break_quantity, amount in rows]


BREAKS = prices(("100", "2.40"), ("250", "2.10"), ("500", "1.95"))


@pytest.mark.rule("PRC-34")
@pytest.mark.rule("PRC-35")
@pytest.mark.parametrize(
    ("minimum", "multiple", "need", "ordered"),
    [
        ("15", "3", "1", "15"), ("15", "3", "6", "15"), ("15", "3", "12", "15"), ("15", "3", "13", "15"),
        ("15", "3", "15", "15"), ("15", "3", "18", "18"), ("15", "3", "19", "21"), ("10", "6", "7", "12"),
        ("0", "1", "2.5", "3"), ("0", "0.5", "2.2", "2.5"), ("0", "40", "200", "200"), ("0", "40", "200.000001", "240"),
    ],
)  # fmt: skip
def test_the_order_quantity_is_the_least_on_the_grid(minimum: str, multiple: str, need: str, ordered: str) -> None:
    assert order_quantity(D(need), D(minimum), D(multiple)) == D(ordered)


@pytest.mark.rule("PRC-34")
@given(need=quantities, minimum=st.decimals(min_value=0, max_value=10**5, places=6), multiple=quantities)
def test_the_order_quantity_covers_the_need_and_is_a_multiple(
    need: Decimal, minimum: Decimal, multiple: Decimal
) -> None:
    ordered = order_quantity(need, minimum, multiple)
    assert ordered >= need
    assert ordered >= minimum
    assert Fraction(ordered) % Fraction(multiple) == 0
    assert ordered - multiple < max(need, minimum)


@pytest.mark.rule("PRC-6")
def test_a_need_in_base_units_is_rounded_up_once_and_never_before() -> None:
    third = Fraction(1, 3)  # of a box of three
    assert order_quantity(9 * third, D(0), D(3)) == 3
    assert order_quantity(9 * third + Fraction(1, 10**9), D(0), D(3)) == 6


@pytest.mark.rule("PRC-38")
def test_the_price_is_the_one_of_the_corrected_quantity() -> None:
    terms = Terms(D(100), D(25), D(1), BREAKS, "EUR")
    found = quote(terms, D(237), TODAY)
    assert (found.quantity, found.price.unit_price, found.total) == (D(250), D("2.10"), D("525.00"))


@pytest.mark.rule("PRC-37")
@pytest.mark.rule("PRC-38")
def test_below_the_smallest_break_there_is_no_price() -> None:
    with pytest.raises(NoPrice):
        quote(Terms(D(0), D(1), D(1), BREAKS, "EUR"), D(60), TODAY)
    with pytest.raises(NoPrice):
        price_of([], D(1), TODAY)


@pytest.mark.rule("PRC-37")
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 50), st.integers(1, 99)), min_size=1, max_size=6, unique_by=lambda row: row[0]
    ),
    quantity=st.integers(0, 60),
    order=st.randoms(use_true_random=False),
)
def test_the_chosen_row_has_the_largest_break_within_whatever_their_order(
    rows: list[tuple[int, int]], quantity: int, order: object
) -> None:
    shuffled = list(rows)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    found = [Price(D(break_quantity), D(amount)) for break_quantity, amount in shuffled]
    within = [row for row in rows if row[0] <= quantity]
    if not within:
        with pytest.raises(NoPrice):
            price_of(found, D(quantity), TODAY)
        return
    best = max(within)
    assert price_of(found, D(quantity), TODAY) == Price(D(best[0]), D(best[1]))


@pytest.mark.rule("PRC-31")
@pytest.mark.rule("PRC-37")
def test_a_price_holds_from_its_first_day_until_before_its_last_and_the_later_one_wins() -> None:
    old = Price(D(1), D(5), from_date=date(2026, 1, 1), to_date=date(2026, 4, 1))
    new = Price(D(1), D(6), from_date=date(2026, 3, 1))
    assert price_of([old, new], D(1), date(2026, 2, 28)) == old
    assert price_of([new, old], D(1), date(2026, 3, 1)) == new
    assert price_of([old], D(1), date(2026, 1, 1)) == old
    assert price_of([old], D(1), date(2026, 3, 31)) == old
    for outside in (date(2025, 12, 31), date(2026, 4, 1)):
        with pytest.raises(NoPrice):
            price_of([old], D(1), outside)


@pytest.mark.rule("PRC-2")
@pytest.mark.rule("PRC-3")
@pytest.mark.parametrize(
    ("quantity", "amount", "base", "currency", "total"),
    [
        ("37", "12.50", "100", "EUR", "4.63"), ("1", "0.005", "1", "EUR", "0.01"), ("1", "0.015", "1", "EUR", "0.02"),
        ("1", "0.025", "1", "EUR", "0.03"), ("1", "2.5", "1", "JPY", "3"), ("1", "0.0005", "1", "KWD", "0.001"),
        ("3", "0.333333333", "1", "EUR", "1.00"),
    ],
)  # fmt: skip
def test_net_is_rounded_once_half_away_from_zero_in_the_currency(
    quantity: str, amount: str, base: str, currency: str, total: str
) -> None:
    assert net(D(quantity), D(amount), D(base), currency) == D(total)


@pytest.mark.rule("PRC-3")
@given(quantity=quantities, amount=st.decimals(min_value="0.000000001", max_value=10**6, places=9), base=quantities)
def test_net_is_never_off_by_more_than_half_a_cent_and_a_half_goes_up(
    quantity: Decimal, amount: Decimal, base: Decimal
) -> None:
    exact = Fraction(quantity) * Fraction(amount) / Fraction(base)
    off = Fraction(net(quantity, amount, base, "EUR")) - exact
    assert -Fraction(1, 200) < off <= Fraction(1, 200)


@pytest.mark.rule("PRC-154")
@pytest.mark.parametrize(
    ("quantity", "percent", "limit"),
    [("100", "0", "100"), ("90", "2", "91.8"), ("1", "0.00005", "1"), ("3", "33.333333", "3.999999")],
)
def test_the_limit_of_acceptance_is_exact_and_never_above(quantity: str, percent: str, limit: str) -> None:
    assert accept_limit(D(quantity), D(percent)) == D(limit)


def test_numbers_with_more_than_twelve_digits_have_no_price() -> None:
    terms = Terms(D(0), D(1), D(1), prices(("0", "1000000")), "EUR")
    with pytest.raises(NoPrice, match="total"):
        quote(terms, D(10**7), TODAY)
    with pytest.raises(NoPrice, match="quantity"):
        quote(terms, D(10**12), TODAY)
    assert quote(terms, D(10**5), TODAY).total == 10**11


def test_minor_units_and_sentences() -> None:
    assert [minor_unit(code) for code in ("EUR", "JPY", "KWD")] == [D("0.01"), D(1), D("0.001")]
    assert [plain(D(value)) for value in ("525.00", "1E+3", "0.10", "7")] == ["525", "1000", "0.1", "7"]
