"""What is bought for one work order comes in, is staged, handed over and sent back, and is never stock."""

import asyncio
from typing import Any

import pytest
from plantops.maintenance.v1 import events_pb2 as maintenance
from plantops.materials.v1 import direct_lines_pb2 as pb
from plantops.materials.v1 import receipts_pb2
from plantops.procurement.v1 import events_pb2 as procurement

from tests.materials.builders import (
    HEAD,
    SITE,
    arrived,
    at,
    contents,
    counted,
    expected,
    fresh,
    item,
    numbered,
    place,
    position,
    q,
    scanned,
    tell,
    told,
    work_order,
)
from tests.materials.direct import (
    State,
    back,
    bought,
    brought,
    came,
    count_in,
    handed,
    order_of,
    posted,
    read,
    task_of,
    tasks_of,
)
from tests.materials.places import refusal
from tests.materials.tasks import Task
from tests.world import Plant

pytestmark = pytest.mark.played_partner

STOCK = ("movement", "movement_entry", "balance", "allocation", "reservation", "lot", "inspection_lot", "value_balance")


async def workshop(plant: Plant) -> str:
    name = fresh("workshop")
    await place(plant, name, "STAGING", limits={"item_mixing": "FORBIDDEN"})
    return name


async def awaited(plant: Plant, order: str) -> list[Any]:
    request = receipts_pb2.ListExpectedReceiptsRequest(parent=SITE, filter=f'purchase_order = "{order}"')
    return list((await plant("vic", request)).expected_receipts)


async def receipt_of(plant: Plant, row: Any) -> Any:
    return await plant("vic", receipts_pb2.GetReceiptRequest(name=row.receipt))


@pytest.mark.rule("MAT-102")
@pytest.mark.rule("MAT-97")
async def test_a_line_is_received_staged_and_handed_over_beside_the_stock(store: Plant) -> None:
    to, wanted = await workshop(store), work_order()
    order = await bought(store, 2, to=to, work_order=wanted, text="Seal kit 4711")
    (open_one,) = await awaited(store, order)
    assert (open_one.item, open_one.text, open_one.work_order, open_one.demand, open_one.quantity.value) == (
        "", "Seal kit 4711", wanted, "d7", "2",
    )  # fmt: skip
    before, after = contents(store), position(store)
    receipt = await posted(store, order, 2)
    (row,) = receipt.direct_lines
    assert (row.state, row.location, row.line, list(row.documents)) == (State.RECEIVED, at("dock"), 1, ["CERT-1"])
    assert row.label_text == f"{receipt.number}-1: 2 H87 Seal kit 4711, for {wanted.rsplit('/', 1)[-1]}, to {to}"
    (event,) = told(store, "ReceiptPosted", after=after)
    (line,) = event.lines
    assert (line.demand, line.work_order, line.item, line.order_quantity.value, line.final, line.location) == (
        "d7", wanted, "", "2", True, at("dock"),
    )  # fmt: skip
    (task,) = await tasks_of(store, receipt.name)
    assert (task.kind, task.proposed_location, task.name, task.note) == (
        Task.STAGE, at(to), row.stage_task, row.label_text,
    )  # fmt: skip
    done = await brought(store, row)
    assert (done.state, done.to_location, done.movement) == (Task.COMPLETED, at(to), "")
    staged = await read(store, row)
    assert (staged.state, staged.location) == (State.STAGED, at(to))
    fetched = await handed(store, row)
    assert (fetched.state, fetched.hand_over_person) == (State.HANDED_OVER, "people/tina")
    now = contents(store)
    assert {name: now[name] - before[name] for name in STOCK} == dict.fromkeys(STOCK, 0)
    listed = await store("vic", pb.ListDirectLinesRequest(parent=SITE, filter=f'work_order = "{wanted}"'))
    assert [each.name for each in listed.direct_lines] == [row.name]


@pytest.mark.rule("MAT-102")
async def test_its_task_is_confirmed_by_its_own_label_and_destination(store: Plant) -> None:
    row = await came(store, 2, to=await workshop(store))
    fault = await refusal(brought(store, row, goods="RC-0000-1"))
    assert (fault.reason, fault.metadata["expected"]) == ("SCAN_MISMATCH", row.label_code)
    assert (await refusal(brought(store, row, to_location=at("bin")))).reason == "SCAN_MISMATCH"
    assert (await refusal(brought(store, row, quantity=q(1)))).fields == ["scan.quantity"]
    assert (await refusal(brought(store, row, goods=""))).fields == ["scan.goods"]
    assert (await read(store, row)).state == State.RECEIVED


@pytest.mark.rule("MAT-102")
@pytest.mark.rule("MAT-96")
async def test_it_is_found_by_its_order_line_within_what_that_accepts(store: Plant) -> None:
    order = await bought(store, 2, parts=2)
    receipt = await arrived(store)
    first, second = await count_in(store, receipt.name, order, 3)
    assert [(row.schedule_line, row.quantity.value) for row in (first, second)] == [(1, "2"), (2, "1")]
    fault = await refusal(count_in(store, receipt.name, order, 2))
    assert (fault.reason, fault.metadata["asked"]) == ("OVER_RECEIPT", "1")
    assert [row.received.value for row in await awaited(store, order)] == ["2", "1"]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"purchase_order": "sites/hamburg/purchaseOrders/none"}, "order_line"),
        ({"order_line": 9}, "order_line"),
        ({"quantity": q(1, "KGM")}, "quantity.unit_code"),
        ({"quantity": q(0)}, "quantity.value"),
        ({"quantity": q("0.5")}, "quantity.value"),
    ]
    for request, field in wrong:
        given: dict[str, Any] = {"purchase_order": order, "order_line": 1, "quantity": q(1), **request}
        fault = await refusal(store("sam", receipts_pb2.ReceiveDirectLineRequest(name=receipt.name, **given)))
        assert fault.fields == [field]
    cancelled = await store("sam", receipts_pb2.CancelReceiptRequest(name=receipt.name, reason="sent away"))
    assert [row.state for row in cancelled.direct_lines] == [State.CANCELLED] * 2
    assert {row.received.value for row in await awaited(store, order)} == {"0"}


@pytest.mark.rule("MAT-102")
@pytest.mark.rule("MAT-96")
async def test_scanners_that_count_at_once_pass_the_limit_by_nothing(store: Plant) -> None:
    order = await bought(store, 3)
    receipts = [await arrived(store) for _ in range(4)]
    made = await asyncio.gather(*(count_in(store, row.name, order, 1) for row in receipts), return_exceptions=True)
    assert sorted(type(one) is list for one in made) == [False, True, True, True]
    assert [row.received.value for row in await awaited(store, order)] == ["3"]


@pytest.mark.rule("MAT-102")
async def test_what_is_beyond_the_order_waits_for_a_person(store: Plant) -> None:
    order = await bought(store, 2, action="QUARANTINE", to=await workshop(store))
    receipt = await posted(store, order, 3)
    kept, over = receipt.direct_lines
    assert [(row.quantity.value, row.over, bool(row.stage_task)) for row in (kept, over)] == [
        ("2", False, True), ("1", True, False),
    ]  # fmt: skip
    notes = [task.note for task in await tasks_of(store, receipt.name) if task.kind == Task.EXCEPTION_TASK]
    assert notes == [f"{over.label_text}: more than {order} accepts"]


@pytest.mark.rule("MAT-102")
async def test_what_goes_back_is_told_as_a_negative_line_and_is_awaited_again(store: Plant) -> None:
    row = await came(store, 3, to=await workshop(store))
    after = position(store)
    part = await back(store, row, 1)
    assert (part.state, part.returned.value) == (State.RECEIVED, "1")
    assert (await task_of(store, row.stage_task)).quantity.value == "2"
    (event,) = told(store, "ReceiptPosted", after=after)
    (line,) = event.lines
    assert (event.receipt, line.receipt_line, line.returned_line, line.order_quantity.value, line.demand) == (
        row.receipt, 2, 1, "-1", "d7",
    )  # fmt: skip
    assert [one.received.value for one in await awaited(store, row.purchase_order)] == ["2"]
    fault = await refusal(back(store, row, 3))
    assert (fault.reason, fault.metadata["open"]) == ("TOLERANCE_EXCEEDED", "2")
    await handed(store, row)
    assert (await task_of(store, row.stage_task)).state == Task.CANCELLED
    assert (await back(store, row, 2)).state == State.RETURNED
    assert (await refusal(back(store, row, 1))).reason == "TRANSITION_NOT_ALLOWED"
    assert [(one.line, one.quantity.value) for one in (await receipt_of(store, row)).direct_lines] == [
        (1, "3"), (2, "-1"), (3, "-2"),
    ]  # fmt: skip


@pytest.mark.rule("MAT-102")
@pytest.mark.rule("MAT-99")
async def test_a_receipt_is_taken_back_with_its_lines_unless_one_went_on(store: Plant) -> None:
    stella = store.client("materials", "people/stella", HEAD)
    to = await workshop(store)
    row, gone = await came(store, 1, to=to), await came(store, 1, to=to)
    after = position(store)
    reversed_one = await stella(receipts_pb2.ReverseReceiptRequest(name=row.receipt, reason="wrong"))
    assert [one.state for one in reversed_one.direct_lines] == [State.CANCELLED]
    (event,) = told(store, "ReceiptReversed", after=after)
    assert [line.demand for line in event.lines] == ["d7"]
    assert (await task_of(store, row.stage_task)).state == Task.CANCELLED
    assert [one.received.value for one in await awaited(store, row.purchase_order)] == ["0"]
    await brought(store, gone)
    fault = await refusal(stella(receipts_pb2.ReverseReceiptRequest(name=gone.receipt, reason="wrong")))
    assert (fault.reason, fault.metadata["in_the_way"]) == ("STOCK_MOVED_ON", gone.name)


@pytest.mark.rule("MAT-102")
@pytest.mark.parametrize("ends", ["WorkOrderCompleted", "WorkOrderClosed", "WorkOrderCancelled"])
async def test_what_nobody_fetched_when_the_work_order_ends_is_an_exception_once(store: Plant, ends: str) -> None:
    order = work_order()
    row = await came(store, 1, to=await workshop(store), work_order=order)
    fetched = await came(store, 1, work_order=order)
    await handed(store, fetched)
    await tell(store, "maintenance", numbered(getattr(maintenance, ends)(work_order=order), order), correlation=order)
    left = await read(store, row)
    task = await task_of(store, left.exception_task)
    assert (task.kind, task.from_location, task.receipt) == (Task.EXCEPTION_TASK, at("dock"), row.receipt)
    assert task.note.startswith(f"{row.label_text}: its work order")
    assert (await task_of(store, row.stage_task)).state == Task.CANCELLED
    assert (await read(store, fetched)).exception_task == ""
    await tell(store, "maintenance", numbered(maintenance.WorkOrderClosed(work_order=order), order), correlation=order)
    assert (await read(store, row)).exception_task == task.name
    assert (await back(store, row, 1)).state == State.RETURNED


@pytest.mark.rule("MAT-102")
async def test_without_a_place_it_is_fetched_and_at_an_unknown_one_somebody_has_to_look(store: Plant) -> None:
    here, nowhere, dock = await came(store, 1), await came(store, 1, to="nowhere"), await came(store, 1, to="dock")
    assert (here.stage_task, nowhere.stage_task, dock.state) == ("", "", State.STAGED)
    (task,) = await tasks_of(store, nowhere.receipt)
    assert task.note.endswith(f"{at('nowhere')} is no place of the site")
    assert (await handed(store, here)).state == State.HANDED_OVER


@pytest.mark.rule("MAT-112")
async def test_what_a_started_order_waits_for_is_brought_first(store: Plant) -> None:
    order, to = work_order(), await workshop(store)
    mine, other = await came(store, 1, to=to, work_order=order), await came(store, 1, to=to)
    started = numbered(maintenance.WorkOrderStarted(work_order=order), order)
    await tell(store, "maintenance", started, correlation=order)
    assert [(await task_of(store, row.stage_task)).priority for row in (mine, other)] == [1, 3]


@pytest.mark.rule("MAT-95")
async def test_a_changed_order_changes_what_is_awaited_and_services_are_not(store: Plant) -> None:
    first = order_of(2)
    first.lines.add(line=2, kind="SERVICE").schedules.add(schedule=1, quantity=q(1), text="Calibration")
    await tell(store, "procurement", first)
    (row,) = await awaited(store, first.purchase_order)
    changed = order_of(5, order=first.purchase_order, kind=procurement.PurchaseOrderChanged, text="Seal kit 4712")
    await tell(store, "procurement", changed)
    (now,) = await awaited(store, first.purchase_order)
    assert (now.name, now.quantity.value, now.text) == (row.name, "5", "Seal kit 4712")
    closed = procurement.PurchaseOrderClosed(purchase_order=first.purchase_order, reason="enough")
    await tell(store, "procurement", numbered(closed, first.purchase_order))
    receipt = await arrived(store)
    fault = await refusal(count_in(store, receipt.name, first.purchase_order, 1))
    assert fault.reason == "OVER_RECEIPT"


@pytest.mark.rule("MAT-102")
async def test_stock_and_lines_beside_it_come_by_one_receipt(store: Plant) -> None:
    name = await item(store)
    await expected(store, name, 2)
    order, receipt = await bought(store, 1), await arrived(store)
    await count_in(store, receipt.name, order, 1)
    await counted(store, receipt.name, scanned(name, 2))
    done = await store("sam", receipts_pb2.PostReceiptRequest(name=receipt.name))
    assert ([row.line for row in done.direct_lines], [row.line for row in done.lines]) == ([1], [2])
