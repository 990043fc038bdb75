"""What an order has cost, and its variance in the books (MAT-121)."""

from decimal import Decimal as D
from typing import Any

import pytest
from plantops.materials.v1 import movements_pb2, production_pb2, values_pb2

from services.materials import jobs
from tests.materials.builders import SITE, at, check, eur, fresh, item, stocked, worth
from tests.materials.periods import accountant, carl
from tests.materials.production import PLANNER, WORKER, amount, bill, component, line, ordered, reported, some, staged
from tests.world import Plant

Account = values_pb2.BookPosting.Account


async def booked(plant: Plant, *sources: str) -> tuple[dict[str, D], list[Any]]:
    """(account -> sum, postings) of the books by sources, each movement balanced."""
    await jobs.seal_ledgers(plant.processes["materials"].commands.open_unit)
    await accountant(plant)
    parts = await carl(plant, values_pb2.ExportPostingsRequest(parent=SITE))
    found = [posting for part in parts for posting in part.postings if posting.source in sources]
    sums: dict[str, D] = {name: D(0) for name, _ in Account.items()}
    for posting in found:
        assert sum(amount(row.amount) for row in posting.lines) == 0
        for row in posting.lines:
            sums[Account.Name(row.account)] += amount(row.amount)
    return sums, found


@pytest.mark.rule("MAT-121")
@pytest.mark.rule("MAT-188")
async def test_what_is_left_of_an_order_is_booked_as_its_variance(store: Plant) -> None:
    """Three at 10.00 go in, two come out, one is lost: 10.00 leave production as variance, and nothing stays there."""
    part = await item(store, standard_cost=eur(10))
    made = await bill(store, [component(part)])
    await line(store, place := fresh("line"))
    await stocked(store, part, 5)
    order = await ordered(store, made, 3, line_location=at(place))
    await staged(store, order.name, 3)
    await store(WORKER, production_pb2.IssueComponentsRequest(name=order.name, stocks=[some(1, 3)]))
    report = await reported(store, order.name, 2)
    cost = await store("vic", production_pb2.GetOrderCostRequest(name=order.name))
    assert [(row.item, row.quantity.value, amount(row.value)) for row in (*cost.consumed, *cost.produced)] == [
        (part, "2", D(20)), (made, "2", D(20)),
    ]  # fmt: skip
    assert (amount(cost.in_process_value), cost.HasField("variance_value")) == (D(0), False)
    await store(PLANNER, production_pb2.CompleteOrderRequest(name=order.name))
    closed = await store(PLANNER, production_pb2.CloseOrderRequest(name=order.name, variance_reason="LOST"))
    cost = await store("vic", production_pb2.GetOrderCostRequest(name=order.name))
    assert [(row.quantity.value, amount(row.value)) for row in cost.consumed] == [("3", D(30))]
    assert (amount(cost.consumed_value), amount(cost.output_value), amount(cost.variance_value)) == (
        D(30),
        D(20),
        D(10),
    )
    assert cost.variance_movement == closed.variance_movement != ""
    moved = await store("vic", movements_pb2.GetMovementRequest(name=cost.variance_movement))
    assert (moved.kind, moved.source, moved.reason_code) == (movements_pb2.Movement.REVALUE, order.name, "LOST")
    sums, postings = await booked(store, order.name, report.name)
    assert (sums["PRODUCTION"], sums["VARIANCE"], sums["STOCK"]) == (D(0), D(10), D(-10))
    assert [posting.movement for posting in postings][-1] == cost.variance_movement
    assert worth(store, made) == (D(2), D(20), D(10))
    assert await check(store) == []


@pytest.mark.rule("MAT-121")
async def test_what_is_destroyed_in_process_is_borne_by_the_order_and_not_by_scrap(store: Plant) -> None:
    """Three at 10.00 are handed out, one is destroyed there, two come out: they are worth 30.00, nothing is left."""
    part = await item(store, standard_cost=eur(10))
    made = await bill(store, [component(part)])
    await line(store, place := fresh("line"))
    await stocked(store, part, 5)
    order = await ordered(store, made, 2, line_location=at(place))
    await staged(store, order.name, 2)
    await store(WORKER, production_pb2.IssueComponentsRequest(name=order.name, stocks=[some(1, 3)]))
    spoil = production_pb2.ScrapWipRequest(name=order.name, stocks=[some(1, 1)], reason_code="BENT")
    await store(WORKER, spoil)
    report = await reported(store, order.name, 2)
    cost = await store("vic", production_pb2.GetOrderCostRequest(name=order.name))
    assert [(row.quantity.value, amount(row.value)) for row in cost.consumed] == [("3", D(30))]
    await store(PLANNER, production_pb2.CompleteOrderRequest(name=order.name))
    closed = await store(PLANNER, production_pb2.CloseOrderRequest(name=order.name))
    assert (amount(closed.output_value), amount(closed.variance_value)) == (D(30), D(0))
    sums, _ = await booked(store, order.name, report.name)
    assert (sums["PRODUCTION"], sums["SCRAP"], sums["VARIANCE"], sums["STOCK"]) == (D(0), D(0), D(0), D(0))


@pytest.mark.rule("MAT-121")
async def test_an_order_that_made_nothing_has_all_as_variance_and_one_that_lost_nothing_none(store: Plant) -> None:
    part = await item(store, standard_cost=eur(4))
    made = await bill(store, [component(part)])
    await line(store, place := fresh("line"))
    await stocked(store, part, 5)
    for good, variance in ((0, 4), (1, 0)):
        order = await ordered(store, made, 1, line_location=at(place))
        await staged(store, order.name, 1)
        if good:
            await reported(store, order.name, good)
        else:
            await reported(store, order.name, scrap=1)
        await store(PLANNER, production_pb2.CompleteOrderRequest(name=order.name))
        closed = await store(PLANNER, production_pb2.CloseOrderRequest(name=order.name))
        assert (amount(closed.variance_value), bool(closed.variance_movement)) == (D(variance), bool(variance))
        sums, _ = await booked(store, order.name)
        assert sums["VARIANCE"] == variance
    assert await check(store) == []
