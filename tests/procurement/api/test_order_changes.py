"""What is changed in an order, before and after issue; its end; its chain and its code."""

from datetime import date
from typing import Any

import pytest
from google.type.decimal_pb2 import Decimal
from plantops.procurement.v1 import chain_pb2
from plantops.procurement.v1 import purchase_orders_pb2 as pb
from plantops.procurement.v1.events_pb2 import PurchaseOrderCancelled, PurchaseOrderChanged

from tests.procurement import builders as make
from tests.procurement.builders import SITE, money, pieces, refused
from tests.world import Plant

State = pb.PurchaseOrder.State
BREAKS = [("1", "12"), ("50", "10"), ("100", "9")]


@pytest.fixture(scope="module")
async def item(plant: Plant) -> str:
    await make.site(plant)
    return await make.bought_item(plant, BREAKS, minimum_quantity="5", multiple="5", rank=1, over_percent="10")


def revise(order: Any, quantity: str = "", day: date | None = None, line: int = 10, **more: Any) -> Any:
    request = pb.RevisePurchaseOrderRequest(name=order.name, line=line, reason="agreed by telephone", **more)
    if quantity:
        request.quantity.CopyFrom(Decimal(value=quantity))
    if day is not None:
        request.expected_date.CopyFrom(make.day(day))
    return request


def events_of(plant: Plant, order: Any) -> list[tuple[str, bytes]]:
    query = "select aggregate_type, payload from outbox where aggregate_id = %s order by pos"
    return [(kind, bytes(payload)) for kind, payload in plant.rows("procurement", query, order.name)]


# --- before issue ------------------------------------------------------------------------------------------


@pytest.mark.rule("PRC-39")
async def test_until_approval_the_break_follows_the_quantity(plant: Plant, item: str) -> None:
    order = await make.draft(plant, await make.approved(plant, item, "40"))
    assert order.lines[0].unit_price == money("12")
    order = await plant("ben", revise(order, "100", etag=order.etag))
    assert (order.lines[0].unit_price, order.net, order.revision) == (money("9"), money("900"), 1)
    assert order.lines[0].accept_limit == pieces("110")
    order = await plant("ben", revise(order, "60"))
    assert (order.lines[0].unit_price, order.net) == (money("10"), money("600"))


@pytest.mark.rule("PRC-7")
async def test_a_stated_quantity_off_the_suppliers_grid_is_refused(plant: Plant, item: str) -> None:
    order = await make.draft(plant, await make.approved(plant, item, "40"))
    with refused(plant, "INVALID_ARGUMENT", "QUANTITY_NOT_ON_GRID", field="quantity.value"):
        await plant("ben", revise(order, "42"))
    for wrong in ("4", "0", "-5", "x"):
        with refused(plant, "INVALID_ARGUMENT", "FIELD_INVALID", field="quantity.value"):
            await plant("ben", revise(order, wrong))
    with refused(plant, "INVALID_ARGUMENT", "FIELD_INVALID", field="line"):
        await plant("ben", revise(order, "45", line=11))
    with refused(plant, "INVALID_ARGUMENT", "FIELD_INVALID", field="quantity"):
        await plant("ben", revise(order))


@pytest.mark.rule("PRC-75")
@pytest.mark.parametrize("approved", [True, False])
async def test_a_change_before_issue_withdraws_submission_and_approval(plant: Plant, item: str, approved: bool) -> None:
    order = await make.submitted(plant, await make.draft(plant, await make.approved(plant, item)))
    if approved:
        order = await make.approve(plant, order)
    changed = await plant("ben", revise(order, day=date(2027, 3, 1)))
    assert (changed.state, changed.approver, changed.content_hash) == (State.DRAFT, "", "")
    assert changed.revision == (2 if approved else 1)
    with refused(plant, "FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED"):
        await make.issue(plant, changed)
    again = await make.approve(plant, await make.submitted(plant, changed))
    assert again.content_hash != order.content_hash
    assert [kind for kind, _ in events_of(plant, order)] == []


# --- after issue -------------------------------------------------------------------------------------------


@pytest.mark.rule("PRC-121")
@pytest.mark.rule("PRC-127")
async def test_less_or_later_is_in_force_at_once_as_a_revision_that_nobody_approved(plant: Plant, item: str) -> None:
    order = await make.issued(plant, item, "100")
    changed = await plant("ben", revise(order, "80"))
    later = await plant("otto", revise(order, day=date(2027, 3, 1)))
    assert (changed.state, changed.revision, later.revision) == (State.ISSUED, 2, 3)
    assert (changed.lines[0].unit_price, changed.net) == (money("9"), money("720"))  # the price is frozen
    assert changed.approver == "services/procurement"
    listed = await plant("vic", pb.ListPurchaseOrderRevisionsRequest(parent=order.name))
    assert [row.approver for row in listed.purchase_order_revisions] == [
        "people/ada", "services/procurement", "services/procurement",
    ]  # fmt: skip
    hashes = [row.content_hash for row in listed.purchase_order_revisions]
    assert hashes == [order.content_hash, changed.content_hash, later.content_hash]
    kinds = [kind for kind, _ in events_of(plant, order)]
    assert kinds == ["PurchaseOrderIssued", "PurchaseOrderChanged", "PurchaseOrderChanged"]
    event = PurchaseOrderChanged.FromString(events_of(plant, order)[1][1])
    assert (event.revision, event.content_hash, event.version) == (2, changed.content_hash, 2)
    assert (event.lines[0].schedules[0].quantity, event.lines[0].schedules[0].accept_limit) == (
        pieces("80"),
        pieces("88"),
    )


@pytest.mark.rule("PRC-127")
async def test_more_is_not_ordered_by_a_change_after_issue(plant: Plant, item: str) -> None:
    order = await make.issued(plant, item, "100")
    with refused(plant, "INVALID_ARGUMENT", "FIELD_INVALID", field="quantity.value"):
        await plant("ben", revise(order, "105"))


@pytest.mark.rule("PRC-124")
@pytest.mark.played_partner
async def test_what_has_come_cannot_be_ordered_less(plant: Plant, item: str) -> None:
    order = await make.issued(plant, item, "100")
    await make.receive(plant, order, "60")
    with refused(plant, "FAILED_PRECONDITION", "BELOW_DELIVERED") as caught:
        await plant("ben", revise(order, "59.999999"))
    assert caught.value.metadata["received"] == "60"
    found = await plant("ben", revise(order, "60"))
    assert found.lines[0].quantity == pieces("60")


@pytest.mark.rule("PRC-61")
async def test_a_decrease_gives_back_the_needs_that_are_not_covered_any_more(plant: Plant, item: str) -> None:
    first = await make.approved(plant, item, "60", need_date=make.day(date(2027, 3, 1)))
    second = await make.approved(plant, item, "40", need_date=make.day(date(2027, 3, 2)), by="paul")
    order = await make.issue(plant, await make.approved_order(plant, first, second))
    changed = await plant("ben", revise(order, "75"))
    cover = {row.requisition: row.quantity.value for row in changed.lines[0].references}
    assert cover == {first.name: "60", second.name: "15"}
    found = await make.requisitions_of(plant, item=item, state="SUBMITTED", requester="people/paul")
    assert [need.quantity for need in found] == [pieces("25")]
    assert found[0].explanation[0] == f"left over from {order.name}"


# --- short-close, close ------------------------------------------------------------------------------------


@pytest.mark.rule("PRC-125")
@pytest.mark.played_partner
async def test_a_short_closed_line_is_a_revision_of_its_own_and_can_be_opened_again(plant: Plant, item: str) -> None:
    other = await make.approved(plant, item, "5")
    order = await make.issued(plant, item, "100")
    await make.receive(plant, order, "60", status="INSPECTION")
    closed = await plant("ben", pb.ShortClosePurchaseOrderRequest(name=order.name, line=10, reason="sold out"))
    line = closed.lines[0]
    assert (line.short_closed, closed.state, closed.revision) == (pieces("40"), State.ISSUED, 2)
    assert closed.content_hash != order.content_hash
    kept = await plant("vic", pb.GetPurchaseOrderRevisionRequest(name=f"{order.name}/revisions/r2"))
    assert kept.content["lines"][0]["short_closed"] == "40"
    event = PurchaseOrderChanged.FromString(events_of(plant, order)[-1][1])
    assert event.lines[0].schedules[0].open_quantity == pieces("0")
    with refused(plant, "FAILED_PRECONDITION", "NOTHING_OPEN"):
        await plant("ben", pb.ShortClosePurchaseOrderRequest(name=order.name, line=10, reason="again"))
    opened = await plant("ben", revise(order, "80"))
    assert (opened.lines[0].short_closed, opened.lines[0].quantity) == (pieces("0"), pieces("80"))
    assert (await make.read_need(plant, other.name)).state == other.APPROVED


@pytest.mark.rule("PRC-126")
async def test_an_order_closes_by_itself_when_its_last_line_is_short_closed(plant: Plant, item: str) -> None:
    order = await make.issued(plant, item)
    closed = await plant("ben", pb.ShortClosePurchaseOrderRequest(name=order.name, line=10, reason="sold out"))
    assert closed.state == State.CLOSED
    kinds = [kind for kind, _ in events_of(plant, order)]
    assert kinds == ["PurchaseOrderIssued", "PurchaseOrderChanged", "PurchaseOrderClosed"]


@pytest.mark.rule("PRC-120")
@pytest.mark.parametrize("step", ["draft", "pending", "approved", "closed", "cancelled"])
async def test_only_an_issued_order_is_short_closed_or_closed(plant: Plant, item: str, step: str) -> None:
    """Neither command may issue an order on its way, nor open a closed one again."""
    order = await make.draft(plant, await make.approved(plant, item))
    if step != "draft":
        order = await make.submitted(plant, order)
    if step in ("approved", "closed"):
        order = await make.approve(plant, order)
    if step == "closed":
        await make.issue(plant, order)
        await plant("ben", pb.ShortClosePurchaseOrderRequest(name=order.name, line=10, reason="x"))
    if step == "cancelled":
        await plant("ben", pb.CancelPurchaseOrderRequest(name=order.name, reason="x"))
    for request in (
        pb.ShortClosePurchaseOrderRequest(name=order.name, line=10, reason="x"),
        pb.ClosePurchaseOrderRequest(name=order.name),
    ):
        with refused(plant, "FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED"):
            await plant("ben", request)


@pytest.mark.rule("PRC-126")
@pytest.mark.played_partner
async def test_a_person_closes_what_has_come_and_nothing_that_is_open(plant: Plant, item: str) -> None:
    order = await make.issued(plant, item)
    with refused(plant, "FAILED_PRECONDITION", "STILL_OPEN") as caught:
        await plant("ben", pb.ClosePurchaseOrderRequest(name=order.name))
    assert caught.value.metadata["lines"] == "10"
    await make.receive(plant, order, "10", status="INSPECTION")
    closed = await plant("ben", pb.ClosePurchaseOrderRequest(name=order.name))
    assert closed.state == State.CLOSED


# --- cancel ------------------------------------------------------------------------------------------------


@pytest.mark.rule("PRC-125")
async def test_a_cancelled_order_gives_its_needs_back(plant: Plant, item: str) -> None:
    need = await make.approved(plant, item)
    order = await make.issue(plant, await make.approved_order(plant, need))
    found = await plant("ben", pb.CancelPurchaseOrderRequest(name=order.name, reason="too late"))
    assert found.state == State.CANCELLED
    again = await make.read_need(plant, need.name)
    assert (again.state, again.purchase_order) == (again.APPROVED, "")
    kind, payload = events_of(plant, order)[-1]
    event = PurchaseOrderCancelled.FromString(payload)
    assert (kind, event.reason, event.version) == ("PurchaseOrderCancelled", "too late", 2)
    assert [row.requisition for row in event.references] == [need.name]
    assert (await make.draft(plant, again)).state == State.DRAFT  # may be ordered again


async def test_what_was_never_with_the_supplier_is_cancelled_without_an_event(plant: Plant, item: str) -> None:
    need = await make.approved(plant, item)
    order = await make.approved_order(plant, need)
    await plant("ben", pb.CancelPurchaseOrderRequest(name=order.name, reason="not needed"))
    assert events_of(plant, order) == []
    assert plant.value("procurement", "select event_version from purchase_order where name = %s", order.name) == 0
    with refused(plant, "FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED"):
        await plant("ben", pb.CancelPurchaseOrderRequest(name=order.name, reason="again"))


@pytest.mark.rule("PRC-125")
@pytest.mark.played_partner
async def test_an_order_of_which_something_has_come_is_not_cancelled(plant: Plant, item: str) -> None:
    order = await make.issued(plant, item)
    await make.receive(plant, order, "1")
    with refused(plant, "FAILED_PRECONDITION", "ALREADY_DELIVERED") as caught:
        await plant("ben", pb.CancelPurchaseOrderRequest(name=order.name, reason="too late"))
    assert caught.value.metadata["received"] == "1"


# --- chain and codes ---------------------------------------------------------------------------------------


async def test_the_chain_of_a_need_leads_to_its_order(plant: Plant, item: str) -> None:
    need = await make.approved(plant, item)
    order = await make.issue(plant, await make.approved_order(plant, need))
    found = await plant("vic", chain_pb2.ListProcurementChainRequest(correlation=need.name))
    assert [(entry.event_type, entry.resource) for entry in found.entries] == [
        ("RequisitionCreated", need.name), ("RequisitionApproved", need.name), ("PurchaseOrderIssued", order.name),
    ]  # fmt: skip
    page = await plant("vic", chain_pb2.ListProcurementChainRequest(correlation=need.name, page_size=2))
    rest = chain_pb2.ListProcurementChainRequest(correlation=need.name, page_token=page.next_page_token)
    assert [entry.event_type for entry in (await plant("vic", rest)).entries] == ["PurchaseOrderIssued"]
    with refused(plant, "PERMISSION_DENIED", "PERMISSION_DENIED"):
        await plant("eve", chain_pb2.ListProcurementChainRequest(correlation=need.name))


@pytest.mark.rule("PRC-64")
async def test_an_order_of_two_needs_stands_in_both_chains(plant: Plant, item: str) -> None:
    needs = [await make.approved(plant, item) for _ in range(2)]
    order = await make.issue(plant, await make.approved_order(plant, *needs))
    for need in needs:
        found = await plant("vic", chain_pb2.ListProcurementChainRequest(correlation=need.name))
        assert found.entries[-1].resource == order.name


async def test_a_number_is_looked_up_at_its_site(plant: Plant, item: str) -> None:
    need = await make.approved(plant, item)
    order = await make.approved_order(plant, need)

    async def look(code: str, who: str = "sam") -> Any:
        return (await plant(who, chain_pb2.LookupProcurementCodeRequest(parent=SITE, code=code))).matches

    (match,) = await look(f" {order.number} ")
    assert (match.kind, match.resource, match.state, len(match.actions)) == (
        "purchase_order",
        order.name,
        "APPROVED",
        0,
    )
    await make.issue(plant, order)
    (match,) = await look(order.number.lower())
    assert [action.rpc for action in match.actions] == ["plantops.materials.v1.ReceiptService/StartReceipt"]
    (match,) = await look(need.number)
    assert (match.kind, match.resource) == ("requisition", need.name)
    assert not await look("nothing")
    with refused(plant, "PERMISSION_DENIED", "PERMISSION_DENIED"):
        await look(order.number, "eve")
