"""What people ask for, and who says yes to it."""

from datetime import date
from typing import Any

import pytest
from plantops.materials.v1 import items_pb2
from plantops.procurement.v1 import requisitions_pb2 as pb
from plantops.procurement.v1.events_pb2 import RequisitionApproved, RequisitionCreated, RequisitionRejected

from tests.procurement import builders as make
from tests.procurement.builders import SITE, Tier, money, pieces, refused
from tests.world import Plant

State = pb.Requisition.State


@pytest.fixture(scope="module", autouse=True)
async def item(plant: Plant) -> str:
    await make.site(plant)
    await make.site(plant, "antwerp", "Europe/Brussels")
    return await make.bought_item(plant, [("0", "10")], rank=1)


def create(item: str, parent: str = SITE, **fields: Any) -> Any:
    requisition = pb.Requisition(**{"item": item, "quantity": pieces("5"), **fields})
    return pb.CreateRequisitionRequest(parent=parent, requisition=requisition)


@pytest.mark.rule("PRC-56")
async def test_a_requisition_gets_a_proposed_supplier_with_its_estimate(plant: Plant, item: str) -> None:
    place = f"{SITE}/locations/workshop"
    request = create(item, need_date=make.day(date(2027, 1, 4)), delivery_location=place, reason="spare")
    made = await plant("mara", request)
    assert (made.state, made.requester, made.source_kind) == (State.SUBMITTED, "people/mara", pb.Requisition.PERSON)
    assert (made.quantity, made.estimate) == (pieces("5"), money("50"))
    assert (made.reason, made.delivery_location, made.need_date.year) == ("spare", place, 2027)
    assert made.HasField("expected_date")
    assert await plant("vic", pb.GetRequisitionRequest(name=made.name)) == made
    listed = await plant("vic", pb.ListRequisitionsRequest(parent=SITE, filter=f'number = "{made.number}"'))
    assert list(listed.requisitions) == [made]


@pytest.mark.rule("PRC-131")
async def test_numbers_are_never_used_twice_and_are_short(plant: Plant, item: str) -> None:
    made = [await make.requisition(plant, item) for _ in range(2)]
    made.append(await make.requisition(plant, item, by="eve", parent="sites/antwerp"))
    numbers = [need.number for need in made]
    assert len(set(numbers)) == 3
    assert all(len(number) <= 20 and number.replace("-", "").isalnum() and number.isupper() for number in numbers)


@pytest.mark.rule("PRC-6")
@pytest.mark.rule("PRC-7")
async def test_a_quantity_is_turned_into_base_units_and_refused_off_the_grid(plant: Plant) -> None:
    conversions = [items_pb2.Item.Conversion(unit_code="XBX", numerator=12, denominator=1)]
    box = await make.item(plant, conversions=conversions)
    made = await plant("mara", create(box, quantity=pieces("2.5", "XBX")))
    assert made.quantity == pieces("30")
    with refused(plant, "INVALID_ARGUMENT", "QUANTITY_NOT_ON_GRID", field="requisition.quantity.value"):
        await plant("mara", create(box, quantity=pieces("0.5")))
    with refused(plant, "INVALID_ARGUMENT", "QUANTITY_NOT_ON_GRID", field="requisition.quantity.value"):
        await plant("mara", create(box, quantity=pieces("0.1", "XBX")))
    with refused(plant, "INVALID_ARGUMENT", "UNIT_INCOMPATIBLE"):
        await plant("mara", create(box, quantity=pieces("1", "KGM")))


async def test_bad_requisitions_are_refused(plant: Plant, item: str) -> None:
    for quantity in ("0", "-1", "x", "1e2", ""):
        with refused(plant, "INVALID_ARGUMENT", "FIELD_INVALID", field="requisition.quantity.value"):
            await plant("mara", create(item, quantity=pieces(quantity)))
    with refused(plant, "INVALID_ARGUMENT", "FIELD_INVALID", field="requisition.item"):
        await plant("mara", create("items/none"))
    with refused(plant, "INVALID_ARGUMENT", "FIELD_INVALID", field="requisition.delivery_location"):
        await plant("mara", create(item, delivery_location="sites/antwerp/locations/dock"))
    with refused(plant, "INVALID_ARGUMENT", "FIELD_INVALID", field="parent"):
        await plant("mara", create(item, parent="sites/nowhere"))


@pytest.mark.played_partner
async def test_a_blocked_item_is_not_asked_for(plant: Plant) -> None:
    from plantops.materials.v1.events_pb2 import ItemChanged

    event = ItemChanged(item="items/blocked", number="1", title="x", base_unit_code="H87", state="BLOCKED")
    await make.Partner(plant).tell(event)
    with refused(plant, "FAILED_PRECONDITION", "ITEM_NOT_ACTIVE"):
        await plant("mara", create("items/blocked"))


async def test_an_item_that_nobody_sells_can_be_asked_for(plant: Plant) -> None:
    made = await make.requisition(plant, await make.item(plant))
    assert (made.supplier, made.HasField("estimate")) == ("", False)
    assert made.explanation[-1] == "nobody can supply it"


@pytest.mark.rule("PRC-25")
async def test_only_active_suppliers_and_terms_of_the_site_are_proposed(plant: Plant) -> None:
    item = await make.item(plant)
    off = await make.offer(plant, await make.supplier(plant, active=False), item, [("0", "1")], rank=1)
    both = await make.supplier(plant)
    everywhere = await make.offer(plant, both, item, [("0", "2")], rank=1)
    here = await make.offer(plant, both, item, [("0", "3")], rank=2, site="hamburg")
    elsewhere = await make.offer(plant, await make.supplier(plant), item, [("0", "1")], rank=1, site="antwerp")
    made = await make.requisition(plant, item)
    assert made.supplier_item == here.name
    words = "\n".join(made.explanation)
    assert f"{off.name} passed over: the supplier is DRAFT" in words
    assert f"{everywhere.name} passed over: the supplier sells it to this site on other terms" in words
    assert elsewhere.name not in words


# --- decisions ---------------------------------------------------------------------------------------------


@pytest.mark.rule("PRC-72")
@pytest.mark.rule("SEC-28")
async def test_who_asks_does_not_approve_not_even_for_somebody(plant: Plant, item: str) -> None:
    made = await make.requisition(plant, item, by="otto")
    with refused(plant, "PERMISSION_DENIED", "SEGREGATION_OF_DUTIES"):
        await plant("otto", pb.ApproveRequisitionRequest(name=made.name))
    token = plant.issuer.token("people/ada", {"-": ["approver"]}, on_behalf_of="people/otto")
    with refused(plant, "PERMISSION_DENIED", "SEGREGATION_OF_DUTIES"):
        await plant("ada", pb.ApproveRequisitionRequest(name=made.name), token=token)
    found = await plant("ada", pb.ApproveRequisitionRequest(name=made.name, etag=made.etag))
    assert (found.state, found.approver) == (State.APPROVED, "people/ada")


@pytest.mark.rule("SEC-28")
async def test_the_database_refuses_an_approval_by_who_asked(plant: Plant, item: str) -> None:
    import psycopg

    made = await make.requisition(plant, item)
    with plant.look("procurement") as connection, pytest.raises(psycopg.errors.CheckViolation, match="duties"):
        connection.execute("update requisition set approver = requester where name = %s", [made.name])


async def test_a_refused_requisition_keeps_what_it_was_for_and_says_why(plant: Plant, item: str) -> None:
    made = await make.requisition(plant, item, reason="for the press")
    found = await plant("ada", pb.RejectRequisitionRequest(name=made.name, reason="there is enough"))
    assert (found.state, found.reason, found.decision_reason) == (State.REJECTED, "for the press", "there is enough")
    with refused(plant, "FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED"):
        await plant("ada", pb.RejectRequisitionRequest(name=made.name, reason="again"))
    with refused(plant, "FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED"):
        await plant("ada", pb.ApproveRequisitionRequest(name=made.name))
    approved = await make.approved(plant, item)
    with refused(plant, "FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED"):
        await plant("ada", pb.ApproveRequisitionRequest(name=approved.name))


@pytest.mark.rule("SEC-29")
@pytest.mark.parametrize(("price", "allowed"), [("99.99", True), ("100", True), ("100.01", False)])
async def test_a_ceiling_holds_up_to_itself(plant: Plant, item: str, price: str, allowed: bool) -> None:
    dear = await make.bought_item(plant, [("0", price)])
    made = await make.requisition(plant, dear, "1")
    async with make.in_force(plant, "APPROVE", ceiling=money("100")):
        if allowed:
            assert (await plant("ada", pb.ApproveRequisitionRequest(name=made.name))).state == State.APPROVED
            return
        with refused(plant, "PERMISSION_DENIED", "LIMIT_EXCEEDED") as caught:
            await plant("ada", pb.ApproveRequisitionRequest(name=made.name))
        assert caught.value.metadata["ceiling"] == "100"


@pytest.mark.rule("SEC-29")
async def test_three_parts_do_not_pass_a_ceiling_that_their_sum_does_not(plant: Plant, item: str) -> None:
    dear = await make.bought_item(plant, [("0", "4000")])
    async with make.in_force(plant, "APPROVE", ceiling=money("10000")):
        for _ in range(2):
            await make.approved(plant, dear, "1")
        third = await make.requisition(plant, dear, "1")
        with refused(plant, "PERMISSION_DENIED", "LIMIT_EXCEEDED") as caught:
            await plant("ada", pb.ApproveRequisitionRequest(name=third.name))
        assert caught.value.metadata["total"] == "12000"
        other = await make.requisition(plant, dear, "1", by="paul")  # another requester
        assert (await plant("ada", pb.ApproveRequisitionRequest(name=other.name))).state == State.APPROVED


async def test_a_ceiling_in_another_currency_cannot_be_kept(plant: Plant, item: str) -> None:
    made = await make.requisition(plant, item)
    async with make.in_force(plant, "APPROVE", ceiling=money("100000", "USD")):
        with refused(plant, "PERMISSION_DENIED", "LIMIT_EXCEEDED"):
            await plant("ada", pb.ApproveRequisitionRequest(name=made.name))


@pytest.mark.rule("PRC-65")
async def test_a_persons_requisition_is_never_approved_by_a_rule(plant: Plant, item: str) -> None:
    async with make.in_force(plant, "APPROVE", requisition_tiers=[Tier(up_to=money("10000"), automatic=True)]):
        assert (await make.requisition(plant, item)).state == State.SUBMITTED


async def test_permission_site_etag_and_unknown_names_are_checked(plant: Plant, item: str) -> None:
    made = await make.requisition(plant, item)
    approve = pb.ApproveRequisitionRequest(name=made.name)
    reject = pb.RejectRequisitionRequest(name=made.name, reason="x")
    for request in (create(item), approve, reject):
        with refused(plant, "PERMISSION_DENIED", "PERMISSION_DENIED"):
            await plant("vic", request)
    for request in (
        create(item),
        approve,
        reject,
        pb.GetRequisitionRequest(name=made.name),
        pb.ListRequisitionsRequest(parent=SITE),
    ):
        with refused(plant, "PERMISSION_DENIED", "PERMISSION_DENIED"):
            await plant("eve", request)
    seen = await plant("eve", pb.ListRequisitionsRequest(parent="sites/-"))
    assert {need.name.split("/")[1] for need in seen.requisitions} <= {"antwerp"}
    with refused(plant, "ABORTED", "ETAG_MISMATCH"):
        await plant("ada", pb.ApproveRequisitionRequest(name=made.name, etag='"99"'))
    nothing = f"{SITE}/requisitions/none"
    for request in (
        pb.GetRequisitionRequest(name=nothing),
        pb.ApproveRequisitionRequest(name=nothing),
        pb.RejectRequisitionRequest(name=nothing, reason="x"),
    ):
        with refused(plant, "NOT_FOUND", "RESOURCE_NOT_FOUND"):
            await plant("ada", request)


async def test_each_step_is_told(plant: Plant, item: str) -> None:
    yes = await make.approved(plant, item)
    no = await make.requisition(plant, item)
    await plant("ada", pb.RejectRequisitionRequest(name=no.name, reason="enough"))

    def told(name: str) -> list[tuple[str, bytes]]:
        query = "select aggregate_type, payload from outbox where aggregate_id = %s order by pos"
        return [(kind, bytes(payload)) for kind, payload in plant.rows("procurement", query, name)]

    (first, created), (second, approved) = told(yes.name)
    assert (first, second) == ("RequisitionCreated", "RequisitionApproved")
    event = RequisitionCreated.FromString(created)
    assert (event.source_kind, event.item, event.site, event.quantity) == ("PERSON", item, SITE, pieces("10"))
    assert event.HasField("expected_date")
    assert RequisitionApproved.FromString(approved).version == 2
    rejected = RequisitionRejected.FromString(told(no.name)[1][1])
    assert (rejected.reason, rejected.item, rejected.version) == ("enough", item, 2)
