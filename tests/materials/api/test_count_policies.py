"""Count policies: four eyes, and what they say about counts."""

from typing import Any

import pytest
from google.type.decimal_pb2 import Decimal
from plantops.materials.v1 import count_policies_pb2, counts_pb2

from tests.materials.builders import SITE, ago, at, eur, fresh, item, movement, place, post, reason, stocked, told
from tests.materials.counting import Count, Line, approve, counted_places, done, entry, lines_of, record, twice
from tests.plant import Refused
from tests.world import Plant

Revision = count_policies_pb2.CountRevision


def number(value: str | int) -> Decimal:
    return Decimal(value=str(value))


async def draft(plant: Plant, parent: str, **given: Any) -> Any:
    revision = Revision(**{"daily_line_count": 10, **given})
    request = count_policies_pb2.CreateCountRevisionRequest(parent=parent, count_revision=revision)
    return await plant("mara", request)


async def put_in_force(plant: Plant, name: str) -> Any:
    submitted = await plant("mara", count_policies_pb2.SubmitCountRevisionRequest(name=name))
    approval = count_policies_pb2.ApproveCountRevisionRequest(name=name, content_hash=submitted.content_hash)
    await plant("ada", approval)
    return await plant("ada", count_policies_pb2.ActivateCountRevisionRequest(name=name))


async def policy(plant: Plant, **given: Any) -> Any:
    made = count_policies_pb2.CountPolicy(title="Counting", **given)
    return await plant("mara", count_policies_pb2.CreateCountPolicyRequest(count_policy=made))


@pytest.mark.rule("MAT-151", "MAT-161")
async def test_a_policy_comes_into_force_by_two_people(store: Plant) -> None:
    everywhere = await policy(store)
    with pytest.raises(Refused) as found:
        await policy(store)
    assert found.value.reason == "RESOURCE_EXISTS"
    with pytest.raises(Refused) as found:
        await policy(store, at_site="sites/nowhere")
    assert found.value.reason == "FIELD_INVALID"
    for bad in (
        {"class_rules": [Revision.ClassRule(count_class="A")] * 2},
        {"turnover": number(-1)},
        {"approval_limits": [Revision.ApprovalLimit(role="king", value=number(1))]},
        {"approval_limits": [Revision.ApprovalLimit(role="approver", value=number(-1))]},
        {"class_rules": [Revision.ClassRule(count_class="A", tolerance_percent=number(-1))]},
        {"daily_line_count": 0},
    ):
        with pytest.raises(Refused) as found:
            await draft(store, everywhere.name, **bad)
        assert found.value.reason == "FIELD_INVALID"
    one = await draft(store, everywhere.name, mode="CONTINUOUS")
    longer = count_policies_pb2.UpdateCountRevisionRequest(count_revision=Revision(name=one.name, age_days=90))
    changed = await store("mara", longer)
    assert (changed.age_days, changed.mode, list(changed.editors)) == (90, counts_pb2.Count.CONTINUOUS, [])
    await store("mara", count_policies_pb2.SubmitCountRevisionRequest(name=one.name))
    await store("ada", count_policies_pb2.ReturnCountRevisionRequest(name=one.name, reason="say more"))
    submitted = await store("mara", count_policies_pb2.SubmitCountRevisionRequest(name=one.name))
    own = count_policies_pb2.ApproveCountRevisionRequest(name=one.name, content_hash=submitted.content_hash)
    with pytest.raises(Refused) as found:
        await store("mara", own)
    assert found.value.reason == "SEGREGATION_OF_DUTIES"
    await store("ada", own)
    active = await store("ada", count_policies_pb2.ActivateCountRevisionRequest(name=one.name))
    assert (active.state, active.approver) == (Revision.ACTIVE, "people/ada")
    assert told(store, "PolicyActivated")[-1].kind == "COUNT"
    kept = await store("vic", count_policies_pb2.GetCountPolicyRequest(name=everywhere.name))
    assert kept.active_revision == one.name
    listed = await store("vic", count_policies_pb2.ListCountPoliciesRequest(filter='at_site = ""'))
    assert [row.name for row in listed.count_policies] == [everywhere.name]
    rows = await store("vic", count_policies_pb2.ListCountRevisionsRequest(parent=everywhere.name))
    assert [row.name for row in rows.count_revisions] == [one.name]
    assert (await store("vic", count_policies_pb2.GetCountRevisionRequest(name=one.name))).mode == Count.CONTINUOUS
    await place(store, "spare")
    assert (await counted_places(store, "spare", mode="MODE_UNSPECIFIED", start=False)).mode == Count.CONTINUOUS
    retired = await store("ada", count_policies_pb2.RetireCountRevisionRequest(name=one.name, reason="over"))
    assert retired.state == Revision.RETIRED
    assert (await counted_places(store, "spare", mode="MODE_UNSPECIFIED", start=False)).mode == Count.FROZEN


@pytest.mark.rule("MAT-149", "MAT-151")
async def test_a_policy_says_what_is_due_how_far_off_and_who_accepts(store: Plant) -> None:
    where, name = fresh("bin"), await item(store, standard_cost=eur(10))
    await place(store, where)
    await stocked(store, name, 100, where, effective_time=ago(days=1))
    here = await policy(store, at_site=SITE)
    revision = await draft(
        store, here.name, tolerance_quantity=number(2), value_moved=number(100),
        class_rules=[Revision.ClassRule(count_class="C", tolerance_percent=number(50))],
        approval_limits=[
            Revision.ApprovalLimit(role="approver", value=number(50)),
            Revision.ApprovalLimit(role="stockplanner", value=number(1000)),
        ],
    )  # fmt: skip
    await put_in_force(store, revision.name)
    planned = await store("sam", counts_pb2.PlanCountsRequest(parent=SITE))
    assert {row.location: row.reason for made in planned.counts for row in made.places}[at(where)] == "VALUE_MOVED"
    for made in planned.counts:
        await store("sam", counts_pb2.CancelCountRequest(name=made.name, reason="only a plan"))
    count = await counted_places(store, where)
    (line,) = done(await record(store, count.name, entry(90, item=name, location=at(where))))
    assert (line.state, line.recount_reason, line.accurate) == (Line.RECOUNT, "beyond a quantity of 2", True)
    (line,) = done(await record(store, count.name, entry(90, line=line.name), person="sam"))
    (outcome,) = await approve(store, count.name, line.name)
    assert reason(outcome) == "APPROVAL_LIMIT_EXCEEDED"
    (line,) = done(await approve(store, count.name, line.name, person="mara"))
    assert line.approver == "people/mara"
    await post(store, movement("SCRAP", name, 1, from_location=at(where)))
    (line,) = await lines_of(store, count.name)
    assert await twice(store, (await counted_places(store, where)).name, entry(99, item=name, location=at(where)))
