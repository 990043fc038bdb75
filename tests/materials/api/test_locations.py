"""Places through the api: locks, check codes, the tree."""

import asyncio
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from plantops.materials.v1 import (
    locations_pb2,
    receipts_pb2,
    reservations_pb2,
)

from tests.materials.builders import (
    SITE,
    ago,
    arrived,
    at,
    fresh,
    item,
    place,
    reserved,
    stocked,
)
from tests.materials.places import (
    Location,
    confirm,
    deactivate,
    lock,
    moved,
    put_away_task,
    reactivate,
    refusal,
    unlock,
)
from tests.plant import Refused
from tests.world import Plant

# --- locks ---------------------------------------------------------------------------------------------------


@pytest.mark.rule("MAT-31")
@pytest.mark.parametrize(
    ("direction", "takes", "gives"), [("INBOUND", False, True), ("OUTBOUND", True, False), ("COUNT", False, False)]
)
async def test_a_lock_stops_one_direction_or_both(store: Plant, direction: str, takes: bool, gives: bool) -> None:
    name, where = await item(store), fresh("place")
    await place(store, where)
    await stocked(store, name, 5, where)
    await stocked(store, name, 5, "bin")
    answer = await lock(store, where, direction)
    (told,) = answer.locks
    assert (told.direction, told.reason, told.person) == (Location.Direction.Value(direction), "water", "people/sam")
    for call, goes in ((moved(store, name, "bin", where), takes), (moved(store, name, where, "bin"), gives)):
        if goes:
            await call
            continue
        refused = await refusal(call)
        assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "LOCATION_LOCKED")
        assert {key: refused.metadata[key] for key in ("location", "lock", "reason")} == {
            "location": at(where), "lock": direction, "reason": "water",
        }  # fmt: skip
        assert refused.metadata["since"][:19] == told.lock_time.ToJsonString()[:19]
    unlocked = await unlock(store, where, direction)
    assert list(unlocked.locks) == []
    await moved(store, name, "bin", where)
    await moved(store, name, where, "bin")


@pytest.mark.rule("MAT-31")
async def test_locks_are_facts_of_their_own_and_each_is_set_once(store: Plant) -> None:
    where = fresh("place")
    await place(store, where)
    await lock(store, where, "INBOUND")
    both = await lock(store, where, "COUNT", reason="year end")
    assert [(row.direction, row.reason) for row in both.locks] == [
        (Location.COUNT, "year end"),
        (Location.INBOUND, "water"),
    ]
    again = await refusal(lock(store, where, "INBOUND", reason="other"))
    assert (again.code, again.reason) == ("FAILED_PRECONDITION", "LOCATION_ALREADY_LOCKED")
    assert (again.metadata["reason"], again.metadata["person"]) == ("water", "people/sam")
    left = await unlock(store, where, "COUNT")
    assert [row.direction for row in left.locks] == [Location.INBOUND]
    nothing = await refusal(unlock(store, where, "COUNT"))
    assert (nothing.code, nothing.reason) == ("FAILED_PRECONDITION", "LOCATION_NOT_LOCKED")
    stale = await refusal(lock(store, where, "OUTBOUND", etag='"1"'))
    assert stale.reason == "ETAG_MISMATCH"
    audited = store.rows(
        "materials", "select before, after, reason from audit where object = %s order by id", at(where)
    )
    assert [row[1]["lock_inbound"] for row in audited if "lock_inbound" in (row[1] or {})] == ["water"]


@pytest.mark.rule("MAT-31")
async def test_what_is_no_real_place_is_not_locked(store: Plant) -> None:
    for where in ("v-scrap", "hall"):
        assert (await refusal(lock(store, where, "INBOUND"))).fields == ["name"]
    assert (await refusal(lock(store, "bin", "INACTIVE"))).fields == ["direction"]
    blocked = locations_pb2.UpdateLocationRequest(
        location=Location(name=at("v-scrap"), blocked=True), update_mask=FieldMask(paths=["blocked"])
    )
    assert (await refusal(store("mara", blocked))).fields == ["location.blocked"]


@pytest.mark.rule("MAT-31")
@pytest.mark.rule("MAT-78")
async def test_nothing_is_allocated_at_a_place_that_gives_nothing_and_who_waits_gets_it_later(store: Plant) -> None:
    for direction, short in (("OUTBOUND", "3"), ("COUNT", "3"), ("INBOUND", "0")):
        name, where = await item(store), fresh("place")
        await place(store, where)
        await stocked(store, name, 5, where)
        await lock(store, where, direction)
        claim = await reserved(store, name, 3)
        assert claim.short.value == short
        await unlock(store, where, direction)
        claim = await store("vic", reservations_pb2.GetReservationRequest(name=claim.name))
        assert claim.allocated.value == "3"


@pytest.mark.rule("MAT-31")
async def test_a_place_goes_out_of_use_when_it_is_empty_and_comes_back(store: Plant) -> None:
    name, where = await item(store), fresh("place")
    await place(store, where)
    await stocked(store, name, 5, "bin")
    await moved(store, name, "bin", where)
    refused = await refusal(deactivate(store, where))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "LOCATION_IN_USE")
    assert refused.metadata["in_the_way"] == f"it holds 1 H87 of {name}"
    await moved(store, name, where, "bin")
    assert [row.direction for row in (await deactivate(store, where)).locks] == [Location.INACTIVE]
    assert (await refusal(moved(store, name, "bin", where))).metadata["lock"] == "INACTIVE"
    assert (await refusal(deactivate(store, where))).reason == "TRANSITION_NOT_ALLOWED"
    assert list((await reactivate(store, where)).locks) == []
    await moved(store, name, "bin", where)
    again = await refusal(reactivate(store, where))
    assert (again.reason, again.metadata["state"]) == ("TRANSITION_NOT_ALLOWED", "ACTIVE")


@pytest.mark.rule("MAT-31")
async def test_a_place_with_open_work_stays_in_use(store: Plant) -> None:
    name, where, dock = await item(store), fresh("place"), fresh("dock")
    await place(store, where, path_order=-9)
    await place(store, dock, "DOCK")
    receipt = await store(
        "sam", receipts_pb2.StartReceiptRequest(parent=SITE, supplier="suppliers/acme", location=at(dock))
    )
    assert (await refusal(deactivate(store, dock))).metadata["in_the_way"] == f"{receipt.name} is being counted in"
    task = await put_away_task(store, name, 1)
    assert task.proposed_location == at(where)
    assert (await refusal(deactivate(store, where))).metadata["in_the_way"] == f"{task.name} is open"
    await confirm(store, task, "bin")
    await deactivate(store, where)


@pytest.mark.rule("MAT-31")
async def test_while_goods_come_a_place_does_not_go_out_of_use(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 20, "bin")
    for _ in range(4):
        where = fresh("place")
        await place(store, where)
        outcomes = await asyncio.gather(
            moved(store, name, "bin", where), deactivate(store, where), return_exceptions=True
        )
        reasons = {row.reason for row in outcomes if isinstance(row, Refused)}
        assert reasons in ({"LOCATION_LOCKED"}, {"LOCATION_IN_USE"})


# --- check codes ---------------------------------------------------------------------------------------------


@pytest.mark.rule("MAT-34")
async def test_a_check_code_is_made_and_a_place_confirmed_by_it_alone(store: Plant) -> None:
    name, where = await item(store), fresh("place")
    made = await store(
        "mara",
        locations_pb2.CreateLocationRequest(
            parent=SITE, location_id=where, location=Location(title=where, kind="STORAGE"), generate_check_code=True
        ),
    )
    again = await store("mara", locations_pb2.GenerateCheckCodeRequest(name=at(where)))
    assert len({made.check_code, again.check_code}) == 2
    task = await put_away_task(store, name, 1, "shelf")
    good = again.check_code
    misread = good[:2] + ("A" if good[2] != "A" else "B") + good[3:]
    for code, rule in ((where, "is not the code"), (made.check_code, "is not the code"), (misread, "was misread")):
        refused = await refusal(confirm(store, task, where, check_code=code))
        assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", ["check_code"])
        assert rule in str(refused)
    done = await confirm(store, task, where, check_code=good)
    assert done.to_location == at(where)


@pytest.mark.rule("MAT-34")
async def test_a_check_code_is_not_the_id_of_its_place(store: Plant) -> None:
    where = fresh("place")
    for code in (where, where.upper(), at(where)):
        assert (await refusal(place(store, where, check_code=code))).fields == ["location.check_code"]
    both = locations_pb2.CreateLocationRequest(
        parent=SITE, location_id=where, generate_check_code=True,
        location=Location(title=where, kind="STORAGE", check_code="C-1"),
    )  # fmt: skip
    assert (await refusal(store("mara", both))).fields == ["location.check_code"]


# --- the tree ------------------------------------------------------------------------------------------------


@pytest.mark.rule("MAT-30")
async def test_the_tree_is_that_of_the_instant_asked_for(store: Plant) -> None:
    hall, aisle, shelf = fresh("hall"), fresh("aisle"), fresh("shelf")
    for group in (hall, aisle):
        await place(store, group, "GROUP")
    await place(store, shelf, parent_location=at(hall))
    then = Timestamp()
    then.GetCurrentTime()
    for name, under in ((aisle, hall), (shelf, aisle)):
        await store(
            "mara",
            locations_pb2.UpdateLocationRequest(
                location=Location(name=at(name), parent_location=at(under)),
                update_mask=FieldMask(paths=["parent_location"]),
            ),
        )

    async def tree(**given: Any) -> dict[str, tuple[str, int]]:
        answer = await store("vic", locations_pb2.GetLocationTreeRequest(parent=SITE, **given))
        mine = [node for node in answer.nodes if node.location in {at(hall), at(aisle), at(shelf)}]
        return {node.location: (node.parent_location, node.above_count) for node in mine}

    assert await tree() == {at(hall): ("", 0), at(aisle): (at(hall), 1), at(shelf): (at(aisle), 2)}
    assert await tree(as_of_time=then) == {at(hall): ("", 0), at(aisle): ("", 0), at(shelf): (at(hall), 1)}
    assert await tree(as_of_time=ago(days=1)) == {}


@pytest.mark.rule("MAT-30")
async def test_a_place_that_holds_stock_is_no_group(store: Plant) -> None:
    name, where = await item(store), fresh("place")
    await place(store, where)
    await stocked(store, name, 1, where)
    assert (await refusal(place(store, fresh("x"), parent_location=at(where)))).fields == ["location.parent_location"]
    group = locations_pb2.UpdateLocationRequest(
        location=Location(name=at(where), kind="GROUP"), update_mask=FieldMask(paths=["kind"])
    )
    assert (await refusal(store("mara", group))).fields == ["kind"]
    inside = fresh("inside")
    await place(store, hall := fresh("hall"), "GROUP")
    await place(store, inside, parent_location=at(hall))
    assert (await refusal(stocked(store, name, 1, hall))).metadata["lock"] == "GROUP"
    assert (await arrived(store)).location == at("dock")
