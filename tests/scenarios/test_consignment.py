"""A supplier's goods lie in our store: they are counted as his, become ours when we take them, and he is owed then."""

import pytest
from plantops.materials.v1 import counts_pb2, movements_pb2

from tests.materials import builders
from tests.materials.builders import SITE, SUPPLIER, at, eur, movement, post, q, worth
from tests.materials.counting import booked, counted_places, entry, lines_of, twice
from tests.world import Plant

Movement = movements_pb2.Movement


@pytest.mark.played_partner
@pytest.mark.rule("MAT-184")
async def test_a_suppliers_goods_are_ours_when_we_take_them(plant: Plant) -> None:
    builders.begin()
    await builders.site(plant)
    seal = await builders.item(plant, "seal", standard_cost=eur(4))
    order = await builders.expected(plant, seal, 40, price=eur(5))

    # forty of his come to the dock beside five of ours; his are worth nothing to us
    await builders.stocked(plant, seal, 5, "dock")
    receipt = await builders.received(plant, builders.scanned(seal, 40, consigned=True))
    assert receipt.lines[0].owner == SUPPLIER
    assert worth(plant, seal) == (5, 20, 0)

    # the count knows whose is what: two of his are missing, which costs us nothing
    count = await counted_places(plant, "dock")
    lines = {line.owner: line for line in await lines_of(plant, count.name)}
    assert set(lines) == {"", SUPPLIER}
    entries = [entry(value, line=lines[owner].name) for owner, value in (("", 5), (SUPPLIER, 38))]
    ours, his = await booked(plant, count.name, *(line.name for line in await twice(plant, count.name, *entries)))
    assert (ours.difference.value, his.difference.value, his.value.units) == ("0", "-2", 0)
    assert his.state == counts_pb2.CountLine.POSTED

    # ten become ours at the contract price, and procurement hears of which order they were
    before = builders.position(plant)
    await builders.call(
        plant, "stella",
        movements_pb2.ChangeOwnerRequest(
            parent=SITE, item=seal, quantity=q(10), location=at("dock"), supplier=SUPPLIER, purchase_order=order,
            order_line=1, value=eur(50),
        ),
    )  # fmt: skip
    (told,) = builders.told(plant, "MovementPosted", after=before)
    assert (told.kind, told.supplier, told.purchase_order, told.order_line) == ("OWNER_CHANGE", SUPPLIER, order, 1)
    assert [(row.owner, row.quantity.value, row.value.units) for row in told.entries] == [
        (SUPPLIER, "-10", -50), ("", "10", 50),
    ]  # fmt: skip
    assert worth(plant, seal) == (15, 70, 0)

    # three are used at what fifteen cost; his 28 lie where they lay
    used = await post(plant, movement("SCRAP", seal, 3, from_location=at("dock")))
    assert (used.kind, used.cost.units) == (Movement.SCRAP, 14)
    assert worth(plant, seal) == (12, 56, 0)
    left = plant.rows("materials", "select owner, sum(on_hand) from balance where item = %s and not virtual"
                      " group by owner order by owner", seal)  # fmt: skip
    assert left == [("", 12), (SUPPLIER, 28)]
    assert await builders.check(plant) == []
