"""A bin is counted while goods move; a scanner without connection tells afterwards what was taken before the count."""

import pytest
from plantops.materials.v1 import balances_pb2

from tests.materials import builders
from tests.materials.builders import ago, at, eur, movement, post
from tests.materials.counting import Line, booked, counted_places, entry, line_now, twice
from tests.world import Plant


@pytest.mark.rule("MAT-146", "MAT-150")
async def test_a_bin_is_counted_while_goods_move(plant: Plant) -> None:
    builders.begin()
    await builders.site(plant)
    await builders.place(plant, "cart", "CART")
    seal = await builders.item(plant, "seal", standard_cost=eur(4))
    await builders.stocked(plant, seal, 100, "bin", effective_time=ago(days=1))
    await builders.stocked(plant, seal, 30, "dock", effective_time=ago(days=1))

    # three hours ago twelve were taken to the cart, behind the steel door: the scanner has told nobody yet
    count = await counted_places(plant, "bin")
    (line,) = await twice(plant, count.name, entry(88, item=seal, location=at("bin"), count_time=ago(seconds=0)))
    assert (line.counter, line.difference.value) == ("people/sam", "-12")

    # meanwhile the bin is filled up, which is no gain of the count
    await post(plant, movement("MOVE", seal, 5, from_location=at("dock"), to_location=at("bin")), person="sam")
    (line,) = await booked(plant, count.name, line.name)
    assert (line.state, line.value.units, line.accurate) == (Line.POSTED, -48, False)
    assert {place: amounts[0] for (place, _), amounts in (await builders.balances(plant, seal)).items()} == {
        "bin": 93, "dock": 25,
    }  # fmt: skip

    # the scanner is in reach again
    taken = movement("MOVE", seal, 12, from_location=at("bin"), to_location=at("cart"), effective_time=ago(hours=3))
    taken.device = "scanner-7"
    await post(plant, taken, person="tina")
    assert {place: amounts[0] for (place, _), amounts in (await builders.balances(plant, seal)).items()} == {
        "bin": 93, "dock": 25, "cart": 12,
    }  # fmt: skip
    line = await line_now(plant, line.name)
    assert (line.difference.value, line.restated_difference.value, line.value.units) == ("-12", "0", 0)
    assert line.accurate
    first, again = builders.told(plant, "CountPosted")
    assert [row.accuracies[0].accurate_count for row in (first, again)] == [0, 1]

    # an hour ago there were 88, as known now
    request = balances_pb2.QueryBalancesRequest(parent=builders.SITE, item=seal, location=at("bin"))
    request.effective_time.CopyFrom(ago(hours=1))
    (then,) = (await plant("vic", request)).balances
    assert then.on_hand.value == "88"
    assert await builders.check(plant) == []
