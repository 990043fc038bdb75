"""Which task comes next."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules.next_task import Candidate, Worker, order

NOW = datetime(2026, 3, 2, 8, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)


def task(name: str, **given: Any) -> Candidate:
    known: dict[str, Any] = {"name": name, "kind": "PICK", "priority": 3, "created": NOW}
    return Candidate(**(known | given))


@pytest.mark.rule("MAT-109")
@pytest.mark.parametrize(
    ("tasks", "worker", "wanted"),
    [
        # priority before deadline before path
        ([task("a", priority=2), task("b", priority=1, deadline=NOW + HOUR, path=9)], Worker(), "ba"),
        ([task("a", deadline=NOW + 2 * HOUR), task("b", deadline=NOW + HOUR, path=9)], Worker(), "ba"),
        # within an hour the way decides, in both directions
        ([task("a", path=10), task("b", path=30), task("c", path=22)], Worker(path=24), "cba"),
        # without a deadline four hours after it was made: put-aways and picks interleave
        (
            [
                task("a", kind="PUT_AWAY", path=5), task("b", deadline=NOW + 4 * HOUR, path=3),
                task("c", deadline=NOW + 3 * HOUR, path=9),
            ],
            Worker(path=4), "cab",
        ),
        # the name breaks ties
        ([task("b"), task("a")], Worker(), "ab"),
        # skills, equipment, zone and kind fit
        ([task("a", skills=frozenset({"ADR"})), task("b")], Worker(), "b"),
        ([task("a", skills=frozenset({"ADR"}))], Worker(skills=frozenset({"ADR", "COLD"})), "a"),
        ([task("a", equipment="FORKLIFT"), task("b")], Worker(equipment=frozenset({"CART"})), "b"),
        ([task("a", equipment="FORKLIFT")], Worker(equipment=frozenset({"FORKLIFT"})), "a"),
        ([task("a", in_zone=False), task("b")], Worker(), "b"),
        ([task("a", kind="COUNT"), task("b")], Worker(kinds=frozenset({"COUNT"})), "a"),
    ],
)  # fmt: skip
def test_the_next_task(tasks: list[Candidate], worker: Worker, wanted: str) -> None:
    assert "".join(row.name for row in order(tasks, worker)) == wanted


@pytest.mark.rule("MAT-109")
@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.integers(1, 5), st.integers(0, 9), st.integers(0, 400)),
        unique_by=lambda row: row[0],
    ),
    st.randoms(use_true_random=False),
)
def test_the_same_inputs_give_the_same_task(rows: list[tuple[str, int, int, int]], chance: Random) -> None:
    tasks = [
        task(name, priority=priority, path=path, deadline=NOW + timedelta(minutes=minutes))
        for name, priority, path, minutes in rows
    ]
    found = order(tasks, Worker(path=4))
    chance.shuffle(tasks)
    assert order(tasks, Worker(path=4)) == found
    assert sorted(row.priority for row in found) == [row.priority for row in found]
