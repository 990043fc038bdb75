"""Deliveries that were announced, from the announcement to the scan of their units."""

from datetime import date
from decimal import Decimal as D
from typing import Any

import pytest
from plantops.materials.v1 import expected_deliveries_pb2 as pb
from plantops.materials.v1 import lots_pb2, receipts_pb2

from services.materials.rules import sscc
from tests.materials.builders import (
    SITE,
    SUPPLIER,
    arrived,
    balances,
    counted,
    day,
    expected,
    fresh,
    item,
    q,
    reason,
    scanned,
    unit_type,
    worth,
)
from tests.plant import Refused
from tests.world import Plant

Delivery = pb.ExpectedDelivery
Difference = receipts_pb2.ReceiveAnnouncedUnitRequest.Difference
EXPIRES = date(2031, 5, 1)
_serials = iter(range(1, 10_000))


def code() -> str:
    """An SSCC that no other test uses."""
    return sscc.make(3, "4012345", next(_serials))


def line(item_name: str, value: int, unit: str, **given: Any) -> Any:
    return Delivery.Line(item=item_name, quantity=q(value), sscc=unit, **given)


async def announced(plant: Plant, *lines: Any, supplier: str = SUPPLIER, **given: Any) -> Any:
    delivery = Delivery(supplier=supplier, lines=lines, **given)
    return await plant("sam", pb.CreateExpectedDeliveryRequest(parent=SITE, expected_delivery=delivery))


async def scan(plant: Plant, receipt: str, unit: str, *differences: Any, **given: Any) -> Any:
    request = receipts_pb2.ReceiveAnnouncedUnitRequest(name=receipt, sscc=unit, differences=differences, **given)
    return await plant("sam", request)


async def read(plant: Plant, name: str) -> Any:
    return await plant("vic", pb.GetExpectedDeliveryRequest(name=name))


@pytest.mark.rule("MAT-95")
async def test_a_delivery_of_three_lots_one_short_and_one_over(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    row = await expected(store, name, 28, limit=30)
    units = [code() for _ in range(3)]
    lots = [fresh("L") for _ in range(3)]
    made = await announced(
        store,
        *(
            line(name, 10, unit, lot_number=number, expire_date=day(EXPIRES), expected_receipt=row)
            for unit, number in zip(units, lots, strict=True)
        ),
        delivery_note=fresh("DN"),
    )
    assert (made.state, [one.line for one in made.lines]) == (Delivery.EXPECTED, [1, 2, 3])
    assert await balances(store, name) == {}
    receipt = await arrived(store)
    (whole,) = (await scan(store, receipt.name, units[0])).lines
    assert (whole.quantity, whole.expected_receipt) == (q(10), row)
    (short,) = (
        await scan(store, receipt.name, f"00{units[1]}", Difference(item=name, lot_number=lots[1], quantity=q(7)))
    ).lines
    assert short.quantity == q(7)
    with pytest.raises(Refused) as over:
        await scan(store, receipt.name, units[2], Difference(item=name, lot_number=lots[2], quantity=q(14)))
    assert over.value.reason == "OVER_RECEIPT"
    assert (await read(store, made.name)).state == Delivery.EXPECTED
    await scan(store, receipt.name, units[2], Difference(item=name, lot_number=lots[2], quantity=q(13)))
    found = await read(store, made.name)
    assert found.state == Delivery.RECEIVED
    assert [(one.receipt, one.quantity, one.received) for one in found.lines] == [
        (receipt.name, q(10), q(10)), (receipt.name, q(10), q(7)), (receipt.name, q(10), q(13)),
    ]  # fmt: skip
    assert await balances(store, name) == {}
    await store("sam", receipts_pb2.PostReceiptRequest(name=receipt.name))
    assert worth(store, name)[0] == D(30)
    listed = await store("vic", lots_pb2.ListLotsRequest(parent=name))
    assert {lot.expire_date.year for lot in listed.lots} == {2031}
    await store("sam", receipts_pb2.ReverseReceiptRequest(name=receipt.name, reason="wrong delivery"))
    back = await read(store, made.name)
    assert back.state == Delivery.EXPECTED
    assert [(one.receipt, one.HasField("received")) for one in back.lines] == [("", False)] * 3


@pytest.mark.rule("MAT-95")
async def test_goods_come_in_the_unit_that_was_announced(store: Plant) -> None:
    first, second, unit = await item(store), await item(store), code()
    await expected(store, first, 4)
    await expected(store, second, 6)
    await announced(store, line(first, 4, unit), line(second, 6, unit))
    receipt, kind = await arrived(store), await unit_type(store)
    with pytest.raises(Refused) as unknown:
        await scan(store, receipt.name, unit, handling_unit_type="handlingUnitTypes/nothing")
    assert unknown.value.fields == ["handling_unit_type"]
    lines = (
        await scan(store, receipt.name, unit, Difference(item=second, quantity=q(0)), handling_unit_type=kind)
    ).lines
    assert [(one.item, one.quantity) for one in lines] == [(first, q(4))]
    assert lines[0].handling_unit.startswith(f"{SITE}/handlingUnits/")
    posted = await store("sam", receipts_pb2.PostReceiptRequest(name=receipt.name))
    assert posted.lines[0].handling_unit == lines[0].handling_unit
    assert worth(store, first)[0] == D(4)


@pytest.mark.rule("MAT-95")
async def test_a_unit_is_received_once_and_again_after_its_receipt_was_cancelled(store: Plant) -> None:
    name, unit = await item(store), code()
    await expected(store, name, 4)
    made = await announced(store, line(name, 4, unit))
    receipt = await arrived(store)
    await scan(store, receipt.name, unit)
    for wrong in (unit, code(), "4711"):
        with pytest.raises(Refused) as refused:
            await scan(store, receipt.name, wrong)
        assert refused.value.fields == ["sscc"]
    await store("sam", receipts_pb2.CancelReceiptRequest(name=receipt.name, reason="wrong dock"))
    assert (await read(store, made.name)).state == Delivery.EXPECTED
    other = await arrived(store)
    for difference, field in (
        (Difference(item=name, lot_number="x", quantity=q(1)), "differences[0]"),
        (Difference(item=name, quantity=q(1, "BX")), "differences[0].quantity.unit_code"),
        (Difference(item=name, quantity=q(-1)), "differences[0].quantity.value"),
    ):
        with pytest.raises(Refused) as refused:
            await scan(store, other.name, unit, difference)
        assert refused.value.fields == [field]
    assert (await scan(store, other.name, unit)).lines[0].quantity == q(4)


@pytest.mark.rule("MAT-95")
async def test_what_was_called_off_is_not_received_by_its_unit(store: Plant) -> None:
    name, unit = await item(store), code()
    await expected(store, name, 4)
    made = await announced(store, line(name, 4, unit))
    cancelled = await store("sam", pb.CancelExpectedDeliveryRequest(name=made.name, reason="lost"))
    assert cancelled.state == Delivery.CANCELLED
    receipt = await arrived(store)
    with pytest.raises(Refused) as refused:
        await scan(store, receipt.name, unit)
    assert refused.value.fields == ["sscc"]
    (outcome,) = await counted(store, receipt.name, scanned(name, 4))
    assert reason(outcome) == ""
    with pytest.raises(Refused) as again:
        await store("sam", pb.CancelExpectedDeliveryRequest(name=made.name, reason="lost"))
    assert again.value.reason == "TRANSITION_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"item": "items/nothing"}, "item"),
        ({"sscc": "340123450000000018"}, "sscc"),
        ({"quantity": q(0)}, "quantity.value"),
        ({"lot_number": "L1"}, "lot_number"),
        ({"expected_receipt": f"{SITE}/expectedReceipts/nothing"}, "expected_receipt"),
    ],
)
async def test_what_could_not_be_received_is_not_announced(store: Plant, change: dict[str, Any], field: str) -> None:
    name = await item(store)
    wrong = Delivery.Line(**{"item": name, "quantity": q(1), "sscc": code(), **change})
    with pytest.raises(Refused) as refused:
        await announced(store, line(name, 1, code()), wrong)
    assert refused.value.fields == [f"expected_delivery.lines[1].{field}"]


async def test_serials_are_not_announced(store: Plant) -> None:
    name = await item(store, tracking="SERIAL")
    with pytest.raises(Refused) as refused:
        await announced(store, line(name, 1, code()))
    assert refused.value.fields == ["expected_delivery.lines[0].item"]


@pytest.mark.rule("PERF-10")
async def test_expected_deliveries_are_listed_by_every_dimension(store: Plant) -> None:
    name, supplier, note = await item(store), fresh("suppliers/s"), fresh("DN")
    made = await announced(
        store, line(name, 1, code()), supplier=supplier, delivery_note=note, expected_date=day(date(2030, 1, 2))
    )
    for text in (
        f'supplier = "{supplier}" AND state = EXPECTED', f'delivery_note = "{note}"',
        f'supplier = "{supplier}" AND expected_date = "2030-01-02"',
    ):  # fmt: skip
        rows = await store("vic", pb.ListExpectedDeliveriesRequest(parent=SITE, filter=text))
        assert [row.name for row in rows.expected_deliveries] == [made.name], text
