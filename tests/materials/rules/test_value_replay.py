"""Both ways of valuing stock beside a model with goods in its hands: any course, compared after each step."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules import fifo
from services.materials.rules.fifo import Entry, Replay
from services.materials.rules.valuation import Change, Stock, replay
from tests.materials.naive import Naive

D = Decimal
DAY = datetime(2026, 3, 1, tzinfo=UTC)

courses = st.lists(
    st.one_of(
        st.tuples(st.just("in"), st.integers(1, 9), st.integers(0, 5_000)),
        st.tuples(st.just("out"), st.integers(1, 9), st.just(0)),
        st.tuples(st.just("back"), st.integers(0, 20), st.just(0)),
        st.tuples(st.just("return"), st.integers(0, 20), st.integers(1, 9)),
    ),
    min_size=1, max_size=16,
)  # fmt: skip


class Course:
    """Documents as they are entered one after another, in the model and as entries of the ledger."""

    def __init__(self, method: str, digits: int) -> None:
        self.naive = Naive(method, digits)
        self.digits = digits
        self.done: list[tuple[str, str, Decimal, Decimal, list[list[Any]]]] = []
        self.reversed: set[str] = set()
        self.number = 0

    def enter(self, kind: str, first: int, second: int) -> Entry | None:
        """One document; None for one that there is no ground for."""
        self.number += 1
        name = str(self.number)
        if kind == "in":
            value = D(second).scaleb(-self.digits)
            self.naive.come(name, D(first), value)
            self.done.append(("in", name, D(first), value, []))
            return self.entry(name, D(first), value)
        if kind == "out":
            cost, parts = self.naive.go(D(first), None)
            self.done.append(("out", name, D(first), cost, parts))
            return self.entry(name, -D(first), -cost)
        known = [row for row in self.done if row[1] not in self.reversed and (kind == "back" or row[0] == "in")]
        if not known:
            return None
        direction, other, quantity, worth, parts = known[first % len(known)]
        if kind == "return":
            returned = min(D(second), quantity)
            worth = self.naive.money(Fraction(worth) * Fraction(returned) / Fraction(quantity))
            quantity = returned
        elif direction == "out":
            self.reversed.add(other)
            self.naive.restore(name, quantity, worth, parts)
            return self.entry(name, quantity, worth, reverses=other)
        if quantity > self.naive.quantity:
            return None
        self.naive.go(quantity, worth, other)
        if kind == "return":
            return self.entry(name, -quantity, -worth, given=True, own=other)
        self.reversed.add(other)
        return self.entry(name, -quantity, -worth, given=True, reverses=other)

    def entry(self, name: str, quantity: Decimal, value: Decimal, **more: Any) -> Entry:
        return Entry(name, quantity, value, DAY + timedelta(hours=self.number), self.number, **more)


@pytest.mark.rule("MAT-181")
@pytest.mark.rule("MAT-182")
@pytest.mark.rule("MAT-183")
@pytest.mark.parametrize("digits", [2, 0])
@pytest.mark.parametrize("method", ["MOVING_AVERAGE", "FIFO"])
@given(course=courses)
def test_after_each_step_of_any_course_stock_and_layers_are_as_in_the_model(
    method: str, digits: int, course: list[tuple[str, int, int]]
) -> None:
    entered, found = Course(method, digits), Replay(digits).run([Entry("", D(0), D(0), DAY, 0, method=method)])
    naive, came, changes = entered.naive, D(0), list[Change]()
    for document in course:
        entry = entered.enter(*document)
        if entry is None:
            continue
        found.run([entry])
        came += entry.value
        stock = Stock(naive.quantity, naive.value, naive.variance)
        assert found.stock == stock
        assert came == stock.value + stock.variance
        layers = [(layer.movement, layer.quantity, layer.value) for layer in found.layers]
        if method == fifo.FIFO:
            assert [row[1:] for row in layers] == [tuple(row[1:]) for row in naive.heap]
            assert [(layer.time, layer.sequence) for layer in found.layers] == sorted(
                (layer.time, layer.sequence) for layer in found.layers
            )
        else:
            assert layers == []
            changes.append(Change(entry.movement, entry.quantity, entry.value, entry.given, entry.reverses))
            assert replay(Stock(), changes, digits) == (stock, [])
    assert list(found.issues) == []


@pytest.mark.rule("MAT-183")
@given(course=courses)
def test_whatever_comes_in_and_goes_out_again_leaves_no_layer_and_no_value(course: list[tuple[str, int, int]]) -> None:
    entered, found = Course("FIFO", 2), Replay().run([Entry("", D(0), D(0), DAY, 0, method="FIFO")])
    found.run(entry for document in course if (entry := entered.enter(*document)) is not None)
    missing = max(-found.stock.quantity, D(0))
    if found.stock.quantity > 0:
        found.run(filter(None, [entered.enter("out", int(found.stock.quantity), 0)]))
    assert (found.layers, found.stock.quantity) == ([], -missing)
    assert found.stock.value == 0 or missing
