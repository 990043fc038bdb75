"""Decisions: kept with their inputs, decided again to the same bytes, purged when they are old; and what would be."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from plantops.materials.v1 import decisions_pb2, policies_pb2

from services.materials import jobs
from services.materials.model import replenishing
from tests.materials import put_away
from tests.materials.builders import (
    SITE,
    at,
    contents,
    expected,
    fresh,
    item,
    place,
    position,
    received,
    reserved,
    scanned,
    stocked,
    told,
)
from tests.materials.kanban import card, loop, units
from tests.materials.policies import activate, approve, draft, in_force, policy, requests_of, submit
from tests.plant import Refused
from tests.world import Plant

Revision = policies_pb2.MaterialsRevision


async def explained(plant: Plant, name: str) -> Any:
    return await plant("vic", decisions_pb2.ExplainDecisionRequest(name=name))


async def replayed(plant: Plant, name: str) -> Any:
    return await plant("vic", decisions_pb2.ReplayDecisionRequest(name=name))


async def evaluated(plant: Plant, name: str, **given: str) -> Any:
    return await plant("vic", policies_pb2.EvaluateMaterialsPolicyRequest(name=name, **given))


@pytest.mark.rule("MAT-162")
async def test_decisions_of_all_kinds_are_decided_again_to_the_same_bytes(store: Plant) -> None:
    name = await item(store)
    await in_force(store, name, multiple=7, delay_days=2)
    await put_away.in_force(store, put_away.step("NEAREST_EMPTY"), item=name)
    await expected(store, name, 30, to="")
    await received(store, scanned(name, 10))
    await stocked(store, name, 5)
    await reserved(store, name, 12)
    with store.look("materials") as connection:
        found = connection.execute("select kind, min(name) from decision where item = %s group by kind", [name])
        kinds = dict(found.fetchall())
    assert set(kinds) == {"ALLOCATION", "PUT_AWAY", "REPLENISHMENT"}
    for kind, decision in kinds.items():
        kept = await explained(store, decision)
        again = await replayed(store, decision)
        assert (again.outcome, again.same) == (kept.outcome, True), kind
    for ask in (explained, replayed):
        with pytest.raises(Refused) as refused:
            await ask(store, f"{SITE}/decisions/nothing")
        assert refused.value.code == "NOT_FOUND"


@pytest.mark.rule("MAT-162")
async def test_an_outcome_that_does_not_follow_from_its_inputs_is_noticed(store: Plant) -> None:
    name = await item(store)
    await in_force(store, name)
    (request,) = await requests_of(store, name)
    kept = await explained(store, request.decision)
    other, twin = json.loads(kept.outcome) | {"quantity": "25"}, f"{SITE}/decisions/{fresh('d')}"
    with store.look("materials") as connection:
        connection.execute(
            "insert into decision (name, site, kind, item, revision, inputs, outcome, explanation, create_time) "
            "select %s, site, kind, item, revision, inputs, %s, explanation, create_time from decision where name = %s",
            [twin, json.dumps(other, separators=(",", ":")), kept.name],
        )
    again = await replayed(store, twin)
    assert (again.same, again.outcome) == (False, kept.outcome)


@pytest.mark.rule("MAT-162")
async def test_an_evaluation_says_what_would_be_asked_and_changes_nothing(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 9)
    made = await policy(store, name)
    revision = await draft(store, made.name, kind="MIN_MAX", maximum=50, multiple=12, lead_days=3)
    before, after = contents(store), position(store)
    answer = await evaluated(store, made.name, revision=revision.name)
    assert (answer.position.value, answer.quantity.value, answer.outcome) == ("9", "48", "BUY")
    assert (answer.revision, answer.explanation[-1]) == (revision.name, "MIN_MAX asks for 48")
    assert json.loads(answer.inputs)["facts"]["on_hand"] == "9"
    assert (contents(store), told(store, after=after)) == (before, [])
    with pytest.raises(Refused) as none:
        await evaluated(store, made.name)
    assert none.value.fields == ["revision"]
    for given, field in (
        ({"item": "items/other"}, "item"),
        ({"site": "bremen"}, "site"),
        ({"revision": "materialsPolicies/x"}, "revision"),
    ):
        with pytest.raises(Refused) as refused:
            await evaluated(store, made.name, **{"revision": revision.name, **given})
        assert refused.value.fields == [field]


@pytest.mark.rule("MAT-162")
async def test_an_evaluation_looks_at_the_item_the_place_or_the_cards_that_are_named(store: Plant) -> None:
    kind = fresh("class")
    name = await item(store, item_class=kind)
    await stocked(store, name, 4)
    wide = await policy(store, site="", item_class=kind)
    periodic = await draft(store, wide.name, kind="PERIODIC", reorder_point=0, maximum=50, review_days=30)
    for given, field in (({}, "item"), ({"item": name}, "site"), ({"item": name, "site": "nowhere"}, "site")):
        with pytest.raises(Refused) as refused:
            await evaluated(store, wide.name, revision=periodic.name, **given)
        assert refused.value.fields == [field]
    answer = await evaluated(store, wide.name, revision=periodic.name, item=name, site="hamburg")
    assert answer.quantity.value == "46"
    with pytest.raises(Refused) as unknown:
        await evaluated(store, wide.name, revision=periodic.name, item="items/nothing", site="hamburg")
    assert unknown.value.fields == ["item"]
    face = fresh("face")
    await place(store, face)
    filled = await policy(store, name, "", location=at(face))
    await activate(store, filled.name, kind="PICK_FACE", reorder_point=1, maximum=6)
    assert (await evaluated(store, filled.name)).quantity.value == "6"
    cards = await loop(store, await item(store))
    await card(store, cards)
    assert (await evaluated(store, cards)).quantity.value == "0"


@pytest.mark.rule("MAT-162")
async def test_old_decisions_are_purged_and_young_ones_never(store: Plant) -> None:
    name = await item(store)
    await in_force(store, name)
    with store.look("materials") as connection:
        for years, number in ((11, 0), (11, 1), (9, 2)):
            connection.execute(
                "insert into decision (name, site, kind, item, revision, inputs, outcome, explanation, create_time) "
                "values (%s, 'hamburg', 'REPLENISHMENT', %s, '', '{}', '{}', '{}', now() - make_interval(years => %s))",
                [f"{SITE}/decisions/r0000000000000{number}", name, years],
            )
    await jobs.purge_decisions(units(store))  # the plant of the tests keeps them for ten years
    left = store.rows("materials", "select name from decision where item = %s order by name", name)
    assert (left[0][0].rsplit("/", 1)[-1], len(left)) == ("r00000000000002", 2)
    with pytest.raises(psycopg.errors.InsufficientPrivilege), store.look("materials") as connection:
        connection.execute("delete from decision where item = %s and create_time > now() - interval '1 day'", [name])
    with pytest.raises(psycopg.errors.InsufficientPrivilege), store.look("materials") as connection:
        connection.execute("update decision set outcome = '' where item = %s", [name])


@pytest.mark.rule("MAT-161")
async def test_a_revision_comes_into_force_at_its_start_by_itself(store: Plant) -> None:
    name = await item(store)
    made = await policy(store, name)
    later = Revision(kind="REORDER_POINT")
    later.start_time.FromDatetime(datetime.now(UTC) + timedelta(days=2))
    revision = await draft(store, made.name, start_time=later.start_time)
    await approve(store, await submit(store, revision.name))
    with pytest.raises(Refused) as early:
        await store("ada", policies_pb2.ActivateMaterialsRevisionRequest(name=revision.name))
    assert (early.value.code, early.value.reason) == ("FAILED_PRECONDITION", "REVISION_NOT_DUE")
    await jobs.put_revisions_in_force(units(store))
    read = policies_pb2.GetMaterialsRevisionRequest(name=revision.name)
    assert ((await store("vic", read)).state, await requests_of(store, name)) == (Revision.APPROVED, [])
    with store.look("materials") as connection:  # two days later
        connection.execute(
            "update materials_revision set start_time = start_time - interval '2 days' where name = %s", [revision.name]
        )
    await jobs.put_revisions_in_force(units(store))
    assert (await store("vic", read)).state == Revision.ACTIVE
    assert [row.quantity.value for row in await requests_of(store, name)] == ["24"]
    assert replenishing.DECISION in {row[0] for row in store.rows("materials", "select distinct kind from decision")}
