"""Replenishment: revisions, the one open request, the job; the chain and the lookup of codes."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from plantops.materials.v1 import (
    chain_pb2,
    inspections_pb2,
    items_pb2,
    policies_pb2,
    receipts_pb2,
    tasks_pb2,
)
from plantops.procurement.v1 import requisitions_pb2

from services.materials import jobs
from tests.materials.builders import (
    SITE,
    arrived,
    at,
    day,
    expected,
    fresh,
    item,
    kinds_told,
    lot,
    movement,
    place,
    position,
    post,
    q,
    received,
    reserved,
    scanned,
    stocked,
    told,
)
from tests.materials.policies import approve, draft, in_force, number, policy, requests_of, submit
from tests.plant import Refused
from tests.world import Plant, site_today

Revision = policies_pb2.MaterialsRevision
Request = policies_pb2.SupplyRequest


@pytest.mark.rule("MAT-161")
async def test_a_revision_goes_from_draft_to_force_with_four_eyes(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 100)
    made = await policy(store, name)
    revision = await draft(store, made.name)
    assert (revision.name, revision.state, revision.author) == (
        f"{made.name}/revisions/r1", Revision.DRAFT, "people/mara",
    )  # fmt: skip
    with pytest.raises(Refused) as stale:
        await submit(store, revision.name, '"9"')
    assert stale.value.reason == "ETAG_MISMATCH"
    submitted = await submit(store, revision.name, revision.etag)
    with pytest.raises(Refused) as early:
        await store("ada", policies_pb2.ActivateMaterialsRevisionRequest(name=revision.name))
    assert early.value.code == "FAILED_PRECONDITION"
    returned = await store("ada", policies_pb2.ReturnMaterialsRevisionRequest(name=revision.name, reason="too much"))
    assert returned.state == Revision.DRAFT
    submitted = await submit(store, revision.name)
    with pytest.raises(Refused) as own:
        await approve(store, submitted, "mara")
    assert (own.value.code, own.value.reason) == ("PERMISSION_DENIED", "SEGREGATION_OF_DUTIES")
    submitted.content_hash = "0" * 64
    with pytest.raises(Refused) as other:
        await approve(store, submitted)
    assert other.value.code == "ABORTED"
    approved = await approve(store, await store("ada", policies_pb2.GetMaterialsRevisionRequest(name=revision.name)))
    assert (approved.state, approved.approver) == (Revision.APPROVED, "people/ada")
    after = position(store)
    active = await store("ada", policies_pb2.ActivateMaterialsRevisionRequest(name=revision.name))
    assert active.state == Revision.ACTIVE
    (event,) = told(store, after=after)
    assert (event.policy, event.kind, event.revision, event.replaced_revision) == (
        made.name, "REORDER_POINT", revision.name, "",
    )  # fmt: skip
    assert event.selector == f"{name} at {SITE}"
    read = await store("vic", policies_pb2.GetMaterialsPolicyRequest(name=made.name))
    assert read.active_revision == revision.name


@pytest.mark.rule("MAT-161")
async def test_the_next_revision_retires_the_one_before_and_one_alone_is_in_force(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 100)
    first = await in_force(store, name)
    parent = first.name.partition("/revisions/")[0]
    second = await approve(store, await submit(store, (await draft(store, parent)).name))
    await store("ada", policies_pb2.ActivateMaterialsRevisionRequest(name=second.name))
    listed = await store("vic", policies_pb2.ListMaterialsRevisionsRequest(parent=parent, filter="state = ACTIVE"))
    assert [row.name for row in listed.materials_revisions] == [second.name]
    retired = await store("ada", policies_pb2.RetireMaterialsRevisionRequest(name=second.name, reason="no stock"))
    assert retired.state == Revision.RETIRED
    assert (await store("vic", policies_pb2.GetMaterialsPolicyRequest(name=parent))).active_revision == ""
    with pytest.raises(Refused) as refused:
        await store("ada", policies_pb2.RetireMaterialsRevisionRequest(name=second.name, reason="again"))
    assert refused.value.reason == "TRANSITION_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("given", "why", "field"),
    [
        ({"reorder_point": number(-1)}, "FIELD_INVALID", "materials_revision.reorder_point"),
        ({"order_quantity": number(0)}, "FIELD_INVALID", "materials_revision.order_quantity"),
        ({"order_quantity": number("2.5")}, "QUANTITY_NOT_ON_GRID", "materials_revision.order_quantity"),
        ({"kind": "MIN_MAX", "maximum": number(10)}, "FIELD_INVALID", "materials_revision.maximum"),
        ({"kind": "MIN_MAX"}, "FIELD_INVALID", "materials_revision.maximum"),
        ({"lead_days": 400}, "FIELD_INVALID", "materials_revision.lead_days"),
    ],
)
async def test_wrong_parameters_are_refused(store: Plant, given: dict[str, Any], why: str, field: str) -> None:
    made = await policy(store, await item(store))
    with pytest.raises(Refused) as refused:
        await draft(store, made.name, **given)
    assert (refused.value.code, refused.value.reason, refused.value.fields[0]) == ("INVALID_ARGUMENT", why, field)


@pytest.mark.rule("MAT-160")
async def test_one_policy_looks_after_an_item_at_a_known_site(store: Plant) -> None:
    name = await item(store)
    made = await policy(store, name)
    with pytest.raises(Refused) as twice:
        await policy(store, name)
    assert twice.value.code == "ALREADY_EXISTS"
    for wrong, site, field in (
        ("items/nothing", "hamburg", "materials_policy.item"), (await item(store), "nowhere", "materials_policy.site"),
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            await policy(store, wrong, site)
        assert refused.value.fields == [field]
    listed = await store("vic", policies_pb2.ListMaterialsPoliciesRequest(filter=f'item = "{name}"'))
    assert [row.name for row in listed.materials_policies] == [made.name]


@pytest.mark.rule("MAT-165")
@pytest.mark.rule("MAT-167")
async def test_a_policy_in_force_asks_once_and_a_larger_need_raises_the_total(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 11)
    after = position(store)
    revision = await in_force(store, name)
    assert await requests_of(store, name) == []
    await post(store, movement("ADJUST", name, 1, from_location=at("shelf")))
    assert kinds_told(store, after)[-2:] == ["MovementPosted", "ReplenishmentNeeded"]
    (event,) = told(store, "ReplenishmentNeeded", after=after)
    (request,) = await requests_of(store, name)
    assert (event.supply_request, event.item, event.site, event.quantity) == (request.name, name, SITE, q(24))
    assert (event.outcome, event.policy_revision, event.version) == ("BUY", revision.name, 1)
    assert request.need_date == day(datetime.now(ZoneInfo("Europe/Berlin")).date() + timedelta(days=5))
    assert request.explanation[-1] == "REORDER_POINT asks for 24"
    await post(store, movement("ADJUST", name, 1, from_location=at("shelf")))
    assert len(told(store, "ReplenishmentNeeded", after=after)) == 1
    await reserved(store, name, 30)
    (again,) = await requests_of(store, name)
    assert (again.name, again.quantity) == (request.name, q(48))
    events = told(store, "ReplenishmentNeeded", after=after)
    assert [(row.supply_request, row.quantity, row.version) for row in events] == [
        (request.name, q(24), 1), (request.name, q(48), 2),
    ]  # fmt: skip


@pytest.mark.rule("MAT-168")
async def test_a_shortage_that_a_policy_covers_names_its_request_and_is_told_first(store: Plant) -> None:
    name = await item(store)
    await in_force(store, name, kind="MIN_MAX", reorder_point=number(0), maximum=number(5))
    after = position(store)
    claim = await reserved(store, name, 4)
    assert kinds_told(store, after) == ["ReservationShort", "ReplenishmentNeeded"]
    (request,) = await requests_of(store, name)
    short = told(store, "ReservationShort", after=after)[0]
    assert (short.cover, short.supply, short.expected_date) == ("COVERED_BY_POLICY", request.name, request.need_date)
    assert (claim.supply, request.quantity) == (request.name, q(9))


@pytest.mark.rule("MAT-164")
async def test_the_job_asks_the_policies_also_when_two_run_at_once(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 20)
    revision = await in_force(store, name)
    with store.look("materials") as connection:  # nothing moves: only the job can see it
        connection.execute("update materials_revision set reorder_point = 30 where name = %s", [revision.name])
    open_unit = store.processes["materials"].commands.open_unit
    await asyncio.gather(*(jobs.ask_policies(open_unit) for _ in range(3)))
    (request,) = await requests_of(store, name)
    assert request.quantity == q(24)


@pytest.mark.rule("MAT-164")
async def test_expired_stock_does_not_count(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    gone = await lot(store, name, expire_date=day(site_today() - timedelta(days=3)))
    await stocked(store, name, 50, lot=gone)
    await in_force(store, name)
    assert [row.quantity for row in await requests_of(store, name)] == [q(24)]


@pytest.mark.rule("MAT-167")
async def test_the_real_procurement_carries_the_request(store: Plant) -> None:
    name = await item(store)
    await in_force(store, name)
    await store.settle()
    (request,) = await requests_of(store, name)
    read = await store("vic", policies_pb2.GetSupplyRequestRequest(name=request.name))
    assert (read.state, read.carried_by.startswith(f"{SITE}/requisitions/")) == (Request.CARRIED, True)
    needs = await store("ben", requisitions_pb2.ListRequisitionsRequest(parent=SITE, filter=f'item = "{name}"'))
    assert [(row.name, row.quantity) for row in needs.requisitions] == [(read.carried_by, q(24))]
    await store("ada", requisitions_pb2.RejectRequisitionRequest(name=read.carried_by, reason="no money"))
    await store.settle()
    read = await store("vic", policies_pb2.GetSupplyRequestRequest(name=request.name))
    assert (read.state, read.carried_by) == (Request.OPEN, "")


# --- chain and lookup ---------------------------------------------------------------------------------------


async def lookup(plant: Plant, code: str) -> list[tuple[str, str]]:
    answer = await plant("sam", chain_pb2.LookupMaterialsCodeRequest(parent=SITE, code=code))
    return [(match.kind, match.resource) for match in answer.matches]


@pytest.mark.rule("MAT-264")
async def test_a_gtin_number_place_or_receipt_is_found_as_printed_or_scanned(store: Plant) -> None:
    name = await item(store, gtins=["4006381333931"], number=(printed := fresh("N-")))
    where = fresh("rack")
    await place(store, where, check_code=(check := fresh("C-")))
    for code in ("4006381333931", "04006381333931", "]E04006381333931", "]C10104006381333931", "(01)04006381333931"):
        assert await lookup(store, code) == [("item", name)], code
    assert await lookup(store, printed) == [("item", name)]
    assert await lookup(store, check) == [("location", at(where))]
    assert await lookup(store, where) == [("location", at(where))]
    receipt = await arrived(store)
    assert await lookup(store, receipt.number) == [("receipt", receipt.name)]
    assert await lookup(store, "4006381333932") == []


@pytest.mark.rule("MAT-11")
async def test_a_bare_lot_number_that_fits_several_items_gives_them_all(store: Plant) -> None:
    number = fresh("L")
    found = [await lot(store, await item(store, tracking="LOT"), number) for _ in range(2)]
    assert await lookup(store, number) == [("lot", name) for name in sorted(found)]
    assert await lookup(store, number.upper()) == []


async def test_the_chain_of_a_work_order_is_told_in_order(store: Plant) -> None:
    name = await item(store, inspect_receipts=True)
    await expected(store, name, 5)
    claim = await reserved(store, name, 3)
    await stocked(store, name, 3)
    entries = await chain_of(store, claim.work_order)
    assert [row.event_type for row in entries] == ["ReservationShort", "ReservationAllocated"]
    assert [row.service for row in entries] == ["materials", "materials"]
    assert entries[0].resource == claim.name
    assert entries[0].causation
    assert entries[0].position < entries[1].position


async def test_the_chain_of_an_order_holds_receipt_decision_and_put_away_in_order(store: Plant) -> None:
    name = await item(store, inspect_receipts=True)
    row = await expected(store, name, 5)
    order = (await store("vic", receipts_pb2.GetExpectedReceiptRequest(name=row))).purchase_order
    receipt = await received(store, scanned(name, 5))
    split = inspections_pb2.InspectionLot.Split(outcome="UNRESTRICTED", quantity=q(5))
    await store("ines", inspections_pb2.DecideUsageRequest(name=receipt.lines[0].inspection_lot, splits=[split]))
    await store("sam", tasks_pb2.ConfirmPutAwayRequest(name=receipt.lines[0].put_away_task, location=at("shelf")))
    kinds = [entry.event_type for entry in await chain_of(store, order, size=2)]
    assert kinds == ["ReceiptPosted", "MovementPosted", "InspectionDecided", "MovementPosted", "MovementPosted"]


async def chain_of(plant: Plant, correlation: str, size: int = 0) -> list[Any]:
    found: list[Any] = []
    token = ""
    while True:
        page = await plant(
            "vic",
            chain_pb2.ListMaterialsChainRequest(correlation=correlation, page_size=size, page_token=token),
        )
        found += page.entries
        token = page.next_page_token
        if not token:
            return found


async def test_an_item_is_found_by_its_new_number_alone(store: Plant) -> None:
    name = await item(store, number=(old := fresh("N-")))
    await store(
        "mara",
        items_pb2.UpdateItemRequest(
            item=items_pb2.Item(name=name, number=(new := fresh("N-"))), update_mask=FieldMask(paths=["number"])
        ),
    )
    assert (await lookup(store, old), await lookup(store, new)) == ([], [("item", name)])
