"""Moving average: known answers, and an end at exactly zero."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules import valuation
from services.materials.rules.valuation import Change, Stock

D = Decimal

steps = st.lists(
    st.one_of(
        st.tuples(st.just("in"), st.integers(1, 50), st.integers(0, 10_000)),
        st.tuples(st.just("out"), st.integers(1, 50), st.just(0)),
    ),
    max_size=30,
)


@pytest.mark.rule("MAT-181")
def test_three_pieces_worth_ten_are_issued_as_the_specification_says() -> None:
    stock, costs = Stock(D(3), D("10.00")), []
    for _ in range(3):
        stock, cost = valuation.issue(stock, D(1))
        costs.append(cost)
    assert costs == [D("3.33"), D("3.34"), D("3.33")]
    assert (stock.quantity, stock.value) == (D(0), D("0.00"))


@pytest.mark.rule("MAT-181")
def test_a_receipt_moves_the_average_and_an_issue_does_not() -> None:
    stock = valuation.receive(valuation.receive(Stock(), D(10), D("100")), D(10), D("130"))
    assert stock.value / stock.quantity == D("11.5")
    stock, cost = valuation.issue(stock, D(4))
    assert (cost, stock.value / stock.quantity) == (D("46.00"), D("11.5"))


@pytest.mark.rule("MAT-181")
@given(steps=steps)
def test_after_any_course_what_went_in_came_out_and_the_rest_ends_at_zero(steps: list[tuple[str, int, int]]) -> None:
    stock, came, went = Stock(), D(0), D(0)
    for kind, count, cents in steps:
        if kind == "in":
            value = D(cents) / 100
            stock, came = valuation.receive(stock, D(count), value), came + value
        elif count <= stock.quantity:
            stock, cost = valuation.issue(stock, D(count))
            went += cost
        assert stock.value >= 0
        assert stock.value == came - went
    if stock.quantity:
        stock, cost = valuation.issue(stock, stock.quantity)
        went += cost
    assert (stock.quantity, stock.value, stock.variance) == (0, 0, 0)
    assert came == went


@pytest.mark.rule("MAT-46")
@pytest.mark.parametrize(
    ("stock", "quantity", "cost", "after"),
    [
        (Stock(D(10), D(150)), D(5), D(50), Stock(D(5), D(100))),
        (Stock(D(10), D(150)), D(10), D(100), Stock(D(0), D(0), D(50))),
        (Stock(D(2), D("66.67")), D(1), D(100), Stock(D(1), D(0), D("-33.33"))),
    ],
)
def test_what_goes_out_at_a_given_cost_leaves_its_difference_as_variance(
    stock: Stock, quantity: Decimal, cost: Decimal, after: Stock
) -> None:
    assert valuation.take_out(stock, quantity, cost) == after


@pytest.mark.rule("MAT-180")
@pytest.mark.parametrize(
    ("currency", "amount", "money"),
    [("EUR", "2.345", "2.35"), ("EUR", "-2.345", "-2.35"), ("JPY", "2.5", "3"), ("KWD", "1.0005", "1.001")],
)
def test_money_has_the_places_of_its_currency_rounded_half_away_from_zero(
    currency: str, amount: str, money: str
) -> None:
    assert valuation.rounded(D(amount), valuation.places(currency)) == D(money)


@pytest.mark.rule("MAT-5")
@given(st.integers(0, 10**9), st.lists(st.integers(1, 1000), min_size=1, max_size=40), st.sampled_from([0, 2, 3]))
def test_parts_of_a_value_sum_to_it_and_none_is_less_than_nothing(mills: int, weights: list[int], digits: int) -> None:
    value = D(mills) / 1000
    found = valuation.parts(value, [D(weight) for weight in weights], digits)
    assert len(found) == len(weights)
    assert sum(found) == valuation.rounded(value, digits)
    assert min(found) >= 0


def test_ten_in_three_parts_is_as_the_specification_says() -> None:
    assert valuation.parts(D(10), [D(1)] * 3) == [D("3.34"), D("3.33"), D("3.33")]


@pytest.mark.rule("MAT-186")
def test_a_receipt_of_day_two_entered_on_day_four_takes_its_part_of_the_issue_of_day_three() -> None:
    booked, cost = valuation.issue(valuation.receive(Stock(), D(10), D(100)), D(5))
    booked = valuation.receive(booked, D(10), D(130))
    assert (cost, booked.value) == (D("50.00"), D("180.00"))
    changes = [
        Change("one", D(10), D(100)),
        Change("late", D(10), D(130)),
        Change("issue", D(-5), D("-50.00")),
    ]
    stock, issues = valuation.replay(Stock(), changes)
    assert (stock.value, stock.value - booked.value, issues) == (D("172.50"), D("-7.50"), ["issue"])


@pytest.mark.rule("MAT-186")
def test_a_replay_keeps_given_values_and_follows_reversals_and_changes_of_value() -> None:
    changes = [
        Change("one", D(10), D(100)),
        Change("issue", D(-5), D("-40.00")),
        Change("back", D(5), D("40.00"), reverses="issue"),
        Change("supplier", D(-2), D("-30.00"), given=True),
        Change("down", D(0), D("-90.00")),
    ]
    stock, issues = valuation.replay(Stock(), changes)
    assert (stock, issues) == (Stock(D(8), D(0), D("-20.00")), ["issue"])


@pytest.mark.rule("MAT-186")
@given(steps=steps)
def test_a_replay_of_what_happened_in_order_changes_nothing(steps: list[tuple[str, int, int]]) -> None:
    stock, changes = Stock(), []
    for number, (kind, count, cents) in enumerate(steps):
        if kind == "in":
            value = D(cents) / 100
            stock = valuation.receive(stock, D(count), value)
            changes.append(Change(str(number), D(count), value))
        elif count <= stock.quantity:
            stock, cost = valuation.issue(stock, D(count))
            changes.append(Change(str(number), D(-count), -cost))
    assert valuation.replay(Stock(), changes) == (stock, [])


@pytest.mark.rule("MAT-185")
def test_later_cost_goes_to_what_remains_and_the_rest_is_variance() -> None:
    assert valuation.landed(D("5.00"), D(10), D(6), D(30)) == D("3.00")
    assert valuation.landed(D("5.00"), D(10), D(25), D(30)) == D("5.00")
    assert valuation.landed(D("5.00"), D(10), D(0), D(0)) == 0
    assert valuation.landed(D("-50.00"), D(10), D(10), D(30)) == D("-30")


@pytest.mark.rule("MAT-180")
def test_each_amount_has_the_places_of_its_currency() -> None:
    assert valuation.part(D(10), D(1), D(3), 0) == D(3)
    assert valuation.part(D(10), D(4), D(3), 3) == D("13.333")
    assert valuation.missing(Stock(), D(3), D("0.3335"), 3) == D("1.001")
    assert valuation.missing(Stock(D(-3), D("-10.000")), D(1), D(9), 3) == D("3.333")
    assert valuation.landed(D(10), D(3), D(1), D(0), 3) == D("3.333")
    assert valuation.receive(Stock(), D(1), D("1.0005"), 3).value == D("1.001")
    assert valuation.issue(Stock(D(3), D(10)), D(1), 3) == (Stock(D(2), D("6.667")), D("3.333"))
    assert valuation.replay(Stock(D(3), D(10)), [Change("i", D(-1), D("-3.333"))], 3) == (
        Stock(D(2), D("6.667")), [],
    )  # fmt: skip


@pytest.mark.rule("MAT-185")
def test_later_cost_of_less_than_one_unit_goes_to_it_and_of_none_to_nobody() -> None:
    assert valuation.landed(D("6.00"), D(2), D("0.5"), D(30)) == D("1.50")
    assert valuation.landed(D("6.00"), D(2), D(-1), D(-30)) == 0


@pytest.mark.rule("MAT-181")
def test_large_values_lose_no_cent() -> None:
    value, whole = D("900000000000000000000000000.01"), D("1000000000000000000.000003")
    assert valuation.share(value, D("0.000003"), whole) == D("2700.00")
    assert valuation.part(value, 3 * whole, whole) == D("2700000000000000000000000000.03")
