"""Needs told by materials and maintenance: never two for one need, totals followed, ends followed."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plantops.maintenance.v1.events_pb2 import WorkOrderCancelled, WorkOrderRescheduled
from plantops.materials.v1.events_pb2 import (
    ReplenishmentNeeded,
    ReservationAllocated,
    ReservationReleased,
    ReservationShort,
)
from plantops.procurement.v1 import purchase_orders_pb2, requisitions_pb2
from plantops.procurement.v1.events_pb2 import RequisitionCreated

from tests.procurement import builders as make
from tests.procurement.builders import SITE, Partner, Tier, money, pieces, unique
from tests.world import Plant

pytestmark = pytest.mark.played_partner
State = requisitions_pb2.Requisition.State


@pytest.fixture(scope="module")
async def item(plant: Plant) -> str:
    await make.site(plant)
    return await make.bought_item(plant, [("0", "10")], rank=1)


@pytest.fixture
def partner(plant: Plant) -> Partner:
    return Partner(plant)


def reservation() -> str:
    return f"{SITE}/reservations/{unique('r')}"


def short(name: str, item: str, quantity: str, **fields: Any) -> Any:
    given_fields = {"cover": "UNCOVERED", "demand": "d1", "demand_version": 1, "cause": "not enough", **fields}
    return ReservationShort(
        reservation=name, item=item, site=SITE, short_quantity=pieces(quantity), **given_fields
    )  # fmt: skip


def asked(name: str, item: str, quantity: str) -> Any:
    return ReplenishmentNeeded(
        supply_request=name, item=item, site=SITE, quantity=pieces(quantity), outcome="BUY", policy_revision="p/r1",
        need_date=make.day(date(2027, 2, 1)),
    )  # fmt: skip


async def needs(plant: Plant, source: str) -> list[tuple[str, str]]:
    """(state, quantity) of the requisitions of a source, oldest first."""
    found = await make.requisitions_of(plant, source=source)
    return [(State.Name(need.state), need.quantity.value) for need in found]


async def ordered(plant: Plant, source: str) -> Any:
    """The open requisition of a source in a draft order."""
    found = await make.requisitions_of(plant, source=source)
    (need,) = [need for need in found if need.state in (State.SUBMITTED, State.APPROVED)]
    if need.state == State.SUBMITTED:
        await plant("ada", requisitions_pb2.ApproveRequisitionRequest(name=need.name))
    return await make.draft(plant, need)


async def cancel(plant: Plant, order: Any) -> None:
    await plant("ben", purchase_orders_pb2.CancelPurchaseOrderRequest(name=order.name, reason="too late"))


# --- shortages ---------------------------------------------------------------------------------------------


@pytest.mark.rule("PRC-55")
@pytest.mark.rule("PRC-57")
async def test_a_shortage_is_one_requisition_that_follows_it(plant: Plant, item: str, partner: Partner) -> None:
    name = reservation()
    work_order = f"{SITE}/workOrders/{unique('w')}"
    need_time = datetime(2027, 1, 3, 23, 30, tzinfo=UTC)  # half past midnight in Hamburg
    first = short(name, item, "4", work_order=work_order, delivery_location=f"{SITE}/locations/staging")
    first.need_time.FromDatetime(need_time)
    told = partner.event(first, correlation=work_order)
    assert await partner.apply(*told) == "applied"
    assert await partner.apply(*told) == "known"
    (need,) = await make.requisitions_of(plant, source=name)
    assert (need.source_kind, need.work_order, need.demand) == (need.SHORTAGE, work_order, "d1")
    assert (need.need_date.month, need.need_date.day) == (1, 4)
    assert (need.requester, need.reason, need.estimate) == ("services/materials", "not enough", money("40"))
    await partner.tell(short(name, item, "6"))
    await partner.tell(short(name, item, "2"))
    assert await needs(plant, name) == [("SUBMITTED", "2")]


@pytest.mark.rule("PRC-55")
async def test_what_others_cover_is_not_bought(plant: Plant, item: str, partner: Partner) -> None:
    name = reservation()
    await partner.tell(short(name, item, "4", cover="COVERED_BY_POLICY"))
    assert await needs(plant, name) == []
    await partner.tell(short(name, item, "4"))
    await partner.tell(short(name, item, "4", cover="COVERED_BY_SUPPLY"))
    assert await needs(plant, name) == [("CANCELLED", "4")]


@pytest.mark.rule("PRC-59")
@pytest.mark.parametrize("end", [ReservationAllocated, ReservationReleased])
async def test_an_ended_shortage_cancels_what_is_not_ordered(
    plant: Plant, item: str, partner: Partner, end: Any
) -> None:
    name = reservation()
    await partner.tell(short(name, item, "4"))
    await partner.tell(end(reservation=name, item=item))
    assert await needs(plant, name) == [("CANCELLED", "4")]
    await partner.tell(short(name, item, "3"))  # short again: a new need
    assert await needs(plant, name) == [("CANCELLED", "4"), ("SUBMITTED", "3")]


@pytest.mark.rule("PRC-57")
async def test_what_is_ordered_is_not_asked_for_again(plant: Plant, item: str, partner: Partner) -> None:
    name = reservation()
    await partner.tell(short(name, item, "4"))
    order = await ordered(plant, name)
    await partner.tell(short(name, item, "4"))
    assert await needs(plant, name) == [("CLOSED", "4")]
    await partner.tell(short(name, item, "9"))
    assert await needs(plant, name) == [("CLOSED", "4"), ("SUBMITTED", "5")]
    await partner.tell(short(name, item, "4"))
    assert await needs(plant, name) == [("CLOSED", "4"), ("CANCELLED", "5")]
    assert order.lines[0].quantity.value == "4"


@pytest.mark.rule("PRC-59")
async def test_a_cancelled_order_gives_back_only_what_is_still_needed(
    plant: Plant, item: str, partner: Partner
) -> None:
    name = reservation()
    await partner.tell(short(name, item, "4"))
    order = await ordered(plant, name)
    await partner.tell(short(name, item, "3"))
    await cancel(plant, order)
    assert await needs(plant, name) == [("APPROVED", "3")]
    order = await ordered(plant, name)
    await partner.tell(ReservationReleased(reservation=name, item=item))
    await cancel(plant, order)
    assert await needs(plant, name) == [("CANCELLED", "3")]


@pytest.mark.rule("PRC-57")
async def test_a_need_that_comes_back_and_its_rest_become_one(plant: Plant, item: str, partner: Partner) -> None:
    name = reservation()
    await partner.tell(short(name, item, "4"))
    order = await ordered(plant, name)
    await partner.tell(short(name, item, "9"))
    await cancel(plant, order)
    assert sorted(await needs(plant, name)) == [("CANCELLED", "5"), ("SUBMITTED", "9")]  # more than was approved


@pytest.mark.rule("PRC-57")
async def test_goods_that_were_refused_are_asked_for_again(plant: Plant, item: str, partner: Partner) -> None:
    from plantops.materials.v1.events_pb2 import InspectionDecided

    name = reservation()
    await partner.tell(short(name, item, "4"))
    order = await ordered(plant, name)
    order = await make.issue(plant, await make.approve(plant, await make.submitted(plant, order)))
    receipt = await make.receive(plant, order, "4", status="INSPECTION")
    split = InspectionDecided.Split(outcome="BLOCKED", quantity=pieces("4"))
    await partner.tell(
        InspectionDecided(
            inspection_lot=f"{SITE}/inspectionLots/{unique('l')}", receipt=receipt, receipt_line=1,
            purchase_order=order.name, order_line=10, splits=[split],
        )
    )  # fmt: skip
    await partner.tell(short(name, item, "4"))
    assert await needs(plant, name) == [("CLOSED", "4"), ("SUBMITTED", "4")]


@pytest.mark.rule("PRC-65")
async def test_a_rejected_need_that_is_told_again_names_the_old_one(plant: Plant, item: str, partner: Partner) -> None:
    name = reservation()
    await partner.tell(short(name, item, "4"))
    (need,) = await make.requisitions_of(plant, source=name)
    await plant("ada", requisitions_pb2.RejectRequisitionRequest(name=need.name, reason="too dear"))
    await partner.tell(short(name, item, "4"))
    again = (await make.requisitions_of(plant, source=name))[1]
    assert again.explanation[0] == f"asked again after {need.name} was rejected: too dear"


# --- replenishment -----------------------------------------------------------------------------------------


@pytest.mark.rule("PRC-67")
async def test_a_supply_request_is_one_requisition_with_its_total_and_version(
    plant: Plant, item: str, partner: Partner
) -> None:
    name = f"{SITE}/supplyRequests/{unique('s')}"
    await partner.tell(asked(name, item, "50"))
    await partner.tell(asked(name, item, "80"))
    (need,) = await make.requisitions_of(plant, source=name)
    assert (need.quantity, need.source_version, need.reason) == (pieces("80"), 2, "asked by p/r1")
    query = "select payload from outbox where aggregate_id = %s order by pos"
    told = [RequisitionCreated.FromString(bytes(row[0])) for row in plant.rows("procurement", query, need.name)]
    assert [(event.supply_request, event.supply_request_version, event.quantity.value) for event in told] == [
        (name, 1, "50"), (name, 2, "80"),
    ]  # fmt: skip


@pytest.mark.rule("PRC-67")
async def test_a_raised_total_asks_for_what_no_order_carries(plant: Plant, item: str, partner: Partner) -> None:
    name = f"{SITE}/supplyRequests/{unique('s')}"
    await partner.tell(asked(name, item, "50"))
    await ordered(plant, name)
    await partner.tell(asked(name, item, "80"))
    assert await needs(plant, name) == [("CLOSED", "50"), ("SUBMITTED", "30")]


async def test_what_is_not_to_be_bought_makes_no_requisition(plant: Plant, item: str, partner: Partner) -> None:
    event = asked(f"{SITE}/supplyRequests/{unique('s')}", item, "50")
    event.outcome = "TRANSFER"
    await partner.tell(event)
    assert await needs(plant, event.supply_request) == []


# --- decided by a rule -------------------------------------------------------------------------------------


@pytest.mark.rule("PRC-65")
@pytest.mark.rule("PRC-75")
async def test_a_raised_need_is_decided_again_and_a_smaller_one_stays_approved(plant: Plant, partner: Partner) -> None:
    item = await make.bought_item(plant, [("0", "10")])
    name = reservation()
    async with make.in_force(plant, "APPROVE", requisition_tiers=[Tier(up_to=money("100"), automatic=True)]) as rule:
        await partner.tell(short(name, item, "8"))
        (need,) = await make.requisitions_of(plant, source=name)
        assert (need.state, need.approver) == (State.APPROVED, rule.name)
        await partner.tell(short(name, item, "5"))
        (need,) = await make.requisitions_of(plant, source=name)
        assert (need.state, need.quantity) == (State.APPROVED, pieces("5"))
        await partner.tell(short(name, item, "10"))
        (need,) = await make.requisitions_of(plant, source=name)
        assert (need.state, need.quantity) == (State.APPROVED, pieces("10"))  # within the limit: the rule again
        await partner.tell(short(name, item, "10.000001"))
        (need,) = await make.requisitions_of(plant, source=name)
        assert (need.state, need.approver) == (State.SUBMITTED, "")


@pytest.mark.rule("PRC-75")
async def test_a_persons_approval_does_not_hold_for_more(plant: Plant, item: str, partner: Partner) -> None:
    name = reservation()
    await partner.tell(short(name, item, "4"))
    (need,) = await make.requisitions_of(plant, source=name)
    await plant("ada", requisitions_pb2.ApproveRequisitionRequest(name=need.name))
    await partner.tell(short(name, item, "5"))
    (need,) = await make.requisitions_of(plant, source=name)
    assert (need.state, need.approver) == (State.SUBMITTED, "")


@pytest.mark.rule("SEC-29")
async def test_needs_approved_by_a_rule_stay_within_its_rolling_limit(plant: Plant, partner: Partner) -> None:
    item = await make.bought_item(plant, [("0", "10")])
    names = [reservation() for _ in range(3)]
    async with make.in_force(plant, "APPROVE", requisition_tiers=[Tier(up_to=money("100"), automatic=True)]):
        for name in names:
            await partner.tell(short(name, item, "4"))
    states = [(await needs(plant, name))[0][0] for name in names]
    assert states == ["APPROVED", "APPROVED", "SUBMITTED"]


# --- work orders -------------------------------------------------------------------------------------------


@pytest.mark.rule("PRC-60")
async def test_a_cancelled_work_order_needs_nothing_and_a_moved_one_later(
    plant: Plant, item: str, partner: Partner
) -> None:
    work_order = f"{SITE}/workOrders/{unique('w')}"
    waiting, carried = reservation(), reservation()
    for name in (waiting, carried):
        await partner.tell(short(name, item, "4", work_order=work_order))
    order = await ordered(plant, carried)
    moved = WorkOrderRescheduled(work_order=work_order)
    moved.planned_start_time.FromDatetime(datetime(2027, 6, 30, 22, 30, tzinfo=UTC))
    await partner.tell(moved)
    (need,) = await make.requisitions_of(plant, source=waiting)
    assert (need.need_date.month, need.need_date.day) == (7, 1)
    await partner.tell(WorkOrderCancelled(work_order=work_order, reason="no longer"))
    assert await needs(plant, waiting) == [("CANCELLED", "4")]
    assert await needs(plant, carried) == [("CLOSED", "4")]  # an order is not changed by an event
    await cancel(plant, order)
    assert await needs(plant, carried) == [("CANCELLED", "4")]


@pytest.mark.rule("REL-48")
@given(order=st.permutations(range(3)), doubled=st.lists(st.integers(0, 2), max_size=2))
async def test_a_cancelled_work_order_buys_nothing_whatever_is_heard_first(
    plant: Plant, item: str, order: list[int], doubled: list[int]
) -> None:
    """Two streams know no order between each other; within an aggregate the version is kept."""
    partner, name = Partner(plant), reservation()
    work_order = f"{SITE}/workOrders/{unique('w')}"
    events = [
        partner.event(short(name, item, "4", work_order=work_order)),
        partner.event(ReservationReleased(reservation=name, item=item)),
        partner.event(WorkOrderCancelled(work_order=work_order, reason="no longer")),
    ]
    for index in [*order, *doubled]:
        await partner.apply(*events[index])
    assert await needs(plant, name) == [("CANCELLED", "4")]


@pytest.mark.rule("PRC-57")
@given(
    totals=st.lists(st.integers(0, 12), min_size=1, max_size=5), order_after=st.integers(0, 4), cancelled=st.booleans()
)
async def test_orders_and_requisitions_together_are_what_is_asked_for(
    plant: Plant, item: str, totals: list[int], order_after: int, cancelled: bool
) -> None:
    """Whatever is told and ordered in between: open and ordered never exceed the larger of order and need."""
    partner, name = Partner(plant), reservation()
    carried = None
    for index, total in enumerate(totals):
        if total:
            await partner.tell(short(name, item, str(total)))
        else:
            await partner.tell(ReservationAllocated(reservation=name, item=item))
        if index == order_after and total:
            carried = await ordered(plant, name)
    found = await needs(plant, name)
    open_now = sum(int(quantity) for state, quantity in found if state in ("SUBMITTED", "APPROVED"))
    in_order = sum(int(quantity) for state, quantity in found if state == "CLOSED")
    assert sum(state in ("SUBMITTED", "APPROVED") for state, _ in found) <= 1
    assert open_now == max(0, totals[-1] - in_order)
    if carried is not None and cancelled:
        await cancel(plant, carried)
        after = await needs(plant, name)
        still_open = [int(quantity) for state, quantity in after if state in ("SUBMITTED", "APPROVED")]
        assert still_open == ([totals[-1]] if totals[-1] else [])
