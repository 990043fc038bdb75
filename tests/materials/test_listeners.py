"""What materials does when maintenance and procurement report something."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from plantops.maintenance.v1 import events_pb2 as maintenance
from plantops.maintenance.v1 import sites_pb2
from plantops.materials.v1 import items_pb2, locations_pb2, receipts_pb2, reservations_pb2
from plantops.procurement.v1 import events_pb2 as procurement
from plantops.procurement.v1 import requisitions_pb2

from tests.materials.builders import (
    SITE,
    approve,
    arrived,
    balances,
    claim_of,
    counted,
    day,
    expected,
    item,
    kinds_told,
    lot,
    numbered,
    ordered,
    position,
    purchase_order,
    q,
    reason,
    received,
    reserved,
    scanned,
    stocked,
    tell,
    told,
    work_order,
)
from tests.materials.policies import in_force, number, requests_of
from tests.plant import Refused
from tests.world import Plant, site_today

Reservation = reservations_pb2.Reservation
Expected = receipts_pb2.ExpectedReceipt

pytestmark = pytest.mark.played_partner


def parts(row: Any) -> tuple[str, ...]:
    """Requested, allocated, issued, short, released."""
    return (
        row.requested.value, row.allocated.value, row.issued.value, row.short.value, row.released.value,
    )  # fmt: skip


async def due(plant: Plant, name: str) -> Any:
    return await plant("vic", receipts_pb2.GetExpectedReceiptRequest(name=name))


async def issue(plant: Plant, row: Any, value: int) -> Any:
    return await plant("sam", reservations_pb2.IssueReservationRequest(name=row.name, quantity=q(value)))


async def test_a_site_of_maintenance_brings_its_virtual_places_once(store: Plant) -> None:
    await store(
        "root",
        sites_pb2.CreateSiteRequest(
            site_id="bremen",
            site=sites_pb2.Site(title="Bremen", time_zone="Europe/Berlin", currency_code="EUR", country_code="DE"),
        ),
    )
    await store("root", sites_pb2.UpdateSiteRequest(site=sites_pb2.Site(name="sites/bremen", title="Bremen harbour")))
    await store.settle()
    listed = await store("vic", locations_pb2.ListLocationsRequest(parent="sites/bremen"))
    assert [row.name.rsplit("/", 1)[-1] for row in listed.locations] == [
        "v-adjustment", "v-consumed", "v-customer", "v-inter-site", "v-opening", "v-production", "v-scrap",
        "v-supplier",
    ]  # fmt: skip


@pytest.mark.rule("SEC-4")
async def test_a_persons_access_ends_when_the_grant_does(store: Plant) -> None:
    grant = maintenance.PersonChanged.Grant(role="auditor", site="-")
    grant.from_time.FromDatetime(datetime.now(UTC) - timedelta(days=1))
    event = maintenance.PersonChanged(person="people/new", state="ACTIVE", grants=[grant])
    await tell(store, "maintenance", numbered(event, "people/new"))
    client = store.client("materials", "people/new", {"-": ["auditor"]})
    await client(items_pb2.ListItemsRequest())
    await tell(
        store, "maintenance", numbered(maintenance.PersonChanged(person="people/new", state="ACTIVE"), "people/new")
    )
    with pytest.raises(Refused) as refused:
        await client(items_pb2.ListItemsRequest())
    assert refused.value.code == "PERMISSION_DENIED"
    await tell(
        store, "maintenance", numbered(maintenance.PersonChanged(person="people/new", state="SUSPENDED"), "people/new")
    )
    with pytest.raises(Refused) as suspended:
        await client(items_pb2.ListItemsRequest())
    assert suspended.value.code == "PERMISSION_DENIED"


@pytest.mark.rule("MAT-80")
async def test_another_version_of_the_demands_applies_the_difference(store: Plant) -> None:
    one, two, three = [await item(store) for _ in range(3)]
    for name in (one, two, three):
        await stocked(store, name, 10)
    order = work_order()
    await approve(store, order, {"d1": (one, 4), "d2": (two, 4)})
    first = await claim_of(store, order)
    after = position(store)
    await approve(store, order, {"d1": (one, 6), "d3": (three, 2)}, version=2)
    row = await claim_of(store, order)
    assert (row.name, row.demand_version, parts(row)) == (first.name, 2, ("6", "6", "0", "0", "0"))
    gone = await claim_of(store, order, "d2")
    assert (gone.state, parts(gone)) == (Reservation.RELEASED, ("4", "0", "0", "0", "4"))
    assert (await claim_of(store, order, "d3")).state == Reservation.ALLOCATED
    assert kinds_told(store, after) == ["ReservationReleased", "ReservationAllocated", "ReservationAllocated"]
    assert (await balances(store, two))["shelf", "UNRESTRICTED"] == (D(10), D(0))
    await approve(store, order, {"d1": (one, 1)}, version=1)  # late: an older version
    assert parts(await claim_of(store, order)) == ("6", "6", "0", "0", "0")


async def test_a_smaller_demand_gives_back_and_the_next_gets_it(store: Plant) -> None:
    name, order = await item(store), work_order()
    await stocked(store, name, 10)
    await approve(store, order, {"d1": (name, 8)})
    waiting = await reserved(store, name, 5)
    await issue(store, await claim_of(store, order), 2)
    await approve(store, order, {"d1": (name, 4)}, version=2)
    assert parts(await claim_of(store, order)) == ("4", "2", "2", "0", "0")
    assert parts(await claim_of(store, waiting.work_order)) == ("5", "5", "0", "0", "0")
    await approve(store, order, {"d1": (name, 2)}, version=3)
    done = await claim_of(store, order)
    assert (done.state, parts(done)) == (Reservation.ISSUED, ("2", "0", "2", "0", "0"))
    await approve(store, order, {"d1": (name, 3)}, version=4)
    more = await claim_of(store, order)
    assert (more.state, parts(more)) == (Reservation.ALLOCATED, ("3", "1", "2", "0", "0"))


async def test_an_unknown_item_or_unit_is_short_with_its_cause(store: Plant) -> None:
    name, order = await item(store), work_order()
    await stocked(store, name, 10)
    after = position(store)
    await approve(store, order, {"d1": ("items/unknown", 2)})
    await approve(store, work_order(), {"d1": (name, 2)}, unit_code="KGM")
    events = told(store, "ReservationShort", after=after)
    assert [event.cause for event in events] == [
        "the item is not known", f"{name} has no conversion from KGM to H87.",
    ]  # fmt: skip
    assert events[1].short_quantity == q(2, "KGM")
    assert (await balances(store, name))["shelf", "UNRESTRICTED"] == (D(10), D(0))


@pytest.mark.rule("MAT-79")
@pytest.mark.parametrize("kind", ["completed", "closed", "cancelled"])
async def test_the_end_of_an_order_releases_what_is_left(store: Plant, kind: str) -> None:
    name, order = await item(store), work_order()
    await stocked(store, name, 5)
    await approve(store, order, {"d1": (name, 5)})
    waiting = await reserved(store, name, 2)
    await issue(store, await claim_of(store, order), 3)
    if kind == "completed":
        kept = maintenance.WorkOrderCompleted(work_order=order, keep_reservations=True)
        await tell(store, "maintenance", numbered(kept, order))
        assert parts(await claim_of(store, order)) == ("5", "2", "3", "0", "0")
    event = {
        "completed": maintenance.WorkOrderCompleted(work_order=order),
        "closed": maintenance.WorkOrderClosed(work_order=order),
        "cancelled": maintenance.WorkOrderCancelled(work_order=order, reason="no need"),
    }[kind]
    after = position(store)
    await tell(store, "maintenance", numbered(event, order))
    row = await claim_of(store, order)
    assert (row.state, parts(row)) == (Reservation.RELEASED, ("5", "0", "3", "0", "2"))
    assert kinds_told(store, after) == ["ReservationReleased", "ReservationAllocated"]
    assert kind in told(store, "ReservationReleased", after=after)[0].reason
    assert parts(await claim_of(store, waiting.work_order)) == ("2", "2", "0", "0", "0")


@pytest.mark.rule("MAT-88")
async def test_a_later_need_gives_back_what_expires_before_it(store: Plant) -> None:
    name, order = await item(store, tracking="LOT"), work_order()
    today = site_today()
    soon = await lot(store, name, expire_date=day(today + timedelta(days=5)))
    late = await lot(store, name, expire_date=day(today + timedelta(days=50)))
    for number_of in (soon, late):
        await stocked(store, name, 3, lot=number_of)
    await approve(store, order, {"d1": (name, 3)}, need=datetime.now(UTC) + timedelta(days=1))
    assert [taken.lot for taken in (await claim_of(store, order)).allocations] == [soon]
    event = maintenance.WorkOrderRescheduled(work_order=order, reason="later")
    event.planned_start_time.FromDatetime(datetime.now(UTC) + timedelta(days=20))
    await tell(store, "maintenance", numbered(event, order))
    row = await claim_of(store, order)
    assert [(taken.lot, taken.quantity.value) for taken in row.allocations] == [(late, "3")]
    assert row.need_time == event.planned_start_time


# --- procurement --------------------------------------------------------------------------------------------


@pytest.mark.rule("MAT-168")
async def test_a_shortage_that_an_order_covers_names_the_expected_receipt(store: Plant) -> None:
    name = await item(store)
    row = await expected(store, name, 5, expected=date(2030, 2, 3))
    after = position(store)
    claim = await reserved(store, name, 4)
    (event,) = told(store, "ReservationShort", after=after)
    assert (event.cover, event.supply, event.expected_date) == ("COVERED_BY_SUPPLY", row, day(date(2030, 2, 3)))
    assert claim.cover == Reservation.COVERED_BY_SUPPLY
    second = await reserved(store, name, 2)
    assert second.cover == Reservation.UNCOVERED


@pytest.mark.rule("MAT-168")
async def test_an_order_for_a_shortage_covers_it(store: Plant) -> None:
    name, order = await item(store), purchase_order()
    claim = await reserved(store, name, 4)
    await expected(store, name, 4, order=order, expected=date(2030, 2, 3), reservation=claim.name)
    row = await claim_of(store, claim.work_order)
    assert (row.cover, row.supply, row.expected_date) == (
        Reservation.COVERED_BY_SUPPLY, order, day(date(2030, 2, 3)),
    )  # fmt: skip
    await received(store, scanned(name, 4))
    done = await claim_of(store, claim.work_order)
    assert (done.state, done.cover, done.supply) == (Reservation.ALLOCATED, Reservation.COVER_UNSPECIFIED, "")


@pytest.mark.rule("MAT-169")
@pytest.mark.parametrize("kind", ["closed", "cancelled", "shortened", "dropped"])
async def test_what_an_order_brings_no_more_is_open_again(store: Plant, kind: str) -> None:
    name, order = await item(store), purchase_order()
    claim = await reserved(store, name, 4)
    row = await expected(store, name, 4, order=order, reservation=claim.name)
    event = {
        "closed": procurement.PurchaseOrderClosed(purchase_order=order, reason="short"),
        "cancelled": procurement.PurchaseOrderCancelled(purchase_order=order, reason="no need"),
        "shortened": None,
        "dropped": procurement.PurchaseOrderChanged(purchase_order=order, supplier="suppliers/acme"),
    }[kind]
    event = (
        ordered(procurement.PurchaseOrderChanged, order, name, 4, open_quantity=0)
        if event is None
        else numbered(event, order)
    )
    after = position(store)
    await tell(store, "procurement", event)
    assert (await due(store, row)).state == Expected.CLOSED
    (short,) = told(store, "ReservationShort", after=after)
    assert (short.reservation, short.cover, short.supply) == (claim.name, "UNCOVERED", "")
    assert order in short.cause


@pytest.mark.rule("MAT-169")
@pytest.mark.rule("MAT-167")
async def test_a_request_is_satisfied_by_its_order_and_asked_again_when_that_is_cancelled(
    store: Plant,
) -> None:
    name, order = await item(store), purchase_order()
    await in_force(store, name, reorder_point=number(5), order_quantity=number(10))
    (request,) = await requests_of(store, name)
    await store.settle()
    await expected(store, name, 10, order=order, supply_request=request.name)
    (request,) = await requests_of(store, name)
    assert (request.state, request.carried_by) == (type(request).SATISFIED, order)
    after = position(store)
    cancelled = procurement.PurchaseOrderCancelled(purchase_order=order, reason="no")
    await tell(store, "procurement", numbered(cancelled, order))
    (event,) = told(store, "ReplenishmentNeeded", after=after)
    assert (event.supply_request != request.name, event.quantity, event.version) == (True, q(10), 1)


async def test_a_requisition_that_is_refused_leaves_its_shortage_uncovered(store: Plant) -> None:
    name = await item(store)
    claim = await reserved(store, name, 4)
    await store.settle()
    carried = await claim_of(store, claim.work_order)
    assert carried.supply.startswith(f"{SITE}/requisitions/")
    await store("ada", requisitions_pb2.RejectRequisitionRequest(name=carried.supply, reason="no money"))
    await store.settle()
    row = await claim_of(store, claim.work_order)
    assert (row.state, row.cover, row.supply) == (Reservation.SHORT, Reservation.UNCOVERED, "")


async def test_goods_of_a_cancelled_order_are_not_accepted(store: Plant) -> None:
    name, order = await item(store), purchase_order()
    await expected(store, name, 4, order=order)
    cancelled = procurement.PurchaseOrderCancelled(purchase_order=order, reason="no")
    await tell(store, "procurement", numbered(cancelled, order))
    outcomes = await counted(store, (await arrived(store)).name, scanned(name, 1))
    assert reason(outcomes[0]) == "OVER_RECEIPT"
