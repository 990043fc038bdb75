"""From approved requisitions to an issued order: conversion, approval, issue."""

import asyncio
from datetime import date
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from plantops.procurement.v1 import purchase_orders_pb2 as pb
from plantops.procurement.v1 import suppliers_pb2
from plantops.procurement.v1.events_pb2 import PurchaseOrderIssued

from services.procurement.model.purchase_order import digest_of
from tests.plant import Refused
from tests.procurement import builders as make
from tests.procurement.builders import SITE, Tier, money, pieces, refused
from tests.world import Plant

State = pb.PurchaseOrder.State


@pytest.fixture(scope="module", autouse=True)
async def item(plant: Plant) -> str:
    await make.site(plant)
    await make.site(plant, "antwerp", "Europe/Brussels")
    return await make.bought_item(plant, [("0", "10")], rank=1, over_percent="2")


# --- conversion --------------------------------------------------------------------------------------------


@pytest.mark.rule("PRC-64")
async def test_minimum_and_break_apply_to_the_sum_and_cover_stays_per_need(plant: Plant, item: str) -> None:
    terms = [("100", "2.40"), ("250", "2.10")]
    bearing = await make.bought_item(plant, terms, minimum_quantity="100", multiple="25", rank=1)
    first = await make.approved(plant, bearing, "137", need_date=make.day(date(2027, 5, 5)))
    second = await make.approved(plant, bearing, "100", need_date=make.day(date(2027, 5, 3)))
    order = await make.draft(plant, first, second)
    (line,) = order.lines
    assert (line.quantity, line.unit_price, line.net, order.net) == (
        pieces("250"), money("2.10"), money("525"), money("525"),
    )  # fmt: skip
    assert (line.requested_date.month, line.requested_date.day) == (5, 3)
    assert {row.requisition: row.quantity.value for row in line.references} == {first.name: "137", second.name: "100"}
    for need in (first, second):
        found = await make.read_need(plant, need.name)
        assert (found.state, found.purchase_order) == (found.CLOSED, order.name)


@pytest.mark.rule("PRC-62")
async def test_a_requisition_is_carried_by_one_order_even_when_two_buyers_are_quick(plant: Plant, item: str) -> None:
    need = await make.approved(plant, item)
    outcomes = await asyncio.gather(
        *(make.draft(plant, need, by=buyer) for buyer in ("ben", "otto")), return_exceptions=True
    )
    lost = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    assert [(refusal.code, refusal.reason) for refusal in lost] == [("FAILED_PRECONDITION", "ALREADY_ALLOCATED")]
    with refused(plant, "FAILED_PRECONDITION", "ALREADY_ALLOCATED"):
        await make.draft(plant, need)


async def test_what_is_not_approved_or_not_of_one_supplier_is_not_ordered(plant: Plant, item: str) -> None:
    waiting = await make.requisition(plant, item)
    with refused(plant, "FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED"):
        await make.draft(plant, waiting)
    here = await make.approved(plant, item)
    there = await make.approved(plant, await make.bought_item(plant))
    with refused(plant, "INVALID_ARGUMENT", "FIELD_INVALID", field="requisitions"):
        await make.draft(plant, here, there)
    with refused(plant, "FAILED_PRECONDITION", "NO_SOURCE"):
        await make.draft(plant, here, there, supplier_name=here.supplier)
    nobody = await make.approved(plant, await make.item(plant))
    with refused(plant, "FAILED_PRECONDITION", "NO_SOURCE"):
        await make.draft(plant, nobody)


async def test_a_named_supplier_is_taken_if_it_may_deliver(plant: Plant, item: str) -> None:
    need = await make.approved(plant, item)
    other = await make.supplier(plant)
    await make.offer(plant, other, item, [("50", "9")], rank=2)
    with refused(plant, "FAILED_PRECONDITION", "NO_PRICE"):
        await make.draft(plant, need, supplier_name=other)
    await plant("ben", suppliers_pb2.SuspendSupplierRequest(name=other, reason="late"))
    with refused(plant, "FAILED_PRECONDITION", "SUPPLIER_ON_HOLD"):
        await make.draft(plant, need, supplier_name=other)
    with refused(plant, "NOT_FOUND", "RESOURCE_NOT_FOUND"):
        await make.draft(plant, need, supplier_name="suppliers/nobody")


@pytest.mark.rule("PRC-5")
async def test_an_order_has_the_currency_of_its_prices(plant: Plant) -> None:
    item = await make.bought_item(plant)
    need = await make.approved(plant, item)
    changed = suppliers_pb2.Supplier(name=need.supplier, currency_code="USD")
    await plant("ben", suppliers_pb2.UpdateSupplierRequest(supplier=changed))
    with refused(plant, "INVALID_ARGUMENT", "CURRENCY_MISMATCH", field="supplier"):
        await make.draft(plant, need)


@pytest.mark.rule("PRC-6")
async def test_the_order_unit_has_a_factor_that_is_pinned_on_the_line(plant: Plant) -> None:
    item = await make.bought_item(plant, [("0", "30")], unit_code="XBX", base_numerator=12, multiple="1")
    order = await make.draft(plant, await make.approved(plant, item, "13"))
    (line,) = order.lines
    assert (line.quantity, line.base_numerator, line.net) == (pieces("2", "XBX"), 12, money("60"))
    assert line.references[0].quantity == pieces("1.083333", "XBX")


# --- approval ----------------------------------------------------------------------------------------------


@pytest.mark.rule("PRC-120")
async def test_an_order_goes_from_draft_over_approval_to_the_supplier(plant: Plant, item: str) -> None:
    order = await make.draft(plant, await make.approved(plant, item))
    assert (order.state, order.author, order.content_hash, order.revision) == (State.DRAFT, "people/ben", "", 1)
    order = await make.submitted(plant, order)
    assert (order.state, len(order.content_hash)) == (State.PENDING_APPROVAL, 64)
    order = await make.approve(plant, order)
    assert (order.state, order.approver) == (State.APPROVED, "people/ada")
    order = await plant("ben", pb.IssuePurchaseOrderRequest(name=order.name, etag=order.etag))
    assert (order.state, order.channel) == (State.ISSUED, "by hand: people/ben")
    assert order.HasField("issue_time")
    assert await make.read_order(plant, order.name) == order
    listed = await plant("vic", pb.ListPurchaseOrdersRequest(parent=SITE, filter=f'number = "{order.number}"'))
    assert list(listed.purchase_orders) == [order]


@pytest.mark.rule("PRC-121")
@pytest.mark.rule("PRC-122")
async def test_the_kept_revision_hashes_to_what_was_approved_and_cannot_be_changed(plant: Plant, item: str) -> None:
    order = await make.approved_order(plant, await make.approved(plant, item))
    kept = await plant("vic", pb.GetPurchaseOrderRevisionRequest(name=f"{order.name}/revisions/r1"))
    assert (kept.content_hash, kept.approver) == (order.content_hash, "people/ada")
    content = MessageToDict(kept.content)
    assert digest_of(content) == order.content_hash
    assert content["lines"][0]["quantity"] == "10"
    assert "number_value" not in str(kept.content)  # no floating number on its way
    listed = await plant("vic", pb.ListPurchaseOrderRevisionsRequest(parent=order.name))
    assert list(listed.purchase_order_revisions) == [kept]
    with plant.look("procurement") as connection, pytest.raises(Exception, match="append-only"):
        connection.execute("update purchase_order_revision set approver = 'x' where name = %s", [kept.name])


@pytest.mark.rule("PRC-122")
async def test_an_approval_or_issue_of_other_content_is_refused(plant: Plant, item: str) -> None:
    order = await make.submitted(plant, await make.draft(plant, await make.approved(plant, item)))
    with refused(plant, "ABORTED", "CONTENT_CHANGED"):
        await plant("ada", pb.ApprovePurchaseOrderRequest(name=order.name, content_hash="0" * 64))
    await make.approve(plant, order)
    with plant.look("procurement") as connection:  # somebody at the database
        connection.execute("update purchase_order_line set unit_price = 11 where purchase_order = %s", [order.name])
    with refused(plant, "ABORTED", "CONTENT_CHANGED"):
        await make.issue(plant, order)


@pytest.mark.rule("PRC-72")
@pytest.mark.rule("SEC-27")
async def test_nobody_who_asked_made_or_edited_it_approves_an_order(plant: Plant, item: str) -> None:
    asked = await make.approved(plant, item, by="otto")
    order = await make.submitted(plant, await make.draft(plant, asked))
    with refused(plant, "PERMISSION_DENIED", "SEGREGATION_OF_DUTIES"):
        await make.approve(plant, order, by="otto")
    made = await make.submitted(plant, await make.draft(plant, await make.approved(plant, item), by="otto"))
    change = pb.RevisePurchaseOrderRequest(
        name=made.name, line=10, expected_date=make.day(date(2027, 1, 1)), reason="x"
    )
    made = await make.submitted(plant, await plant("ben", change))
    with refused(plant, "PERMISSION_DENIED", "SEGREGATION_OF_DUTIES") as caught:
        await make.approve(plant, made, by="otto")  # the last editor is ben; otto made it
    assert caught.value.metadata["earlier_act"] == "people/otto"


@pytest.mark.rule("SEC-28")
@pytest.mark.rule("PRC-73")
async def test_duties_hold_through_acting_for_somebody_and_in_the_database(plant: Plant, item: str) -> None:
    order = await make.submitted(plant, await make.draft(plant, await make.approved(plant, item)))
    token = plant.issuer.token("people/ada", {"-": ["approver"]}, on_behalf_of="people/ben")
    request = pb.ApprovePurchaseOrderRequest(name=order.name, content_hash=order.content_hash)
    with refused(plant, "PERMISSION_DENIED", "SEGREGATION_OF_DUTIES"):
        await plant("ada", request, token=token)
    with plant.look("procurement") as connection, pytest.raises(Exception, match="duties"):
        connection.execute("update purchase_order set approver = 'people/ben' where name = %s", [order.name])


@pytest.mark.rule("PRC-27")
async def test_who_let_a_supplier_in_does_not_approve_its_first_order(plant: Plant) -> None:
    item = await make.bought_item(plant)  # made by ben, activated by otto
    first = await make.submitted(plant, await make.draft(plant, await make.approved(plant, item)))
    with refused(plant, "PERMISSION_DENIED", "SEGREGATION_OF_DUTIES"):
        await make.approve(plant, first, by="otto")
    await make.approve(plant, first)
    second = await make.submitted(plant, await make.draft(plant, await make.approved(plant, item)))
    assert (await make.approve(plant, second, by="otto")).state == State.APPROVED


@pytest.mark.rule("PRC-70")
@pytest.mark.rule("SEC-29")
async def test_a_rule_approves_up_to_its_rolling_limit_and_a_decision_starts_it_anew(plant: Plant) -> None:
    item = await make.bought_item(plant, [("0", "3000")])
    tiers = [Tier(up_to=money("5000"), automatic=True), Tier(up_to=money("10000"))]
    async with make.in_force(plant, "APPROVE", order_tiers=tiers) as revision:
        orders = [await make.draft(plant, await make.approved(plant, item, "1")) for _ in range(3)]
        first = await make.submitted(plant, orders[0])
        assert (first.state, first.approver) == (State.APPROVED, revision.name)
        assert first.explanation == [
            f"approve policy {revision.name}: level 1: 3000 is at most 5000: approved by the rule"
        ]
        second = await make.submitted(plant, orders[1])
        assert second.state == State.PENDING_APPROVAL  # 6000 in the window
        await make.approve(plant, second)
        third = await make.submitted(plant, orders[2])
        assert third.state == State.APPROVED


@pytest.mark.rule("SEC-30")
async def test_of_two_orders_submitted_at_once_a_rule_approves_one(plant: Plant) -> None:
    item = await make.bought_item(plant, [("0", "3000")])
    async with make.in_force(plant, "APPROVE", order_tiers=[Tier(up_to=money("5000"), automatic=True)]):
        orders = [await make.draft(plant, await make.approved(plant, item, "1")) for _ in range(2)]
        found = await asyncio.gather(*(make.submitted(plant, order) for order in orders))
    assert sorted(order.state for order in found) == [State.PENDING_APPROVAL, State.APPROVED]


@pytest.mark.rule("SEC-29")
@pytest.mark.rule("SEC-30")
async def test_three_orders_of_4000_do_not_pass_a_ceiling_of_10000(plant: Plant) -> None:
    item = await make.bought_item(plant, [("0", "4000")])
    needs = [await make.approved(plant, item, "1") for _ in range(3)]
    async with make.in_force(plant, "APPROVE", ceiling=money("10000")):
        for need in needs[:2]:
            await make.approved_order(plant, need)
        third = await make.submitted(plant, await make.draft(plant, needs[2]))
        with refused(plant, "PERMISSION_DENIED", "LIMIT_EXCEEDED") as caught:
            await make.approve(plant, third)
        assert (caught.value.metadata["total"], caught.value.metadata["ceiling"]) == ("12000", "10000")


async def test_a_rule_does_not_approve_above_the_ceiling(plant: Plant) -> None:
    item = await make.bought_item(plant, [("0", "200")])
    need = await make.approved(plant, item, "1")
    tier = Tier(up_to=money("5000"), automatic=True)
    async with make.in_force(plant, "APPROVE", order_tiers=[tier], ceiling=money("100")):
        order = await make.submitted(plant, await make.draft(plant, need))
        assert order.state == State.PENDING_APPROVAL


@pytest.mark.rule("PRC-75")
async def test_an_order_that_is_sent_back_has_no_approval_any_more(plant: Plant, item: str) -> None:
    order = await make.approved_order(plant, await make.approved(plant, item))
    back = await plant("ada", pb.RejectPurchaseOrderRequest(name=order.name, reason="wrong place"))
    assert (back.state, back.approver, back.content_hash, back.revision) == (State.DRAFT, "", "", 2)
    assert not back.HasField("approve_time")
    assert back.explanation[-1] == "sent back by people/ada: wrong place"
    with refused(plant, "FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED"):
        await make.approve(plant, order)  # with the hash that was approved before
    with refused(plant, "FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED"):
        await make.issue(plant, order)
    again = await make.approve(plant, await make.submitted(plant, back))
    listed = await plant("vic", pb.ListPurchaseOrderRevisionsRequest(parent=order.name))
    assert [row.revision for row in listed.purchase_order_revisions] == [1, 2]
    assert again.state == State.APPROVED


async def test_nothing_is_submitted_or_issued_to_a_supplier_on_hold(plant: Plant) -> None:
    item = await make.bought_item(plant)
    first, second = await make.approved(plant, item), await make.approved(plant, item)
    approved = await make.approved_order(plant, first)
    waiting = await make.draft(plant, second)
    await plant("ben", suppliers_pb2.SuspendSupplierRequest(name=approved.supplier, reason="late"))
    with refused(plant, "FAILED_PRECONDITION", "SUPPLIER_ON_HOLD"):
        await make.issue(plant, approved)
    with refused(plant, "FAILED_PRECONDITION", "SUPPLIER_ON_HOLD"):
        await make.submitted(plant, waiting)


@pytest.mark.rule("PRC-151")
async def test_an_issued_order_is_told_with_lines_limits_and_needs(plant: Plant, item: str) -> None:
    need = await make.approved(plant, item, need_date=make.day(date(2027, 1, 4)))
    order = await make.issue(plant, await make.approved_order(plant, need))
    query = "select payload from outbox where aggregate_id = %s and aggregate_type = 'PurchaseOrderIssued'"
    event = PurchaseOrderIssued.FromString(bytes(plant.value("procurement", query, order.name)))
    assert (event.number, event.supplier, event.revision) == (order.number, order.supplier, 1)
    assert (event.content_hash, event.currency_code, event.version) == (order.content_hash, "EUR", 1)
    (line,) = event.lines
    (schedule,) = line.schedules
    assert (line.kind, line.item, line.unit_price, line.price_base_quantity.value) == ("STOCK", item, money("10"), "1")
    assert (schedule.quantity, schedule.open_quantity, schedule.accept_limit) == (
        pieces("10"), pieces("10"), pieces("10.2"),
    )  # fmt: skip
    assert (schedule.base_numerator, schedule.base_denominator) == (1, 1)
    assert schedule.requested_date == make.day(date(2027, 1, 4))
    assert schedule.HasField("expected_date")
    assert [row.requisition for row in line.references] == [need.name]


async def test_permission_site_etag_and_unknown_names_are_checked(plant: Plant, item: str) -> None:
    need = await make.approved(plant, item)
    order = await make.submitted(plant, await make.draft(plant, await make.approved(plant, item)))

    def calls(name: str) -> list[Any]:
        return [
            pb.SubmitPurchaseOrderRequest(name=name),
            pb.ApprovePurchaseOrderRequest(name=name, content_hash=order.content_hash),
            pb.RejectPurchaseOrderRequest(name=name, reason="x"),
            pb.RevisePurchaseOrderRequest(name=name, line=10, expected_date=make.day(date(2027, 1, 1)), reason="x"),
            pb.IssuePurchaseOrderRequest(name=name),
            pb.ShortClosePurchaseOrderRequest(name=name, line=10, reason="x"),
            pb.ClosePurchaseOrderRequest(name=name),
            pb.CancelPurchaseOrderRequest(name=name, reason="x"),
        ]

    def reads(name: str) -> list[Any]:
        return [
            pb.GetPurchaseOrderRequest(name=name),
            pb.GetPurchaseOrderRevisionRequest(name=f"{name}/revisions/r1"),
        ]

    convert = pb.ConvertRequisitionsRequest(parent=SITE, requisitions=[need.name])
    for request in (*calls(order.name), convert):
        with refused(plant, "PERMISSION_DENIED", "PERMISSION_DENIED"):
            await plant("vic", request)
    listing = [
        pb.ListPurchaseOrdersRequest(parent=SITE),
        pb.ListPurchaseOrderRevisionsRequest(parent=order.name),
    ]
    for request in (*calls(order.name), *reads(order.name), *listing, convert):
        with refused(plant, "PERMISSION_DENIED", "PERMISSION_DENIED"):
            await plant("eve", request)
    with refused(plant, "NOT_FOUND", "RESOURCE_NOT_FOUND"):  # a requisition of a site that she does not see
        await make.draft(plant, need, by="eve", parent="sites/antwerp")
    for request in (*calls(f"{SITE}/purchaseOrders/none"), *reads(f"{SITE}/purchaseOrders/none")):
        with refused(plant, "NOT_FOUND", "RESOURCE_NOT_FOUND"):
            await plant("otto", request)
    for request in (
        pb.SubmitPurchaseOrderRequest(name=order.name, etag='"99"'),
        pb.IssuePurchaseOrderRequest(name=order.name, etag='"99"'),
        pb.ClosePurchaseOrderRequest(name=order.name, etag='"99"'),
        pb.RevisePurchaseOrderRequest(
            name=order.name, line=10, expected_date=make.day(date(2027, 1, 1)), reason="x", etag='"99"'
        ),
    ):
        with refused(plant, "ABORTED", "ETAG_MISMATCH"):
            await plant("ben", request)
