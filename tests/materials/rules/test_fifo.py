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


def at(days: int) -> datetime:
    return DAY + timedelta(days=days)


@pytest.mark.rule("MAT-183")
def test_layers_that_another_site_sent_keep_their_age_and_cost() -> None:
    sent = [Layer(at(-9), 0, 1, "", D(4), D("44.00")), Layer(at(-7), 0, 2, "", D(6), D("60.00"))]
    found = Replay().run([FIFO, entry(1, 10, "100.00"), entry(2, 10, "104.00", parts=sent)])
    assert shown(found) == [("m2", D(4), D("44.00")), ("m2", D(6), D("60.00")), ("m1", D(10), D("100.00"))]
    assert [(layer.time, layer.sequence, layer.part) for layer in found.layers] == [
        (at(-9), 2, 1), (at(-7), 2, 2), (at(1), 1, 1),
    ]  # fmt: skip
    found.run([entry(3, -5, "-54.00")])
    assert [(take.layer_sequence, take.layer_part, take.quantity, take.value) for take in found.takes] == [
        (2, 1, D(4), D("44.00")), (2, 2, D(1), D("10.00")),
    ]  # fmt: skip
    assert list(found.issues) == []
    # parts that are not all of it say nothing of its age
    other = Replay().run([FIFO, entry(2, 11, "115.00", parts=sent)])
    assert [(layer.time, layer.part, layer.quantity, layer.value) for layer in other.layers] == [
        (at(2), 1, D(11), D("115.00"))
    ]


@pytest.mark.rule("MAT-182")
@pytest.mark.rule("MAT-183")
def test_a_receipt_that_pays_for_what_was_missing_is_a_layer_of_what_is_left_of_it() -> None:
    course = [FIFO, entry(1, -2, "-20.00", standard_cost=D(10)), entry(2, 10, "110.00")]
    found = Replay().run(course)
    assert [(row.time, row.sequence, row.part, row.movement, row.quantity, row.value) for row in found.layers] == [
        (at(2), 2, 1, "m2", D(8), D("88.00"))
    ]
    assert (found.stock, list(found.issues)) == (Stock(D(8), D("88.00"), D("2.00")), [])
    assert Replay().run(course[:2]).layers == []
    assert Replay().run([*course[:2], entry(2, 2, "25.00")]).layers == []


@pytest.mark.rule("MAT-183")
def test_the_lines_of_an_issue_come_back_to_the_layers_they_came_from() -> None:
    lines = [Entry("m3", D(-3), D("-30.00"), at(3), 3), Entry("m3", D(-4), D("-55.00"), at(3), 4)]
    back = [
        Entry("m5", D(4), D("55.00"), at(5), 5, reverses="m3"),
        Entry("m5", D(3), D("30.00"), at(5), 6, reverses="m3"),
    ]
    found = Replay().run([FIFO, entry(1, 4, "40.00"), entry(2, 6, "90.00"), *lines])
    assert shown(found) == [("m2", D(3), D("45.00"))]
    found.run(back[:1])
    assert shown(found) == [("m1", D(1), D("10.00")), ("m2", D(6), D("90.00"))]
    assert [(take.quantity, take.restored) for take in found.takes] == [(D(3), D(0)), (D(1), D(1)), (D(3), D(3))]
    found.run(back[1:])
    assert shown(found) == [("m1", D(4), D("40.00")), ("m2", D(6), D("90.00"))]
    assert all(take.restored == take.quantity for take in found.takes)
    assert (found.stock, list(found.issues)) == (Stock(D(10), D("130.00"), D(0)), [])


@pytest.mark.rule("MAT-183")
def test_what_is_reversed_at_another_cost_is_spread_over_its_layers_by_what_they_gave() -> None:
    # goods without value went first: they come back without, and the rest has all of it
    course = [FIFO, entry(1, 4, "0.00"), entry(2, 6, "90.00"), entry(3, -7, "-45.00")]
    assert shown(Replay().run([*course, entry(4, 7, "45.00", reverses="m3")])) == [
        ("m1", D(4), D("0.00")),
        ("m2", D(6), D("90.00")),
    ]
    free = [FIFO, entry(1, 4, "0.00"), entry(2, 6, "0.00"), entry(3, -7, "0.00"), entry(4, 7, "0.00", reverses="m3")]
    assert shown(Replay().run(free)) == [("m1", D(4), D(0)), ("m2", D(6), D(0))]
    # three layers of a cent each, in a currency without smaller coins
    thirds = [FIFO, *(entry(number, 1, "1") for number in (1, 2, 3)), entry(4, -3, "-3")]
    assert shown(Replay(0).run([*thirds, entry(5, 3, "3", reverses="m4")])) == [
        ("m1", D(1), D(1)),
        ("m2", D(1), D(1)),
        ("m3", D(1), D(1)),
    ]
    # more comes back than went: the rest is a layer of its own
    found = Replay().run([*course, entry(4, 8, "50.00", reverses="m3")])
    assert [(row.movement, row.quantity) for row in found.layers] == [("m1", D(4)), ("m2", D(6)), ("m4", D(1))]
    assert sum(row.value for row in found.layers) == found.stock.value


@pytest.mark.rule("MAT-186")
def test_a_reversal_brings_back_what_its_issue_would_have_cost() -> None:
    """A cheaper, earlier receipt comes to light: the issue took of it, and its reversal brings that back."""
    late = Entry("late", D(10), D("50.00"), DAY, 9)
    for method in (fifo.FIFO, "MOVING_AVERAGE"):
        begin = Entry("", D(0), D(0), DAY, 0, method=method)
        course = [begin, late, entry(1, 10, "100.00"), entry(3, -10, "-100.00"), entry(4, 10, "100.00", reverses="m3")]
        found = Replay().run(course)
        assert (found.stock, list(found.issues)) == (Stock(D(20), D("150.00"), D(0)), ["m3"])
    assert shown(Replay().run([FIFO, *course[1:]])) == [("late", D(10), D("50.00")), ("m1", D(10), D("100.00"))]


@pytest.mark.rule("MAT-183")
def test_another_method_begins_with_what_is_there_and_forgets_older_layers() -> None:
    average = Entry("", D(0), D(0), at(2), 2, method="MOVING_AVERAGE")
    again = Entry("", D(0), D(0), at(4), 4, method=fifo.FIFO)
    found = Replay().run([FIFO, entry(1, 10, "100.00"), average, entry(3, 10, "130.00"), again])
    assert [(row.time, row.sequence, row.part, row.movement, row.quantity, row.value) for row in found.layers] == [
        (at(4), 4, 0, "", D(20), D("230.00"))
    ]
    assert Replay().run([FIFO, average, again]).layers == []
    below = Replay().run([entry(1, -2, "-20.00", standard_cost=D(10)), again])
    assert (below.layers, below.stock) == ([], Stock(D(-2), D("-20.00")))
    # the reversal of an issue of before brings stock, not layers that are no more
    back = Replay().run([FIFO, entry(1, 10, "100.00"), entry(2, -4, "-40.00"), average, again,
                         entry(5, 4, "40.00", reverses="m2")])  # fmt: skip
    assert sum(row.quantity for row in back.layers) == back.stock.quantity == 10
    assert sum(row.value for row in back.layers) == back.stock.value == D("100.00")


@pytest.mark.rule("MAT-185")
@pytest.mark.parametrize(
    ("method", "quantity", "amount", "after"),
    [
        (fifo.FIFO, 10, "-30.00", Stock(D(10), D("70.00"))),
        (fifo.FIFO, 10, "-130.00", Stock(D(10), D(0), D("-30.00"))),
        ("MOVING_AVERAGE", 10, "5.00", Stock(D(10), D("105.00"))),
        ("MOVING_AVERAGE", 10, "-130.00", Stock(D(10), D(0), D("-30.00"))),
        ("MOVING_AVERAGE", 1, "5.00", Stock(D(1), D("105.00"))),
        (fifo.FIFO, 1, "5.00", Stock(D(1), D("105.00"))),
    ],
)
def test_a_change_of_value_goes_to_what_is_there_and_the_rest_is_variance(
    method: str, quantity: int, amount: str, after: Stock
) -> None:
    begin = Entry("", D(0), D(0), DAY, 0, method=method)
    found = Replay().run([begin, entry(1, quantity, "100.00"), entry(2, 0, amount, own="m1")])
    assert found.stock == after
    assert sum(layer.value for layer in found.layers) == (after.value if method == fifo.FIFO else 0)
    gone = Replay().run([begin, entry(1, 1, "1.00"), entry(2, -1, "-1.00"), entry(3, 0, amount, own="m1")])
    assert gone.stock == Stock(D(0), D(0), D(amount))


@pytest.mark.rule("MAT-185")
def test_later_cost_goes_to_the_layer_of_its_movement_first() -> None:
    begin = [FIFO, entry(1, 10, "100.00"), entry(2, 10, "130.00")]
    found = Replay().run([*begin, entry(3, 0, "7.00", own="m2")])
    assert shown(found) == [("m1", D(10), D("100.00")), ("m2", D(10), D("137.00"))]
    assert shown(Replay(0).run([*begin, entry(3, 0, "7", own="")])) == [
        ("m1", D(10), D("103")), ("m2", D(10), D("134")),
    ]  # fmt: skip


@pytest.mark.rule("MAT-185")
def test_layers_without_value_take_a_change_by_quantity() -> None:
    layers = [Layer(DAY, 1, 1, "a", D(3), D(0)), Layer(DAY, 2, 1, "b", D(1), D(0))]
    assert fifo.revalued(layers, D("8.00")) == D(8)
    assert [layer.value for layer in layers] == [D(6), D(2)]
    cents = [Layer(DAY, 1, 1, "a", D(3), D("0.40")), Layer(DAY, 2, 1, "b", D(9), D("0.10"))]
    assert fifo.revalued(cents, D("1.00")) == D(1)
    assert [layer.value for layer in cents] == [D("1.20"), D("0.30")]


@pytest.mark.rule("MAT-183")
def test_goods_of_a_movement_go_before_older_ones_and_leave_no_hole() -> None:
    begin = [FIFO, entry(1, 10, "100.00"), entry(2, 10, "130.00"), entry(3, 10, "150.00")]
    found = Replay().run([*begin, entry(4, -12, "-150.00", given=True, own="m2")])
    assert shown(found) == [("m1", D(8), D("80.00")), ("m3", D(10), D("150.00"))]
    assert [(take.movement, take.layer_sequence, take.quantity, take.value) for take in found.takes] == [
        ("m4", 2, D(10), D("130.00")), ("m4", 1, D(2), D("20.00")),
    ]  # fmt: skip
    assert found.stock == Stock(D(18), D("230.00"), D(0))
    back = Replay().run([*begin, entry(4, -10, "-130.00", given=True, reverses="m2")])
    assert shown(back) == [("m1", D(10), D("100.00")), ("m3", D(10), D("150.00"))]


@pytest.mark.rule("MAT-46")
@pytest.mark.rule("MAT-183")
def test_what_goes_at_another_cost_than_its_layers_leaves_variance() -> None:
    found = Replay().run([FIFO, entry(1, 10, "100.00"), entry(2, -4, "-50.00", given=True)])
    assert (shown(found), found.stock) == ([("m1", D(6), D("60.00"))], Stock(D(6), D("60.00"), D("-10.00")))
    # the average has no layers: what is left is worth what is left of the value
    average = Entry("", D(0), D(0), DAY, 0, method="MOVING_AVERAGE")
    found = Replay().run([average, entry(1, 10, "100.00"), entry(2, -4, "-50.00", given=True)])
    assert (found.stock, list(found.issues)) == (Stock(D(6), D("50.00")), [])
