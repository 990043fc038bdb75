"""Facts that come in after counts were posted; batches of lines; what a scanner sends twice."""

from uuid import uuid4

import pytest
from plantops.materials.v1 import counts_pb2

from tests.materials.builders import (
    ago,
    at,
    balances,
    batch,
    check,
    eur,
    fresh,
    item,
    movement,
    place,
    post,
    reason,
    stocked,
    told,
    work_order,
)
from tests.materials.builders import approve as claimed
from tests.materials.counting import (
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
from tests.materials.tasks import demand, short, tasks_of, waved, yard
from tests.statements import statements_of
from tests.world import Plant


async def shelf(plant: Plant) -> str:
    name = fresh("bin")
    await place(plant, name)
    return name


async def seen(plant: Plant, name: str, where: str, value: int, **ago_given: float) -> str:
    """A count that was posted; gives its line. Its lines were counted so long ago."""
    count = await counted_places(plant, where, mode="CONTINUOUS")
    with plant.look("materials") as connection:
        connection.execute(
            "update count_document set start_time = now() - interval '1 day' where name = %s", [count.name]
        )
    (line,) = await twice(plant, count.name, entry(value, item=name, location=at(where), count_time=ago(**ago_given)))
    (line,) = await booked(plant, count.name, line.name)
    return str(line.name)


async def restated(plant: Plant, *lines: str) -> list[str]:
    return [
        row.restated_difference.value if row.HasField("restated_difference") else ""
        for row in [await line_now(plant, line) for line in lines]
    ]


@pytest.mark.rule("MAT-150")
async def test_of_several_counts_the_first_takes_a_late_fact(store: Plant) -> None:
    where, name = await shelf(store), await item(store, standard_cost=eur(1))
    await stocked(store, name, 100, where, effective_time=ago(days=2))
    first = await seen(store, name, where, 60, hours=4)
    second = await seen(store, name, where, 50, hours=2)
    out = movement("SCRAP", name, 30, from_location=at(where), effective_time=ago(hours=5))
    await post(store, out)
    assert await restated(store, first, second) == ["-10", ""]
    between = movement("SCRAP", name, 7, from_location=at(where), effective_time=ago(hours=3))
    await post(store, between)
    assert await restated(store, first, second) == ["-10", "-3"]
    later = movement("SCRAP", name, 1, from_location=at(where), effective_time=ago(hours=1))
    await post(store, later)
    assert await restated(store, first, second) == ["-10", "-3"]
    assert (await balances(store, name))[where, "UNRESTRICTED"][0] == 49
    told_anew = [line for event in told(store, "CountPosted") for line in event.lines if line.count_line == first]
    assert [line.difference.value for line in told_anew] == ["-40", "-10"]


@pytest.mark.rule("MAT-150")
async def test_a_count_that_is_posted_after_a_later_one_is_its_late_fact(store: Plant) -> None:
    where, name = await shelf(store), await item(store, standard_cost=eur(1))
    await stocked(store, name, 100, where, effective_time=ago(days=2))
    second = await seen(store, name, where, 50, hours=2)
    first = await seen(store, name, where, 60, hours=4)
    assert await restated(store, first, second) == ["", "-10"]
    assert (await balances(store, name))[where, "UNRESTRICTED"][0] == 50


@pytest.mark.rule("MAT-150")
async def test_a_late_fact_that_is_refused_for_another_reason_leaves_no_opposite(store: Plant) -> None:
    where, name = await shelf(store), await item(store, standard_cost=eur(1))
    await stocked(store, name, 100, where, effective_time=ago(days=2))
    line = await seen(store, name, where, 60, hours=4)
    outcomes = await batch(
        store,
        [
            movement("MOVE", name, 1, from_location=at(where), to_location=at("v-scrap"), effective_time=ago(hours=5)),
            movement(
                "MOVE", name, 5, from_location=at(where), to_location=at("bin"), effective_time=ago(hours=5),
                to_handling_unit="",
            ),
            movement("MOVE", name, 1, from_location=at("bin"), to_location=at(where), effective_time=ago(hours=6)),
        ],
    )  # fmt: skip
    assert [reason(outcome) for outcome in outcomes] == ["FIELD_INVALID", "", "NEGATIVE_IN_PAST"]
    assert await restated(store, line) == ["-35"]
    assert await check(store) == []


@pytest.mark.rule("MAT-150", "MAT-50")
async def test_many_lines_take_as_many_statements_as_few(store: Plant) -> None:
    counts: dict[int, list[int]] = {}
    for size in (2, 6):
        where = await shelf(store)
        names = [await item(store, standard_cost=eur(1)) for _ in range(size)]
        openings = [movement("OPENING", name, 10, to_location=at(where), effective_time=ago(days=1)) for name in names]
        await batch(store, openings)
        await claimed(store, work_order(), {f"d{number}": (name, 10) for number, name in enumerate(names)})
        count = await counted_places(store, where)
        with statements_of(store.processes["materials"].engine) as found:
            entries = [entry(9, item=name, location=at(where)) for name in names]
            lines = await twice(store, count.name, *entries)
            counts[size] = [len(found.with_part("balance_key(:site"[:11]))]
            accepted = done(await approve(store, count.name, *(line.name for line in lines)))
            counts[size].append(len(found.with_part("update count_line")))
            assert {line.state for line in accepted} == {Line.APPROVED}
            done(await post_lines(store, count.name, *(line.name for line in lines)))
            counts[size].append(len(found.with_part("update count_line")))
    assert counts[2] == counts[6]


@pytest.mark.rule("MAT-150")
async def test_a_batch_that_is_sent_twice_posts_once(store: Plant) -> None:
    where, name = await shelf(store), await item(store, standard_cost=eur(1))
    await stocked(store, name, 100, where, effective_time=ago(days=1))
    count = await counted_places(store, where)
    (line,) = await twice(store, count.name, entry(80, item=name, location=at(where), count_time=ago(seconds=0)))
    done(await approve(store, count.name, line.name))
    entries = [counts_pb2.PostCountRequest(name=line.name, request_id=str(uuid4()))]
    request = counts_pb2.BatchPostCountsRequest(parent=count.name, requests=entries)
    first, again = [await store("sam", request) for _ in range(2)]
    assert first == again
    assert (await balances(store, name))[where, "UNRESTRICTED"][0] == 80


@pytest.mark.rule("MAT-107", "MAT-151")
async def test_a_short_pick_asks_for_a_count_that_ends_its_task(store: Plant) -> None:
    where, cart, staging = await yard(store)
    name = await item(store)
    await stocked(store, name, 10, where, effective_time=ago(days=1))
    await waved(store, await demand(store, name, 10, staging))
    (pick,) = await tasks_of(store, name, "PICK")
    await short(store, pick, cart, 6, lock_bin=True)
    (asked,) = await tasks_of(store, name, "COUNT")
    planned = await store("sam", counts_pb2.PlanCountsRequest(parent="sites/hamburg"))
    (made,) = planned.counts
    assert (made.places[0].location, made.places[0].reason) == (at(where), "SHORT_PICK")
    assert made.due_date.year >= 2024
    await store("sam", counts_pb2.StartCountRequest(name=made.name))
    (line,) = await lines_of(store, made.name, filter=f'location = "{at(where)}"')
    (line,) = done(await record(store, made.name, entry(0, line=line.name)))
    (line,) = done(await record(store, made.name, entry(0, line=line.name), person="sam"))
    (line,) = await booked(store, made.name, line.name)
    assert await tasks_of(store, name, "COUNT") == []
    (ended,) = await tasks_of(store, name, "COUNT", all_states=True)
    assert (ended.name, ended.note) == (asked.name, f"counted by {line.name}")
