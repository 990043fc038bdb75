"""The books of a month are closed: a count stands open, a delivery note turns up late, and another one later still."""

from decimal import Decimal
from typing import Any

import pytest
from plantops.materials.v1 import items_pb2, periods_pb2, values_pb2

from services.materials import jobs
from tests.materials import builders
from tests.materials.builders import SITE, at, eur, movement, post, worth
from tests.materials.counting import booked, counted_places, entry, twice
from tests.materials.periods import accountant, back, carl, close, noon, opened, scrapped
from tests.plant import Refused
from tests.world import Plant

Account = values_pb2.BookPosting.Account


def amount(value: Any) -> Decimal:
    return Decimal(value.units) + Decimal(value.nanos) / 10**9


@pytest.mark.rule("MAT-195", "MAT-197", "MAT-186")
@pytest.mark.rule("MAT-188")
async def test_a_month_is_closed_and_what_comes_late_is_seen_in_the_next(plant: Plant) -> None:
    builders.begin()
    await builders.site(plant)
    await accountant(plant)
    seal = await builders.item(plant, "seal", standard_cost=eur(10))
    await opened(plant, seal, 100, 8)
    await scrapped(plant, seal, 30, 7)
    await scrapped(plant, seal, 20, 2)

    # the month ended five days ago, and a count of the shelf that began in it is still open
    count = await counted_places(plant, "shelf")
    with plant.look("materials") as clock:
        clock.execute(b"update count_document set start_time = start_time - interval '6 days'")
    with pytest.raises(Refused) as refused:
        await close(plant, 5)
    assert (refused.value.reason, refused.value.metadata["resource"]) == ("PERIOD_NOT_READY", count.name)

    # two are missing; the count is decided, and the month closed: seventy seals were worth 700.00
    (line,) = await twice(plant, count.name, entry(48, item=seal, location=at("shelf")))
    (line,) = await booked(plant, count.name, line.name)
    assert amount(line.value) == -20
    month = await close(plant, 5)
    assert (month.state, amount(month.value)) == (periods_pb2.Period.CLOSED, 700)
    assert worth(plant, seal) == (48, 480, 0)

    # a delivery note of the closed month turns up: refused, and it is said from which day on things are taken
    dearer = items_pb2.Item(name=seal, standard_cost=eur(13))
    await plant("mara", items_pb2.UpdateItemRequest(item=dearer, update_mask={"paths": ["standard_cost"]}))
    late = movement("OPENING", seal, 50, to_location=at("bin"), effective_time=noon(6))
    with pytest.raises(Refused) as refused:
        await post(plant, late)
    assert refused.value.reason == "PERIOD_CLOSED"
    assert refused.value.metadata["first_open_date"] == back(4).isoformat()

    # one of the new month is taken: the twenty and the two would have gone at 11.25, which is put right today, once
    late.effective_time.CopyFrom(noon(3))
    await post(plant, late)
    assert worth(plant, seal) == (98, Decimal("1102.50"), Decimal("27.50"))
    assert plant.rows("materials", "select value, cardinality(issues) from revaluation") == [(Decimal("-27.50"), 2)]
    shown = await carl(plant, values_pb2.GetValueRequest(name=SITE, item=seal, effective_time=noon(5)))
    assert amount(shown.values[0].value) == 700

    # the books balance, each movement by itself and all together
    await jobs.seal_ledgers(plant.processes["materials"].commands.open_unit)
    sums: dict[str, Decimal] = {}
    for part in await carl(plant, values_pb2.ExportPostingsRequest(parent=SITE)):
        for posting in part.postings:
            assert sum(amount(row.amount) for row in posting.lines) == 0
            for row in posting.lines:
                name = Account.Name(row.account)
                sums[name] = sums.get(name, Decimal(0)) + amount(row.amount)
    assert sums == {
        "STOCK": Decimal("1102.50"), "OPENING": -1650, "SCRAP": 500, "STOCK_DIFFERENCE": 20,
        "VARIANCE": Decimal("27.50"),
    }  # fmt: skip
    assert await builders.check(plant) == []
