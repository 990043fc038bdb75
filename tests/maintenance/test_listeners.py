"""What maintenance does with what materials and procurement tell, by events that these services really send."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from google.type.money_pb2 import Money
from plantops.maintenance.v1 import work_orders_pb2 as pb
from plantops.materials.v1 import events_pb2 as materials
from plantops.procurement.v1 import events_pb2 as procurement

from tests.maintenance import builders as make
from tests.plant import Refused
from tests.world import Plant, site_today

WorkOrder = pb.WorkOrder


@pytest.fixture(scope="module", autouse=True)
async def two_sites(plant: Plant) -> None:
    await make.sites(plant)


def parked(plant: Plant) -> list[Any]:
    """Events that maintenance could not apply."""
    return [row for row in plant.parked() if row[0].startswith("maintenance")]


class Reservation:
    """Tells what becomes of the first demand of an order, in the name of materials."""

    def __init__(self, plant: Plant, order: Any) -> None:
        self.plant = plant
        self.name = f"{make.HAMBURG}/reservations/{make.new_id('r')}"
        self.order = order
        self.version = 0

    async def tell(self, kind: Any, *, demand_version: int = 0, **given: Any) -> Any:
        """One event; gives the order as it stands then."""
        self.version += 1
        message = kind(
            reservation=self.name, work_order=self.order.name, demand="p1", item="items/filter",
            demand_version=demand_version or self.order.demand_version, version=self.version, **given,
        )  # fmt: skip
        await make.told(self.plant, "materials", message, correlation=self.order.name)
        assert parked(self.plant) == []
        return await make.get(self.plant, self.order.name)

    async def allocated(self, quantity: object, **given: Any) -> Any:
        return await self.tell(materials.ReservationAllocated, quantity=make.pieces(quantity), **given)

    async def short(self, quantity: object, **given: Any) -> Any:
        return await self.tell(
            materials.ReservationShort, short_quantity=make.pieces(quantity), site=make.HAMBURG, priority=3, **given
        )

    async def issued(self, quantity: object, movement: str, euros: int | None = None, cents: int = 0) -> Any:
        given: dict[str, Any] = {}
        if euros is not None:
            given["cost"] = Money(currency_code="EUR", units=euros, nanos=cents * 10**7)
        return await self.tell(materials.ReservationIssued, quantity=make.pieces(quantity), movement=movement, **given)

    async def released(self, **given: Any) -> Any:
        return await self.tell(
            materials.ReservationReleased,
            quantity=make.pieces(2),
            reason="lot on hold",
            requested_by="people/sam",
            **given,
        )


async def waiting(plant: Plant, quantity: object = 2) -> Reservation:
    """An approved order that waits for filters which materials does not know."""
    demand = pb.WorkOrder.PartDemand(item="items/filter", quantity=make.pieces(quantity), mandatory=True)
    order = await make.ready(plant, await make.asset(plant), part_demands=[demand])
    assert WorkOrder.State.Name(order.state) == "APPROVED"
    await plant.settle()
    return Reservation(plant, order)


def demand(order: Any) -> tuple[str, str, str]:
    row = order.part_demands[0]
    return WorkOrder.PartDemand.State.Name(row.state), row.allocated.value, row.issued.value


def state(order: Any) -> str:
    name: str = WorkOrder.State.Name(order.state)
    return name


@pytest.mark.rule("MNT-181")
async def test_a_part_that_is_reserved_in_full_makes_the_order_ready(plant: Plant) -> None:
    found = await waiting(plant)
    order = await found.allocated(2)
    assert (state(order), list(order.wait_reasons), demand(order)) == ("READY", [], ("ALLOCATED", "2", "0"))
    assert order.part_demands[0].reservation == found.name
    assert order.journal[-1].text == "ready: nothing hinders it"


@pytest.mark.rule("MNT-185")
async def test_a_short_part_keeps_the_order_waiting_and_says_when_it_is_expected(plant: Plant) -> None:
    found = await waiting(plant)
    order = await found.short(1, expected_date=make.day(date(2027, 1, 15)))
    assert (state(order), list(order.wait_reasons), demand(order)) == ("APPROVED", ["PARTS"], ("SHORT", "1", "0"))
    assert order.part_demands[0].expected_date == make.day(date(2027, 1, 15))
    order = await found.allocated(2)
    assert state(order) == "READY"


@pytest.mark.rule("MNT-182")
async def test_an_answer_to_an_earlier_demand_version_is_ignored(plant: Plant) -> None:
    found = await waiting(plant)
    same = pb.WorkOrder.PartDemand(item="items/filter", quantity=make.pieces(3), mandatory=True)
    await plant("paul", pb.ReviseWorkOrderRequest(name=found.order.name, part_demands=[same], reason="three"))
    await plant("ada", pb.ApproveWorkOrderRequest(name=found.order.name))
    order = await found.allocated(3, demand_version=1)
    assert (state(order), demand(order)) == ("APPROVED", ("SHORT", "0", "0"))
    order = await found.allocated(3, demand_version=2)
    assert state(order) == "READY"


@pytest.mark.rule("MNT-380")
async def test_events_of_unknown_orders_and_demands_are_taken_and_ignored(plant: Plant) -> None:
    found = await waiting(plant)
    before = await make.get(plant, found.order.name)
    event = materials.ReservationAllocated(
        reservation=f"{make.HAMBURG}/reservations/{make.new_id('x')}", work_order=f"{make.HAMBURG}/workOrders/none",
        demand="p1", quantity=make.pieces(1), version=1,
    )  # fmt: skip
    other = materials.ReservationAllocated(
        reservation=f"{make.HAMBURG}/reservations/{make.new_id('x')}", work_order=found.order.name, demand="p9",
        demand_version=1, quantity=make.pieces(1), version=1,
    )  # fmt: skip
    await make.told(plant, "materials", event, other)
    assert parked(plant) == []
    assert await make.get(plant, found.order.name) == before


@pytest.mark.rule("MNT-184")
@pytest.mark.rule("MNT-260")
async def test_cost_is_booked_once_for_each_movement_and_comes_back_with_the_part(plant: Plant) -> None:
    found = await waiting(plant)
    await found.allocated(2)
    first, second = f"{make.HAMBURG}/movements/1", f"{make.HAMBURG}/movements/2"
    order = await found.issued(1, first, 75, 50)
    assert (demand(order), order.cost.units, state(order)) == (("ALLOCATED", "1", "1"), 75, "READY")
    order = await found.issued(1, second, 75, 50)
    assert (demand(order), order.cost.units, order.cost.nanos) == (("ISSUED", "0", "2"), 151, 0)
    order = await found.issued(1, second, 75, 50)
    assert (demand(order), order.cost.units) == (("ISSUED", "0", "2"), 151)
    order = await found.issued(-1, f"{make.HAMBURG}/movements/3", -75, -50)
    assert (demand(order), order.cost.units, order.cost.nanos) == (("SHORT", "0", "1"), 75, 500_000_000)
    assert (state(order), list(order.wait_reasons)) == ("APPROVED", ["PARTS"])
    lines = sorted(
        (line.source, line.amount.units, WorkOrder.CostLine.Kind.Name(line.kind)) for line in order.cost_lines
    )
    assert [(amount, kind) for _, amount, kind in lines] == [(75, "PART"), (75, "PART"), (-75, "PART")]
    assert order.cost_lines[0].cost_date == make.day(site_today())


@pytest.mark.rule("MNT-152")
async def test_what_was_handed_out_cannot_be_cancelled_any_more(plant: Plant) -> None:
    found = await waiting(plant)
    await found.allocated(2)
    await found.issued(1, f"{make.HAMBURG}/movements/9")
    with pytest.raises(Refused) as refused:
        await plant("paul", pb.CancelWorkOrderRequest(name=found.order.name, reason="sold"))
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "ACTUALS_EXIST")
    begin = make.at(make.hours_ago(1))
    ended = await make.completed(plant, found.order.name, "NOT_DONE", start_time=begin)
    assert state(ended) == "COMPLETED"


@pytest.mark.rule("MNT-181")
async def test_a_reservation_that_is_released_makes_the_order_wait_again(plant: Plant) -> None:
    found = await waiting(plant)
    await found.allocated(2)
    order = await found.released()
    assert (state(order), list(order.wait_reasons), demand(order)) == ("APPROVED", ["PARTS"], ("RELEASED", "0", "0"))
    assert "reservation of items/filter released: lot on hold" in [entry.text for entry in order.journal]


@pytest.mark.rule("MNT-184")
async def test_what_is_reported_after_the_end_changes_no_state(plant: Plant) -> None:
    found = await waiting(plant)
    await found.allocated(2)
    await make.started(plant, found.order.name)
    order = await found.short(1)
    assert (state(order), list(order.wait_reasons)) == ("IN_PROGRESS", [])
    await make.completed(plant, found.order.name)
    order = await found.released()
    assert (state(order), list(order.wait_reasons)) == ("COMPLETED", [])
    order = await found.issued(2, f"{make.HAMBURG}/movements/5", 10)
    assert (state(order), order.cost.units) == ("COMPLETED", 10)


@pytest.mark.rule("MNT-185")
async def test_a_purchase_order_gives_the_expected_date_and_its_end_takes_it_back(plant: Plant) -> None:
    found = await waiting(plant)
    await found.short(2)
    name = f"{make.HAMBURG}/purchaseOrders/{make.new_id('po')}"
    reference = procurement.PurchaseOrderIssued.Reference(
        work_order=found.order.name, demand="p1", demand_version=1, quantity=make.pieces(2)
    )

    def lines(*days: date) -> list[Any]:
        schedules = [
            procurement.PurchaseOrderIssued.Schedule(schedule=n, quantity=make.pieces(1), expected_date=make.day(day))
            for n, day in enumerate(days, 1)
        ]
        stock = procurement.PurchaseOrderIssued.Reference(quantity=make.pieces(1))
        return [procurement.PurchaseOrderIssued.Line(schedules=schedules, references=[stock, reference])]

    async def expected(event: Any) -> Any:
        await make.told(plant, "procurement", event, correlation=found.order.name)
        assert parked(plant) == []
        row = (await make.get(plant, found.order.name)).part_demands[0]
        return row.expected_date if row.HasField("expected_date") else None

    first, last, later = date(2027, 2, 1), date(2027, 2, 8), date(2027, 3, 1)
    issued = procurement.PurchaseOrderIssued(purchase_order=name, lines=lines(last, first), version=1)
    assert await expected(issued) == make.day(last)
    changed = procurement.PurchaseOrderChanged(purchase_order=name, lines=lines(later), version=2)
    assert await expected(changed) == make.day(later)
    cancelled = procurement.PurchaseOrderCancelled(purchase_order=name, references=[reference], version=3)
    assert await expected(cancelled) is None


@pytest.mark.rule("MNT-381")
async def test_an_order_is_created_approved_begun_and_completed_without_any_answer(plant: Plant) -> None:
    found = await waiting(plant)
    await plant("paul", pb.StartWorkOrderRequest(name=found.order.name, override_reason="stores are closed"))
    done = await make.completed(plant, found.order.name)
    assert (state(done), Decimal(done.cost.units)) == ("COMPLETED", 0)
