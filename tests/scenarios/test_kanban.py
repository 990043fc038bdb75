"""Two bins at a line: an empty one is scanned, the store fills it, and the store itself buys when it runs low."""

import pytest

from services.materials import jobs
from tests.materials import builders
from tests.materials.builders import at, item, movement, place, post, q, received, scanned, stocked
from tests.materials.kanban import Card, card, empty, loop, seen, units
from tests.materials.policies import in_force, read, requests_of
from tests.materials.tasks import claim, confirm, only, start, tasks_of
from tests.world import Plant


@pytest.mark.rule("MAT-170", "MAT-171", "MAT-167")
async def test_a_bin_at_the_line_goes_round(plant: Plant) -> None:
    builders.begin()
    await builders.site(plant)
    await place(plant, "rack")
    await place(plant, "line")
    seal = await item(plant, "seal")
    await stocked(plant, seal, 40, where="line")
    await stocked(plant, seal, 30, where="rack")

    # the line keeps two bins of 20; the store of the site buys below 50, up to 100
    bins = await loop(plant, seal, 2, location=at("line"))
    left, right = await card(plant, bins), await card(plant, bins)
    await in_force(plant, seal, kind="MIN_MAX", reorder_point=50, maximum=100)

    # one bin is used up: its card is scanned, twice by mistake; a task brings another one, nothing is bought
    await post(plant, movement("SCRAP", seal, 20, from_location=at("line")))
    for _ in range(2):
        assert (await empty(plant, left)).state == Card.REQUESTED
    task = await only(plant, seal, "REPLENISH")
    assert (task.from_location, task.quantity) == (at("rack"), q(20))
    assert await requests_of(plant, seal) == []

    # the second bin is used up before the first came: the store has too little left, and buys by now
    await post(plant, movement("SCRAP", seal, 20, from_location=at("line")))
    assert (await empty(plant, right)).state == Card.EMPTY
    (request,) = await requests_of(plant, seal)
    assert (request.outcome, request.quantity) == ("BUY", q(70))

    # a storekeeper brings the first
    assert (await claim(plant)).name == task.name
    await start(plant, task)
    assert (await seen(plant, left)).state == Card.IN_TRANSIT
    await confirm(plant, task, "line")
    assert (await seen(plant, left)).state == Card.FULL

    # the goods arrive, and with them what the second bin waits for
    await plant.settle()
    assert (await read(plant, request)).carried_by.startswith("sites/hamburg/requisitions/")
    await builders.expected(plant, seal, 70, supply_request=request.name, to="rack")
    await received(plant, scanned(seal, 70))
    await stocked(plant, seal, 0 + 20, where="rack")
    await jobs.fill_places(units(plant))
    task = next(row for row in await tasks_of(plant, seal, "REPLENISH"))
    await start(plant, task)
    await confirm(plant, task, "line")
    assert [(await seen(plant, row)).state for row in (left, right)] == [Card.FULL, Card.FULL]
    assert await builders.check(plant) == []
