"""Claims of other systems: one outcome for each, what they ask of stock, and what can be promised."""

from datetime import timedelta
from typing import Any

import pytest
from plantops.materials.v1 import reservations_pb2

from tests.materials.builders import SITE, at, day, expected, fresh, item, lot, place, reason, stocked, work_order
from tests.materials.claims import ahead, claimed, demand, in_force, instant, parts, places, reserve
from tests.materials.test_invariants import broken
from tests.plant import Refused
from tests.statements import statements_of
from tests.world import Plant, site_today

Reservation = reservations_pb2.Reservation
Entry = reservations_pb2.BatchGetAvailabilityRequest.Entry


async def promised(plant: Plant, *entries: Any, parent: str = SITE, person: str = "vic") -> list[Any]:
    answer = await plant(person, reservations_pb2.BatchGetAvailabilityRequest(parent=parent, entries=entries))
    return [
        outcome.availability.available.value if outcome.HasField("availability") else reason(outcome)
        for outcome in answer.outcomes
    ]


def entry(name: str, ahead: int = 0, **given: str) -> Entry:
    return Entry(item=name, date=day(site_today() + timedelta(days=ahead)), **given)


@pytest.mark.rule("MAT-70")
async def test_each_demand_has_its_outcome_and_takes_stock_in_its_turn(store: Plant) -> None:
    name, other = await item(store), await item(store)
    await stocked(store, name, 5)
    order = work_order()
    outcomes = await reserve(
        store, demand(name, 4, priority=4), demand(name, 3, priority=1), demand("items/none", 1),
        demand(other, 2, work_order=order, demand="d9"),
    )  # fmt: skip
    assert [reason(outcome) for outcome in outcomes] == ["", "", "FIELD_INVALID", ""]
    assert [parts(outcomes[index].reservation) for index in (0, 1, 3)] == [
        {"requested": "4", "allocated": "2", "short": "2"}, {"requested": "3", "allocated": "3"},
        {"requested": "2", "short": "2"},
    ]  # fmt: skip
    erp, own = outcomes[0].reservation, outcomes[3].reservation
    assert (erp.source_system, erp.work_order, erp.demand_kind) == ("erp", "", "OTHER")
    assert (own.work_order, own.demand, own.demand_kind) == (order, "d9", "WORK_ORDER")
    assert broken(store) == []


@pytest.mark.rule("MAT-70")
async def test_a_demand_is_claimed_once_and_the_same_request_again_gets_the_same_answer(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 9)
    first = demand(name, 2, source_system="erp", external_id=fresh("so"))
    (made,) = await reserve(store, first)
    assert (await reserve(store, first))[0].reservation.name == made.reservation.name
    twin = demand(name, 5, source_system="erp", external_id=first.external_id)
    (refused,) = await reserve(store, twin)
    assert reason(refused) == "DEMAND_EXISTS"
    again = demand(name, 1, source_system="mes", external_id=first.external_id)
    assert [reason(outcome) for outcome in await reserve(store, again, demand(name, 1, **_same(again)))] == [
        "", "DEMAND_EXISTS",
    ]  # fmt: skip


def _same(other: Any) -> dict[str, str]:
    return {"source_system": other.source_system, "external_id": other.external_id}


async def test_what_says_too_little_or_what_does_not_fit_is_refused_alone(store: Plant) -> None:
    name, other = await item(store, tracking="LOT"), await item(store, tracking="LOT")
    foreign = await lot(store, other)
    bad = [
        demand(name, 1, source_system="erp"), demand(name, 1, work_order=work_order()),
        demand(name, 1, source_system="erp", external_id="1", work_order=work_order(), demand="d"),
        demand(name, 1, work_order="sites/antwerp/workOrders/w", demand="d"), demand(name, 0), demand(name, -1),
        demand(name, 1, lot=foreign), demand(name, 1, delivery_location="sites/antwerp/locations/x"),
        demand(name, 1, unit_code="KGM"),
    ]  # fmt: skip
    outcomes = await reserve(store, *bad, demand(name, 1))
    assert [reason(outcome) for outcome in outcomes] == [*["FIELD_INVALID"] * 8, "UNIT_INCOMPATIBLE", ""]
    with pytest.raises(Refused) as refused:
        await reserve(store, demand(name, 1), person="tina")
    assert refused.value.code == "PERMISSION_DENIED"


@pytest.mark.rule("MAT-88")
async def test_only_the_wished_lot_and_never_stock_of_another_owner_is_taken(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    one, two = await lot(store, name), await lot(store, name)
    for number in (one, two):
        await stocked(store, name, 3, lot=number)
    row = await claimed(store, name, 4, lot=two)
    assert [(taken.lot, taken.quantity.value) for taken in row.allocations] == [(two, "3")]
    owned = await claimed(store, name, 1, owner="suppliers/acme")
    assert parts(owned) == {"requested": "1", "short": "1"}


@pytest.mark.rule("MAT-85")
async def test_of_stock_alike_the_largest_is_taken_first_and_a_policy_turns_the_order(store: Plant) -> None:
    name, shelf = await item(store), fresh("far")
    await place(store, shelf, path_order=9)
    await stocked(store, name, 2, "shelf")
    await stocked(store, name, 5, shelf)
    assert places(await claimed(store, name, 4)) == [(shelf, "4")]
    await in_force(store, item=name, order_keys=[{"key": "PATH"}, {"key": "EXPIRY"}])
    assert places(await claimed(store, name, 1)) == [("shelf", "1")]


@pytest.mark.rule("MAT-50")
async def test_many_demands_take_as_many_statements_as_few(store: Plant) -> None:
    counts = {}
    for size in (2, 20):
        names = [await item(store) for _ in range(2)]
        for name in names:
            await stocked(store, name, 30)
        demands = [demand(names[number % 2], 1) for number in range(size)]
        with statements_of(store.processes["materials"].engine) as found:
            assert {reason(outcome) for outcome in await reserve(store, *demands)} == {""}
            counts[size] = len(found.with_part("INSERT INTO reservation"))
    assert counts[2] == counts[20]


@pytest.mark.rule("MAT-72")
async def test_what_can_be_promised_follows_claims_expiry_and_firm_receipts(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    short_lived = await lot(store, name, expire_date=day(site_today() + timedelta(days=5)))
    lasting = await lot(store, name)
    await stocked(store, name, 4, lot=short_lived)
    await stocked(store, name, 6, lot=lasting)
    await stocked(store, name, 9, lot=lasting, to_status="BLOCKED")
    await claimed(store, name, 1)
    await expected(store, name, 7, expected=site_today() + timedelta(days=8))
    await expected(store, name, 50, expected=site_today() - timedelta(days=1))
    await expected(store, name, 60)
    await in_force(store, item=name, window_hours=1)
    await claimed(store, name, 2, need_time=instant(ahead(days=3)))
    days = (0, 2, 3, 5, 6, 8)
    assert await promised(store, *(entry(name, number) for number in days)) == ["9", "9", "7", "7", "4", "11"]


@pytest.mark.rule("MAT-72")
async def test_a_hundred_items_are_answered_by_one_statement_and_bad_ones_alone(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 3)
    entries = [entry(name, number % 7) for number in range(120)]
    with statements_of(store.processes["materials"].engine) as found:
        assert await promised(store, *entries, entry("items/none")) == [*["3"] * 120, "FIELD_INVALID"]
        assert sum("expected_receipt" in statement for statement in found.with_part("'COMING'")) == 1
    assert await promised(store, entry(name), entry(name, site="sites/nowhere")) == ["3", "FIELD_INVALID"]
    assert await promised(store, entry(name, site=SITE), entry(name), parent="sites/-") == ["3", "FIELD_INVALID"]
    denied = await promised(store, entry(name, site=SITE), parent="sites/antwerp", person="eve")
    assert denied == ["PERMISSION_DENIED"]


@pytest.mark.rule("MAT-72")
async def test_a_claim_is_promised_only_what_earlier_ones_leave(store: Plant) -> None:
    name = await item(store)
    await in_force(store, item=name, window_hours=1)
    await stocked(store, name, 5)
    need = instant(ahead(days=4))
    outcomes = await reserve(
        store, demand(name, 3, need_time=need, priority=3), demand(name, 4, need_time=need, priority=1),
        demand(name, 5, need_time=instant(ahead(days=9)), priority=2),
    )  # fmt: skip
    assert [outcome.reservation.pending.value for outcome in outcomes] == ["1", "4", "1"]
    assert await promised(store, entry(name, 3), entry(name, 5)) == ["5", "-2"]


async def test_places_of_delivery_are_those_of_the_site(store: Plant) -> None:
    name = await item(store)
    row = await claimed(store, name, 1, delivery_location=at("dock"))
    assert row.delivery_location == at("dock")
