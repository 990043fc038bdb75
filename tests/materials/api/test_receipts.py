"""Expected receipts and receipts through the api: counting in, posting, taking back."""

import asyncio
from datetime import date, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from plantops.materials.v1 import inspections_pb2, lots_pb2, movements_pb2, receipts_pb2, tasks_pb2
from plantops.procurement.v1 import events_pb2 as procurement

from tests.materials.builders import (
    SITE,
    arrived,
    at,
    balances,
    call,
    counted,
    day,
    eur,
    expected,
    fresh,
    item,
    kinds_told,
    lot,
    movement,
    ordered,
    position,
    post,
    purchase_order,
    q,
    reason,
    received,
    reserved,
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


async def post_it(plant: Plant, name: str, etag: str = "") -> Any:
    return await plant("sam", receipts_pb2.PostReceiptRequest(name=name, etag=etag))


async def reverse(plant: Plant, name: str) -> Any:
    return await plant("sam", receipts_pb2.ReverseReceiptRequest(name=name, reason="wrong delivery"))


async def tasks_of(plant: Plant, receipt: str) -> list[Any]:
    answer = await plant("vic", tasks_pb2.ListPutAwayTasksRequest(parent=SITE, filter=f'receipt = "{receipt}"'))
    return list(answer.put_away_tasks)


async def lots_of(plant: Plant, receipt: str) -> list[Any]:
    answer = await plant("vic", inspections_pb2.ListInspectionLotsRequest(parent=SITE, filter=f'receipt = "{receipt}"'))
    return list(answer.inspection_lots)


@pytest.mark.rule("MAT-95")
@pytest.mark.played_partner
async def test_an_order_is_expected_and_changes_no_stock(store: Plant) -> None:
    name, order = await item(store), purchase_order()
    tomorrow = site_today() + timedelta(days=1)
    row = await due(
        store,
        await expected(
            store, name, 5, order=order, limit=6, unit_code="BX", factor=(8, 1), price=eur(16), expected=tomorrow
        ),
    )
    assert (row.purchase_order, row.order_line, row.schedule_line, row.supplier) == (order, 1, 1, "suppliers/acme")
    assert (row.quantity, row.received, row.accept_limit) == (q(5, "BX"), q(0, "BX"), q(6, "BX"))
    assert (row.base_numerator, row.base_denominator, row.unit_price) == (8, 1, eur(16))
    assert (row.expected_date, row.location, row.state) == (day(tomorrow), at("shelf"), Expected.OPEN)
    assert await balances(store, name) == {}


@pytest.mark.rule("MAT-97")
@pytest.mark.rule("MAT-98")
@pytest.mark.rule("MAT-185")
async def test_a_receipt_is_counted_and_posted_into_stock(store: Plant) -> None:
    name, order = await item(store), purchase_order()
    row = await expected(store, name, 5, order=order, price=eur(7))
    receipt = await arrived(store)
    assert (receipt.state, receipt.number[:3], receipt.HasField("post_time")) == (Receipt.ARRIVED, "RC-", False)
    (outcome,) = await counted(store, receipt.name, scanned(name, 5))
    line = outcome.line
    assert (line.line, line.expected_receipt, line.purchase_order, line.order_line) == (1, row, order, 1)
    assert (line.quantity, line.order_quantity, line.status) == (q(5), q(5), Receipt.UNRESTRICTED)
    assert await balances(store, name) == {}
    after = position(store)
    posted = await post_it(store, receipt.name)
    assert (posted.state, posted.lines[0].status) == (Receipt.POSTED, Receipt.UNRESTRICTED)
    assert posted.post_time.ToDatetime() > posted.arrive_time.ToDatetime()
    assert kinds_told(store, after) == ["ReceiptPosted", "MovementPosted"]
    event, moved = told(store, after=after)
    assert (event.receipt, event.supplier, event.version) == (receipt.name, "suppliers/acme", 1)
    assert event.arrive_time == receipt.arrive_time
    (told_line,) = event.lines
    assert (told_line.receipt_line, told_line.purchase_order, told_line.order_line, told_line.schedule_line) == (
        1, order, 1, 1,
    )  # fmt: skip
    assert (told_line.item, told_line.quantity, told_line.order_quantity) == (name, q(5), q(5))
    assert (told_line.status, told_line.final, told_line.lot) == ("UNRESTRICTED", True, "")
    assert (moved.kind, moved.source, moved.movement) == ("RECEIPT", receipt.name, posted.lines[0].movement)
    assert await balances(store, name) == {("dock", "UNRESTRICTED"): (D(5), D(0))}
    assert worth(store, name) == (D(5), D(35), D(0))
    assert (await due(store, row)).state == Expected.COMPLETE
    (task,) = await tasks_of(store, receipt.name)
    assert (task.name, task.from_location, task.proposed_location, task.quantity) == (
        posted.lines[0].put_away_task, at("dock"), at("shelf"), q(5),
    )  # fmt: skip
    assert await lots_of(store, receipt.name) == []


@pytest.mark.rule("MAT-96")
async def test_the_accept_limit_holds_exactly_over_all_receipts(store: Plant) -> None:
    name = await item(store)
    row = await expected(store, name, 10, limit=11)
    first, second = await arrived(store), await arrived(store)
    outcomes = [
        *await counted(store, first.name, scanned(name, 6), scanned(name, 6), scanned(name, 4)),
        *await counted(
            store, second.name, scanned(name, 2, expected_receipt=row), scanned(name, 1, expected_receipt=row)
        ),
        *await counted(store, second.name, scanned(name, 1, expected_receipt=row)),
    ]
    assert [reason(outcome) for outcome in outcomes] == ["", "OVER_RECEIPT", "", "OVER_RECEIPT", "", "OVER_RECEIPT"]
    found = await due(store, row)
    assert (found.received.value, found.state) == ("11", Expected.COMPLETE)
    assert [line.quantity.value for line in (await read(store, first.name)).lines] == ["6", "4"]


async def read(plant: Plant, name: str) -> Any:
    return await plant("vic", receipts_pb2.GetReceiptRequest(name=name))


@pytest.mark.rule("MAT-96")
async def test_scanners_that_count_at_once_pass_the_limit_by_nothing(store: Plant) -> None:
    name = await item(store)
    row = await expected(store, name, 10)
    receipts = [await arrived(store) for _ in range(4)]
    found = await asyncio.gather(
        *(counted(store, receipt.name, *(scanned(name, 1) for _ in range(4))) for receipt in receipts)
    )
    reasons = sorted(reason(outcome) for outcomes in found for outcome in outcomes)
    assert reasons == [""] * 10 + ["OVER_RECEIPT"] * 6
    assert (await due(store, row)).received.value == "10"


@pytest.mark.rule("MAT-96")
async def test_parts_of_an_order_unit_add_up_exactly(store: Plant) -> None:
    name = await item(store)
    row = await expected(store, name, 1, unit_code="BX", factor=(3, 1))
    receipt = await arrived(store)
    outcomes = await counted(store, receipt.name, *(scanned(name, 1) for _ in range(4)))
    assert [reason(outcome) for outcome in outcomes] == ["", "", "", "OVER_RECEIPT"]
    shares = [D(outcome.line.order_quantity.value) for outcome in outcomes[:3]]
    assert (sum(shares), set(shares)) == (D(1), {D("0.333333"), D("0.333334")})
    assert (await due(store, row)).state == Expected.COMPLETE


@pytest.mark.rule("MAT-96")
async def test_a_scan_without_a_line_goes_to_the_earliest_with_room(store: Plant) -> None:
    name = await item(store)
    today = site_today()
    late = await expected(store, name, 5, expected=today + timedelta(days=9))
    soon = await expected(store, name, 2, expected=today + timedelta(days=1))
    await expected(store, name, 9, expected=today, supplier="suppliers/other")
    receipt = await arrived(store)
    outcomes = await counted(store, receipt.name, scanned(name, 2), scanned(name, 3), scanned(name, 3))
    assert [outcome.line.expected_receipt for outcome in outcomes[:2]] == [soon, late]
    assert reason(outcomes[2]) == "OVER_RECEIPT"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"item": "items/nothing"}, "FIELD_INVALID"),
        ({"quantity": q("-1")}, "FIELD_INVALID"),
        ({"quantity": q("0")}, "FIELD_INVALID"),
        ({"quantity": q("0.5")}, "QUANTITY_NOT_ON_GRID"),
        ({"quantity": q("1", "KGM")}, "UNIT_INCOMPATIBLE"),
        ({"expected_receipt": f"{SITE}/expectedReceipts/nothing"}, "FIELD_INVALID"),
        ({"lot_number": "L1"}, "FIELD_INVALID"),
        ({"request_id": "no uuid"}, "FIELD_INVALID"),
    ],
)
async def test_a_wrong_line_is_refused_and_the_others_are_counted(
    store: Plant, change: dict[str, Any], why: str
) -> None:
    name = await item(store)
    await expected(store, name, 5)
    receipt = await arrived(store)
    wrong = receipts_pb2.AddReceiptLineRequest(**{"item": name, "quantity": q(1), **change})
    outcomes = await counted(store, receipt.name, scanned(name, 1), wrong, scanned(name, 2))
    assert [reason(outcome) for outcome in outcomes] == ["", why, ""]
    assert [line.line for line in (await read(store, receipt.name)).lines] == [1, 2]


@pytest.mark.rule("MAT-96")
async def test_goods_that_nobody_ordered_are_not_counted_in(store: Plant) -> None:
    name = await item(store)
    receipt = await arrived(store)
    (outcome,) = await counted(store, receipt.name, scanned(name, 1))
    assert reason(outcome) == "OVER_RECEIPT"
    with pytest.raises(Refused) as refused:
        await post_it(store, receipt.name)
    assert (refused.value.code, refused.value.fields) == ("INVALID_ARGUMENT", ["name"])


@pytest.mark.rule("MAT-13")
@pytest.mark.rule("MAT-14")
async def test_a_lot_is_made_at_its_first_receipt_and_keeps_its_dates(store: Plant) -> None:
    name, number = await item(store, tracking="LOT"), fresh("L")
    await expected(store, name, 10)
    expires = day(date(2031, 5, 1))
    receipt = await arrived(store)
    outcomes = await counted(
        store, receipt.name,
        scanned(name, 1),
        scanned(name, 99, lot_number=fresh("L")),
        scanned(name, 2, lot_number=number, expire_date=expires),
        scanned(name, 2, lot_number=number, expire_date=day(date(2031, 5, 2))),
        scanned(name, 2, lot_number=number),
    )  # fmt: skip
    assert [reason(outcome) for outcome in outcomes] == ["FIELD_INVALID", "OVER_RECEIPT", "", "LOT_DATE_CONFLICT", ""]
    assert outcomes[2].line.lot == outcomes[4].line.lot
    made = await store("vic", lots_pb2.ListLotsRequest(parent=name))
    assert [(row.number, row.expire_date, row.supplier) for row in made.lots] == [(number, expires, "suppliers/acme")]
    assert not made.lots[0].HasField("first_receipt_time")
    await post_it(store, receipt.name)
    first = (await store("vic", lots_pb2.GetLotRequest(name=made.lots[0].name))).first_receipt_time
    await received(store, scanned(name, 2, lot_number=number))
    await post(
        store, movement("MOVE", name, 1, lot=made.lots[0].name, from_location=at("dock"), to_location=at("shelf"))
    )
    assert (await store("vic", lots_pb2.GetLotRequest(name=made.lots[0].name))).first_receipt_time == first


@pytest.mark.rule("MAT-98")
async def test_goods_to_inspect_come_in_as_inspection_stock(store: Plant) -> None:
    name = await item(store, inspect_receipts=True)
    await expected(store, name, 5)
    claim = await reserved(store, name, 3)
    posted = await received(store, scanned(name, 5))
    assert posted.lines[0].status == Receipt.INSPECTION
    assert await balances(store, name) == {("dock", "INSPECTION"): (D(5), D(0))}
    (lot_row,) = await lots_of(store, posted.name)
    assert (lot_row.name, lot_row.quantity, lot_row.decided, lot_row.location) == (
        posted.lines[0].inspection_lot, q(5), q(0), at("dock"),
    )  # fmt: skip
    assert (await claim_state(store, claim.name)).allocated.value == "0"
    for what in (
        movement(
            "STATUS_CHANGE", name, 1, from_location=at("dock"), from_status="INSPECTION", to_status="UNRESTRICTED"
        ),
        movement("MOVE", name, 1, from_location=at("dock"), to_location=at("bin"), from_status="INSPECTION"),
    ):
        with pytest.raises(Refused) as refused:
            await post(store, what)
        assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "INSPECTION_OPEN")


async def claim_state(plant: Plant, name: str) -> Any:
    from plantops.materials.v1 import reservations_pb2

    return await plant("vic", reservations_pb2.GetReservationRequest(name=name))


@pytest.mark.rule("MAT-78")
async def test_goods_that_come_go_to_who_waits(store: Plant) -> None:
    name = await item(store)
    await expected(store, name, 5)
    claim = await reserved(store, name, 3)
    after = position(store)
    await received(store, scanned(name, 5))
    assert kinds_told(store, after) == ["ReceiptPosted", "MovementPosted", "ReservationAllocated"]
    assert (await claim_state(store, claim.name)).allocated.value == "3"


async def test_a_receipt_is_posted_once_with_its_etag_and_then_takes_no_line(store: Plant) -> None:
    name = await item(store)
    await expected(store, name, 5)
    receipt = await arrived(store)
    await counted(store, receipt.name, scanned(name, 1))
    with pytest.raises(Refused) as stale:
        await post_it(store, receipt.name, receipt.etag)
    assert (stale.value.code, stale.value.reason) == ("ABORTED", "ETAG_MISMATCH")
    posted = await post_it(store, receipt.name, (await read(store, receipt.name)).etag)
    for again in (post_it(store, posted.name), counted(store, posted.name, scanned(name, 1))):
        with pytest.raises(Refused) as refused:
            await again
        assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED")
        assert (refused.value.metadata["state"], refused.value.metadata["allowed"]) == ("POSTED", "REVERSED")


async def test_goods_arrive_at_a_dock_of_the_site(store: Plant) -> None:
    for where in (at("shelf"), at("nowhere"), "sites/antwerp/locations/dock"):
        with pytest.raises(Refused) as refused:
            await store("sam", receipts_pb2.StartReceiptRequest(parent=SITE, supplier="suppliers/acme", location=where))
        assert refused.value.fields == ["location"]


@pytest.mark.rule("MAT-99")
@pytest.mark.rule("MAT-46")
async def test_a_reversal_takes_stock_inspection_and_put_away_back_at_the_original_value(store: Plant) -> None:
    name = await item(store, inspect_receipts=True)
    row = await expected(store, name, 10, price=eur(10))
    dear = await expected(store, name, 10, price=eur(20))
    first = await received(store, scanned(name, 10, expected_receipt=row))
    await received(store, scanned(name, 10, expected_receipt=dear))
    after = position(store)
    back = await reverse(store, first.name)
    assert back.state == Receipt.REVERSED
    assert kinds_told(store, after) == ["ReceiptReversed", "MovementPosted"]
    event, moved = told(store, after=after)
    assert (event.receipt, event.version) == (first.name, 2)
    assert event.lines[0].quantity == q(10)
    assert (moved.kind, moved.reverses) == ("REVERSAL", first.lines[0].movement)
    assert worth(store, name) == (D(10), D(200), D(0))
    assert [task.state for task in await tasks_of(store, first.name)] == [tasks_pb2.PutAwayTask.CANCELLED]
    assert [lot_row.state for lot_row in await lots_of(store, first.name)] == [inspections_pb2.InspectionLot.CANCELLED]
    found = await due(store, row)
    assert (found.received.value, found.state) == ("0", Expected.OPEN)
    with pytest.raises(Refused) as again:
        await reverse(store, first.name)
    assert again.value.reason == "TRANSITION_NOT_ALLOWED"


@pytest.mark.rule("MAT-47")
@pytest.mark.rule("MAT-99")
async def test_a_reversal_is_refused_once_the_goods_have_moved_on(store: Plant) -> None:
    name, inspected = await item(store), await item(store, inspect_receipts=True)
    await expected(store, name, 20)
    await expected(store, inspected, 10)
    put_away, decided, claimed, gone = (
        await received(store, scanned(name, 5)),
        await received(store, scanned(inspected, 5)),
        await received(store, scanned(name, 5)),
        await received(store, scanned(name, 5)),
    )
    task = put_away.lines[0].put_away_task
    await store("sam", tasks_pb2.ConfirmPutAwayRequest(name=task, location=at("shelf")))
    split = inspections_pb2.InspectionLot.Split(outcome="UNRESTRICTED", quantity=q(2))
    lot_name = decided.lines[0].inspection_lot
    await store("ines", inspections_pb2.DecideUsageRequest(name=lot_name, splits=[split]))
    await post(store, movement("MOVE", name, 7, from_location=at("dock"), to_location=at("bin")))
    for receipt, way in ((put_away, task), (decided, lot_name), (claimed, ""), (gone, "")):
        with pytest.raises(Refused) as refused:
            await reverse(store, receipt.name)
        assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "STOCK_MOVED_ON")
        if way:
            assert refused.value.metadata["in_the_way"] == way
        else:
            assert (refused.value.metadata["available"], refused.value.metadata["location"]) == ("3", at("dock"))
        assert (await read(store, receipt.name)).state == Receipt.POSTED


async def test_a_movement_of_a_receipt_is_taken_back_through_the_receipt(store: Plant) -> None:
    name = await item(store)
    await expected(store, name, 5)
    posted = await received(store, scanned(name, 5))
    with pytest.raises(Refused) as refused:
        await call(store, "stella", movements_pb2.ReverseMovementRequest(name=posted.lines[0].movement, reason="x"))
    assert (refused.value.reason, refused.value.metadata["document"]) == ("BELONGS_TO_DOCUMENT", posted.name)


@pytest.mark.rule("PERF-10")
async def test_receipts_and_what_is_expected_are_listed_by_every_dimension(store: Plant) -> None:
    name, supplier, order = await item(store), fresh("suppliers/s"), purchase_order()
    row = await expected(store, name, 5, order=order, supplier=supplier, expected=date(2030, 1, 1))
    receipt = await store(
        "sam",
        receipts_pb2.StartReceiptRequest(
            parent=SITE, supplier=supplier, location=at("dock"), delivery_note=(note := fresh("DN"))
        ),
    )
    for text in (
        f'purchase_order = "{order}"', f'supplier = "{supplier}"', f'item = "{name}" AND state = OPEN',
        f'item = "{name}" AND expected_date = "2030-01-01"',
    ):  # fmt: skip
        due_rows = await store("vic", receipts_pb2.ListExpectedReceiptsRequest(parent=SITE, filter=text))
        assert [found.name for found in due_rows.expected_receipts] == [row], text
    for text in (
        f'supplier = "{supplier}" AND state = ARRIVED', f'number = "{receipt.number}"', f'delivery_note = "{note}"',
        f'arrive_time >= "{receipt.arrive_time.ToJsonString()}"',
    ):  # fmt: skip
        found = await store("vic", receipts_pb2.ListReceiptsRequest(parent=SITE, filter=text))
        assert [one.name for one in found.receipts] == [receipt.name], text


@pytest.mark.played_partner
async def test_a_changed_order_changes_what_is_expected(store: Plant) -> None:
    name, order = await item(store), purchase_order()
    row = await expected(store, name, 5, order=order)
    await received(store, scanned(name, 5))
    changed = ordered(procurement.PurchaseOrderChanged, order, name, 9, limit=10, open_quantity=4)
    await tell(store, "procurement", changed)
    found = await due(store, row)
    assert (found.quantity.value, found.accept_limit.value, found.state) == ("9", "10", Expected.OPEN)
    await tell(store, "procurement", ordered(procurement.PurchaseOrderChanged, order, name, 9, open_quantity=0))
    assert (await due(store, row)).state == Expected.CLOSED
    receipt = await arrived(store)
    (outcome,) = await counted(store, receipt.name, scanned(name, 1, expected_receipt=row))
    assert reason(outcome) == "OVER_RECEIPT"
    assert (await lot(store, await item(store, tracking="LOT"))).startswith("items/")
