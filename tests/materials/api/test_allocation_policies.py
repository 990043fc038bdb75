"""Policies of allocation: four eyes, the most specific holds, twins are refused; and the decisions are kept."""

import json
from typing import Any

import pytest
from plantops.materials.v1 import allocation_policies_pb2 as pb
from plantops.materials.v1 import decisions_pb2 as pb2
from plantops.materials.v1 import reservations_pb2

from services.chassis.db import json_text
from services.materials.rules import decisions
from tests.materials.builders import (
    SITE,
    at,
    expected,
    fresh,
    handling_units,
    item,
    lot,
    pack,
    packed,
    place,
    position,
    received,
    scanned,
    stocked,
    told,
    unit_type,
)
from tests.materials.claims import claimed, draft, in_force, parts, places, policy, read, submit
from tests.plant import Refused
from tests.world import Plant

Revision = pb.AllocationRevision


async def explained(plant: Plant, name: str) -> Any:
    return await plant("vic", pb2.ExplainDecisionRequest(name=name))


@pytest.mark.rule("MAT-161")
async def test_a_revision_goes_from_draft_to_force_with_four_eyes(store: Plant) -> None:
    name = await item(store)
    made = await policy(store, item=name)
    revision = await draft(store, made.name, window_hours=24, order_keys=[{"key": "PATH", "descending": True}])
    assert (revision.name, revision.state, revision.author, revision.window_hours) == (
        f"{made.name}/revisions/r1", Revision.DRAFT, "people/mara", 24,
    )  # fmt: skip
    submitted = await submit(store, revision.name)
    returned = await store("ada", pb.ReturnAllocationRevisionRequest(name=revision.name, reason="too long"))
    assert returned.state == Revision.DRAFT
    submitted = await submit(store, revision.name)
    with pytest.raises(Refused) as own:
        await store(
            "mara", pb.ApproveAllocationRevisionRequest(name=revision.name, content_hash=submitted.content_hash)
        )
    assert own.value.reason == "SEGREGATION_OF_DUTIES"
    await store("ada", pb.ApproveAllocationRevisionRequest(name=revision.name, content_hash=submitted.content_hash))
    after = position(store)
    active = await store("ada", pb.ActivateAllocationRevisionRequest(name=revision.name))
    assert active.state == Revision.ACTIVE
    (event,) = told(store, "PolicyActivated", after=after)
    assert (event.kind, event.revision, event.selector) == ("ALLOCATION", revision.name, f"{name} at all sites")
    read = await store("vic", pb.GetAllocationPolicyRequest(name=made.name))
    assert read.active_revision == revision.name
    retired = await store("ada", pb.RetireAllocationRevisionRequest(name=revision.name, reason="old"))
    assert retired.state == Revision.RETIRED
    assert (await store("vic", pb.GetAllocationRevisionRequest(name=revision.name))).state == Revision.RETIRED
    listed = await store("vic", pb.ListAllocationRevisionsRequest(parent=made.name))
    assert [row.name for row in listed.allocation_revisions] == [revision.name]
    found = await store("vic", pb.ListAllocationPoliciesRequest(filter=f'item = "{name}"'))
    assert [row.active_revision for row in found.allocation_policies] == [""]


@pytest.mark.rule("MAT-161")
async def test_a_draft_is_changed_until_it_is_submitted(store: Plant) -> None:
    revision = await draft(store, (await policy(store, item=await item(store))).name, window_hours=24)
    changed = Revision(name=revision.name, window_hours=48)
    made = await store("mara", pb.UpdateAllocationRevisionRequest(allocation_revision=changed))
    assert (made.window_hours, made.author, list(made.editors)) == (48, "people/mara", [])
    await submit(store, revision.name)
    with pytest.raises(Refused) as refused:
        await store("mara", pb.UpdateAllocationRevisionRequest(allocation_revision=changed))
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "REVISION_IMMUTABLE")


@pytest.mark.rule("MAT-160")
async def test_of_two_policies_for_the_same_the_second_is_refused_at_submission(store: Plant) -> None:
    name = await item(store)
    first, twin, other = (
        await policy(store, item=name), await policy(store, item=name), await policy(store, item=name, at_site=SITE),
    )  # fmt: skip
    await submit(store, (await draft(store, first.name)).name)
    revision = await draft(store, twin.name)
    with pytest.raises(Refused) as refused:
        await submit(store, revision.name)
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "AMBIGUOUS_SCOPE")
    assert refused.value.metadata["policy"] == first.name
    assert (await submit(store, (await draft(store, other.name)).name)).state == Revision.SUBMITTED


@pytest.mark.parametrize(
    ("selector", "field"),
    [
        ({"item": "items/none"}, "allocation_policy.item"),
        ({"at_site": "sites/nowhere"}, "allocation_policy.at_site"),
    ],
)
async def test_a_selector_names_what_there_is(store: Plant, selector: dict[str, str], field: str) -> None:
    with pytest.raises(Refused) as refused:
        await policy(store, **selector)
    assert refused.value.fields == [field]


async def test_a_selector_and_a_revision_say_one_thing(store: Plant) -> None:
    name = await item(store)
    with pytest.raises(Refused) as both:
        await policy(store, item=name, item_class="seals")
    assert both.value.fields == ["allocation_policy.item_class"]
    made = await policy(store, item=name)
    with pytest.raises(Refused) as twice:
        await draft(store, made.name, order_keys=[{"key": "PATH"}, {"key": "PATH", "descending": True}])
    assert twice.value.fields == ["allocation_revision.order_keys"]


@pytest.mark.rule("MAT-160")
@pytest.mark.rule("MAT-85")
async def test_the_most_specific_policy_says_the_order(store: Plant) -> None:
    kind, far = fresh("class"), fresh("far")
    name = await item(store, item_class=kind)
    await place(store, far, path_order=9)
    await stocked(store, name, 5)
    await stocked(store, name, 5, far)
    down: dict[str, Any] = {"order_keys": [{"key": "PATH", "descending": True}]}
    await in_force(store, item_class=kind, **down)
    assert places(await claimed(store, name, 1)) == [(far, "1")]
    await in_force(store, item_class=kind, at_site=SITE, order_keys=[{"key": "PATH"}])
    assert places(await claimed(store, name, 1)) == [("shelf", "1")]
    await in_force(store, item=name, order_keys=[{"key": "DISTANCE"}])
    assert places(await claimed(store, name, 1, delivery_location=at(far))) == [(far, "1")]


@pytest.mark.rule("MAT-88")
async def test_what_is_in_a_unit_that_is_not_broken_is_taken_whole_or_not(store: Plant) -> None:
    name, kind = await item(store), await unit_type(store, unbreakable=True)
    (box,) = await handling_units(store, kind)
    await stocked(store, name, 6)
    await pack(store, box.name, packed(name, 4))
    assert parts(await claimed(store, name, 3)) == {"requested": "3", "allocated": "2", "short": "1"}
    whole = await claimed(store, name, 4, priority=2)
    assert parts(whole) == {"requested": "4", "allocated": "4"}


@pytest.mark.rule("MAT-89")
async def test_a_decision_lists_what_was_taken_and_why_the_rest_was_passed_over(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    good, blocked = await lot(store, name, "GOOD"), await lot(store, name, "BAD")
    await stocked(store, name, 3, lot=good)
    await stocked(store, name, 3, lot=blocked, to_status="BLOCKED")
    revision = await in_force(store, item=name, keep_units_whole=True)
    row = await claimed(store, name, 2)
    decision = await explained(store, row.decision)
    assert (decision.kind, decision.item, decision.revision) == ("ALLOCATION", name, revision.name)
    assert list(decision.explanation) == [
        f"{row.name} takes 2 H87 at {at('shelf')} {good}",
        f"{row.name} passes over {at('shelf')} {blocked}: wrong status",
    ]
    (told_,) = json.loads(decision.outcome)["demands"]
    assert [(each["lot"], each["why"]) for each in told_["passed_over"]] == [(blocked, "WRONG_STATUS")]
    assert json_text(decisions.replay(json.loads(decision.inputs))) == decision.outcome
    again = await store("sam", reservations_pb2.ReleaseReservationRequest(name=row.name, reason="x"))
    assert again.decision == row.decision
    with pytest.raises(Refused) as unknown:
        await explained(store, f"{SITE}/decisions/none")
    assert unknown.value.code == "NOT_FOUND"


@pytest.mark.rule("MAT-89")
async def test_decisions_are_never_changed(store: Plant) -> None:
    with store.look("materials") as connection:
        for statement in ("update decision set kind = 'X'", "delete from decision"):
            with pytest.raises(Exception, match="append-only"), connection.transaction():
                connection.execute(statement)


@pytest.mark.rule("MAT-78")
@pytest.mark.parametrize("honoured", [True, False])
async def test_goods_go_first_to_the_demand_that_they_were_ordered_for_where_the_policy_says_so(
    store: Plant, honoured: bool
) -> None:
    name = await item(store)
    await in_force(store, item=name, honour_pegging=honoured)
    urgent, pegged = await claimed(store, name, 3, priority=1), await claimed(store, name, 3, priority=5)
    await expected(store, name, 4, reservation=pegged.name, limit=4)
    await received(store, scanned(name, 4))
    first, second = (pegged, urgent) if honoured else (urgent, pegged)
    assert [(await read(store, row.name)).allocated.value for row in (first, second)] == ["3", "1"]
