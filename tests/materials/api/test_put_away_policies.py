"""Put-away by policy: four eyes, the most specific holds, steps in order, decisions that explain themselves."""

import json
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from plantops.materials.v1 import locations_pb2
from plantops.materials.v1 import put_away_policies_pb2 as pb

from services.chassis.db import json_text
from services.materials.rules import put_away
from tests.materials.builders import SITE, at, expected, fresh, item, lot, position, q, received, scanned, told
from tests.materials.places import found, reason_of, refusal
from tests.materials.put_away import (
    Step,
    activate,
    draft,
    explained,
    in_force,
    policy,
    settings,
    step,
    submit,
    task_of,
    zone,
)
from tests.materials.tasks import tasks_of
from tests.statements import statements_of
from tests.world import Plant

Revision = pb.PutAwayRevision
Limits = locations_pb2.Location.Limits


def kilograms(value: int) -> Limits:
    return Limits(max_weight=q(value, "KGM"))


async def arrive(plant: Plant, *names: str, value: int = 1) -> Any:
    """Goods that no order names a place for."""
    for name in names:
        await expected(plant, name, value, to="")
    return await received(plant, *(scanned(name, value) for name in names))


@pytest.mark.rule("MAT-161")
@pytest.mark.rule("MAT-100")
async def test_a_revision_goes_from_draft_to_force_with_four_eyes(store: Plant) -> None:
    name = await item(store)
    made = await policy(store, item=name)
    revision = await draft(store, made.name, "NEAREST_EMPTY")
    changed = await store(
        "mara",
        pb.UpdatePutAwayRevisionRequest(
            put_away_revision=Revision(name=revision.name, steps=[step("SAME_ITEM_WITH_ROOM"), step("NEAREST_EMPTY")]),
            update_mask=FieldMask(paths=["steps"]),
        ),
    )
    assert [Step.Kind.Name(row.kind) for row in changed.steps] == ["SAME_ITEM_WITH_ROOM", "NEAREST_EMPTY"]
    submitted = await submit(store, revision.name)
    own = pb.ApprovePutAwayRevisionRequest(name=revision.name, content_hash=submitted.content_hash)
    assert (await refusal(store("mara", own))).reason == "SEGREGATION_OF_DUTIES"
    late = pb.UpdatePutAwayRevisionRequest(put_away_revision=Revision(name=revision.name, steps=[step("FIXED_BIN")]))
    assert (await refusal(store("mara", late))).reason == "REVISION_IMMUTABLE"
    returned = await store("ada", pb.ReturnPutAwayRevisionRequest(name=revision.name, reason="too short"))
    assert returned.state == Revision.DRAFT
    after = position(store)
    active = await activate(store, revision.name)
    (event,) = told(store, "PolicyActivated", after=after)
    assert (active.state, event.kind, event.selector) == (Revision.ACTIVE, "PUT_AWAY", f"{name} at all sites")
    assert (await store("vic", pb.GetPutAwayPolicyRequest(name=made.name))).active_revision == revision.name
    assert (await found(store, name)).revision == revision.name
    retired = await store("ada", pb.RetirePutAwayRevisionRequest(name=revision.name, reason="old"))
    assert retired.state == (await store("vic", pb.GetPutAwayRevisionRequest(name=revision.name))).state
    listed = await store("vic", pb.ListPutAwayRevisionsRequest(parent=made.name))
    policies = await store("vic", pb.ListPutAwayPoliciesRequest(filter=f'item = "{name}"'))
    assert [row.name for row in listed.put_away_revisions] == [revision.name]
    assert [row.active_revision for row in policies.put_away_policies] == [""]
    assert (await found(store, name)).revision == ""


@pytest.mark.rule("MAT-160")
async def test_of_two_policies_for_the_same_the_second_is_refused_and_the_most_specific_holds(store: Plant) -> None:
    kind = fresh("class")
    name = await item(store, item_class=kind)
    wide, narrow = await in_force(store, "NEAREST_EMPTY", item_class=kind), await policy(store, item=name, at_site=SITE)
    twin = await draft(store, (await policy(store, item_class=kind)).name, "NEAREST_EMPTY")
    refused = await refusal(submit(store, twin.name))
    assert (refused.reason, refused.metadata["policy"]) == ("AMBIGUOUS_SCOPE", wide.name.partition("/revisions/")[0])
    assert (await found(store, name)).revision == wide.name
    revision = await activate(store, (await draft(store, narrow.name, "FIXED_BIN")).name)
    assert (await found(store, name)).revision == revision.name


@pytest.mark.parametrize(
    ("steps", "field"),
    [
        (["FIXED_BIN", "FIXED_BIN"], "put_away_revision.steps[1]"),
        (["ZONE"], "put_away_revision.steps[0].zone"),
        ([step("NEAREST_EMPTY", "hall")], "put_away_revision.steps[0].zone"),
        ([step("OVERFLOW", "dock")], "put_away_revision.steps[0].zone"),
        ([step("ZONE", "nowhere")], "put_away_revision.steps[0].zone"),
        ([step("OVERFLOW", "hall", storage_class="COLD")], "put_away_revision.steps[0].storage_class"),
        ([step("FIXED_BIN", abc_class="A")], "put_away_revision.steps[0].abc_class"),
        ([], "put_away_revision.steps"),
    ],
)
async def test_a_step_names_what_it_needs_and_nothing_else(store: Plant, steps: list[Any], field: str) -> None:
    made = await policy(store, item=await item(store))
    assert (await refusal(draft(store, made.name, *steps))).fields == [field]


async def test_a_selector_names_one_thing_that_there_is(store: Plant) -> None:
    for selector, field in (
        ({"item": "items/none"}, "item"), ({"at_site": "sites/nowhere"}, "at_site"),
        ({"item": await item(store), "item_class": "x"}, "item_class"),
    ):  # fmt: skip
        assert (await refusal(policy(store, **selector))).fields == [f"put_away_policy.{field}"]


@pytest.mark.rule("MAT-100")
async def test_goods_go_to_the_zone_of_their_class_and_overflow_when_it_is_full(store: Plant) -> None:
    kind = fresh("class")
    cold, chilled = await zone(store, kilograms(2), kilograms(1))
    spare, (corner,) = await zone(store, kilograms(2))
    await in_force(
        store, step("ZONE", cold, storage_class="COLD", abc_class="A"), step("OVERFLOW", spare), item_class=kind
    )  # fmt: skip
    name, plain = [await item(store, item_class=kind, gross_weight=q(1, "KGM")) for _ in range(2)]
    await settings(store, name, storage_class="COLD", count_class="A")
    posted = await arrive(store, *[name] * 4, plain)
    tasks = [await task_of(store, line) for line in posted.lines]
    assert [task.proposed_location for task in tasks] == [
        at(chilled[0]), at(chilled[0]), at(chilled[1]), at(corner), at(corner),
    ]  # fmt: skip
    last = await arrive(store, name)
    task = await task_of(store, last.lines[0])
    assert task.proposed_location == ""
    assert "3 places were passed over" in task.no_place_reason
    (problem,) = [row for row in await tasks_of(store, name) if row.predecessor]
    assert (problem.kind, problem.receipt) == (8, last.name)
    decision = await explained(store, task.decision)
    assert (decision.kind, decision.item) == ("PUT_AWAY", name)
    over = [f"{at(each)} is passed over: capacity exceeded" for each in (*chilled, corner)]
    assert list(decision.explanation) == [f"1 H87 of {name} find no place", *over]


@pytest.mark.rule("MAT-100")
@pytest.mark.rule("MAT-162")
async def test_the_decision_is_what_find_place_explains(store: Plant) -> None:
    name = await item(store, tracking="LOT", gross_weight=q(1, "KGM"))
    group, (small, large) = await zone(store, kilograms(1), kilograms(9))
    revision = await in_force(store, step("ZONE", group), item=name)
    mine = await lot(store, name, "L1")
    shown = await found(store, name, 2, lot=mine, from_location=at("dock"))
    assert [(row.location, Step.Kind.Name(row.step)) for row in shown.candidates] == [(at(large), "ZONE")]
    assert [(row.location, reason_of(row.refusal)) for row in shown.passed_over] == [(at(small), "CAPACITY_EXCEEDED")]
    await expected(store, name, 2, to="")
    posted = await received(store, scanned(name, 2, lot_number="L1"))
    decision = await explained(store, (await task_of(store, posted.lines[0])).decision)
    came = json.loads(decision.outcome)
    assert (decision.revision, came["location"]) == (revision.name, at(large))
    assert [(row["location"], row["why"], row["most"]) for row in came["passed_over"]] == [
        (at(small), "CAPACITY_EXCEEDED", "1"),
    ]  # fmt: skip
    assert json_text(put_away.replay(json.loads(decision.inputs))) == decision.outcome


@pytest.mark.rule("MAT-100")
async def test_places_are_decided_on_with_as_many_statements_whatever_the_lines(store: Plant) -> None:
    kind = fresh("class")
    group, _ = await zone(store, None)
    await in_force(store, "SAME_ITEM_WITH_ROOM", step("OVERFLOW", group), item_class=kind)
    counts = {}
    for size in (2, 5):
        names = [await item(store, item_class=kind) for _ in range(size)]
        with statements_of(store.processes["materials"].engine) as statements:
            posted = await arrive(store, *names)
            counts[size] = len(statements.with_part("post_to_ledger"))
        assert len({(await task_of(store, line)).decision for line in posted.lines}) == size
    assert counts[2] == counts[5] > 0
