"""The planning snapshot: released orders with open components and the structures in force, of one instant (MAT-130)."""

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from plantops.materials.v1 import planning_snapshot_pb2, production_pb2

from services.materials.api import planning_snapshots
from services.materials.api.planning_snapshots import PlanningSnapshotService
from tests.materials.builders import SITE, at, fresh, item, q, stocked
from tests.materials.production import (
    PLANNER,
    bill,
    component,
    line,
    ordered,
    ordering,
    output,
    reported,
    revised,
    revising,
    staged,
    structure,
)  # fmt: skip
from tests.plant import Refused
from tests.statements import statements_of
from tests.world import Plant, site_today


async def snapshot(plant: Plant, token: str = "", person: str = "vic") -> list[Any]:
    request = planning_snapshot_pb2.StreamPlanningSnapshotRequest(parent=SITE, resume_token=token)
    return list(await plant(person, request))


def orders_of(parts: list[Any]) -> dict[str, Any]:
    return {order.production_order: order for part in parts for order in part.orders}


def structures_of(parts: list[Any]) -> dict[str, Any]:
    return {row.item: row for part in parts for row in part.structures}


@pytest.mark.rule("MAT-130")
async def test_it_shows_what_is_to_be_made_and_what_that_still_takes(store: Plant) -> None:
    bolt, nut = [await item(store) for _ in range(2)]
    made = await bill(store, [component(bolt, 2), component(nut, 1, 3, operation=20, scrap_percent=50)])
    head = await structure(store, nut)
    oil, gas = [await item(store) for _ in range(2)]
    await revised(store, head, [component(oil)], since=date(2020, 1, 1))
    await revised(
        store, head, [component(oil, 2, 7)], since=date(2021, 1, 1), base=q(10),
        outputs=[output(gas, "CO_PRODUCT", cost_percent=25)],
    )  # fmt: skip
    await store(PLANNER, revising(head, [component(gas)], since=site_today() + timedelta(days=9)))
    await line(store, place := fresh("line"))
    await stocked(store, bolt, 20)
    await stocked(store, nut, 20)
    own = await ordered(store, made, 6, line_location=at(place))
    imported = await ordered(
        store, gas, 4, source_system="mes", external_id=fresh("0"), line_location=at(place),
        components=[production_pb2.ProductionOrder.Component(component=component(bolt))],
    )  # fmt: skip
    planned = await store(PLANNER, ordering(made, 1, line_location=at(place)))
    done = await ordered(store, made, 1, line_location=at(place))
    await staged(store, done.name, 1)
    await reported(store, done.name, 1)
    await store(PLANNER, production_pb2.CompleteOrderRequest(name=done.name))
    await staged(store, own.name, 6)
    await reported(store, own.name, 2)
    found = await snapshot(store)
    assert found[-1].complete
    orders, structures = orders_of(found), structures_of(found)
    assert planned.name not in orders
    assert done.name not in orders
    shown = orders[own.name]
    assert (shown.quantity, shown.open, shown.source_system, shown.structure_revision) == (
        q(6), q(4), "", own.structure_revision,
    )  # fmt: skip
    assert [
        (row.line, row.item, row.operation, row.required.value, row.consumed.value, row.open.value, row.on_hand.value)
        for row in shown.components
    ] == [(1, bolt, 10, "12", "4", "8", "8"), (2, nut, 20, "4", "2", "2", "2")]
    other = orders[imported.name]
    assert (other.source_system, other.external_id, other.structure_revision) == ("mes", imported.external_id, "")
    assert [(row.item, row.open.value) for row in other.components] == [(bolt, "4")]
    row = structures[nut]
    assert (row.effective_date.year, row.base_quantity.value) == (2021, "10")
    assert [(part.item, part.numerator, part.denominator) for part in row.components] == [(oil, 2, 7)]
    assert [(part.item, part.cost_percent.value) for part in row.outputs] == [(gas, "25")]
    assert {row.snapshot_time.ToJsonString() for row in found} == {found[0].snapshot_time.ToJsonString()}


@pytest.mark.rule("MAT-130")
async def test_all_parts_are_of_one_instant_whatever_happens_meanwhile(
    store: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning_snapshots, "PART", 1)
    made = await bill(store, [component(await item(store))])
    orders = [await ordered(store, made, 5, line_location="") for _ in range(2)]
    request = SimpleNamespace(parent=SITE, resume_token="")
    found: list[Any] = []
    async with store.processes["materials"].commands.open_unit() as unit:
        async for part in PlanningSnapshotService().stream_planning_snapshot(request, unit):
            if not found:
                for order in orders:
                    await store(PLANNER, production_pb2.CancelOrderRequest(name=order.name, reason="given up"))
            found.append(part)
    assert {order.name for order in orders} <= set(orders_of(found))
    assert [len(part.orders) + len(part.structures) for part in found] == [1] * len(found)
    after = await snapshot(store)
    assert not {order.name for order in orders} & set(orders_of(after))


@pytest.mark.rule("MAT-130")
async def test_a_token_goes_on_as_long_as_nothing_was_changed(store: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await bill(store, [component(await item(store))])
    *_, last = [await ordered(store, made, 5, line_location="") for _ in range(3)]
    with statements_of(store.processes["materials"].engine) as seen:
        whole = orders_of(await snapshot(store))
    count = len(seen.with_part("known as"))
    monkeypatch.setattr(planning_snapshots, "PART", 2)
    with statements_of(store.processes["materials"].engine) as seen:
        parts = await snapshot(store)
    assert len(seen.with_part("known as")) == count
    assert len(parts) > 2
    await stocked(store, await item(store), 1)  # what is no order changes nothing
    rest = await snapshot(store, parts[0].resume_token)
    assert rest[0].snapshot_time == parts[0].snapshot_time
    assert orders_of([parts[0], *rest]) == whole
    with pytest.raises(Refused) as refused:
        await snapshot(store, parts[0].resume_token, "sam")
    assert (refused.value.reason, refused.value.fields) == ("FIELD_INVALID", ["resume_token"])
    await store(PLANNER, production_pb2.CancelOrderRequest(name=last.name, reason="given up"))
    with pytest.raises(Refused) as refused:
        await snapshot(store, parts[0].resume_token)
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "SNAPSHOT_OUTDATED")
