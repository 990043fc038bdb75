"""Counting: snapshot, difference while stock moves, doubts, recounts, acceptance, posting line by line."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal as D
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from plantops.materials.v1 import (
    balances_pb2,
    counts_pb2,
    item_settings_pb2,
    items_pb2,
    locations_pb2,
    movements_pb2,
    serials_pb2,
)

from tests.materials.builders import (
    SITE,
    ago,
    at,
    balances,
    batch,
    claim_of,
    eur,
    fresh,
    item,
    lot,
    movement,
    place,
    post,
    q,
    reason,
    reserved,
    stocked,
    told,
)
from tests.materials.counting import (
    Count,
    Line,
    approve,
    booked,
    counted_places,
    done,
    entry,
    line_now,
    lines_of,
    post_lines,
    record,
    twice,
)
from tests.materials.holds import hold, release
from tests.materials.serials import serials
from tests.plant import Refused
from tests.world import Plant


@contextmanager
def refused(why: str) -> Iterator[None]:
    """The call inside is refused for a reason."""
    with pytest.raises(Refused) as found:
        yield
    assert found.value.reason == why


def now() -> Timestamp:
    found = Timestamp()
    found.FromDatetime(datetime.now(UTC))
    return found


async def shelf(plant: Plant) -> str:
    name = fresh("bin")
    await place(plant, name)
    return name


async def on_hand(plant: Plant, name: str, where: str) -> D:
    return (await balances(plant, name)).get((where, "UNRESTRICTED"), (D(0), D(0)))[0]


@pytest.mark.rule("MAT-145", "MAT-146")
async def test_example_a_a_receipt_after_the_count_is_not_a_loss(store: Plant) -> None:
    where, name = await shelf(store), await item(store, standard_cost=eur(2))
    await stocked(store, name, 100, where, effective_time=ago(days=1))
    count = await counted_places(store, where)
    (line,) = await lines_of(store, count.name)
    assert (line.item, line.state, line.snapshot_sequence) == (name, Line.OPEN, 2)
    (line,) = await twice(store, count.name, entry(90, line=line.name, count_time=now()))
    await stocked(store, name, 20, where)
    (line,) = await booked(store, count.name, line.name)
    assert (line.snapshot.value, line.book.value, line.difference.value) == ("100", "100", "-10")
    assert await on_hand(store, name, where) == 110


@pytest.mark.rule("MAT-146")
async def test_example_b_an_issue_from_before_that_is_entered_after_counts(store: Plant) -> None:
    where, name = await shelf(store), await item(store, standard_cost=eur(2))
    await stocked(store, name, 1000, where, effective_time=ago(days=2))
    count = await counted_places(store, where)
    (line,) = await twice(store, count.name, entry(80, item=name, location=at(where), count_time=now()))
    assert line.difference.value == "-920"
    await post(store, movement("SCRAP", name, 900, from_location=at(where), effective_time=ago(hours=3)))
    (line,) = await booked(store, count.name, line.name)
    assert (line.snapshot.value, line.book.value, line.difference.value) == ("1000", "100", "-20")
    assert await on_hand(store, name, where) == 80


@pytest.mark.rule("MAT-150")
async def test_example_b_posted_before_the_issue_comes_in_is_stated_anew(store: Plant) -> None:
    where, name = await shelf(store), await item(store, standard_cost=eur(2))
    await stocked(store, name, 1000, where, effective_time=ago(days=2))
    count = await counted_places(store, where)
    (line,) = await twice(store, count.name, entry(80, item=name, location=at(where), count_time=now()))
    (line,) = await booked(store, count.name, line.name)
    assert (line.difference.value, line.HasField("restated_difference")) == ("-920", False)
    await post(store, movement("SCRAP", name, 900, from_location=at(where), effective_time=ago(hours=3)))
    line = await line_now(store, line.name)
    assert (line.difference.value, line.restated_difference.value) == ("-920", "-20")
    assert await on_hand(store, name, where) == 80
    first, again = [event for event in told(store, "CountPosted") if event.count == count.name]
    assert (first.lines[0].difference.value, first.lines[0].restated) == ("-920", False)
    assert (again.lines[0].difference.value, again.lines[0].restated, again.version) == ("-20", True, 2)


async def counted(plant: Plant, name: str, where: str, value: Any) -> Any:
    count = await counted_places(plant, where)
    (line,) = await twice(plant, count.name, entry(value, item=name, location=at(where), count_time=now()))
    (line,) = await booked(plant, count.name, line.name)
    return line


@pytest.mark.rule("MAT-150", "MAT-56")
async def test_a_fact_that_the_book_could_not_have_borne_is_not_refused(store: Plant) -> None:
    where, name = await shelf(store), await item(store, standard_cost=eur(1))
    await stocked(store, name, 100, where, effective_time=ago(days=2))
    line = await counted(store, name, where, 150)
    outcomes = await batch(
        store,
        [
            movement("SCRAP", name, 120, from_location=at(where), effective_time=ago(hours=3)),
            movement("SCRAP", name, 151, from_location=at(where)),
            movement("OPENING", name, 7, to_location=at(where), effective_time=ago(hours=2)),
        ],
    )
    assert [reason(outcome) for outcome in outcomes] == ["", "NOT_ENOUGH_STOCK", ""]
    assert await on_hand(store, name, where) == 150
    assert (await line_now(store, line.name)).restated_difference.value == "163"


@pytest.mark.rule("MAT-147")
async def test_what_moves_about_the_time_of_the_count_needs_a_decision(store: Plant) -> None:
    where, name, other = await shelf(store), await item(store), await item(store)
    for known in (name, other):
        await stocked(store, known, 50, where, effective_time=ago(days=1))
    count = await counted_places(store, where)
    await post(store, movement("SCRAP", name, 1, from_location=at(where)))
    moved, still = done(
        await record(
            store, count.name, entry(49, item=name, location=at(where)), entry(50, item=other, location=at(where))
        )
    )
    assert (moved.state, moved.difference.value) == (Line.AMBIGUOUS, "0")
    assert "moved about the time" in moved.exception
    assert still.state == Line.COUNTED
    # a movement that comes in before it is accepted makes it doubtful too
    await post(store, movement("SCRAP", other, 2, from_location=at(where)))
    moved, still = done(await approve(store, count.name, moved.name, still.name))
    assert (moved.state, still.state) == (Line.APPROVED, Line.AMBIGUOUS)
    again = await store("sam", counts_pb2.RequestRecountRequest(name=still.name, reason="it moved"))
    assert again.state == Line.RECOUNT
    (still,) = done(await record(store, count.name, entry(48, line=still.name), person="sam"))
    (still,) = done(await approve(store, count.name, still.name))
    assert (still.state, still.difference.value, still.approver) == (Line.APPROVED, "0", "people/ada")


@pytest.mark.rule("MAT-148")
async def test_not_counted_is_not_zero_and_what_is_found_is_a_line(store: Plant) -> None:
    where, name, found = await shelf(store), await item(store), await item(store, standard_cost=eur(3))
    await stocked(store, name, 50, where, effective_time=ago(days=1))
    count = await counted_places(store, where)
    (line,) = await lines_of(store, count.name)
    outcomes = await record(
        store, count.name, entry(None, line=line.name), entry(4, item=found, location=at("shelf")),
        entry(4, item=found), entry(4, item=found, location=at(where), lot="x"),
        entry(None, item=found, location=at(where), note="gone"), entry("", item=found, location=at(where)),
        entry(-1, item=found, location=at(where)), entry(4, line="nothing"),
    )  # fmt: skip
    assert {reason(outcome) for outcome in outcomes} == {"FIELD_INVALID"}
    skipped, new = done(
        await record(
            store, count.name, entry(None, line=line.name, note="behind a pallet"),
            entry(4, item=found, location=at(where), count_time=now()),
        )
    )  # fmt: skip
    assert (skipped.state, skipped.note, skipped.HasField("counted")) == (Line.SKIPPED, "behind a pallet", False)
    assert (new.found, new.state, new.name.rsplit("/", 1)[-1]) == (True, Line.RECOUNT, "00002")
    (new,) = done(await record(store, count.name, entry(4, line=new.name), person="sam"))
    assert (new.book.value, new.difference.value, new.value.units) == ("0", "4", 12)
    (new,) = await booked(store, count.name, new.name)
    assert (await on_hand(store, name, where), await on_hand(store, found, where)) == (50, 4)
    ended = await store("vic", counts_pb2.GetCountRequest(name=count.name))
    assert ended.state == Count.COMPLETED


@pytest.mark.rule("MAT-149")
async def test_who_counts_does_not_see_the_book(store: Plant) -> None:
    where, name = await shelf(store), await item(store)
    await stocked(store, name, 50, where, effective_time=ago(days=1))
    count = await counted_places(store, where)
    (line,) = await lines_of(store, count.name, "tina")
    assert not line.HasField("snapshot")
    assert not line.HasField("book")
    (line,) = done(await record(store, count.name, entry(40, line=line.name)))
    (listed,) = await lines_of(store, count.name, "sam")
    for row in (line, listed):
        assert (row.state, row.HasField("counted"), row.HasField("difference")) == (Line.RECOUNT, False, False)
        assert row.HasField("snapshot") is row.HasField("book") is row.HasField("value") is False
    (line,) = done(await record(store, count.name, entry(40, line=line.name), person="sam"))
    assert (line.snapshot.value, line.difference.value) == ("50", "-10")
    shown = await counted_places(store, where, book_shown=True)
    request = counts_pb2.ListCountsRequest(parent=SITE, filter="state = STARTED", order_by="name desc", page_size=1)
    assert [row.name for row in (await store("tina", request)).counts] == [shown.name]
    (line,) = await lines_of(store, shown.name, "tina")
    assert line.snapshot.value == "50"


@pytest.mark.rule("MAT-149")
async def test_beyond_tolerance_another_person_counts_and_a_third_accepts(store: Plant) -> None:
    where, name = await shelf(store), await item(store, standard_cost=eur(1))
    await stocked(store, name, 50, where, effective_time=ago(days=1))
    count = await counted_places(store, where)
    (line,) = done(await record(store, count.name, entry(40, item=name, location=at(where)), person="mara"))
    assert (line.state, line.recount_reason) == (Line.RECOUNT, "beyond 5 % of the book")
    (outcome,) = await record(store, count.name, entry(40, line=line.name), person="mara")
    assert reason(outcome) == "SEGREGATION_OF_DUTIES"
    assert [reason(row) for row in await approve(store, count.name, line.name)] == ["TRANSITION_NOT_ALLOWED"]
    (line,) = done(await record(store, count.name, entry(40, line=line.name), person="sam"))
    assert (line.state, line.counter) == (Line.COUNTED, "people/sam")
    (outcome,) = await record(store, count.name, entry(41, line=line.name), person="tina")
    assert reason(outcome) == "TRANSITION_NOT_ALLOWED"
    (outcome,) = await approve(store, count.name, line.name, person="mara")
    assert reason(outcome) == "SEGREGATION_OF_DUTIES"
    assert [reason(row) for row in await post_lines(store, count.name, line.name)] == ["TRANSITION_NOT_ALLOWED"]
    (line,) = await booked(store, count.name, line.name)
    assert (line.state, line.accurate, line.value.units) == (Line.POSTED, False, -10)


@pytest.mark.rule("MAT-150", "MAT-77")
async def test_a_loss_breaks_claims_and_a_bad_line_blocks_no_other(store: Plant) -> None:
    where, name, other = await shelf(store), await item(store), await item(store)
    for known in (name, other):
        await stocked(store, known, 10, where, effective_time=ago(days=1))
    claim = await reserved(store, name, 9)
    count = await counted_places(store, where)
    entries = [entry(7, item=name, location=at(where)), entry(7, item=other, location=at(where))]
    first, second = await twice(store, count.name, *entries)
    names = [first.name, second.name]
    done(await approve(store, count.name, *names))
    # it went out in the meantime although three pieces were missing already: the book cannot follow the count
    await post(store, movement("SCRAP", other, 9, from_location=at(where)))
    good, bad, unknown = await post_lines(store, count.name, *names, f"{count.name}/lines/nothing")
    assert [reason(row) for row in (good, bad, unknown)] == ["", "NOT_ENOUGH_STOCK", "FIELD_INVALID"]
    assert await balances(store, name) == {(where, "UNRESTRICTED"): (D(7), D(7))}
    short = await claim_of(store, claim.work_order)
    assert short.short.value == "2"
    causes = [event.cause for event in told(store, "ReservationShort") if event.reservation == short.name]
    assert causes == ["stock was missing in a count"]
    (again,) = await post_lines(store, count.name, first.name)
    assert reason(again) == "TRANSITION_NOT_ALLOWED"


@pytest.mark.rule("MAT-150", "MAT-77")
async def test_a_loss_that_cannot_be_posted_breaks_no_claim(store: Plant) -> None:
    where, name = await shelf(store), await item(store)
    await stocked(store, name, 10, where, effective_time=ago(days=1))
    claim = await reserved(store, name, 9)
    count = await counted_places(store, where)
    (line,) = await twice(store, count.name, entry(7, item=name, location=at(where)))
    done(await approve(store, count.name, line.name))
    out_of_reach = locations_pb2.Location(name=at(where), blocked=True)
    mask = FieldMask(paths=["blocked"])
    await store("mara", locations_pb2.UpdateLocationRequest(location=out_of_reach, update_mask=mask))
    before = await claim_of(store, claim.work_order)
    assert before.state == before.ALLOCATED
    (outcome,) = await post_lines(store, count.name, line.name)
    assert reason(outcome) == "LOCATION_LOCKED"
    assert await claim_of(store, claim.work_order) == before


@pytest.mark.rule("MAT-65", "MAT-150")
async def test_what_a_count_misses_is_gone_also_of_stock_on_hold(store: Plant) -> None:
    where, name = await shelf(store), await item(store, tracking="LOT")
    mine = await lot(store, name)
    await stocked(store, name, 10, where, lot=mine, effective_time=ago(days=1))
    made = await hold(store, lot=mine)
    with refused("LOT_ON_HOLD"):
        await post(store, movement("ADJUST", name, 1, lot=mine, from_location=at(where)))
    count = await counted_places(store, where)
    (line,) = await twice(store, count.name, entry(7, item=name, lot=mine, location=at(where)))
    await booked(store, count.name, line.name)
    assert await on_hand(store, name, where) == 7
    await release(store, made.name)


@pytest.mark.rule("MAT-146")
async def test_what_comes_in_after_it_was_accepted_has_to_be_accepted_again(store: Plant) -> None:
    where, name = await shelf(store), await item(store)
    await stocked(store, name, 100, where, effective_time=ago(days=1))
    count = await counted_places(store, where)
    (line,) = await twice(store, count.name, entry(80, item=name, location=at(where), count_time=now()))
    done(await approve(store, count.name, line.name))
    await post(store, movement("SCRAP", name, 15, from_location=at(where), effective_time=ago(hours=3)))
    (outcome,) = await post_lines(store, count.name, line.name)
    assert reason(outcome) == "COUNT_OUTDATED"
    (line,) = await booked(store, count.name, line.name)
    assert (line.difference.value, await on_hand(store, name, where)) == ("-5", 80)


@pytest.mark.rule("MAT-146", "MAT-31")
async def test_a_locked_place_opens_when_its_lines_are_counted(store: Plant) -> None:
    where, name = await shelf(store), await item(store)
    await stocked(store, name, 100, where, effective_time=ago(days=1))
    count = await counted_places(store, where, mode="LOCKED")
    out = movement("MOVE", name, 1, from_location=at(where), to_location=at("bin"))
    with refused("LOCATION_LOCKED"):
        await post(store, out)
    with refused("LOCATION_ALREADY_LOCKED"):
        await counted_places(store, where, mode="LOCKED")
    (line,) = done(await record(store, count.name, entry(80, item=name, location=at(where))))
    with refused("LOCATION_LOCKED"):
        await post(store, out)
    done(await record(store, count.name, entry(80, line=line.name), person="sam"))
    await post(store, out)
    (line,) = await booked(store, count.name, line.name)
    assert (line.difference.value, await on_hand(store, name, where)) == ("-20", 79)
    given_up = await counted_places(store, where, mode="LOCKED")
    await store("sam", counts_pb2.CancelCountRequest(name=given_up.name, reason="fire alarm"))
    await post(store, out)
    (outcome,) = await record(store, given_up.name, entry(80, item=name, location=at(where)))
    assert reason(outcome) == "TRANSITION_NOT_ALLOWED"


@pytest.mark.rule("MAT-146")
async def test_a_continuous_count_takes_the_book_of_the_moment_when_it_counts(store: Plant) -> None:
    where, name = await shelf(store), await item(store)
    await stocked(store, name, 100, where, effective_time=ago(days=1))
    count = await counted_places(store, where, mode="CONTINUOUS")
    await stocked(store, name, 11, where, effective_time=ago(hours=1))
    seen = now()
    await post(store, movement("SCRAP", name, 5, from_location=at(where)))
    (line,) = done(await record(store, count.name, entry(110, item=name, location=at(where), count_time=seen)))
    assert (line.snapshot.value, line.book.value, line.difference.value) == ("111", "111", "-1")
    (line,) = await booked(store, count.name, line.name)
    assert await on_hand(store, name, where) == 105


@pytest.mark.rule("MAT-148")
async def test_a_serial_in_two_places_is_an_exception(store: Plant) -> None:
    here, there = await shelf(store), await shelf(store)
    name = await item(store, tracking="SERIAL")
    (serial,) = await serials(store, name, 1)
    await stocked(store, name, 1, here, serial=serial, effective_time=ago(days=1))
    count = await counted_places(store, here, there)
    (line,) = await lines_of(store, count.name)
    first, second = await twice(
        store, count.name, entry(1, line=line.name),
        entry(1, item=name, location=at(there), serial=serial, count_time=now()),
    )  # fmt: skip
    assert (first.state, second.state) == (Line.COUNTED, Line.AMBIGUOUS)
    assert at(here) in second.exception
    outcomes = await approve(store, count.name, first.name, second.name)
    assert [reason(row) for row in outcomes] == ["SERIAL_COUNTED_TWICE"] * 2
    again = counts_pb2.RequestRecountRequest(name=first.name, reason="counted elsewhere too")
    first = await store("sam", again)
    (first,) = done(await record(store, count.name, entry(0, line=first.name), person="sam"))
    # lost here and found there by one batch, the loss first
    second, first = await booked(store, count.name, second.name, first.name)
    found = await store("vic", serials_pb2.GetSerialRequest(name=serial))
    assert found.location == at(there)
    gain = await store("vic", movements_pb2.GetMovementRequest(name=second.movement))
    assert gain.returns == first.movement


@pytest.mark.rule("MAT-150", "MAT-16")
async def test_a_late_move_of_a_serial_that_was_lost_here_and_found_there_changes_nothing(store: Plant) -> None:
    here, there = await shelf(store), await shelf(store)
    name = await item(store, tracking="SERIAL")
    (serial,) = await serials(store, name, 1)
    await stocked(store, name, 1, here, serial=serial, effective_time=ago(days=1))
    count = await counted_places(store, here, there)
    lines = await twice(
        store, count.name, entry(0, item=name, location=at(here), serial=serial, count_time=now()),
        entry(1, item=name, location=at(there), serial=serial, count_time=now()),
    )  # fmt: skip
    lines = await booked(store, count.name, *(line.name for line in lines))
    await post(
        store,
        movement(
            "MOVE", name, 1, from_location=at(here), to_location=at(there), serial=serial, effective_time=ago(hours=2)
        ),
    )
    found = await store("vic", serials_pb2.GetSerialRequest(name=serial))
    assert found.location == at(there)
    restated = [(await line_now(store, line.name)).restated_difference.value for line in lines]
    assert restated == ["0", "0"]


@pytest.mark.rule("MAT-9", "MAT-146")
async def test_catch_weight_is_counted_beside_the_quantity(store: Plant) -> None:
    where = await shelf(store)
    weight = items_pb2.Item.CatchWeight(unit_code="KGM", nominal={"value": "2"}, tolerance_percent={"value": "50"})
    name = await item(store, catch_weight=weight)
    await stocked(store, name, 10, where, second_quantity=q(20, "KGM"), effective_time=ago(days=1))
    count = await counted_places(store, where)
    (outcome,) = await record(store, count.name, entry(9, item=name, location=at(where)))
    assert reason(outcome) == "FIELD_INVALID"
    more = entry(9, item=name, location=at(where), second_counted=q(21, "KGM"))
    (line,) = await twice(store, count.name, more)
    assert (line.difference.value, line.second_difference.value) == ("-1", "1")
    await booked(store, count.name, line.name)
    answer = await store("vic", balances_pb2.ListBalancesRequest(parent=SITE, filter=f'item = "{name}"'))
    assert [(row.on_hand.value, row.second_on_hand.value) for row in answer.balances] == [("9", "21")]


@pytest.mark.rule("MAT-152")
async def test_accuracy_counts_lines_and_lets_no_gain_cancel_a_loss(store: Plant) -> None:
    where = await shelf(store)
    a, c, other = [await item(store, standard_cost=eur(2)) for _ in range(3)]
    settings = item_settings_pb2.ItemSettings(count_class="A")
    await store(
        "mara",
        item_settings_pb2.CreateItemSettingsRequest(
            parent=SITE, item_settings_id=a.rsplit("/", 1)[-1], item_settings=settings
        ),
    )
    for name in (a, c, other):
        await stocked(store, name, 100, where, effective_time=ago(days=1))
    count = await counted_places(store, where)
    lines = await twice(
        store, count.name, entry(99, item=a, location=at(where), count_time=now()),
        entry(94, item=c, location=at(where), count_time=now()),
        entry(106, item=other, location=at(where), count_time=now()),
    )  # fmt: skip
    await booked(store, count.name, *(line.name for line in lines))
    (event,) = [event for event in told(store, "CountPosted") if event.count == count.name]
    assert [
        (row.count_class, row.counted_count, row.accurate_count, row.net_variance.units, row.gross_variance.units)
        for row in event.accuracies
    ] == [("A", 1, 0, -2, 2), ("C", 2, 0, 0, 24)]
    kept = await store("vic", counts_pb2.GetCountRequest(name=count.name))
    assert [(row.count_class, row.book_value.units) for row in kept.accuracies] == [("A", 200), ("C", 400)]


@pytest.mark.rule("MAT-151")
async def test_due_places_are_planned_once(store: Plant) -> None:
    where, name = await shelf(store), await item(store)
    await stocked(store, name, 100, where, effective_time=ago(days=6))
    count = await counted_places(store, where)
    (line,) = await twice(store, count.name, entry(50, item=name, location=at(where), count_time=now()))
    await booked(store, count.name, line.name)  # poor
    planned = await store("sam", counts_pb2.PlanCountsRequest(parent=SITE, day_count=2))
    rows = {place.location: place.reason for made in planned.counts for place in made.places}
    assert rows[at(where)] == "POOR_ACCURACY"
    again = await store("sam", counts_pb2.PlanCountsRequest(parent=SITE, day_count=2))
    assert at(where) not in {place.location for made in again.counts for place in made.places}
    for made in [*planned.counts, *again.counts]:
        await store("sam", counts_pb2.CancelCountRequest(name=made.name, reason="only a plan"))


@pytest.mark.rule("MAT-148")
async def test_a_count_ends_with_what_nobody_counted_skipped(store: Plant) -> None:
    where, name, other = await shelf(store), await item(store), await item(store)
    for known in (name, other):
        await stocked(store, known, 10, where, effective_time=ago(days=1))
    count = await counted_places(store, where)
    (line,) = await twice(store, count.name, entry(10, item=name, location=at(where), count_time=now()))
    complete = counts_pb2.CompleteCountRequest(name=count.name)
    with refused("COUNT_UNDECIDED"):
        await store("sam", complete)
    (line,) = await booked(store, count.name, line.name)
    assert (line.movement, line.state) == ("", Line.POSTED)
    complete = counts_pb2.CompleteCountRequest(name=count.name)
    assert (await store("sam", complete)).state == Count.COMPLETED
    assert {row.state for row in await lines_of(store, count.name)} == {Line.POSTED, Line.SKIPPED}
    with refused("TRANSITION_NOT_ALLOWED"):
        await store("sam", counts_pb2.StartCountRequest(name=count.name))
    for request in (
        counts_pb2.CompleteCountRequest(name=count.name),
        counts_pb2.CancelCountRequest(name=count.name, reason="too late"),
    ):
        with pytest.raises(Refused) as found:
            await store("sam", request)
        assert (found.value.reason, found.value.metadata["allowed"]) == ("TRANSITION_NOT_ALLOWED", "nothing")
