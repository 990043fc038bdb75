"""Deliveries that are not as ordered: spread, over, without order, given up."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from plantops.materials.v1 import receipts_pb2, tasks_pb2
from plantops.procurement.v1 import events_pb2 as procurement

from tests.materials.builders import (
    SITE,
    arrived,
    balances,
    counted,
    expected,
    fresh,
    item,
    numbered,
    ordered,
    position,
    purchase_order,
    q,
    reason,
    received,
    scanned,
    tell,
    told,
    worth,
)
from tests.plant import Refused
from tests.world import Plant, site_today

Receipt = receipts_pb2.Receipt
Expected = receipts_pb2.ExpectedReceipt


async def due(plant: Plant, name: str) -> Any:
    return await plant("vic", receipts_pb2.GetExpectedReceiptRequest(name=name))


async def read(plant: Plant, name: str) -> Any:
    return await plant("vic", receipts_pb2.GetReceiptRequest(name=name))


async def preview(plant: Plant, receipt: str, item_name: str, value: int, **given: Any) -> Sequence[Any]:
    request = receipts_pb2.PreviewReceiptLineRequest(name=receipt, item=item_name, quantity=q(value), **given)
    return list((await plant("sam", request)).parts)


async def cancel(plant: Plant, name: str) -> Any:
    return await plant("sam", receipts_pb2.CancelReceiptRequest(name=name, reason="wrong dock"))


async def allowing(plant: Plant, item_name: str, value: int, action: str) -> str:
    """An order whose excess is treated so; gives its expected receipt."""
    order = purchase_order()
    event = ordered(procurement.PurchaseOrderIssued, order, item_name, value)
    event.lines[0].schedules[0].over_receipt_action = action
    await tell(plant, "procurement", event, correlation=order)
    return f"{SITE}/expectedReceipts/{order.rsplit('/', 1)[-1]}-1-1"


async def exceptions_of(plant: Plant, receipt: str) -> list[Any]:
    answer = await plant("vic", tasks_pb2.ListTasksRequest(parent=SITE, filter=f'receipt = "{receipt}"'))
    return [task for task in answer.tasks if task.kind == tasks_pb2.Task.EXCEPTION_TASK]


@pytest.mark.rule("MAT-97")
async def test_a_receipt_that_is_given_up_is_awaited_again_and_over(store: Plant) -> None:
    name = await item(store)
    row = await expected(store, name, 5)
    receipt = await arrived(store)
    await counted(store, receipt.name, scanned(name, 5))
    assert (await due(store, row)).state == Expected.COMPLETE
    assert (await cancel(store, receipt.name)).state == Receipt.CANCELLED
    found = await due(store, row)
    assert (found.received.value, found.state) == ("0", Expected.OPEN)
    assert await balances(store, name) == {}
    for again in (
        cancel(store, receipt.name),
        store("sam", receipts_pb2.PostReceiptRequest(name=receipt.name)),
        store("sam", receipts_pb2.ReverseReceiptRequest(name=receipt.name, reason="x")),
        counted(store, receipt.name, scanned(name, 1)),
    ):
        with pytest.raises(Refused) as refused:
            await again
        assert refused.value.reason == "TRANSITION_NOT_ALLOWED"
    posted = await received(store, scanned(name, 5))
    with pytest.raises(Refused) as late:
        await cancel(store, posted.name)
    assert late.value.reason == "TRANSITION_NOT_ALLOWED"


@pytest.mark.rule("MAT-96")
async def test_a_scan_is_spread_over_open_lines_and_shown_before(store: Plant) -> None:
    name = await item(store, tracking="SERIAL")
    today = site_today()
    late = await expected(store, name, 5, expected=today + timedelta(days=9))
    soon = await expected(store, name, 2, expected=today + timedelta(days=1))
    receipt = await arrived(store)
    shown = await preview(store, receipt.name, name, 3)
    assert [(part.expected_receipt, part.quantity, part.over) for part in shown] == [
        (soon, q(2), False), (late, q(1), False),
    ]  # fmt: skip
    assert (await due(store, soon)).received.value == "0"
    numbers = [fresh("s") for _ in range(3)]
    (outcome,) = await counted(store, receipt.name, scanned(name, 3, serial_numbers=numbers))
    assert (outcome.line.line, outcome.line.quantity) == (1, q(2))
    posted = await store("sam", receipts_pb2.PostReceiptRequest(name=receipt.name))
    lines = posted.lines
    assert [(line.expected_receipt, line.quantity, line.spread_of) for line in lines] == [
        (soon, q(2), 0), (late, q(1), 1),
    ]  # fmt: skip
    assert [len(line.serials) for line in lines] == [2, 1]
    assert len({serial for line in lines for serial in line.serials}) == 3
    assert [(await due(store, row)).received.value for row in (soon, late)] == ["2", "1"]
    assert worth(store, name)[0] == D(3)
    with pytest.raises(Refused) as refused:
        await preview(store, (await arrived(store)).name, name, 5)
    assert refused.value.reason == "OVER_RECEIPT"


@pytest.mark.rule("MAT-96")
@pytest.mark.parametrize(("action", "asks"), [("QUARANTINE", "accepts"), ("AMEND", "amended")])
async def test_what_is_beyond_the_limit_comes_in_blocked_where_the_order_says_so(
    store: Plant, action: str, asks: str
) -> None:
    name = await item(store)
    row = await allowing(store, name, 5, action)
    receipt = await arrived(store)
    shown = await preview(store, receipt.name, name, 7)
    assert [(part.quantity, part.over) for part in shown] == [(q(5), False), (q(2), True)]
    await counted(store, receipt.name, scanned(name, 7), scanned(name, 1, expected_receipt=row), scanned(name, 1))
    after = position(store)
    posted = await store("sam", receipts_pb2.PostReceiptRequest(name=receipt.name))
    assert [(line.quantity, line.status, line.over) for line in posted.lines] == [
        (q(5), Receipt.UNRESTRICTED, False),
        (q(2), Receipt.BLOCKED, True), (q(1), Receipt.BLOCKED, True), (q(1), Receipt.BLOCKED, True),
    ]  # fmt: skip
    assert (await due(store, row)).received.value == "5"
    assert await balances(store, name) == {
        ("dock", "UNRESTRICTED"): (D(5), D(0)), ("dock", "BLOCKED"): (D(4), D(0)),
    }  # fmt: skip
    asked = await exceptions_of(store, posted.name)
    assert len(asked) == 3
    assert all(asks in task.note for task in asked)
    event = told(store, "ReceiptPosted", after=after)[0]
    assert [line.over for line in event.lines] == [False, True, True, True]
    await store("sam", receipts_pb2.ReverseReceiptRequest(name=posted.name, reason="x"))
    assert (await due(store, row)).received.value == "0"
    assert await balances(store, name) == {}


@pytest.mark.rule("MAT-96")
async def test_an_order_that_says_nothing_of_excess_takes_none(store: Plant) -> None:
    name = await item(store)
    row = await allowing(store, name, 5, "SOMETHING_NEW")
    assert (await due(store, row)).over_receipt_action == Expected.REJECT
    outcomes = await counted(store, (await arrived(store)).name, scanned(name, 6), scanned(name, 5))
    assert [reason(outcome) for outcome in outcomes] == ["OVER_RECEIPT", ""]


@pytest.mark.rule("MAT-97")
async def test_goods_without_an_order_come_in_blocked_and_a_person_is_asked(store: Plant) -> None:
    name = await item(store, inspect_receipts=True)
    receipt = await arrived(store)
    outcomes = await counted(
        store, receipt.name,
        scanned(name, 3),
        scanned(name, 3, without_order=True, expected_receipt=f"{SITE}/expectedReceipts/x"),
        scanned(name, 3, without_order=True, documents=["EN-10204-3.1 4711"]),
    )  # fmt: skip
    assert [reason(outcome) for outcome in outcomes] == ["OVER_RECEIPT", "FIELD_INVALID", ""]
    posted = await store("sam", receipts_pb2.PostReceiptRequest(name=receipt.name))
    (line,) = posted.lines
    assert (line.status, line.purchase_order, line.order_quantity) == (Receipt.BLOCKED, "", q(3))
    assert list(line.documents) == ["EN-10204-3.1 4711"]
    assert await balances(store, name) == {("dock", "BLOCKED"): (D(3), D(0))}
    (asked,) = await exceptions_of(store, posted.name)
    assert asked.note.endswith("came without an order")
    assert line.put_away_task


@pytest.mark.rule("MAT-98")
async def test_goods_of_a_suspended_supplier_are_inspected_and_a_person_is_asked(store: Plant) -> None:
    name, supplier = await item(store), fresh("suppliers/s")
    await expected(store, name, 9, supplier=supplier)
    statuses = []
    for state in ("ACTIVE", "SUSPENDED", "ACTIVE"):
        changed = procurement.SupplierChanged(supplier=supplier, number="S-1", title="Acme", state=state)
        await tell(store, "procurement", numbered(changed, supplier))
        receipt = await arrived(store, supplier)
        await counted(store, receipt.name, scanned(name, 2), scanned(name, 1, without_order=True))
        posted = await store("sam", receipts_pb2.PostReceiptRequest(name=receipt.name))
        statuses.append([line.status for line in posted.lines])
        notes = [task.note for task in await exceptions_of(store, posted.name)]
        assert sum("which is suspended" in note for note in notes) == (state == "SUSPENDED")
        assert bool(posted.lines[0].inspection_lot) is (state == "SUSPENDED")
    usable = [Receipt.UNRESTRICTED, Receipt.BLOCKED]
    assert statuses == [usable, [Receipt.INSPECTION, Receipt.BLOCKED], usable]
