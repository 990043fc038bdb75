"""Other stock than allocated: exchanged by request or at the pick; and a little more than was asked for."""

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from google.type.decimal_pb2 import Decimal
from plantops.materials.v1 import item_settings_pb2, reservations_pb2

from tests.materials.builders import SITE, at, balances, check, day, item, kinds_told, lot, position, q, stocked
from tests.materials.claims import claimed, parts, places, read
from tests.materials.test_invariants import broken
from tests.plant import Refused
from tests.world import Plant, site_today

Reservation = reservations_pb2.Reservation


async def swap(plant: Plant, row: Any, value: int, where: str = "bin", **given: Any) -> Any:
    request = reservations_pb2.SwapAllocationRequest(
        name=row.name, quantity=q(value), location=at(where), reason="nearer", **given
    )
    return await plant("sam", request)


async def issue(plant: Plant, row: Any, value: int, **given: Any) -> Any:
    return await plant("sam", reservations_pb2.IssueReservationRequest(name=row.name, quantity=q(value), **given))


async def tolerance(plant: Plant, name: str, percent: str) -> Any:
    settings = item_settings_pb2.ItemSettings(over_issue_percent=Decimal(value=percent))
    request = item_settings_pb2.CreateItemSettingsRequest(
        parent=SITE, item_settings_id=name.rsplit("/", 1)[-1], item_settings=settings
    )
    return await plant("mara", request)


@pytest.mark.rule("MAT-75")
async def test_allocated_stock_is_exchanged_for_free_stock(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 9)
    await stocked(store, name, 4, "bin")
    row = await claimed(store, name, 6)
    done = await swap(store, row, 4)
    assert sorted(places(done)) == [("bin", "4"), ("shelf", "2")]
    assert parts(done) == {"requested": "6", "allocated": "6"}
    assert {place: int(taken) for (place, _), (_, taken) in (await balances(store, name)).items()} == {
        "shelf": 2, "bin": 4,
    }  # fmt: skip
    with pytest.raises(Refused) as refused:
        await swap(store, row, 1)
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "SWAP_NOT_ALLOWED")
    assert refused.value.metadata["asked"] == "1"
    assert broken(store) == []


@pytest.mark.rule("MAT-75")
async def test_a_demand_of_equal_or_lower_priority_gives_its_stock_and_gets_other(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 4, "bin")
    mine = await claimed(store, name, 4, priority=1)
    assert places(mine) == [("bin", "4")]
    await stocked(store, name, 5)
    urgent, low = await claimed(store, name, 1, priority=1), await claimed(store, name, 2, priority=5)
    with pytest.raises(Refused) as refused:
        await swap(store, low, 1)
    assert refused.value.reason == "SWAP_NOT_ALLOWED"
    after = position(store)
    assert places(await swap(store, urgent, 1)) == [("bin", "1")]
    assert sorted(places(await read(store, mine.name))) == [("bin", "3"), ("shelf", "1")]
    assert kinds_told(store, after) == ["ReservationAllocated"]
    assert broken(store) == []
    assert await check(store) == []


@pytest.mark.rule("MAT-75")
async def test_a_pick_of_another_lot_than_allocated_swaps_in_the_same_transaction(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    soon = await lot(store, name, expire_date=day(site_today() + timedelta(days=9)))
    late = await lot(store, name, expire_date=day(site_today() + timedelta(days=99)))
    gone = await lot(store, name, expire_date=day(site_today() + timedelta(days=1)))
    for number in (soon, late):
        await stocked(store, name, 5, lot=number)
    row = await claimed(store, name, 4)
    assert [taken.lot for taken in row.allocations] == [soon]
    done = await issue(store, row, 3, lot=late)
    assert parts(done) == {"requested": "4", "issued": "3", "allocated": "1"}
    with pytest.raises(Refused) as nothing:
        await issue(store, row, 1, lot=gone)
    assert nothing.value.reason == "TOLERANCE_EXCEEDED"
    bound = await claimed(store, name, 1, lot=soon)
    with pytest.raises(Refused) as refused:
        await issue(store, bound, 1, lot=late)
    assert refused.value.reason == "TOLERANCE_EXCEEDED"
    assert broken(store) == []


@pytest.mark.rule("MAT-79")
async def test_a_little_more_than_requested_is_handed_out_within_the_tolerance(store: Plant) -> None:
    name = await item(store)
    await tolerance(store, name, "20")
    await stocked(store, name, 30)
    row = await claimed(store, name, 10)
    with pytest.raises(Refused) as refused:
        await issue(store, row, 13)
    assert (refused.value.reason, refused.value.metadata["asked"]) == ("TOLERANCE_EXCEEDED", "13")
    await issue(store, row, 9)
    done = await issue(store, row, 3)
    assert (done.state, done.over_issued.value) == (Reservation.ISSUED, "2")
    assert parts(done) == {"requested": "12", "issued": "12"}
    assert await balances(store, name) == {("shelf", "UNRESTRICTED"): (D(18), D(0))}
    with pytest.raises(Refused) as ended:
        await issue(store, row, 1)
    assert ended.value.reason == "TRANSITION_NOT_ALLOWED"
    assert broken(store) == []


@pytest.mark.rule("MAT-79")
async def test_the_tolerance_takes_nothing_that_others_claimed(store: Plant) -> None:
    name = await item(store)
    await tolerance(store, name, "50")
    await stocked(store, name, 5)
    row, other = await claimed(store, name, 4), await claimed(store, name, 1)
    with pytest.raises(Refused) as refused:
        await issue(store, row, 5)
    assert refused.value.reason == "NOT_ENOUGH_STOCK"
    assert parts(await read(store, row.name)) == {"requested": "4", "allocated": "4"}
    assert parts(await read(store, other.name)) == {"requested": "1", "allocated": "1"}


@pytest.mark.parametrize("percent", ["-1", "101"])
async def test_a_tolerance_is_a_share(store: Plant, percent: str) -> None:
    with pytest.raises(Refused) as refused:
        await tolerance(store, await item(store), percent)
    assert refused.value.fields == ["item_settings.over_issue_percent"]
