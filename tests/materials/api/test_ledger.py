"""Movements made by hand, their reversal, balances and the check of the ledger, through the api."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from plantops.materials.v1 import balances_pb2, items_pb2, locations_pb2, movements_pb2

from tests.materials.builders import (
    SITE,
    ago,
    at,
    balances,
    batch,
    call,
    check,
    eur,
    fresh,
    item,
    kinds_told,
    lot,
    movement,
    place,
    position,
    post,
    q,
    reason,
    reserved,
    site,
    stocked,
    told,
)
from tests.materials.movements import Movement, moved, refused_post, reverse
from tests.plant import Refused
from tests.world import Plant


@pytest.mark.rule("MAT-40")
@pytest.mark.rule("MAT-42")
@pytest.mark.rule("MAT-44")
async def test_a_movement_has_two_sides_that_sum_to_zero(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 10)
    after = position(store)
    made = await moved(store, name, 4)
    assert (made.kind, made.actor, made.reverses) == (Movement.MOVE, "people/stella", "")
    assert made.record_time.ToDatetime() - made.effective_time.ToDatetime() < timedelta(seconds=1)
    sides = [(row.location, row.quantity.value, row.status) for row in made.entries]
    assert sides == [(at("shelf"), "-4", Movement.UNRESTRICTED), (at("bin"), "4", Movement.UNRESTRICTED)]
    stored = store.rows(
        "materials", "select location, quantity from movement_entry where movement = %s order by side", made.name
    )
    assert stored == [(at("shelf"), D(-4)), (at("bin"), D(4))]
    assert await balances(store, name) == {
        ("shelf", "UNRESTRICTED"): (D(6), D(0)),
        ("bin", "UNRESTRICTED"): (D(4), D(0)),
    }
    (event,) = told(store, after=after)
    assert (event.movement, event.kind, event.source, event.reverses) == (made.name, "MOVE", "", "")
    assert event.effective_time == made.effective_time
    assert [row.quantity.value for row in event.entries] == ["-4", "4"]
    read = await store("vic", movements_pb2.GetMovementRequest(name=made.name))
    assert read == made


@pytest.mark.rule("MAT-40")
async def test_stock_at_the_beginning_comes_from_a_virtual_place(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 10)
    found = store.rows("materials", "select location, on_hand, virtual from balance where item = %s order by 3", name)
    assert found == [(at("shelf"), D(10), False), (at("v-opening"), D(-10), True)]


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"item": "items/nothing"}, "FIELD_INVALID", "movement.item"),
        ({"quantity": q("-1")}, "FIELD_INVALID", "movement.quantity.value"),
        ({"quantity": q("0")}, "FIELD_INVALID", "movement.quantity.value"),
        ({"quantity": q("1e3")}, "FIELD_INVALID", "movement.quantity.value"),
        ({"quantity": q("1", "KGM")}, "UNIT_INCOMPATIBLE", ""),
        ({"quantity": q("0.5")}, "QUANTITY_NOT_ON_GRID", "movement.quantity.value"),
        ({"from_location": at("nowhere")}, "FIELD_INVALID", "movement.from_location"),
        ({"from_location": "sites/antwerp/locations/shelf"}, "FIELD_INVALID", "movement.from_location"),
        ({"from_location": at("v-supplier")}, "FIELD_INVALID", "movement.from_location"),
        ({"to_location": at("v-scrap")}, "FIELD_INVALID", "movement.to_location"),
        ({"to_location": at("hall")}, "LOCATION_LOCKED", ""),
        ({"to_location": at("shelf")}, "FIELD_INVALID", "movement.to_location"),
        ({"to_location": ""}, "FIELD_INVALID", "movement.to_location"),
        ({"to_status": "BLOCKED"}, "FIELD_INVALID", "movement.to_status"),
        ({"lot": "items/x/lots/y"}, "FIELD_INVALID", "movement.lot"),
        ({"kind": "RECEIPT"}, "FIELD_INVALID", "movement.kind"),
        ({"kind": "ISSUE"}, "FIELD_INVALID", "movement.kind"),
        ({"kind": "REVERSAL"}, "FIELD_INVALID", "movement.kind"),
        ({"kind": "SCRAP", "to_location": ""}, "FIELD_INVALID", "movement.reason_code"),
        ({"kind": "SCRAP", "reason_code": "X"}, "FIELD_INVALID", "movement.to_location"),
        ({"kind": "OPENING"}, "FIELD_INVALID", "movement.from_location"),
        ({"kind": "ADJUST", "reason_code": "X"}, "FIELD_INVALID", "movement.from_location"),
        ({"kind": "STATUS_CHANGE", "to_status": "BLOCKED"}, "FIELD_INVALID", "movement.to_location"),
        ({"kind": "STATUS_CHANGE", "to_location": ""}, "FIELD_INVALID", "movement.to_location"),
    ],
)
async def test_a_wrong_movement_is_refused_with_its_reason_and_changes_nothing(
    store: Plant, change: dict[str, Any], reason: str, field: str
) -> None:
    name = await item(store)
    await stocked(store, name, 10)
    given = {"kind": "MOVE", "item": name, "quantity": q(1), "from_location": at("shelf"), "to_location": at("bin")}
    refused = await refused_post(store, Movement(**(given | change)))
    assert refused.reason == reason
    assert refused.fields[:1] == ([field] if field else [])


@pytest.mark.rule("MAT-4")
@pytest.mark.rule("MAT-7")
async def test_other_units_are_converted_exactly_or_refused(store: Plant) -> None:
    name = await item(store, conversions=[items_pb2.Item.Conversion(unit_code="BX", numerator=8, denominator=1)])
    await stocked(store, name, "15")
    made = await moved(store, name, "1.5", unit_code="BX")
    assert (made.quantity.value, made.quantity.unit_code) == ("12", "H87")
    await reverse(store, made.name)
    refused = await refused_post(
        store, movement("MOVE", name, 2, unit_code="BX", from_location=at("shelf"), to_location=at("bin"))
    )
    assert (refused.reason, refused.metadata["available"], refused.metadata["asked"]) == (
        "NOT_ENOUGH_STOCK",
        "15",
        "16",
    )
    off = await refused_post(
        store, movement("MOVE", name, "0.66667", unit_code="BX", from_location=at("shelf"), to_location=at("bin"))
    )
    assert (off.reason, off.metadata["grid"]) == ("QUANTITY_NOT_ON_GRID", "1 H87")


@pytest.mark.rule("MAT-57")
async def test_more_than_there_is_is_refused_with_what_there_is(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 10)
    for what in (
        movement("MOVE", name, 11, from_location=at("shelf"), to_location=at("bin")),
        movement("SCRAP", name, 11, from_location=at("shelf")),
        movement("ADJUST", name, 11, from_location=at("shelf")),
        movement("STATUS_CHANGE", name, 11, from_location=at("shelf"), to_status="BLOCKED"),
    ):
        refused = await refused_post(store, what)
        assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "NOT_ENOUGH_STOCK")
        assert refused.metadata == {
            "available": "10", "unit_code": "H87", "item": name, "lot": "", "location": at("shelf"),
            "status": "UNRESTRICTED", "asked": "11",
        }  # fmt: skip


@pytest.mark.rule("MAT-70")
async def test_what_is_reserved_does_not_move_away(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 10)
    await reserved(store, name, 7)
    refused = await refused_post(store, movement("MOVE", name, 4, from_location=at("shelf"), to_location=at("bin")))
    assert (refused.reason, refused.metadata["available"]) == ("NOT_ENOUGH_STOCK", "3")
    await moved(store, name, 3)


@pytest.mark.rule("MAT-31")
async def test_nothing_is_put_to_a_locked_place_or_taken_from_it(store: Plant) -> None:
    name, shut = await item(store), fresh("shut")
    await place(store, shut)
    await stocked(store, name, 10, shut)
    lock = locations_pb2.Location(name=at(shut), blocked=True)
    await store("mara", locations_pb2.UpdateLocationRequest(location=lock, update_mask=FieldMask(paths=["blocked"])))
    for given in ({"from_location": at(shut)}, {"from_location": at("shelf"), "to_location": at(shut)}):
        refused = await refused_post(store, movement("MOVE", name, 1, **{"to_location": at("bin"), **given}))
        assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "LOCATION_LOCKED")
        assert refused.metadata["location"] == at(shut)
    claim = await reserved(store, name, 1)
    assert claim.allocated.value == "0"


async def test_a_lot_goes_with_a_tracked_item_and_with_no_other(store: Plant) -> None:
    name, other = await item(store, tracking="LOT"), await item(store, tracking="LOT")
    mine, foreign = await lot(store, name), await lot(store, other)
    await stocked(store, name, 5, lot=mine)
    for wrong in ("", foreign):
        refused = await refused_post(
            store, movement("MOVE", name, 1, lot=wrong, from_location=at("shelf"), to_location=at("bin"))
        )
        assert refused.fields == ["movement.lot"]
    made = await moved(store, name, 2, lot=mine)
    assert {row.lot for row in made.entries} == {mine}


# --- statuses ------------------------------------------------------------------------------------------------


@pytest.mark.rule("MAT-61")
async def test_a_status_change_is_a_movement_at_one_place(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 10)
    made = await post(store, movement("STATUS_CHANGE", name, 4, from_location=at("shelf"), to_status="BLOCKED"))
    assert [(row.location, row.status, row.quantity.value) for row in made.entries] == [
        (at("shelf"), Movement.UNRESTRICTED, "-4"),
        (at("shelf"), Movement.BLOCKED, "4"),
    ]
    assert await balances(store, name) == {
        ("shelf", "UNRESTRICTED"): (D(6), D(0)), ("shelf", "BLOCKED"): (D(4), D(0)),
    }  # fmt: skip


@pytest.mark.rule("MAT-60")
async def test_only_unrestricted_stock_is_allocated(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 3)
    await stocked(store, name, 4, to_status="BLOCKED")
    await stocked(store, name, 5, to_status="INSPECTION")
    claim = await reserved(store, name, 10)
    assert (claim.allocated.value, claim.short.value) == ("3", "7")


@pytest.mark.rule("MAT-61")
async def test_stock_is_set_free_only_by_whoever_may_approve(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 4, to_status="BLOCKED")
    free = movement(
        "STATUS_CHANGE", name, 4, from_location=at("shelf"), from_status="BLOCKED", to_status="UNRESTRICTED"
    )
    refused = await refused_post(store, free, person="tina")
    assert (refused.code, refused.metadata["permission"]) == ("PERMISSION_DENIED", "materials.movements.approve")
    await post(store, free)


@pytest.mark.parametrize("kind", ["SCRAP", "ADJUST", "OPENING"])
async def test_gains_losses_and_scrap_need_approval(store: Plant, kind: str) -> None:
    name = await item(store)
    await stocked(store, name, 4)
    where = {"to_location": at("shelf")} if kind == "OPENING" else {"from_location": at("shelf")}
    refused = await refused_post(store, movement(kind, name, 1, **where), person="tina")
    assert refused.metadata["permission"] == "materials.movements.approve"
    await post(store, movement("MOVE", name, 1, from_location=at("shelf"), to_location=at("bin")), person="tina")


# --- time ----------------------------------------------------------------------------------------------------


@pytest.mark.rule("MAT-42")
async def test_an_effective_time_in_the_future_is_refused(store: Plant) -> None:
    name = await item(store)
    later = Timestamp()
    later.FromDatetime(datetime.now(UTC) + timedelta(minutes=5))
    refused = await refused_post(store, movement("OPENING", name, 1, to_location=at("shelf"), effective_time=later))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "TIME_IN_FUTURE")


@pytest.mark.rule("MAT-58")
async def test_backdating_ends_after_seven_days(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 1, effective_time=ago(days=6, hours=23))
    refused = await refused_post(
        store, movement("OPENING", name, 1, to_location=at("shelf"), effective_time=ago(days=7, hours=1))
    )
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "BACKDATE_TOO_FAR")


@pytest.mark.rule("MAT-56")
async def test_an_issue_backdated_before_a_later_one_that_needs_the_stock_is_refused(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 10, effective_time=ago(days=5))
    await post(store, movement("SCRAP", name, 8, from_location=at("shelf"), effective_time=ago(days=3)))
    await stocked(store, name, 20, effective_time=ago(days=1))
    early = {"from_location": at("shelf"), "to_location": at("bin")}
    refused = await refused_post(store, movement("MOVE", name, 3, effective_time=ago(days=4), **early))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "NEGATIVE_IN_PAST")
    assert (refused.metadata["available"], refused.metadata["asked"]) == ("2", "3")
    before = await refused_post(store, movement("MOVE", name, 1, effective_time=ago(days=6), **early))
    assert (before.reason, before.metadata["available"]) == ("NEGATIVE_IN_PAST", "0")
    await post(store, movement("MOVE", name, 2, effective_time=ago(days=4), **early))
    await post(store, movement("MOVE", name, 20, effective_time=ago(hours=1), **early))
    last = await refused_post(store, movement("MOVE", name, 1, effective_time=ago(days=2), **early))
    assert last.reason in ("NOT_ENOUGH_STOCK", "NEGATIVE_IN_PAST")
    assert await check(store) == []


@pytest.mark.rule("MAT-56")
async def test_only_the_same_place_lot_and_status_count_when_backdating(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 10, effective_time=ago(days=2))
    await stocked(store, name, 10, "bin", effective_time=ago(days=5))
    refused = await refused_post(
        store,
        movement("MOVE", name, 1, from_location=at("shelf"), to_location=at("bin"), effective_time=ago(days=3)),
    )
    assert refused.reason == "NEGATIVE_IN_PAST"
    await moved(store, name, 10, effective_time=ago(days=1))


# --- batches, lists, check -----------------------------------------------------------------------------------


@pytest.mark.rule("PERF-3")
@pytest.mark.rule("PERF-5")
async def test_each_entry_of_a_batch_sees_those_before_it_and_has_its_own_outcome(store: Plant) -> None:
    name = await item(store)
    forth = {"from_location": at("shelf"), "to_location": at("bin")}
    outcomes = await batch(
        store,
        [
            movement("MOVE", name, 1, **forth),
            movement("OPENING", name, 5, to_location=at("shelf")),
            movement("MOVE", name, 4, **forth),
            movement("MOVE", name, 2, **forth),
            movement("MOVE", "items/nothing", 2, **forth),
            movement("MOVE", name, "0.5", **forth),
            movement("MOVE", name, 1, **forth),
        ],
    )
    assert [reason(row) for row in outcomes] == [
        "NOT_ENOUGH_STOCK", "", "", "NOT_ENOUGH_STOCK", "FIELD_INVALID", "QUANTITY_NOT_ON_GRID", "",
    ]  # fmt: skip
    assert [row.movement.quantity.value for row in outcomes if row.HasField("movement")] == ["5", "4", "1"]
    assert await balances(store, name) == {("bin", "UNRESTRICTED"): (D(5), D(0))}


@pytest.mark.rule("PERF-5")
async def test_a_batch_sent_again_is_answered_again_and_posted_once(store: Plant) -> None:
    name = await item(store)
    request = movements_pb2.BatchCreateMovementsRequest(
        parent=SITE,
        requests=[
            movements_pb2.CreateMovementRequest(
                parent=SITE, movement=movement("OPENING", name, 5, to_location=at("shelf")), request_id=str(uuid4())
            )
            for _ in range(3)
        ],
    )
    first = await call(store, "stella", request)
    assert await call(store, "stella", request) == first
    assert await balances(store, name) == {("shelf", "UNRESTRICTED"): (D(15), D(0))}


async def test_a_batch_may_have_a_thousand_entries_and_no_more(store: Plant) -> None:
    name = await item(store)
    request = movements_pb2.BatchCreateMovementsRequest(
        parent=SITE,
        requests=[movements_pb2.CreateMovementRequest(request_id=str(uuid4())) for _ in range(1001)],
    )
    with pytest.raises(Refused) as refused:
        await call(store, "stella", request)
    assert refused.value.fields == ["requests"]
    assert await balances(store, name) == {}


@pytest.mark.rule("PERF-10")
async def test_movements_are_listed_by_every_dimension(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    mine = await lot(store, name)
    first = await stocked(store, name, 10, lot=mine)
    second = await moved(store, name, 4, lot=mine)
    third = await post(
        store, movement("STATUS_CHANGE", name, 1, lot=mine, from_location=at("bin"), to_status="BLOCKED")
    )
    own = f'item = "{name}"'
    for more, wanted in {
        "": [first, second, third],
        "kind = MOVE": [second],
        f'lot = "{mine}"': [first, second, third],
        f'from_location = "{at("shelf")}"': [second],
        f'to_location = "{at("shelf")}"': [first],
        "to_status = BLOCKED": [third],
        "from_status = BLOCKED": [],
        'actor = "people/stella"': [first, second, third],
        'actor = "people/tina"': [],
        f'effective_time > "{first.effective_time.ToJsonString()}"': [second, third],
        f'record_time <= "{second.record_time.ToJsonString()}"': [first, second],
        'source = ""': [first, second, third],
    }.items():
        answer = await store(
            "vic",
            movements_pb2.ListMovementsRequest(
                parent=SITE, filter=f"{own} AND {more}" if more else own, order_by="record_time"
            ),
        )
        assert [row.name for row in answer.movements] == [row.name for row in wanted], more
    with pytest.raises(Refused) as refused:
        await store("vic", movements_pb2.ListMovementsRequest(parent=SITE, filter="quantity > 1"))
    assert refused.value.fields == ["filter"]


@pytest.mark.rule("PERF-10")
async def test_balances_are_listed_by_every_dimension_without_virtual_and_empty_ones(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    one, two = await lot(store, name), await lot(store, name)
    await stocked(store, name, 10, lot=one)
    await stocked(store, name, 4, "bin", lot=two, to_status="BLOCKED")
    await moved(store, name, 10, lot=one, to_location=at("dock"))
    own = f'item = "{name}"'
    for more, wanted in {
        "": ["dock", "bin"],
        f'lot = "{one}"': ["dock"],
        f'location = "{at("bin")}"': ["bin"],
        "status = BLOCKED": ["bin"],
        "on_hand > 5": ["dock"],
        "reserved > 0": [],
    }.items():
        answer = await store(
            "vic",
            balances_pb2.ListBalancesRequest(
                parent=SITE, filter=f"{own} AND {more}" if more else own, order_by="on_hand desc"
            ),
        )
        assert [row.location.rsplit("/", 1)[-1] for row in answer.balances] == wanted, more
    everywhere = await store("vic", balances_pb2.ListBalancesRequest(parent="sites/-", filter=own))
    assert len(everywhere.balances) == 2
    assert (await store("people/eve", balances_pb2.ListBalancesRequest(parent="sites/-", filter=own))).balances == []


@pytest.mark.rule("MAT-45")
async def test_the_check_names_what_somebody_changed_behind_the_ledger(store: Plant) -> None:
    await site(store, "kiel")
    name = await item(store, standard_cost=eur(2))
    shelf = "sites/kiel/locations/shelf"
    await post(store, movement("OPENING", name, 5, to_location=shelf), parent="sites/kiel")
    clean = await store("opal", movements_pb2.CheckLedgerRequest(name="sites/kiel"))
    assert (list(clean.findings), clean.movement_count, clean.balance_count) == ([], 1, 2)
    for change, back, finding in (
        ("on_hand = on_hand + 1", "on_hand = on_hand - 1", "balance differs from the ledger"),
        ("reserved = reserved + 1", "reserved = reserved - 1", "reserved differs from the allocations"),
    ):
        with store.look("materials") as connection:
            connection.execute(f"update balance set {change} where location = %s", [shelf])  # noqa: S608
            findings = await check(store, "sites/kiel")
            connection.execute(f"update balance set {back} where location = %s", [shelf])  # noqa: S608
        assert [row.partition(":")[0] for row in findings] == [finding]
    with store.look("materials") as connection:
        connection.execute("update value_balance set value = value + 1 where item = %s", [name])
        findings = await check(store, "sites/kiel")
        connection.execute("update value_balance set value = value - 1 where item = %s", [name])
    assert [row.partition(":")[0] for row in findings] == ["value of the stock differs from its movements"]
    assert await check(store, "sites/kiel") == []


@pytest.mark.rule("MAT-78")
async def test_a_movement_is_told_before_what_follows_from_it(store: Plant) -> None:
    name = await item(store)
    claim = await reserved(store, name, 5)
    after = position(store)
    await stocked(store, name, 5)
    assert kinds_told(store, after) == ["MovementPosted", "ReservationAllocated"]
    assert told(store, "ReservationAllocated", after=after)[0].reservation == claim.name
