"""Goods that go back to suppliers, goods that stay theirs, and how these become the company's."""

from decimal import Decimal as D
from typing import Any

import pytest
from google.type.money_pb2 import Money
from plantops.materials.v1 import inspections_pb2, movements_pb2, receipts_pb2, serials_pb2, tasks_pb2

from tests.materials.builders import (
    SITE,
    SUPPLIER,
    arrived,
    at,
    balances,
    call,
    claim_of,
    counted,
    eur,
    expected,
    fresh,
    item,
    movement,
    position,
    post,
    purchase_order,
    q,
    reason,
    received,
    reserved,
    scanned,
    told,
    worth,
)
from tests.materials.serials import stand, steps, tool
from tests.materials.shipping import refused
from tests.world import Plant

pytestmark = pytest.mark.played_partner


def back(receipt: Any, value: Any, line: int = 1, **given: Any) -> Any:
    """What goes back to the supplier of a receipt line, from the dock."""
    values = {"location": at("dock"), "status": "UNRESTRICTED", "reason_code": "BROKEN", **given}
    return receipts_pb2.ReturnToSupplierRequest(name=receipt.name, line=line, quantity=q(value), **values)


def takes_over(item_name: str, value: Any, cost: Money, **given: Any) -> Any:
    """Consigned goods on the shelf become the company's."""
    values = {"location": at("shelf"), "supplier": SUPPLIER, "purchase_order": f"{SITE}/purchaseOrders/po", **given}
    return movements_pb2.ChangeOwnerRequest(
        parent=SITE, item=item_name, quantity=q(value), order_line=3, value=cost, **values
    )


@pytest.mark.rule("MAT-48")
async def test_goods_go_back_at_the_cost_of_their_receipt_and_procurement_hears_of_it(store: Plant) -> None:
    name, order = await item(store), purchase_order()
    await expected(store, name, 3, price=Money(currency_code="EUR", units=3, nanos=333_333_333), order=order)
    receipt = await received(store, scanned(name, 3))
    await expected(store, name, 3, price=eur(9))
    await received(store, scanned(name, 3))
    assert worth(store, name)[:2] == (6, D(37))
    for wrong, field in (
        (back(receipt, 1, 2), "line"),
        (back(receipt, 0), "quantity.value"),
        (back(receipt, 1, location=at("none")), "location"),
    ):
        assert (await refused(store, wrong, "sam")).metadata["field"] == field
    before = position(store)
    given = {"authorised_return": f"{SITE}/returns/r1", "replacement_expected": True}
    receipt = await store("sam", back(receipt, 1, **given))
    (event,) = told(store, "MovementPosted", after=before)
    assert (event.kind, event.receipt, event.receipt_line, event.purchase_order, event.order_line) == (
        "RETURN_TO_SUPPLIER", receipt.name, 1, order, 1,
    )  # fmt: skip
    assert (event.supplier, event.authorised_return, event.replacement_expected) == (
        SUPPLIER, f"{SITE}/returns/r1", True,
    )  # fmt: skip
    assert (receipt.lines[0].returned, worth(store, name)[1]) == (q(1), D("33.67"))
    assert (await refused(store, back(receipt, 3), "sam")).reason == "TOLERANCE_EXCEEDED"
    reversal = receipts_pb2.ReverseReceiptRequest(name=receipt.name, reason="wrong")
    assert (await refused(store, reversal, "sam")).reason == "STOCK_MOVED_ON"
    receipt = await store("sam", back(receipt, 2))
    assert worth(store, name)[:2] == (3, D(27))
    assert (await refused(store, back(receipt, 1), "sam")).reason == "TOLERANCE_EXCEEDED"
    (event, last) = told(store, "MovementPosted", after=before)
    request = movements_pb2.ReverseMovementRequest(name=last.movement, reason="no")
    assert (await refused(store, request)).reason == "BELONGS_TO_DOCUMENT"
    open_one = await arrived(store)
    assert (await refused(store, back(open_one, 1), "sam")).reason == "TRANSITION_NOT_ALLOWED"


@pytest.mark.rule("MAT-16")
async def test_a_serial_that_went_back_comes_in_by_naming_the_return(store: Plant) -> None:
    name, numbers = await tool(store), [fresh("S"), fresh("S")]
    await expected(store, name, 4)
    receipt = await received(store, scanned(name, 2, serial_numbers=numbers))
    one, other = receipt.lines[0].serials
    after = position(store)
    receipt = await store("sam", back(receipt, 1, serials=[one]))
    (gone,) = told(store, "MovementPosted", after=after)
    assert await stand(store, one) == ("", "", gone.movement)
    assert (await refused(store, back(receipt, 1, serials=[one]), "sam")).reason == "SERIAL_NOT_RECEIVED"
    number = (await store("vic", serials_pb2.GetSerialRequest(name=one))).number
    next_one = await arrived(store)
    for given, why in (
        ({}, "SERIAL_EXISTS"),
        ({"returns": f"{SITE}/movements/none"}, "FIELD_INVALID"),
    ):
        (outcome,) = await counted(store, next_one.name, scanned(name, 1, serial_numbers=[number], **given))
        assert reason(outcome) == why
    (outcome,) = await counted(store, next_one.name, scanned(name, 1, serial_numbers=[number], returns=gone.movement))
    assert reason(outcome) == ""
    await store("sam", receipts_pb2.PostReceiptRequest(name=next_one.name))
    assert (await stand(store, one))[0] == "dock"
    assert [step.to_location.rsplit("/", 1)[-1] for step in await steps(store, one)] == ["dock", "v-supplier", "dock"]
    assert (await stand(store, other))[0] == "dock"


@pytest.mark.rule("MAT-184")
async def test_consigned_goods_have_no_value_until_they_change_owner(store: Plant) -> None:
    name = await item(store, inspect_receipts=True)
    await expected(store, name, 9, price=eur(4))
    receipt = await received(store, scanned(name, 5, consigned=True))
    assert (receipt.lines[0].owner, worth(store, name)) == (SUPPLIER, (0, 0, 0))
    split = inspections_pb2.InspectionLot.Split(outcome="UNRESTRICTED", quantity=q(5))
    lot_name = receipt.lines[0].inspection_lot
    await store("ines", inspections_pb2.DecideUsageRequest(name=lot_name, splits=[split]))
    task = receipt.lines[0].put_away_task
    await store("sam", tasks_pb2.ConfirmPutAwayRequest(name=task, location=at("shelf")))
    await post(store, movement("MOVE", name, 1, from_location=at("shelf"), to_location=at("bin"), owner=SUPPLIER))
    wrong = movement("MOVE", name, 1, from_location=at("shelf"), to_location=at("bin"), owner="people/sam")
    request = movements_pb2.CreateMovementRequest(parent=SITE, movement=wrong)
    assert (await refused(store, request)).metadata["field"] == "movement.owner"
    assert worth(store, name) == (0, 0, 0)
    for spoilt, field in (
        (takes_over(name, 1, eur(1), supplier="people/sam"), "supplier"),
        (takes_over(name, 1, Money(currency_code="USD", units=1)), "value"),
        (takes_over(name, 1, Money(currency_code="EUR", nanos=1)), "value"),
        (takes_over(name, 0, eur(1)), "quantity.value"),
        (takes_over("items/none", 1, eur(1)), "item"),
        (takes_over(name, 1, eur(1), location=at("none")), "location"),
        (takes_over(name, 1, eur(1), handling_unit="sites/x/handlingUnits/y"), "handling_unit"),
    ):
        assert (await refused(store, spoilt)).metadata["field"] == field
    assert (await refused(store, takes_over(name, 5, eur(20)))).reason == "NOT_ENOUGH_STOCK"
    before = position(store)
    moved = await call(store, "stella", takes_over(name, 3, eur(12, 50)))
    (event,) = told(store, "MovementPosted", after=before)
    assert (event.kind, event.supplier, event.order_line) == ("OWNER_CHANGE", SUPPLIER, 3)
    assert [(entry.owner, entry.value.units, entry.value.nanos) for entry in event.entries] == [
        (SUPPLIER, -12, -500_000_000), ("", 12, 500_000_000),
    ]  # fmt: skip
    assert worth(store, name)[:2] == (3, D("12.5"))
    await call(store, "stella", movements_pb2.ReverseMovementRequest(name=moved.name, reason="too early"))
    assert worth(store, name) == (0, 0, 0)
    receipt = await store("sam", back(receipt, 1, location=at("bin")))
    assert worth(store, name) == (0, 0, 0)


@pytest.mark.rule("MAT-70")
async def test_stock_that_changes_owner_goes_to_who_waits_for_it(store: Plant) -> None:
    name = await item(store)
    await post(store, movement("OPENING", name, 2, to_location=at("shelf"), owner=SUPPLIER))
    claim = await reserved(store, name, 1)
    assert claim.allocations == []
    await call(store, "stella", takes_over(name, 2, eur(2)))
    assert [row.quantity for row in (await claim_of(store, claim.work_order)).allocations] == [q(1)]
    assert await balances(store, name) == {("shelf", "UNRESTRICTED"): (2, 1)}
