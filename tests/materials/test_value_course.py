"""Any course of receipts, issues and reversals through the posting function, beside a model of the rules alone."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
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
from tests.materials.naive import Naive
from tests.plant import superuser

D = Decimal
SITE, ITEM = "atlantis", "items/course"
PLACES = {"line": "STAGING", "supplier": "SUPPLIER", "production": "PRODUCTION"}

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
                    cost = naive.money(Fraction(worth) * Fraction(min(returned, quantity)) / Fraction(quantity))
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
