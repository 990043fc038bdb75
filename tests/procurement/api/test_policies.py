"""Sourcing and approval policies: four eyes, one revision in force, its effect on what is asked next."""

from typing import Any

import pytest
from plantops.procurement.v1 import policies_pb2 as pb
from plantops.procurement.v1.events_pb2 import PolicyActivated

from tests.procurement import builders as make
from tests.procurement.builders import Tier, money, refused
from tests.world import Plant

State = pb.ProcurementRevision.State


@pytest.fixture(scope="module", autouse=True)
async def known_site(plant: Plant) -> None:
    await make.site(plant)


async def policy(plant: Plant, kind: str = "APPROVE", **fields: Any) -> Any:
    """A policy of a site that no other test uses."""
    site = make.unique("site")
    await make.site(plant, site)
    made = pb.ProcurementPolicy(title="A policy", kind=kind, site=site)
    return await plant("ben", pb.CreateProcurementPolicyRequest(procurement_policy=made))


async def draft(plant: Plant, parent: str, **content: Any) -> Any:
    revision = pb.ProcurementRevision(**(content or {"ceiling": money("1000")}))
    return await plant("ben", pb.CreateProcurementRevisionRequest(parent=parent, procurement_revision=revision))


async def submitted(plant: Plant, parent: str) -> Any:
    made = await draft(plant, parent)
    return await plant("ben", pb.SubmitProcurementRevisionRequest(name=made.name, etag=made.etag))


@pytest.mark.rule("PRC-91")
async def test_a_revision_goes_from_draft_to_active_to_retired(plant: Plant) -> None:
    made = await policy(plant)
    revision = await draft(plant, made.name)
    assert (revision.state, revision.author, revision.content_hash) == (State.DRAFT, "people/ben", "")
    revision = await plant("ben", pb.SubmitProcurementRevisionRequest(name=revision.name))
    assert revision.state == State.SUBMITTED
    assert len(revision.content_hash) == 64
    approve = pb.ApproveProcurementRevisionRequest(name=revision.name, content_hash=revision.content_hash)
    revision = await plant("ada", approve)
    assert (revision.state, revision.approver) == (State.APPROVED, "people/ada")
    revision = await plant("ada", pb.ActivateProcurementRevisionRequest(name=revision.name))
    assert revision.state == State.ACTIVE
    assert revision.HasField("effective_time")
    found = await plant("vic", pb.GetProcurementPolicyRequest(name=made.name))
    assert found.active_revision == revision.name
    second = await make.activated(plant, made.name, ceiling=money("2000"))
    first = await plant("vic", pb.GetProcurementRevisionRequest(name=revision.name))
    assert first.state == State.RETIRED
    listed = await plant("vic", pb.ListProcurementRevisionsRequest(parent=made.name))
    assert [row.name for row in listed.procurement_revisions] == [first.name, second.name]
    ended = await plant("ada", pb.RetireProcurementRevisionRequest(name=second.name, reason="no longer wanted"))
    assert ended.state == State.RETIRED
    found = await plant("vic", pb.GetProcurementPolicyRequest(name=made.name))
    assert found.active_revision == ""


@pytest.mark.rule("PRC-72")
@pytest.mark.rule("PRC-91")
async def test_the_author_does_not_approve_a_revision_not_even_for_somebody(plant: Plant) -> None:
    revision = await submitted(plant, (await policy(plant)).name)
    approve = pb.ApproveProcurementRevisionRequest(name=revision.name, content_hash=revision.content_hash)
    with refused(plant, "PERMISSION_DENIED", "SEGREGATION_OF_DUTIES"):
        await plant("ben", approve)
    token = plant.issuer.token("people/ada", {"-": ["approver"]}, on_behalf_of="people/ben")
    with refused(plant, "PERMISSION_DENIED", "SEGREGATION_OF_DUTIES"):
        approve.request_id = ""
        await plant("ada", approve, token=token)


@pytest.mark.rule("PRC-75")
async def test_an_approval_names_the_content_that_was_read(plant: Plant) -> None:
    revision = await submitted(plant, (await policy(plant)).name)
    with refused(plant, "ABORTED", "CONTENT_CHANGED"):
        await plant("ada", pb.ApproveProcurementRevisionRequest(name=revision.name, content_hash="0" * 64))


@pytest.mark.rule("PRC-75")
async def test_the_hash_binds_the_currency_of_the_ceiling_too(plant: Plant) -> None:
    hashes = set()
    for currency in ("EUR", "USD"):
        made = await draft(plant, (await policy(plant)).name, ceiling=money("5", currency))
        hashes.add((await plant("ben", pb.SubmitProcurementRevisionRequest(name=made.name))).content_hash)
    assert len(hashes) == 2


@pytest.mark.rule("PRC-91")
async def test_only_listed_steps_follow_each_other(plant: Plant) -> None:
    made = await policy(plant)
    revision = await draft(plant, made.name)
    for request in (
        pb.ActivateProcurementRevisionRequest(name=revision.name),
        pb.RetireProcurementRevisionRequest(name=revision.name, reason="x"),
        pb.ReturnProcurementRevisionRequest(name=revision.name, reason="x"),
    ):
        with refused(plant, "FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED"):
            await plant("ada", request)
    revision = await plant("ben", pb.SubmitProcurementRevisionRequest(name=revision.name))
    with refused(plant, "FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED"):
        await plant("ben", pb.SubmitProcurementRevisionRequest(name=revision.name))
    returned = await plant("ada", pb.ReturnProcurementRevisionRequest(name=revision.name, reason="too high"))
    assert (returned.state, returned.content_hash) == (State.DRAFT, "")


@pytest.mark.rule("PRC-92")
async def test_a_kind_has_one_policy_for_a_site(plant: Plant) -> None:
    made = await policy(plant, "SOURCE")
    again = pb.ProcurementPolicy(title="Another", kind="SOURCE", site=made.site)
    with refused(plant, "ALREADY_EXISTS", "RESOURCE_EXISTS"):
        await plant("ben", pb.CreateProcurementPolicyRequest(procurement_policy=again))
    listed = await plant("vic", pb.ListProcurementPoliciesRequest(filter="kind = SOURCE"))
    assert made.name in [row.name for row in listed.procurement_policies]


@pytest.mark.parametrize(
    ("kind", "content", "field"),
    [
        ("SOURCE", {"ceiling": money("1")}, "procurement_revision"),
        ("SOURCE", {"order_tiers": [Tier(up_to=money("1"))]}, "procurement_revision"),
        ("APPROVE", {"choice": "RANK"}, "procurement_revision.choice"),
        ("APPROVE", {"ceiling": money("0")}, "procurement_revision.ceiling"),
        ("APPROVE", {"order_tiers": [Tier(up_to=money("0"))]}, "procurement_revision.order_tiers[0].up_to"),
        (
            "APPROVE",
            {"order_tiers": [Tier(up_to=money("1")), Tier(up_to=money("1"))]},
            "procurement_revision.order_tiers[1].up_to",
        ),
        ("APPROVE", {"requisition_tiers": [Tier()]}, "procurement_revision.requisition_tiers[0].up_to"),
        ("APPROVE", {"order_tiers": [Tier(up_to=money("1"))], "ceiling": money("2", "USD")}, "procurement_revision"),
    ],
)  # fmt: skip
async def test_content_that_makes_no_sense_is_refused(plant: Plant, kind: str, content: Any, field: str) -> None:
    made = await policy(plant, kind)
    with refused(plant, "INVALID_ARGUMENT", "FIELD_INVALID", field=field):
        await draft(plant, made.name, **content)


async def test_permission_etag_unknown_names_and_sites_are_checked(plant: Plant) -> None:
    made = await policy(plant)
    revision = await submitted(plant, made.name)
    content = pb.ProcurementRevision()
    for person in ("vic", "eve"):  # eve's roles hold at another site alone
        for request in (
            pb.CreateProcurementPolicyRequest(procurement_policy=pb.ProcurementPolicy(title="x", kind="SOURCE")),
            pb.CreateProcurementRevisionRequest(parent=made.name, procurement_revision=content),
            pb.SubmitProcurementRevisionRequest(name=revision.name),
            pb.ReturnProcurementRevisionRequest(name=revision.name, reason="x"),
            pb.ApproveProcurementRevisionRequest(name=revision.name, content_hash=revision.content_hash),
            pb.ActivateProcurementRevisionRequest(name=revision.name),
            pb.RetireProcurementRevisionRequest(name=revision.name, reason="x"),
        ):
            with refused(plant, "PERMISSION_DENIED", "PERMISSION_DENIED"):
                await plant(person, request)
    nothing = f"{made.name}/revisions/r99"
    for request in (
        pb.GetProcurementPolicyRequest(name="procurementPolicies/none"),
        pb.GetProcurementRevisionRequest(name=nothing),
        pb.CreateProcurementRevisionRequest(parent="procurementPolicies/none", procurement_revision=content),
        pb.SubmitProcurementRevisionRequest(name=nothing),
        pb.ReturnProcurementRevisionRequest(name=nothing, reason="x"),
        pb.ApproveProcurementRevisionRequest(name=nothing, content_hash="x"),
        pb.ActivateProcurementRevisionRequest(name=nothing),
        pb.RetireProcurementRevisionRequest(name=nothing, reason="x"),
    ):
        with refused(plant, "NOT_FOUND", "RESOURCE_NOT_FOUND"):
            await plant("otto", request)
    with refused(plant, "ABORTED", "ETAG_MISMATCH"):
        await plant("ben", pb.SubmitProcurementRevisionRequest(name=revision.name, etag='"99"'))
    with refused(plant, "INVALID_ARGUMENT", "FIELD_INVALID", field="procurement_policy.site"):
        wrong = pb.ProcurementPolicy(title="x", kind="SOURCE", site="nowhere")
        await plant("ben", pb.CreateProcurementPolicyRequest(procurement_policy=wrong))


async def test_an_activation_is_told_with_the_revision_before(plant: Plant) -> None:
    made = await policy(plant)
    first = await make.activated(plant, made.name, ceiling=money("1"))
    second = await make.activated(plant, made.name, ceiling=money("2"))
    rows = plant.rows("procurement", "select payload from outbox where aggregate_id = %s order by pos", made.name)
    told = [PolicyActivated.FromString(bytes(row[0])) for row in rows]
    assert [(event.revision, event.replaced_revision, event.version) for event in told] == [
        (first.name, "", 1),
        (second.name, first.name, 2),
    ]
    assert (told[0].kind, told[0].selector) == ("APPROVE", made.site)


# --- effect ------------------------------------------------------------------------------------------------


@pytest.mark.rule("PRC-32")
@pytest.mark.rule("PRC-92")
async def test_the_policy_in_force_at_the_site_chooses_the_supplier(plant: Plant) -> None:
    item = await make.item(plant)
    first = await make.offer(plant, await make.supplier(plant), item, [("0", "10")], rank=1)
    cheap = await make.offer(plant, await make.supplier(plant), item, [("0", "9")], rank=2)
    by_rank = await make.requisition(plant, item)
    assert by_rank.supplier_item == first.name
    assert by_rank.explanation[0] == "no source policy: by rank"
    async with make.in_force(plant, "SOURCE", choice="CHEAPEST") as revision:
        found = await make.requisition(plant, item)
        assert (found.supplier_item, found.estimate) == (cheap.name, money("90"))
        assert found.explanation[0] == f"source policy {revision.name}"
        assert any(words.startswith(f"{first.name} passed over: rank 1, 10 for 100 EUR") for words in found.explanation)
    assert (await make.requisition(plant, item)).supplier_item == first.name
    assert (await make.read_need(plant, found.name)).supplier_item == cheap.name  # nothing decided is changed
