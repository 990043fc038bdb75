"""Catch weight in production: what goes in and comes out has two quantities, each conserved by itself (MAT-9)."""

from collections.abc import AsyncIterator
from decimal import Decimal as D
from typing import Any

import pytest
from plantops.materials.v1 import production_pb2

from services.materials.rules import backflush
from services.materials.rules.backflush import Source
from tests.materials.api.test_catch_weight import cheese, kg
from tests.materials.builders import at, check, eur, item, q, reason, stocked
from tests.materials.holds import refused
from tests.materials.production import (
    PLANNER,
    WORKER,
    bill,
    component,
    line,
    ordered,
    output,
    report,
    reported,
    reports,
    some,
    staged,
    used,
)  # fmt: skip
from tests.world import Plant


@pytest.fixture(scope="module")
async def dairy(store: Plant) -> AsyncIterator[Plant]:
    """The site with a place at the line; in the end both quantities of everything add up."""
    await line(store)
    yield store
    assert await check(store) == []
    second = store.rows(
        "materials", "select item, sum(second_on_hand) from balance group by 1 having sum(second_on_hand) <> 0"
    )
    assert second == []


def weights(plant: Plant, name: str) -> dict[str, tuple[D, D]]:
    """Last part of the place -> (on hand, second on hand) of an item at real places."""
    rows = plant.rows(
        "materials",
        "select location, sum(on_hand), sum(second_on_hand) from balance where item = %s and not virtual"
        " and (on_hand <> 0 or second_on_hand <> 0) group by 1",
        name,
    )
    return {row[0].rsplit("/", 1)[-1]: (row[1], row[2]) for row in rows}


async def slicing(plant: Plant, pieces: int, weight: str, **given: Any) -> tuple[str, str, Any]:
    """(cheese, slices, order): an order that takes one cheese for each piece, of some on the shelf."""
    block = await cheese(plant, standard_cost=eur(10))
    slices = await cheese(plant, standard_cost=eur(1))
    await stocked(plant, block, pieces, second_quantity=kg(weight))
    order = await ordered(plant, await bill(plant, [component(block)], item=slices), pieces, **given)
    return block, slices, order


@pytest.mark.rule("MAT-9")
async def test_both_quantities_go_through_production_and_come_back(dairy: Plant) -> None:
    block, slices, order = await slicing(dairy, 4, "10.2")
    refusal = await refused(dairy, production_pb2.StageOrderRequest(name=order.name, quantity=q(3)), WORKER)
    assert (refusal.code, refusal.reason, refusal.metadata["component"]) == (
        "FAILED_PRECONDITION", "WEIGHT_REQUIRED", "1",
    )  # fmt: skip
    unusual = production_pb2.StageOrderRequest(
        name=order.name, quantity=q(3), stocks=[some(1, 3, second_quantity=kg("9.9"))]
    )
    assert (await refused(dairy, unusual, WORKER)).reason == "TOLERANCE_EXCEEDED"
    await staged(dairy, order.name, 3, stocks=[some(1, 3, second_quantity=kg("7.7"))])
    assert weights(dairy, block) == {"shelf": (D(1), D("2.5")), "line": (D(3), D("7.7"))}
    await staged(dairy, order.name, 1)  # all that lies there needs no scales
    assert weights(dairy, block) == {"line": (D(4), D("10.2"))}
    outcomes = await reports(
        dairy,
        report(order.name, 1),
        report(order.name, 1, consumptions=[some(1, 1, second_quantity=kg("2.6"))]),
        report(order.name, 1, consumptions=[some(1, 1, second_quantity=kg("2.6"))], second_quantity=kg("9")),
        report(order.name, 1, consumptions=[some(1, 1, second_quantity=kg("2.6"))], second_quantity=kg("2.4")),
    )
    assert [reason(outcome) for outcome in outcomes] == ["WEIGHT_REQUIRED", "FIELD_INVALID", "TOLERANCE_EXCEEDED", ""]
    assert weights(dairy, block) == {"line": (D(3), D("7.6"))}
    assert weights(dairy, slices) == {"bin": (D(1), D("2.4"))}
    rest = await reported(dairy, order.name, 3, second_quantity=kg("7.5"))  # takes all, with what it weighs
    assert used(rest) == {(1, ""): D(3)}
    assert (weights(dairy, block), weights(dairy, slices)) == ({}, {"bin": (D(4), D("9.9"))})
    await dairy(PLANNER, production_pb2.ReverseReportRequest(name=rest.name, reason="weighed wrong"))
    assert weights(dairy, block) == {"line": (D(3), D("7.6"))}
    assert weights(dairy, slices) == {"bin": (D(1), D("2.4"))}
    back = production_pb2.ReturnComponentsRequest(
        name=order.name, stocks=[some(1, 1, second_quantity=kg("2.5"))], location=at("shelf")
    )
    await dairy(WORKER, back)
    assert weights(dairy, block) == {"line": (D(2), D("5.1")), "shelf": (D(1), D("2.5"))}
    await dairy(PLANNER, production_pb2.CompleteOrderRequest(name=order.name))
    assert weights(dairy, block) == {"line": (D(2), D("5.1")), "shelf": (D(1), D("2.5"))}
    closed = await dairy(PLANNER, production_pb2.CloseOrderRequest(name=order.name))
    assert closed.state == production_pb2.ProductionOrder.CLOSED


@pytest.mark.rule("MAT-9")
async def test_what_comes_beside_is_weighed_and_more_than_there_is_is_refused(dairy: Plant) -> None:
    whey, milk = await cheese(dairy), await item(dairy, standard_cost=eur(1))
    made = await item(dairy)
    order = await ordered(
        dairy, await bill(dairy, [component(milk)], item=made, outputs=[output(whey, "CO_PRODUCT", cost_percent=20)]), 4
    )
    await stocked(dairy, milk, 9)
    await staged(dairy, order.name, 4)
    beside = production_pb2.OutputQuantity(output=1, quantity=q(2), second_quantity=kg("5.1"))
    outcomes = await reports(
        dairy, report(order.name, 2), report(order.name, 2, second_quantity=kg("5"), outputs=[beside]),
        report(order.name, 2, outputs=[beside]),
    )  # fmt: skip
    assert [reason(outcome) for outcome in outcomes] == ["FIELD_INVALID", "FIELD_INVALID", ""]
    assert weights(dairy, whey) == {"bin": (D(2), D("5.1"))}
    block, _, other = await slicing(dairy, 2, "5")
    await staged(dairy, other.name, 2)
    asked = some(1, 1, second_quantity=kg("5.5"), confirm_weight=True)
    (outcome,) = await reports(dairy, report(other.name, 1, consumptions=[asked], second_quantity=kg("2.5")))
    assert reason(outcome) == "NOT_ENOUGH_STOCK"
    assert weights(dairy, block) == {"line": (D(2), D(5))}


@pytest.mark.rule("MAT-9")
@pytest.mark.parametrize(
    ("there", "wanted", "stated", "found", "left"),
    [
        ([("2", "5.1"), ("3", "7.4")], "5", None, ["5.1", "7.4"], ["0", "0"]),
        ([("2", "5.1"), ("3", "7.4")], "4", None, None, ["5.1", "7.4"]),
        ([("2", "5.1"), ("3", "7.4")], "4", "10", ["5.1", "4.9"], ["0", "2.5"]),
        ([("2", "5.1"), ("3", "7.4")], "5", "12", ["5.1", "6.9"], ["0", "0.5"]),
        ([("2", "5.1")], "1", "2.6", ["2.6"], ["2.5"]),
        ([("2", None)], "2", None, None, [None]),
        ([("2", None)], "2", "5", ["5"], [None]),
    ],
)
def test_the_last_part_has_the_rest_of_what_was_weighed(
    there: Any, wanted: str, stated: str | None, found: Any, left: Any
) -> None:
    sources = [
        Source(
            f"b{n}",
            "i",
            "l",
            "",
            "",
            "",
            D(amount),
            second_left=None if second is None else D(second),
            second_unit_code="KGM",
        )
        for n, (amount, second) in enumerate(there)
    ]
    parts = backflush.draw(sources, D(wanted))
    weighed = backflush.weighed(parts, None if stated is None else D(stated))
    assert (None if weighed is None else [str(part.second) for part in weighed]) == found
    assert [None if s.second_left is None else s.second_left for s in sources] == [
        None if x is None else D(x) for x in left
    ]
    if weighed:
        backflush.unweigh(weighed)
        assert [s.second_left for s in sources] == [None if x is None else D(x) for _, x in there]
