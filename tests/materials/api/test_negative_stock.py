"""What is used at the line beyond what was brought there: where the site allows it, and how it is put right."""

import json
from typing import Any

import pytest
from plantops.materials.v1 import item_settings_pb2, production_pb2, tasks_pb2

from tests.materials.builders import (
    SITE,
    at,
    check,
    eur,
    fresh,
    item,
    kinds_told,
    lot,
    movement,
    place,
    position,
    post,
    reason,
    stocked,
    worth,
)
from tests.materials.counting import booked, counted_places, entry, lines_of, twice
from tests.materials.production import (
    PLANNER,
    bill,
    component,
    line,
    ordered,
    report,
    reported,
    reports,
    staged,
    used,
)
from tests.plant import Refused
from tests.world import Plant

Task = tasks_pb2.Task
ALLOW = item_settings_pb2.ItemSettings.ALLOW


@pytest.fixture(scope="module")
async def works(store: Plant) -> Plant:
    await line(store)
    return store


async def allowed(plant: Plant, name: str, **given: Any) -> str:
    """An item that a report may use more of than is at the line."""
    settings = item_settings_pb2.ItemSettings(shortage=ALLOW, **given)
    await plant(
        PLANNER,
        item_settings_pb2.CreateItemSettingsRequest(
            parent=SITE, item_settings_id=name.rpartition("/")[2], item_settings=settings
        ),
    )
    return name


async def tasks(plant: Plant, name: str) -> list[tuple[str, str]]:
    """(state, place) of the tasks that ask for what is missing of an item."""
    answer = await plant("vic", tasks_pb2.ListTasksRequest(parent=SITE, filter=f'item = "{name}"'))
    return [
        (Task.State.Name(row.state), row.from_location.rpartition("/")[2])
        for row in answer.tasks
        if row.kind == Task.EXCEPTION_TASK
    ]


def at_line(plant: Plant, name: str, where: str = "line") -> Any:
    """On hand of an item at a place."""
    return plant.value(
        "materials", "select sum(on_hand) from balance where item = %s and location = %s", name, at(where)
    )


def marked(plant: Plant, name: str) -> tuple[Any, Any]:
    """Whether balances and the value of an item are marked as below zero."""
    found = plant.rows(
        "materials",
        "select bool_or(b.negative_allowed), v.negative_allowed from balance b join value_balance v using (site, item)"
        " where b.item = %s group by v.negative_allowed", name,
    )  # fmt: skip
    return found[0][0], found[0][1]


@pytest.mark.rule("MAT-55", "MAT-182")
async def test_what_was_not_brought_is_used_all_the_same_until_it_is_brought(works: Plant) -> None:
    part = await allowed(works, await item(works, standard_cost=eur(10)))
    order = await ordered(works, await bill(works, [component(part, 2)]), 10)
    await stocked(works, part, 3)
    await staged(works, order.name, 1)
    made = await reported(works, order.name, 2)
    assert (used(made), [row.quantity.value for row in made.shortages]) == ({(1, ""): 4}, ["2"])
    assert at_line(works, part) == -2
    assert (worth(works, part), marked(works, part)) == ((-1, -10, 0), (True, True))
    assert await tasks(works, part) == [("READY", "line")]
    await reported(works, order.name, 1)
    assert at_line(works, part) == -4
    assert (await tasks(works, part), worth(works, part)) == ([("READY", "line")], (-3, -30, 0))

    for what in (
        movement("SCRAP", part, 1, from_location=at("line")),
        movement("MOVE", part, 2, from_location=at("shelf"), to_location=at("bin")),
    ):
        with pytest.raises(Refused, match="are available"):
            await post(works, what)
    assert await check(works) == []

    await stocked(works, part, 9)
    assert worth(works, part) == (6, 60, 0)
    await staged(works, order.name, 5)
    assert at_line(works, part) >= 0
    assert (await tasks(works, part), marked(works, part)) == ([("COMPLETED", "line")], (False, False))
    done = works.value("materials", "select count(*) from audit a join put_away_task t on t.name = a.object"
                       " where t.item = %s and a.action = 'heal'", part)  # fmt: skip
    assert done == 1


@pytest.mark.rule("MAT-55")
async def test_what_a_count_finds_heals_the_place_at_the_cost_of_what_was_used(works: Plant) -> None:
    part = await allowed(works, await item(works, standard_cost=eur(7)))
    place_name = (await line(works, fresh("line"))).rpartition("/")[2]
    order = await ordered(works, await bill(works, [component(part, 1)]), 10, line_location=at(place_name))
    await reported(works, order.name, 3)
    count = await counted_places(works, place_name)
    (line_of,) = await lines_of(works, count.name)
    assert await tasks(works, part) == [("READY", place_name)]
    (counted,) = await twice(works, count.name, entry(2, line=line_of.name))
    (counted,) = await booked(works, count.name, counted.name)
    assert (counted.difference.value, counted.value.units) == ("5", 35)
    assert (worth(works, part), await tasks(works, part)) == ((2, 14, 0), [("COMPLETED", place_name)])


@pytest.mark.rule("MAT-55")
async def test_a_report_that_is_taken_back_heals_the_place(works: Plant) -> None:
    part = await allowed(works, await item(works, standard_cost=eur(7)))
    order = await ordered(works, await bill(works, [component(part, 1)]), 10)
    made = await reported(works, order.name, 3)
    assert worth(works, part) == (-3, -21, 0)
    before = position(works)
    await works(PLANNER, production_pb2.ReverseReportRequest(name=made.name, reason="wrong order"))
    assert "MovementPosted" in kinds_told(works, before)
    assert (worth(works, part), await tasks(works, part)) == ((0, 0, 0), [("COMPLETED", "line")])
    await reported(works, order.name, 1)
    assert sorted(await tasks(works, part)) == [("COMPLETED", "line"), ("READY", "line")]
    again = works.value("materials", "select count(*) from negative_stock where item = %s", part)
    assert again == 2


@pytest.mark.rule("MAT-55")
@pytest.mark.parametrize("tracking", ["NONE", "LOT", "SERIAL"])
async def test_nothing_with_a_lot_a_serial_or_without_leave_goes_below_zero(works: Plant, tracking: str) -> None:
    part = await item(works, tracking=tracking)
    if tracking != "NONE":
        await allowed(works, part)
    order = await ordered(works, await bill(works, [component(part, 1)]), 10)
    (outcome,) = await reports(works, report(order.name, 1))
    assert reason(outcome) == "NOT_ENOUGH_STOCK"
    assert await tasks(works, part) == []


@pytest.mark.rule("MAT-55")
@pytest.mark.parametrize(
    ("change", "may"),
    [
        ({}, True),
        ({"kind": "SCRAP"}, False),
        ({"status": "BLOCKED"}, False),
        ({"unit": "sites/hamburg/handlingUnits/u"}, False),
        ({"owner": "suppliers/acme"}, False),
        ({"serial": "items/x/serials/1"}, False),
        ({"weight": "1"}, False),
        ({"allocated": 1}, False),
        ({"place": "shelf"}, False),
        ({"lot": "expires"}, False),
        ({"lot": "keeps"}, True),
        ({"item": "other"}, False),
    ],
)
async def test_only_backflush_takes_loose_usable_stock_below_zero(
    works: Plant, change: dict[str, Any], may: bool
) -> None:
    name = await allowed(works, await item(works, tracking="LOT", shelf_life_days=9))
    lots = {"expires": await lot(works, name, expire_date={"year": 2031, "month": 5, "day": 1}), "keeps": ""}
    line_of = {
        "item": await item(works) if change.get("item") else name, "quantity": 1, "unit_code": "H87",
        "from_location": at(change.get("place", "line")), "from_status": change.get("status", "UNRESTRICTED"),
        "from_handling_unit": change.get("unit", ""), "from_owner": change.get("owner", ""),
        "serial": change.get("serial", ""), "second_quantity": change.get("weight"),
        "allocated": change.get("allocated", 0), "lot": lots.get(change.get("lot", ""), ""),
    }  # fmt: skip
    found = works.value(
        "materials",
        "select may_go_below(row('hamburg', 'm', %s, '', '', now(), false)::posting_facts, l, 'no balance')"
        " from posting_lines(%s) l",
        change.get("kind", "CONSUME"), json.dumps([line_of]),
    )  # fmt: skip
    assert found is may


@pytest.mark.rule("MAT-55")
async def test_what_moves_to_the_place_at_once_heals_it_too(works: Plant) -> None:
    """A move of the lane that posts many at once, to a place that no order owns."""
    name = await allowed(works, await item(works, standard_cost=eur(1)))
    await place(works, "rack", "STAGING")
    await stocked(works, name, 5)
    await post(works, movement("MOVE", name, 1, from_location=at("shelf"), to_location=at("rack")))
    with works.look("materials") as connection:
        connection.execute(b"update balance set negative_allowed = true where location = %s", (at("rack"),))
    await post(works, movement("MOVE", name, 1, from_location=at("shelf"), to_location=at("rack")))
    assert at_line(works, name, "rack") == 2
    assert marked(works, name)[0] is False
