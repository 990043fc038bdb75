"""Settings of items at a site: remaining life at the need, and what lot numbers look like."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from plantops.maintenance.v1 import events_pb2 as maintenance
from plantops.materials.v1 import item_settings_pb2 as messages
from plantops.materials.v1 import reservations_pb2

from tests.materials.builders import (
    SITE,
    arrived,
    claim_of,
    counted,
    day,
    expected,
    item,
    lot,
    numbered,
    reason,
    reserved,
    scanned,
    stocked,
    tell,
)
from tests.plant import Refused
from tests.world import Plant


async def settings(plant: Plant, item_name: str, **given: Any) -> Any:
    return await plant(
        "mara",
        messages.CreateItemSettingsRequest(
            parent=SITE, item_settings_id=item_name.rsplit("/", 1)[-1], item_settings=messages.ItemSettings(**given)
        ),
    )


async def update(plant: Plant, name: str, *paths: str, **given: Any) -> Any:
    return await plant(
        "mara",
        messages.UpdateItemSettingsRequest(
            item_settings=messages.ItemSettings(name=name, **given), update_mask=FieldMask(paths=paths)
        ),
    )


async def test_settings_are_made_for_an_item_of_a_site_read_listed_and_changed(store: Plant) -> None:
    name = await item(store)
    made = await settings(store, name, minimum_remaining_life_days=0)
    assert (made.name, made.item) == (f"{SITE}/itemSettings/{name.rsplit('/', 1)[-1]}", name)
    read = await store("vic", messages.GetItemSettingsRequest(name=made.name))
    assert (read.HasField("minimum_remaining_life_days"), read.HasField("lot_number_rule")) == (True, False)
    listed = await store("vic", messages.ListItemSettingsRequest(parent=SITE, filter=f'item = "{name}"'))
    assert [row.name for row in listed.item_settings] == [made.name]
    rule = messages.ItemSettings.NumberRule(prefix="L-", length=6)
    changed = await update(store, made.name, "lot_number_rule", "minimum_remaining_life_days", lot_number_rule=rule)
    assert (changed.lot_number_rule, changed.HasField("minimum_remaining_life_days")) == (rule, False)
    cleared = await update(store, made.name, "lot_number_rule")
    assert not cleared.HasField("lot_number_rule")


async def test_wrong_settings_are_refused_with_the_field(store: Plant) -> None:
    name = await item(store)
    made = await settings(store, name)
    for make, code, field in (
        (settings(store, name), "ALREADY_EXISTS", []),
        (settings(store, "items/nothing"), "INVALID_ARGUMENT", ["item_settings_id"]),
        (update(store, made.name, "lot_number_rule",
                lot_number_rule=messages.ItemSettings.NumberRule(prefix="LOT", length=3)),
         "INVALID_ARGUMENT", ["item_settings.lot_number_rule.length"]),
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            await make
        assert (refused.value.code, refused.value.fields) == (code, field)


@pytest.mark.rule("MAT-12")
async def test_a_new_lot_is_numbered_as_the_site_says(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    await lot(store, name, "old 7")
    await settings(store, name, lot_number_rule=messages.ItemSettings.NumberRule(prefix="L-", length=6, digits=True))
    await expected(store, name, 10)
    receipt = await arrived(store)
    outcomes = await counted(
        store, receipt.name, scanned(name, 1, lot_number="7"), scanned(name, 1, lot_number="L-0007"),
        scanned(name, 1, lot_number="old 7"),
    )  # fmt: skip
    assert [reason(row) for row in outcomes] == ["FIELD_INVALID", "", ""]


@pytest.mark.rule("MAT-12")
async def test_a_new_serial_is_numbered_as_the_site_says(store: Plant) -> None:
    name = await item(store, tracking="SERIAL")
    await settings(store, name, serial_number_rule=messages.ItemSettings.NumberRule(prefix="SN", length=6))
    await expected(store, name, 10)
    receipt = await arrived(store)
    outcomes = await counted(
        store, receipt.name, scanned(name, 1, serial_numbers=["SN12345"]), scanned(name, 1, serial_numbers=["SN1234"])
    )
    assert [reason(row) for row in outcomes] == ["FIELD_INVALID", ""]


@pytest.mark.rule("MAT-87")
async def test_a_lot_must_be_usable_for_some_days_after_the_need(store: Plant) -> None:
    today = datetime.now(UTC)
    name = await item(store, tracking="LOT", minimum_remaining_life_days=30)
    short = await lot(store, name, expire_date=day((today + timedelta(days=20)).date()))
    await stocked(store, name, 5, lot=short)
    claim = await reserved(store, name, 2)
    assert reservations_pb2.Reservation.State.Name(claim.state) == "SHORT"
    made = await settings(store, name, minimum_remaining_life_days=10)
    claim = await store("sam", reservations_pb2.AllocateReservationRequest(name=claim.name))
    assert [row.lot for row in claim.allocations] == [short]
    moved = maintenance.WorkOrderRescheduled(work_order=claim.work_order)
    moved.planned_start_time.FromDatetime(today + timedelta(days=15))
    await tell(store, "maintenance", numbered(moved, claim.work_order))
    assert (await claim_of(store, claim.work_order)).allocations == []
    await update(store, made.name, "minimum_remaining_life_days", minimum_remaining_life_days=3)
    claim = await store("sam", reservations_pb2.AllocateReservationRequest(name=claim.name))
    assert [row.lot for row in claim.allocations] == [short]
