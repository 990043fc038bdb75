"""Counting: the book at the time of a count, late facts, tolerances, accuracy, what is due."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules import count_planning as planning
from services.materials.rules import counting
from services.materials.rules.counting import Counted, Entry, Tolerance

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def minutes(value: int) -> datetime:
    return NOON + timedelta(minutes=value)


@pytest.mark.rule("MAT-146")
@pytest.mark.parametrize(
    ("snapshot", "counted", "entries", "difference"),
    [
        ("100", "90", [("20", 7, 5)], "-10"),  # A: a receipt of 20 after
        ("1000", "80", [("-900", 7, -60)], "-20"),  # B: an issue of 900 from before, entered after
        ("100", "90", [("20", 6, -60)], "-10"),  # it is in the snapshot already
        ("10", "10", [("-3", 7, 0)], "3"),  # at the instant of the count: before it
    ],
)
def test_the_book_at_the_time_of_the_count(
    snapshot: str, counted: str, entries: list[tuple[str, int, int]], difference: str
) -> None:
    rows = [Entry(D(value), sequence, minutes(at)) for value, sequence, at in entries]
    assert D(counted) - counting.book(D(snapshot), 6, rows, NOON) == D(difference)


@pytest.mark.rule("MAT-150")
def test_a_late_fact_is_taken_by_the_first_count_that_had_seen_it() -> None:
    assert counting.first_after([minutes(30), minutes(10), minutes(20)], minutes(15)) == 2
    assert counting.first_after([minutes(30), minutes(10)], minutes(10)) == 1
    assert counting.first_after([minutes(10)], minutes(11)) is None
    assert counting.restated(D(-920), D(-900)) == -20


@pytest.mark.rule("MAT-147")
@pytest.mark.parametrize(("at", "doubtful"), [(-11, False), (-10, True), (0, True), (10, True), (11, False)])
def test_what_moved_within_ten_minutes_is_ambiguous(at: int, doubtful: bool) -> None:
    assert counting.ambiguous([Entry(D(1), 1, minutes(at))], NOON) is doubtful


@dataclass
class Book:
    """A stock in the ledger, and posted counts of it: what the posting of movements and of counts does, in words."""

    entries: list[Entry] = field(default_factory=list)
    counts: list[datetime] = field(default_factory=list)
    differences: list[D] = field(default_factory=list)

    @property
    def on_hand(self) -> D:
        return sum((row.quantity for row in self.entries), D(0))

    def enter(self, quantity: D, at: datetime) -> None:
        """A fact, with its opposite if a posted count had seen it."""
        self.entries.append(Entry(quantity, len(self.entries), at))
        first = counting.first_after(self.counts, at)
        if first is not None:
            self.entries.append(Entry(-quantity, len(self.entries), self.counts[first]))
            self.differences[first] = counting.restated(self.differences[first], quantity)

    def post(self, snapshot: D, sequence: int, counted: D, at: datetime) -> None:
        """Bring the book to a count."""
        difference = counted - counting.book(snapshot, sequence, self.entries, at)
        self.enter(difference, at)
        self.counts.append(at)
        self.differences.append(difference)


@dataclass
class Open:
    """A count between its start and its posting."""

    snapshot: D
    sequence: int
    counted: D
    at: datetime


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.integers(-20, 20), st.booleans()),
        st.tuples(st.just("count"), st.just(0), st.booleans()),
        st.tuples(st.just("record"), st.just(0), st.booleans()),
        st.tuples(st.just("post"), st.just(0), st.booleans()),
    ),
    max_size=40,
)


@pytest.mark.rule("MAT-146", "MAT-150")
@given(STEPS)
def test_whatever_comes_in_when_the_book_is_what_is_there_once_all_is_counted(
    steps: list[tuple[str, int, bool]],
) -> None:
    """Goods move at once and are recorded later; counts overlap. Once every count is posted and every fact is in, the
    book says what is there, if something was counted at all; what moved behind the last count is recorded as it is."""
    truth, book = D(0), Book()
    waiting: list[tuple[D, datetime]] = []
    open_counts: list[Open] = []
    for number, (kind, value, later) in enumerate(steps):
        at = minutes(number)
        if kind == "move":
            truth += value
            waiting.append((D(value), at))
            if not later:
                book.enter(*waiting.pop())
        elif kind == "count":
            # begun with what the book says now; what is there is seen a moment later
            open_counts.append(Open(book.on_hand, len(book.entries) - 1, truth, at + timedelta(seconds=30)))
        elif kind == "record" and waiting:
            book.enter(*waiting.pop(0 if later else -1))
        elif kind == "post" and open_counts:
            one = open_counts.pop(0 if later else -1)
            book.post(one.snapshot, one.sequence, one.counted, one.at)
    for one in open_counts:
        book.post(one.snapshot, one.sequence, one.counted, one.at)
    for quantity, at in waiting:
        book.enter(quantity, at)
    assert book.on_hand == truth


@pytest.mark.rule("MAT-149")
@pytest.mark.parametrize(
    ("book", "counted", "count_class", "beyond"),
    [
        ("1000", "998", "A", ""), ("1000", "997.9", "A", "%"), ("100", "99", "B", ""), ("100", "98", "B", "%"),
        ("100", "95", "C", ""), ("0", "0", "A", ""), ("0", "1", "C", "%"), ("1000", "960", "C", "quantity"),
        ("1000", "975", "C", "value"),
    ],
)  # fmt: skip
def test_beyond_any_tolerance_is_beyond(book: str, counted: str, count_class: str, beyond: str) -> None:
    tolerance = Tolerance(quantity=D(30), value=D(40))
    value = (D(counted) - D(book)) * 2
    found = tolerance.exceeded(D(book), D(counted), value, count_class)
    assert beyond in found
    assert bool(found) is bool(beyond)


@pytest.mark.rule("MAT-149")
@pytest.mark.parametrize(
    ("value", "roles", "may"),
    [
        ("-100", {"approver"}, True), ("100.01", {"approver"}, False), ("-900", {"approver", "stockplanner"}, True),
        ("1", {"technician"}, False), ("0", {"technician"}, True),
    ],
)  # fmt: skip
def test_a_difference_is_accepted_up_to_the_limit_of_a_role(value: str, roles: set[str], may: bool) -> None:
    assert counting.may_approve(D(value), roles, {"approver": D(100), "stockplanner": D(1000)}) is may
    assert counting.may_approve(D(value), roles, {})


@pytest.mark.rule("MAT-152")
def test_gains_and_losses_do_not_cancel_in_accuracy() -> None:
    rows = [Counted("A", False, D(-50), D(100)), Counted("A", False, D(50), D(100)), Counted("C", True, D(-1), D(30))]
    a, c = counting.accuracies(rows)
    assert (a.count_class, c.count_class, c.book_value) == ("A", "C", 30)
    assert (a.counted_count, a.accurate_count, a.net_variance, a.gross_variance, a.book_value) == (2, 0, 0, 100, 200)
    assert (c.counted_count, c.accurate_count, c.net_variance, c.gross_variance) == (1, 1, -1, 1)


TODAY = date(2026, 3, 2)


def stock(location: str = "a", **values: Any) -> planning.Stock:
    known: dict[str, Any] = {
        "count_class": "A", "counted": TODAY, "since": TODAY, "on_hand": D(10), "issued": D(0), "value_moved": D(0),
    }  # fmt: skip
    return planning.Stock(location, **(known | values))


@pytest.mark.rule("MAT-151")
@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, None),
        ({"counted": TODAY - timedelta(days=30)}, "CLASS_INTERVAL"),
        ({"counted": TODAY - timedelta(days=29)}, None),
        ({"counted": TODAY - timedelta(days=89), "count_class": "B"}, None),
        ({"issued": D(20)}, "TURNOVER"),
        ({"issued": D("19.9")}, None),
        ({"value_moved": D(500)}, "VALUE_MOVED"),
        ({"poor": True}, "POOR_ACCURACY"),
        ({"short": True, "poor": True}, "SHORT_PICK"),
        ({"counted": None, "since": TODAY - timedelta(days=30)}, "AGE"),
        ({"counted": None, "since": TODAY - timedelta(days=29)}, None),
    ],
)
def test_why_a_stock_is_due(values: dict[str, object], reason: str | None) -> None:
    triggers = planning.Triggers(turnover=D(2), value_moved=D(500))
    found = planning.due(stock(**values), triggers, TODAY)
    assert (found and found[0]) == reason


@pytest.mark.rule("MAT-151")
def test_places_are_spread_by_what_a_day_takes_most_urgent_first() -> None:
    rows = [
        stock("late", counted=TODAY - timedelta(days=40)), stock("later", counted=TODAY - timedelta(days=31)),
        stock("later"), stock("short", short=True), stock("fine"),
        *[stock("big", counted=TODAY - timedelta(days=33)) for _ in range(5)],
    ]  # fmt: skip
    due = planning.places(rows, planning.Triggers(), TODAY)
    assert [(place.location, place.line_count) for place in due] == [
        ("short", 1), ("late", 1), ("big", 5), ("later", 2),
    ]  # fmt: skip
    days = planning.spread(due, 3, TODAY, 3, {TODAY: 2})
    assert {(day - TODAY).days: [place.location for place in found] for day, found in days.items()} == {
        0: ["short"], 1: ["late", "later"], 2: ["big"],
    }  # fmt: skip


@pytest.mark.rule("MAT-151")
@given(st.lists(st.integers(1, 9), max_size=30), st.integers(1, 12), st.integers(1, 5))
def test_no_day_takes_more_than_it_can(counts: list[int], capacity: int, day_count: int) -> None:
    due = [planning.Place(f"p{number}", "AGE", TODAY, count) for number, count in enumerate(counts)]
    days = planning.spread(due, capacity, TODAY, day_count, {})
    for places in days.values():
        assert len(places) == 1 or sum(place.line_count for place in places) <= capacity
    names = [place.location for places in days.values() for place in places]
    assert len(names) == len(set(names))


@pytest.mark.rule("MAT-146")
def test_a_snapshot_that_is_taken_later_leaves_out_what_happened_since() -> None:
    entries = [Entry(D(5), 1, minutes(-1)), Entry(D(3), 2, minutes(0)), Entry(D(-2), 3, minutes(1)),
               Entry(D(7), 4, minutes(9))]  # fmt: skip
    assert counting.snapshot_at(D(100), entries, NOON) == 95
    assert counting.snapshot_at(D(100), [], NOON) == 100


@pytest.mark.rule("MAT-149")
def test_a_tolerance_says_which_it_is() -> None:
    tolerance = Tolerance(quantity=D(30), value=D(40))
    assert [
        tolerance.exceeded(D(1000), D(counted), D(value), "C") for counted, value in ((949, 0), (969, 0), (999, -41))
    ] == ["beyond 5 % of the book", "beyond a quantity of 30", "beyond a value of 40"]
    assert tolerance.exceeded(D(1000), D(970), D(40), "C") == ""
    assert Tolerance().exceeded(D(1000), D(950), D(10**9), "C") == ""


@pytest.mark.rule("MAT-151")
@pytest.mark.parametrize(
    ("triggers", "values", "found"),
    [
        (planning.Triggers(turnover=D(2)), {"issued": D(20)}, ("TURNOVER", 0)),
        (planning.Triggers(), {"issued": D(10**6), "value_moved": D(10**6)}, None),
        (planning.Triggers(turnover=D(2)), {"issued": D(0), "on_hand": D(0)}, None),
        (planning.Triggers(short_pick=False), {"short": True}, None),
        (planning.Triggers(poor_accuracy=False), {"poor": True}, None),
        (planning.Triggers(interval_days={"A": 0}), {"counted": TODAY - timedelta(days=999)}, None),
        (planning.Triggers(interval_days={}), {"counted": TODAY - timedelta(days=999)}, None),
        (planning.Triggers(), {"counted": TODAY - timedelta(days=33)}, ("CLASS_INTERVAL", -3)),
        (planning.Triggers(), {"counted": None, "since": TODAY - timedelta(days=33)}, ("AGE", -3)),
        (planning.Triggers(age_days=0), {"counted": None, "since": TODAY - timedelta(days=999)}, None),
        (planning.Triggers(age_days=7), {"counted": None, "since": TODAY - timedelta(days=7)}, ("AGE", 0)),
        (planning.Triggers(), {"counted": None, "count_class": "X", "since": TODAY - timedelta(days=180)}, ("AGE", 0)),
        (planning.Triggers(), {"counted": None, "count_class": "X", "since": TODAY - timedelta(days=179)}, None),
    ],
)
def test_each_reason_can_be_left_out_and_says_since_when_it_holds(
    triggers: planning.Triggers, values: dict[str, object], found: tuple[str, int] | None
) -> None:
    wanted = found and (found[0], TODAY + timedelta(days=found[1]))
    assert planning.due(stock(**values), triggers, TODAY) == wanted


@pytest.mark.rule("MAT-151")
def test_a_place_is_due_for_the_most_urgent_of_its_stocks_and_counted_whole() -> None:
    old, older = TODAY - timedelta(days=31), TODAY - timedelta(days=40)
    stocks = [
        stock("c", counted=old), stock("c"), stock("b", counted=old), stock("b", counted=older),
        stock("a", counted=old), stock("d", short=True), stock("d", counted=older), stock("e"),
        stock("f", counted=older), stock("f", poor=True),
    ]  # fmt: skip
    assert [(row.location, row.reason, row.line_count, row.since) for row in planning.places(
        stocks, planning.Triggers(), TODAY
    )] == [
        ("d", "SHORT_PICK", 2, TODAY), ("f", "POOR_ACCURACY", 2, TODAY),
        ("b", "CLASS_INTERVAL", 2, older + timedelta(days=30)), ("a", "CLASS_INTERVAL", 1, old + timedelta(days=30)),
        ("c", "CLASS_INTERVAL", 2, old + timedelta(days=30)),
    ]  # fmt: skip
