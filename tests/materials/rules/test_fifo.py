"""Layers by the time they came, and stock that is less than nothing: known answers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.materials.rules import fifo, valuation
from services.materials.rules.fifo import Entry, Layer, Replay
from services.materials.rules.valuation import Stock

D = Decimal
DAY = datetime(2026, 3, 1, tzinfo=UTC)


def entry(number: int, quantity: int, value: str, **given: Any) -> Entry:
    return Entry(f"m{number}", D(quantity), D(value), DAY + timedelta(days=number), number, **given)


FIFO = Entry("", D(0), D(0), DAY, 0, method=fifo.FIFO)


def shown(found: Replay) -> list[tuple[str, Decimal, Decimal]]:
    return [(layer.movement, layer.quantity, layer.value) for layer in found.layers]


@pytest.mark.rule("MAT-182")
@pytest.mark.parametrize(
    ("stock", "quantity", "value", "after"),
    [
        (Stock(D(-2), D("-20.00")), 10, "110.00", Stock(D(8), D("88.00"), D("2.00"))),
        (Stock(D(-2), D("-20.00")), 2, "22.00", Stock(D(0), D(0), D("2.00"))),
        (Stock(D(-3), D("-20.00")), 1, "9.00", Stock(D(-2), D("-13.33"), D("2.33"))),
        (Stock(D(0), D(0)), 10, "110.00", Stock(D(10), D("110.00"), D(0))),
    ],
)
def test_a_receipt_onto_less_than_nothing_counts_at_its_own_cost(
    stock: Stock, quantity: int, value: str, after: Stock
) -> None:
    assert valuation.receive(stock, D(quantity), D(value)) == after


@pytest.mark.rule("MAT-182")
@pytest.mark.parametrize(
    ("stock", "quantity", "cost", "after"),
    [
        (Stock(D(3), D("30.00")), 5, "50.00", Stock(D(-2), D("-20.00"))),
        (Stock(D(-2), D("-20.00")), 1, "10.00", Stock(D(-3), D("-30.00"))),
        (Stock(), 2, "14.00", Stock(D(-2), D("-14.00"))),
    ],
)
def test_what_is_not_there_goes_at_the_cost_of_what_was(stock: Stock, quantity: int, cost: str, after: Stock) -> None:
    assert valuation.issue(stock, D(quantity), 2, D(7)) == (after, D(cost))


@pytest.mark.rule("MAT-183")
def test_an_issue_takes_the_oldest_and_its_reversal_brings_it_back() -> None:
    course = [FIFO, entry(1, 10, "100.00"), entry(2, 10, "130.00"), entry(3, -12, "-126.00")]
    found = Replay().run(course)
    assert (shown(found), found.stock, list(found.issues)) == (
        [("m2", D(8), D("104.00"))], Stock(D(8), D("104.00"), D(0)), [],
    )  # fmt: skip
    found = Replay().run([*course, entry(4, 12, "126.00", reverses="m3")])
    assert shown(found) == [("m1", D(10), D("100.00")), ("m2", D(10), D("130.00"))]


@pytest.mark.rule("MAT-186")
def test_what_came_late_but_earlier_is_taken_first() -> None:
    late = Entry("m4", D(10), D("130.00"), DAY, 4)
    found = Replay().run([FIFO, late, entry(1, 10, "100.00"), entry(3, -5, "-50.00")])
    assert (shown(found)[0], found.stock.value, list(found.issues)) == (("m4", D(5), D("65.00")), D("165.00"), ["m3"])


@pytest.mark.rule("MAT-183")
def test_what_was_one_heap_becomes_one_layer_and_layers_become_a_heap() -> None:
    course = [
        entry(1, 10, "100.00"),
        entry(2, 10, "130.00"),
        Entry("", D(0), D(0), DAY + timedelta(2), 2, method="FIFO"),
    ]
    found = Replay().run([*course, entry(3, -4, "-46.00")])
    assert (shown(found), list(found.issues)) == ([("", D(16), D("184.00"))], [])
    found = Replay().run([FIFO, *course[:2], Entry("", D(0), D(0), DAY + timedelta(2), 2, method="MOVING_AVERAGE")])
    assert (shown(found), found.stock.value) == ([], D("230.00"))


@pytest.mark.rule("MAT-185")
@pytest.mark.parametrize(
    ("amount", "own", "after"),
    [
        ("5.00", "a", ["35.00", "10.00"]),
        ("-99.00", "a", ["0.00", "10.00"]),
        ("8.00", "", ["36.00", "12.00"]),
        ("8.00", "gone", ["36.00", "12.00"]),
    ],
)
def test_a_change_of_value_goes_to_the_layers_that_it_concerns(amount: str, own: str, after: list[str]) -> None:
    layers = [Layer(DAY, 1, 1, "a", D(3), D("30.00")), Layer(DAY, 2, 1, "b", D(1), D("10.00"))]
    changed = fifo.revalued(layers, D(amount), own)
    assert [layer.value for layer in layers] == [D(value) for value in after]
    assert changed == sum(map(D, after)) - D(40)
    assert fifo.revalued([], D(1)) == 0
