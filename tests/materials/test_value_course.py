"""Any course of receipts, issues and reversals through the posting function, beside a model of the rules alone."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.engines import Engines
from services.materials.model.replaying import GIVEN
from services.materials.rules import fifo
from services.materials.rules.fifo import Entry, Replay
from tests.plant import superuser

D = Decimal
SITE, ITEM = "atlantis", "items/course"
PLACES = {"line": "STAGING", "supplier": "SUPPLIER", "production": "PRODUCTION"}
CENT = D("0.01")

steps = st.lists(
    st.one_of(
        st.tuples(st.just("in"), st.integers(1, 9), st.integers(0, 5_000)),
        st.tuples(st.just("out"), st.integers(1, 9), st.just(0)),
        st.tuples(st.just("back"), st.integers(0, 20), st.just(0)),
        st.tuples(st.just("return"), st.integers(0, 20), st.integers(1, 9)),
    ),
    min_size=1, max_size=14,
)  # fmt: skip


@pytest.fixture(scope="module")
def books(templates: Engines) -> Iterator[Any]:
    """The materials database, in a transaction that is never committed, with an item that may go below zero."""
    with superuser(templates, "materials") as connection, connection.transaction(force_rollback=True):
        columns = "name, site, version, event_version, correlation, create_time, update_time"
        for name, kind in PLACES.items():
            connection.execute(
                f"insert into location ({columns}, title, kind, check_code, path_order, blocked)"  # noqa: S608
                " values (%s, %s, 1, 0, '', now(), now(), '', %s, '', 0, false)",
                [name, SITE, kind],
            )
        connection.execute("set session_replication_role = replica")  # the item is none: no settings could refer to it
        connection.execute(
            f"insert into item_settings ({columns}, item, shortage)"  # noqa: S608
            " values ('s', %s, 1, 0, '', now(), now(), %s, 'ALLOW')",
            [SITE, ITEM],
        )
        connection.execute("set session_replication_role = origin")
        yield connection


class Naive:
    """Goods as they lie on top of each other: what goes out takes the oldest, or its share of the heap."""

    def __init__(self, method: str) -> None:
        self.layered = method == fifo.FIFO
        self.heap: list[list[Any]] = []  # tag, quantity, value
        self.owed, self.owed_value, self.variance = D(0), D(0), D(0)

    @property
    def value(self) -> Decimal:
        return sum((row[2] for row in self.heap), D(0)) - self.owed_value

    @property
    def quantity(self) -> Decimal:
        return sum((row[1] for row in self.heap), D(0)) - self.owed

    @staticmethod
    def cents(exact: Fraction) -> Decimal:
        return (D(exact.numerator) / D(exact.denominator)).quantize(CENT, ROUND_HALF_UP)

    def come(self, tag: str, quantity: Decimal, value: Decimal) -> None:
        if self.owed:
            paid = min(quantity, self.owed)
            kept = quantity - paid
            owed = self.cents(Fraction(self.owed_value) * Fraction(self.owed - paid) / Fraction(self.owed))
            worth = self.cents(Fraction(value) * Fraction(kept) / Fraction(quantity)) if kept else D(0)
            self.variance += value - worth - (self.owed_value - owed)
            self.owed, self.owed_value = self.owed - paid, owed
            quantity, value = kept, worth
        if quantity:
            if self.layered or not self.heap:
                self.heap.append([tag, quantity, value])
            else:
                self.heap[0][1] += quantity
                self.heap[0][2] += value

    def go(self, quantity: Decimal, given: Decimal | None, tag: str = "") -> tuple[Decimal, list[list[Any]]]:
        """What went, and of which goods."""
        before, value = self.quantity, self.value
        there, taken, parts = min(quantity, max(before, D(0))), D(0), []
        rest = there
        for row in sorted(self.heap, key=lambda row: row[0] != tag):
            part = min(rest, row[1])
            if part:
                worth = row[2] if part == row[1] else self.cents(Fraction(row[2]) * Fraction(part) / Fraction(row[1]))
                parts.append([row[0], part, worth])
                row[1], row[2] = row[1] - part, row[2] - worth
                rest, taken = rest - part, taken + worth
        self.heap = [row for row in self.heap if row[1]]
        over, unit = quantity - there, Fraction(0)
        if before:
            unit = Fraction(abs(value)) / Fraction(abs(before))
        cost = taken + self.cents(unit * Fraction(over)) if given is None else given
        if over:
            self.owed, self.owed_value = self.owed + over, self.owed_value + max(cost - taken, D(0))
        elif not self.layered and self.heap:
            self.heap[0][2] = max(value - cost, D(0))
        self.variance += value - cost - self.value
        return cost, parts

    def restore(self, tag: str, quantity: Decimal, value: Decimal, parts: list[list[Any]]) -> None:
        """What went out comes back to where it was."""
        if not self.layered or self.owed or sum((part[1] for part in parts), D(0)) != quantity:
            self.come(tag, quantity, value)
            return
        for name, amount, worth in parts:
            row = next((row for row in self.heap if row[0] == name), None)
            if row is None:
                self.heap.append([name, amount, worth])
            else:
                row[1], row[2] = row[1] + amount, row[2] + worth
        self.heap.sort(key=lambda row: int(row[0]))


def post(books: Any, name: str, kind: str, *, out: bool, quantity: Any, **given: Any) -> Any:
    """Post one line; gives its outcome and value."""
    more = {key: given.pop(key) for key in ("cost", "returns") if key in given}
    line = {
        "item": ITEM, "quantity": str(quantity), "unit_code": "H87", "from_location": "line" if out else "supplier",
        "to_location": "production" if out else "line", "from_virtual": not out, "to_virtual": out, **more,
    }  # fmt: skip
    posting = {"n": 0, "name": name, "kind": kind, "reverses": "", "correlation": "", "reason_code": "", "source": ""}
    content = json.dumps([{**posting, **given, "lines": [line]}])
    return books.execute("select outcome, worths from post_to_ledger(%s, 'p', %s)", [SITE, content]).fetchone()


def replayed(books: Any, method: str) -> Replay:
    """What the rule makes of the ledger."""
    began = datetime.min.replace(tzinfo=UTC)
    entries = [Entry("", D(0), D(0), began, 0, method=method)]
    for row in books.execute(
        "select e.movement, e.quantity, e.value, e.effective_time, e.item_sequence, m.kind, m.reverses, e.returns"
        " from movement_entry e join movement m on m.name = e.movement where e.item = %s and e.location = 'line'"
        " order by e.effective_time, e.item_sequence", [ITEM],
    ):  # fmt: skip
        *values, kind, reverses, returns = row
        entries.append(Entry(*values, given=kind in GIVEN, reverses=reverses, own=returns))
    return Replay().run(entries)


@pytest.mark.rule("MAT-181")
@pytest.mark.rule("MAT-182")
@pytest.mark.rule("MAT-183")
@pytest.mark.parametrize("method", ["MOVING_AVERAGE", "FIFO"])
@given(course=steps)
@settings(
    max_examples=40, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
def test_any_course_is_valued_as_the_rules_say_and_nothing_gets_lost(
    books: Any, method: str, course: list[tuple[str, int, int]]
) -> None:
    with books.transaction(force_rollback=True):
        books.execute("select set_valuation_method(%s, %s, %s)", [SITE, ITEM, method])
        numbers, naive, came, went, left = count(1), Naive(method), D(0), D(0), (D(0), D(0), D(0))
        layers: list[Any] = []
        done: list[tuple[str, str, Decimal, Decimal, list[list[Any]]]] = []
        for kind, first, second in [*course, ("end", 0, 0)]:
            name = str(next(numbers))
            if kind == "in":
                quantity, value = D(first), D(second) / 100
                outcome, (worth,) = post(books, name, "RECEIPT", out=False, quantity=quantity, cost=str(value))
                naive.come(name, quantity, value)
                came += worth
                done.append(("in", name, quantity, worth, []))
            elif kind in ("out", "end"):
                quantity = D(first) if kind == "out" else max(naive.quantity, D(0))
                if not quantity:
                    continue
                outcome, (worth,) = post(books, name, "CONSUME", out=True, quantity=quantity)
                cost, parts = naive.go(quantity, None)
                assert worth == cost
                went += worth
                done.append(("out", name, quantity, worth, parts))
            else:
                known = [row for row in done if kind == "back" or row[0] == "in"]
                if not known:
                    continue
                row = known[first % len(known)]
                direction, reversed_, quantity, worth, parts = row
                returned = D(second) if kind == "return" else quantity
                cost = worth
                if kind == "return":
                    cost = naive.cents(Fraction(worth) * Fraction(min(returned, quantity)) / Fraction(quantity))
                    outcome, worths = post(
                        books, name, "RETURN_TO_SUPPLIER", out=True, quantity=min(returned, quantity), cost=str(cost),
                        returns=reversed_,
                    )  # fmt: skip
                else:
                    outcome, worths = post(
                        books, name, "REVERSAL", out=direction == "in", quantity=quantity, cost=str(cost),
                        reverses=reversed_,
                    )  # fmt: skip
                if outcome != "POSTED":
                    assert outcome in ("NOT_ENOUGH_STOCK", "ALREADY_REVERSED")
                    continue
                assert worths == [cost]
                if direction == "in":
                    naive.go(min(returned, quantity), cost, reversed_)
                    went += cost
                else:
                    naive.restore(name, quantity, cost, parts)
                    came += cost
            assert outcome == "POSTED"
            left = books.execute(
                "select quantity, value, variance from value_balance where item = %s", [ITEM]
            ).fetchone()
            assert left == (naive.quantity, naive.value, naive.variance)
            assert came == went + left[1] + left[2]
            layers = books.execute(
                "select remaining_quantity, remaining_value from value_layer where item = %s and remaining_quantity > 0"
                " order by layer_time, sequence, part", [ITEM],
            ).fetchall()  # fmt: skip
            assert layers == ([tuple(row[1:]) for row in naive.heap] if method == fifo.FIFO else [])
        again = replayed(books, method)
        assert (again.stock.quantity, again.stock.value, again.stock.variance) == left
        assert [(layer.quantity, layer.value) for layer in again.layers] == layers
        assert not again.issues
        if naive.quantity >= 0:
            assert left[:2] == (0, 0)
