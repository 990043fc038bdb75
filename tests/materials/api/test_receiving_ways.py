"""How a site counts goods in: free, guided by what is awaited, or blind to it."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest
from plantops.materials.v1 import expected_deliveries_pb2, receipts_pb2, settings_pb2

from tests.materials.builders import (
    SITE,
    SUPPLIER,
    arrived,
    counted,
    expected,
    item,
    purchase_order,
    q,
    reason,
    scanned,
)
from tests.materials.direct import bought, count_in
from tests.materials.places import refusal
from tests.world import Plant

pytestmark = pytest.mark.played_partner

SSCC = "106141410000000019"
Settings = settings_pb2.MaterialsSettings


async def choose(plant: Plant, way: str) -> Any:
    settings = Settings(name=f"{SITE}/materialsSettings", receiving=way)
    return await plant("mara", settings_pb2.UpdateMaterialsSettingsRequest(materials_settings=settings))


@pytest.fixture
async def blind(store: Plant) -> AsyncIterator[Plant]:
    await choose(store, "BLIND")
    yield store
    await choose(store, "RECEIVING_UNSPECIFIED")


@pytest.fixture
async def guided(store: Plant) -> AsyncIterator[Plant]:
    await choose(store, "GUIDED")
    yield store
    assert (await choose(store, "FREE")).receiving == Settings.FREE


async def read(plant: Plant, receipt: Any, person: str = "sam") -> Any:
    return await plant(person, receipts_pb2.GetReceiptRequest(name=receipt.name))


@pytest.mark.rule("MAT-96")
async def test_who_counts_in_blind_sees_scans_and_no_expectation_until_it_is_posted(blind: Plant) -> None:
    name = await item(blind)
    early = await expected(blind, name, 2, limit=2, expected=date(2026, 1, 1))
    await expected(blind, name, 5, limit=5, expected=date(2026, 1, 2))
    for person, shown in (("sam", ""), ("ben", "2")):
        one = await blind(person, receipts_pb2.GetExpectedReceiptRequest(name=early))
        listed = await blind(person, receipts_pb2.ListExpectedReceiptsRequest(parent=SITE, filter=f'item = "{name}"'))
        assert [one.quantity.value, one.accept_limit.value, one.item] == [shown, shown, name]
        assert sorted(row.quantity.value for row in listed.expected_receipts) == sorted([shown, shown and "5"])
    receipt = await arrived(blind)
    (outcome,) = await counted(blind, receipt.name, scanned(name, 3))
    assert (outcome.line.quantity.value, outcome.line.expected_receipt) == ("3", "")
    assert [(row.quantity.value, row.purchase_order) for row in (await read(blind, receipt)).lines] == [("3", "")]
    assert len((await read(blind, receipt, "ben")).lines) == 2
    listed = await blind("sam", receipts_pb2.ListReceiptsRequest(parent=SITE, filter=f'number = "{receipt.number}"'))
    assert [len(row.lines) for row in listed.receipts] == [1]
    (more,) = await counted(blind, receipt.name, scanned(name, 9))
    assert reason(more) == "OVER_RECEIPT"
    assert "accepts no more; 9 H87 were scanned" in more.status.message
    preview = receipts_pb2.PreviewReceiptLineRequest(name=receipt.name, item=name, quantity=q(1))
    assert (await refusal(blind("sam", preview))).reason == "BLIND_RECEIVING"
    unit = receipts_pb2.ReceiveAnnouncedUnitRequest(name=receipt.name, sscc=SSCC)
    assert (await refusal(blind("sam", unit))).reason == "BLIND_RECEIVING"
    posted = await blind("sam", receipts_pb2.PostReceiptRequest(name=receipt.name))
    assert [row.order_quantity.value for row in posted.lines] == ["2", "1"]


@pytest.mark.rule("MAT-95")
async def test_what_was_announced_is_hidden_from_who_counts_in_blind(blind: Plant) -> None:
    name = await item(blind)
    delivery = expected_deliveries_pb2.ExpectedDelivery(
        supplier=SUPPLIER, lines=[{"sscc": SSCC, "item": name, "quantity": q(4)}]
    )
    request = expected_deliveries_pb2.CreateExpectedDeliveryRequest(parent=SITE, expected_delivery=delivery)
    made = await blind("ben", request)
    for person, shown in (("sam", ""), ("ben", "4")):
        one = await blind(person, expected_deliveries_pb2.GetExpectedDeliveryRequest(name=made.name))
        rows = await blind(person, expected_deliveries_pb2.ListExpectedDeliveriesRequest(parent=SITE))
        assert [line.quantity.value for row in (one, *rows.expected_deliveries) for line in row.lines] == [shown] * 2


@pytest.mark.rule("MAT-102")
async def test_lines_beside_the_stock_are_counted_in_blind_too(blind: Plant) -> None:
    order, receipt = await bought(blind, 2), await arrived(blind)
    (row,) = await count_in(blind, receipt.name, order, 1)
    assert (row.quantity.value, row.text) == ("", "Seal kit 4711")
    fault = await refusal(count_in(blind, receipt.name, order, 5))
    assert (fault.reason, "limit" in fault.metadata) == ("OVER_RECEIPT", False)


@pytest.mark.rule("MAT-96")
async def test_guided_receiving_takes_what_is_not_awaited_when_it_is_meant(guided: Plant) -> None:
    name, order = await item(guided), purchase_order()
    await expected(guided, name, 5, limit=6, order=order)
    receipt = await arrived(guided)
    outcomes = await counted(
        guided, receipt.name, scanned(name, 4), scanned(name, 2), scanned(name, 1, without_order=True),
        scanned(name, 2, excess=True), scanned(name, 1, without_order=True, excess=True), scanned(name, 1, excess=True),
    )  # fmt: skip
    assert [reason(one) for one in outcomes] == ["", "NOT_AWAITED", "NOT_AWAITED", "", "", "OVER_RECEIPT"]
    assert outcomes[1].status.message.startswith("2 H87 are more than the 1 that are awaited")
    beside = await bought(guided, 1, limit=2)
    receive = receipts_pb2.ReceiveDirectLineRequest(
        name=receipt.name, purchase_order=beside, order_line=1, quantity=q(2)
    )  # fmt: skip
    assert (await refusal(guided("sam", receive))).reason == "NOT_AWAITED"
    receive.excess = True
    receive.request_id = ""
    assert [row.quantity.value for row in (await guided("sam", receive)).direct_lines] == ["2"]
