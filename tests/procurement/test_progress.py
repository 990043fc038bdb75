"""Receipts, reversals and inspections: progress of order lines, whatever is heard first."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plantops.materials.v1 import inspections_pb2, locations_pb2, receipts_pb2
from plantops.materials.v1.events_pb2 import InspectionDecided, ItemChanged, ReceiptPosted, ReceiptReversed
from plantops.procurement.v1.purchase_orders_pb2 import PurchaseOrder

from tests.procurement import builders as make
from tests.procurement.builders import SITE, Partner, pieces, receipt_line, unique
from tests.world import Plant

State = PurchaseOrder.State


@pytest.fixture(scope="module")
async def item(plant: Plant) -> str:
    await make.site(plant)
    return await make.bought_item(plant, [("0", "10")], rank=1, over_percent="10")


def receipt() -> str:
    return f"{SITE}/receipts/{unique('r')}"


def decision(name: str, order: Any, *, number: int = 1, lot: str = "", **outcomes: str) -> Any:
    splits = [
        InspectionDecided.Split(outcome=outcome.upper(), quantity=pieces(quantity))
        for outcome, quantity in outcomes.items()
    ]
    return InspectionDecided(
        inspection_lot=lot or f"{SITE}/inspectionLots/{unique('l')}", receipt=name, receipt_line=number,
        purchase_order=order.name, order_line=10, splits=splits,
    )  # fmt: skip


def counts(order: Any) -> tuple[str, str, str]:
    line = order.lines[0]
    return line.received.value, line.accepted.value, line.rejected.value


@pytest.mark.rule("PRC-126")
@pytest.mark.rule("PRC-150")
@pytest.mark.played_partner
async def test_an_order_closes_by_itself_when_all_has_come(plant: Plant, item: str) -> None:
    order = await make.issued(plant, item)
    await make.receive(plant, order, "4")
    found = await make.read_order(plant, order.name)
    assert (counts(found), found.state) == (("4", "4", "0"), State.ISSUED)
    await make.receive(plant, order, "7")  # one more than ordered: within tolerance
    found = await make.read_order(plant, order.name)
    assert (counts(found), found.state) == (("11", "11", "0"), State.CLOSED)


@pytest.mark.rule("PRC-158")
@pytest.mark.rule("PRC-160")
@pytest.mark.played_partner
async def test_refused_goods_have_come_and_the_order_closes_when_all_is_decided(plant: Plant, item: str) -> None:
    order = await make.issued(plant, item)
    name = await make.receive(plant, order, "10", status="INSPECTION")
    found = await make.read_order(plant, order.name)
    assert (counts(found), found.state) == (("10", "0", "0"), State.ISSUED)
    partner, lot = Partner(plant), f"{SITE}/inspectionLots/{unique('l')}"
    await partner.tell(decision(name, order, lot=lot, unrestricted="7", blocked="1"))
    found = await make.read_order(plant, order.name)
    assert (counts(found), found.state) == (("10", "7", "1"), State.ISSUED)
    await partner.tell(decision(name, order, lot=lot, scrap="2"))
    found = await make.read_order(plant, order.name)
    assert (counts(found), found.state) == (("10", "7", "3"), State.CLOSED)


@pytest.mark.rule("PRC-158")
@pytest.mark.played_partner
async def test_shares_of_another_unit_end_at_exactly_what_was_received(plant: Plant, item: str) -> None:
    boxed = await make.bought_item(plant, [("0", "30")], unit_code="XBX", base_numerator=3)
    order = await make.issued(plant, boxed, "3")
    partner, name, lot = Partner(plant), receipt(), f"{SITE}/inspectionLots/{unique('l')}"
    line = ReceiptPosted.Line(
        receipt_line=1, purchase_order=order.name, order_line=10, quantity=pieces("3"),
        order_quantity=pieces("1", "XBX"), status="INSPECTION",
    )  # fmt: skip
    await partner.tell(ReceiptPosted(receipt=name, lines=[line]))
    for accepted in ("0.333333", "0.666667"):  # thirds that cannot be written
        await partner.tell(decision(name, order, lot=lot, unrestricted="1"))
        found = await make.read_order(plant, order.name)
        assert (found.lines[0].accepted.value, found.state) == (accepted, State.ISSUED)
    await partner.tell(decision(name, order, lot=lot, unrestricted="1"))
    found = await make.read_order(plant, order.name)
    assert (found.lines[0].accepted.value, found.state) == ("1", State.CLOSED)


@pytest.mark.rule("PRC-161")
@pytest.mark.played_partner
async def test_a_reversal_takes_exactly_its_receipt_back_and_opens_the_order(plant: Plant, item: str) -> None:
    order = await make.issued(plant, item)
    await make.receive(plant, order, "4")
    partner, name = Partner(plant), receipt()
    lines = [receipt_line(order, "6")]
    await partner.tell(ReceiptPosted(receipt=name, lines=lines))
    assert (await make.read_order(plant, order.name)).state == State.CLOSED
    back = partner.event(ReceiptReversed(receipt=name, lines=lines))
    for _ in range(2):
        await partner.apply(*back)
    found = await make.read_order(plant, order.name)
    assert (counts(found), found.state) == (("4", "4", "0"), State.ISSUED)
    query = "select aggregate_type from outbox where aggregate_id = %s order by pos"
    assert [row[0] for row in plant.rows("procurement", query, order.name)] == [
        "PurchaseOrderIssued", "PurchaseOrderClosed", "PurchaseOrderChanged",
    ]  # fmt: skip


@pytest.mark.rule("REL-48")
@pytest.mark.rule("PRC-161")
@pytest.mark.played_partner
@given(order=st.permutations(range(6)), doubled=st.lists(st.integers(0, 5), max_size=3))
async def test_any_order_of_receipts_reversals_and_decisions_ends_alike(
    plant: Plant, item: str, order: list[int], doubled: list[int]
) -> None:
    bought = await make.issued(plant, item)
    partner, one, two, three = Partner(plant), receipt(), receipt(), receipt()
    taken_back = [receipt_line(bought, "3")]
    lot = f"{SITE}/inspectionLots/{unique('l')}"
    events = [
        partner.event(ReceiptPosted(receipt=one, lines=[receipt_line(bought, "4")])),
        partner.event(ReceiptPosted(receipt=two, lines=[receipt_line(bought, "6", number=2, status="INSPECTION")])),
        partner.event(decision(two, bought, number=2, lot=lot, unrestricted="4")),
        partner.event(decision(two, bought, number=2, lot=lot, blocked="2")),
        partner.event(ReceiptPosted(receipt=three, lines=taken_back)),
        partner.event(ReceiptReversed(receipt=three, lines=taken_back)),
    ]
    for index in [*order, *doubled]:
        await partner.apply(*events[index])
    found = await make.read_order(plant, bought.name)
    assert (counts(found), found.state) == (("10", "8", "2"), State.CLOSED)


@pytest.mark.played_partner
async def test_receipts_of_other_orders_and_of_none_change_nothing(plant: Plant, item: str) -> None:
    before = make.state_of(plant)
    line = ReceiptPosted.Line(receipt_line=1, purchase_order=f"{SITE}/purchaseOrders/none", order_line=10)
    await Partner(plant).tell(ReceiptPosted(receipt=receipt(), lines=[line, ReceiptPosted.Line(receipt_line=2)]))
    assert make.state_of(plant) == before


@pytest.mark.played_partner
@pytest.mark.rule("PRC-150")
async def test_a_receipt_of_a_cancelled_order_is_a_fact_all_the_same(plant: Plant, item: str) -> None:
    from plantops.procurement.v1 import purchase_orders_pb2

    order = await make.issued(plant, item)
    await plant("ben", purchase_orders_pb2.CancelPurchaseOrderRequest(name=order.name, reason="too late"))
    await make.receive(plant, order, "10")
    found = await make.read_order(plant, order.name)
    assert (counts(found), found.state) == (("10", "10", "0"), State.CANCELLED)


@pytest.mark.played_partner
@pytest.mark.rule("REL-34")
async def test_an_older_version_of_an_item_does_not_overwrite_a_newer_one(plant: Plant, item: str) -> None:
    partner, name = Partner(plant), f"items/{unique('item')}"
    old, new = (partner.event(ItemChanged(item=name, title=title, base_unit_code="H87")) for title in ("old", "new"))
    assert await partner.apply(*new) == "waiting"
    assert await partner.apply(*old) == "applied"
    assert await partner.apply(*old) == "known"
    assert plant.value("procurement", "select title from item_fact where name = %s", name) == "new"


@pytest.mark.rule("PRC-151")
@pytest.mark.rule("PRC-158")
async def test_goods_that_materials_receives_and_inspects_close_the_order(plant: Plant) -> None:
    """The partner is real: expected receipt, scan, posting and usage decision in materials."""
    item = await make.item(plant, inspect_receipts=True, tracking="LOT")
    await make.offer(plant, await make.supplier(plant), item)
    dock = locations_pb2.Location(title="dock", kind="DOCK", check_code="C-dock")
    await plant("mara", locations_pb2.CreateLocationRequest(parent=SITE, location_id="dock", location=dock))
    order = await make.issued(plant, item, "2")
    await plant.settle()
    listed = await plant("sam", receipts_pb2.ListExpectedReceiptsRequest(parent=SITE, filter=f'item = "{item}"'))
    (expected,) = listed.expected_receipts
    assert (expected.purchase_order, expected.quantity) == (order.name, pieces("2"))
    start = receipts_pb2.StartReceiptRequest(
        parent=SITE, supplier=order.supplier, delivery_note=unique("dn"), location=f"{SITE}/locations/dock"
    )
    found = await plant("sam", start)
    scan = receipts_pb2.AddReceiptLineRequest(
        expected_receipt=expected.name, item=item, quantity=pieces("2"), lot_number="L1",
        request_id="018f2d3a-0000-4000-8000-00000000000a",
    )  # fmt: skip
    await plant("sam", receipts_pb2.BatchAddReceiptLinesRequest(parent=found.name, requests=[scan]))
    await plant("sam", receipts_pb2.PostReceiptRequest(name=found.name))
    await plant.settle()
    assert counts(await make.read_order(plant, order.name)) == ("2", "0", "0")
    listed = await plant("ines", inspections_pb2.ListInspectionLotsRequest(parent=SITE, filter=f'item = "{item}"'))
    (lot,) = listed.inspection_lots
    split = inspections_pb2.InspectionLot.Split(outcome="UNRESTRICTED", quantity=pieces("2"))
    await plant("ines", inspections_pb2.DecideUsageRequest(name=lot.name, splits=[split]))
    await plant.settle()
    closed = await make.read_order(plant, order.name)
    assert (counts(closed), closed.state) == (("2", "2", "0"), State.CLOSED)
    assert plant.parked() == []
