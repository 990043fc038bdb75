"""Claims that are broken deliberately: who loses, what they get instead, what is told."""

from collections.abc import Mapping
from decimal import Decimal as D
from typing import Any

import pytest
from plantops.materials.v1 import locations_pb2, reservations_pb2

from services.materials import jobs
from services.materials.model import ledger
from services.materials.model.breaking import Broken, break_claims
from tests.materials.builders import (
    approval,
    at,
    balances,
    claim_of,
    fresh,
    item,
    kinds_told,
    lot,
    place,
    position,
    reserved,
    stocked,
    tell,
    told,
    work_order,
)
from tests.materials.test_invariants import broken
from tests.statements import statements_of
from tests.world import Plant

Reservation = reservations_pb2.Reservation


async def balance(plant: Plant, name: str, where: str = "shelf") -> str:
    return str(plant.value("materials", "select name from balance where item = %s and location = %s", name, at(where)))


async def make_free(plant: Plant, name: str, needed: Mapping[str, D | None], cause: str = "it is held") -> list[Broken]:
    async with plant.processes["materials"].commands.open_unit() as unit:
        await ledger.hold(unit, "hamburg", [name])
        return await break_claims(unit, "hamburg", needed, cause)


def state(row: Any) -> tuple[Any, str, str]:
    return row.state, row.allocated.value, row.short.value


@pytest.mark.rule("MAT-77")
async def test_so_much_becomes_free_and_the_lowest_priority_is_short_with_the_cause(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 12)
    high = await reserved(store, name, 4, priority=1)
    low = await reserved(store, name, 4, priority=5)
    after = position(store)
    found = await make_free(store, name, {await balance(store, name): D(7)}, "three are broken")
    assert [(row.reservation, row.quantity) for row in found] == [(low.name, D(3))]
    assert state(await claim_of(store, low.work_order)) == (Reservation.SHORT, "1", "3")
    assert state(await claim_of(store, high.work_order)) == (Reservation.ALLOCATED, "4", "0")
    (event,) = told(store, after=after)
    assert (event.reservation, event.cause, event.short_quantity.value) == (low.name, "three are broken", "3")
    assert await balances(store, name) == {("shelf", "UNRESTRICTED"): (D(12), D(5))}
    assert broken(store) == []


@pytest.mark.rule("MAT-77")
async def test_who_loses_stock_gets_other_stock_as_far_as_there_is(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 10)
    first, second = await reserved(store, name, 4), await reserved(store, name, 6)
    await stocked(store, name, 5, "bin")
    after = position(store)
    found = await make_free(store, name, {await balance(store, name): None})
    assert sorted((row.reservation, row.quantity) for row in found) == sorted([(first.name, D(4)), (second.name, D(6))])
    assert state(await claim_of(store, first.work_order)) == (Reservation.ALLOCATED, "4", "0")
    assert state(await claim_of(store, second.work_order)) == (Reservation.SHORT, "1", "5")
    assert kinds_told(store, after) == ["ReservationAllocated", "ReservationShort"]
    assert await balances(store, name) == {
        ("shelf", "UNRESTRICTED"): (D(10), D(0)),
        ("bin", "UNRESTRICTED"): (D(5), D(5)),
    }
    assert broken(store) == []


@pytest.mark.rule("MAT-77")
async def test_nothing_is_broken_where_enough_is_free_or_nothing_is_claimed(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 10)
    row = await reserved(store, name, 4)
    after = position(store)
    assert await make_free(store, name, {await balance(store, name): D(6), "sites/hamburg/balances/none": None}) == []
    assert await make_free(store, name, {}) == []
    assert kinds_told(store, after) == []
    assert state(await claim_of(store, row.work_order)) == (Reservation.ALLOCATED, "4", "0")


@pytest.mark.rule("MAT-77")
async def test_many_claims_are_broken_with_as_many_statements_as_few(store: Plant) -> None:
    counts = {}
    for size in (2, 9):
        name = await item(store)
        for where in ("shelf", "bin", "dock"):
            await stocked(store, name, size, where)
        await tell(store, "maintenance", *(approval(work_order(), {"d1": (name, 3)}) for _ in range(size)))
        wanted = {await balance(store, name, where): None for where in ("shelf", "bin")}
        with statements_of(store.processes["materials"].engine) as found:
            assert len(await make_free(store, name, wanted)) >= size // 2 > 0
            counts[size] = len(found.with_part("update balance b set reserved"))
    assert counts[2] == counts[9]
    assert broken(store) == []


@pytest.mark.rule("MAT-77")
@pytest.mark.rule("MAT-31")
async def test_a_place_that_lets_nothing_out_keeps_no_claims(store: Plant) -> None:
    name, shut = await item(store), fresh("shut")
    await place(store, shut)
    await stocked(store, name, 4, shut)
    row = await reserved(store, name, 4)
    await stocked(store, name, 3)
    request = locations_pb2.LockLocationRequest(name=at(shut), direction="COUNT", reason="count")
    await store("sam", request)
    assert state(await claim_of(store, row.work_order)) == (Reservation.ALLOCATED, "4", "0")
    request = locations_pb2.LockLocationRequest(name=at(shut), direction="OUTBOUND", reason="closed")
    await store("sam", request)
    left = await claim_of(store, row.work_order)
    assert (state(left), left.allocations[0].location) == ((Reservation.SHORT, "3", "1"), at("shelf"))
    assert broken(store) == []


@pytest.mark.rule("MAT-77")
@pytest.mark.rule("MAT-86")
async def test_claims_on_a_lot_that_has_expired_are_broken(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    old, new = await lot(store, name), await lot(store, name)
    await stocked(store, name, 4, lot=old)
    row = await reserved(store, name, 4)
    await stocked(store, name, 3, lot=new)
    after = position(store)
    with store.look("materials") as connection:
        connection.execute("update lot set expire_date = current_date - 2 where name = %s", [old])
    await jobs.break_expired(store.processes["materials"].commands.open_unit)
    left = await claim_of(store, row.work_order)
    assert (state(left), left.allocations[0].lot) == ((Reservation.SHORT, "3", "1"), new)
    assert [event.cause for event in told(store, "ReservationShort", after=after)] == [f"{old} has expired"]
