"""Handling units through the api: SSCCs, types, the forest, moving with all that is inside, scans."""

from itertools import pairwise
from typing import Any

import psycopg
import pytest
from plantops.materials.v1 import (
    chain_pb2,
    handling_unit_types_pb2,
    movements_pb2,
    reservations_pb2,
)

from services.materials.rules import sscc
from tests.materials.builders import (
    SITE,
    at,
    check,
    claim_of,
    fresh,
    handling_units,
    item,
    pack,
    packed,
    q,
    reason,
    reserved,
    stocked,
    unit_type,
)
from tests.materials.units import (
    PREFIX,
    Unit,
    close,
    create,
    get,
    move,
    nest,
    pb,
    raise_of,
    refusal,
    refused,
    reopen,
    where,
)
from tests.plant import Refused
from tests.world import Plant

# --- numbers -------------------------------------------------------------------------------------------------


@pytest.mark.rule("MAT-24")
async def test_new_units_get_numbers_of_the_company_that_are_never_given_twice(store: Plant, pallet: str) -> None:
    first, second = await handling_units(store, pallet, 2), await handling_units(store, pallet, 1)
    codes = [one.sscc for one in [*first, *second]]
    serials = [int(code[8:17]) for code in codes]
    assert all(sscc.valid(code) and code.startswith("0" + PREFIX) for code in codes)
    assert serials == list(range(serials[0], serials[0] + 3))
    await store("sam", pb.RetireHandlingUnitRequest(name=second[0].name))
    (later,) = await handling_units(store, pallet)
    assert int(later.sscc[8:17]) == serials[-1] + 1
    with pytest.raises(Refused) as taken:
        raise_of(await create(store, Unit(handling_unit_type=pallet, location=at("shelf"), sscc=codes[-1])))
    assert taken.value.reason == "SSCC_EXISTS"


@pytest.mark.rule("MAT-24")
async def test_a_code_that_somebody_gave_to_a_unit_is_left_out(store: Plant, pallet: str) -> None:
    (last,) = await handling_units(store, pallet)
    given = sscc.make(0, PREFIX, int(last.sscc[8:17]) + 2)
    (outcome,) = await create(store, Unit(handling_unit_type=pallet, location=at("bin"), sscc=given, number=fresh("N")))
    assert outcome.handling_unit.sscc == given
    serials = [int(one.sscc[8:17]) - int(last.sscc[8:17]) for one in await handling_units(store, pallet, 3)]
    assert serials == [1, 3, 4]


@pytest.mark.rule("MAT-24")
async def test_a_used_up_range_is_refused_and_one_that_runs_out_is_found(store: Plant, pallet: str) -> None:
    def last(following: int) -> None:
        with store.look("materials") as connection:
            connection.execute(
                "insert into sscc_range values (%s, 7, %s) on conflict on constraint pk_sscc_range do update"
                " set next = excluded.next", [PREFIX, following],
            )  # fmt: skip

    fresh_unit = Unit(handling_unit_type=pallet, location=at("shelf"))
    last(800_000_000)
    assert [reason(one) for one in await create(store, fresh_unit, extension_digit=7)] == [""]
    assert await check(store) == ["80 % of an SSCC range is used: 0614141, 7, 800000001"]
    last(10**9 - 1)
    outcomes = await create(store, fresh_unit, fresh_unit, extension_digit=7)
    assert [reason(one) for one in outcomes] == ["SSCC_RANGE_EXHAUSTED"] * 2
    assert (refusal(outcomes[0]).metadata, outcomes[0].status.code) == ({"range": "7 0614141", "count": "2"}, 8)
    (outcome,) = await create(store, fresh_unit, extension_digit=7)
    assert outcome.handling_unit.sscc == sscc.make(7, PREFIX, 10**9 - 1)
    assert [reason(one) for one in await create(store, fresh_unit, extension_digit=7)] == ["SSCC_RANGE_EXHAUSTED"]
    last(1)


@pytest.mark.rule("MAT-24")
async def test_without_a_company_prefix_the_code_has_to_be_given(
    store: Plant, pallet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = store.processes["materials"].commands
    monkeypatch.setattr(commands, "config", commands.config.model_copy(update={"company_prefix": ""}))
    given = sscc.make(5, "4012345", 17)
    one, other = await create(
        store, Unit(handling_unit_type=pallet, location=at("shelf")),
        Unit(handling_unit_type=pallet, location=at("shelf"), sscc=given),
    )  # fmt: skip
    assert reason(one) == "COMPANY_PREFIX_MISSING"
    assert "PLANTOPS_MATERIALS_COMPANY_PREFIX" in one.status.message
    assert other.handling_unit.sscc == given


@pytest.mark.rule("MAT-23", "MAT-24")
async def test_each_new_unit_has_its_own_outcome(store: Plant, pallet: str) -> None:
    number = fresh("N")
    outcomes = await create(
        store,
        Unit(handling_unit_type=pallet, location=at("shelf"), number=number),
        Unit(handling_unit_type=pallet, location=at("shelf"), number=number),
        Unit(handling_unit_type=pallet, location=at("shelf"), sscc="106141410000000018"),
        Unit(handling_unit_type="handlingUnitTypes/none", location=at("shelf")),
        Unit(handling_unit_type=pallet, location=at("nowhere")),
        Unit(handling_unit_type=pallet, location=at("hall")),
        Unit(handling_unit_type=pallet, location=at("shelf")),
    )
    fields = [refusal(one).fields for one in outcomes if one.HasField("status")]
    assert [reason(one) for one in outcomes] == ["", *["FIELD_INVALID"] * 4, "LOCATION_LOCKED", ""]
    assert fields == [
        ["handling_unit.number"], ["handling_unit.sscc"], ["handling_unit.handling_unit_type"],
        ["handling_unit.location"], [],
    ]  # fmt: skip
    assert outcomes[0].handling_unit.number == number
    assert outcomes[6].handling_unit.number.startswith("HU-")
    with pytest.raises(Refused) as taken:
        raise_of(await create(store, Unit(handling_unit_type=pallet, location=at("shelf"), number=number)))
    assert taken.value.fields == ["handling_unit.number"]


# --- types ---------------------------------------------------------------------------------------------------


@pytest.mark.rule("MAT-22")
@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"tare_weight": q(1, "MTR")}, "handling_unit_type.tare_weight.unit_code"),
        ({"max_weight": q(0, "KGM")}, "handling_unit_type.max_weight.value"),
        ({"max_volume": q(1, "KGM")}, "handling_unit_type.max_volume.unit_code"),
        ({"outer_volume": q(-1, "MTQ")}, "handling_unit_type.outer_volume.value"),
        ({"grai": "04012345123456"}, "handling_unit_type.grai"),
        ({"grai": "04012345123457", "reusable": True}, "handling_unit_type.grai"),
    ],
)
async def test_a_type_has_weights_volumes_and_an_identifier_that_are_right(
    store: Plant, given: dict[str, Any], field: str
) -> None:
    kind = handling_unit_types_pb2.HandlingUnitType(title="box", **given)
    found = await refused(store, handling_unit_types_pb2.CreateHandlingUnitTypeRequest(handling_unit_type=kind), "mara")
    assert (found.reason, found.fields) == ("FIELD_INVALID", [field])


@pytest.mark.rule("MAT-22")
async def test_types_are_read_listed_and_changed(store: Plant) -> None:
    pool = await unit_type(store, title=(title := fresh("tote")), reusable=True, grai="04012345123456")
    kinds = handling_unit_types_pb2
    read = await store("vic", kinds.GetHandlingUnitTypeRequest(name=pool))
    assert (read.grai, read.reusable) == ("04012345123456", True)
    listed = await store("vic", kinds.ListHandlingUnitTypesRequest(filter=f'title = "{title}"'))
    assert [row.name for row in listed.handling_unit_types] == [pool]
    change = kinds.HandlingUnitType(name=pool, max_volume=q(60, "LTR"), etag=read.etag)
    changed = await store("mara", kinds.UpdateHandlingUnitTypeRequest(handling_unit_type=change))
    assert (changed.max_volume, changed.title) == (q(60, "LTR"), title)


# --- the forest ----------------------------------------------------------------------------------------------


@pytest.mark.rule("MAT-20")
async def test_units_form_a_forest_at_one_place(store: Plant, pallet: str) -> None:
    one, two, three = (unit.name for unit in await handling_units(store, pallet, 3))
    (far,) = await handling_units(store, pallet, where="bin")
    nested = await nest(store, one, two)
    assert (nested.parent_handling_unit, nested.location) == (two, "")
    await nest(store, two, three)
    assert (await get(store, one)).standing_location == at("shelf")
    for request, why in (
        (pb.NestHandlingUnitRequest(name=three, parent_handling_unit=one), "CYCLE"),
        (pb.NestHandlingUnitRequest(name=three, parent_handling_unit=three), "CYCLE"),
        (pb.NestHandlingUnitRequest(name=one, parent_handling_unit=three), "HANDLING_UNIT_NESTED"),
        (pb.NestHandlingUnitRequest(name=far.name, parent_handling_unit=three), "HANDLING_UNIT_ELSEWHERE"),
        (pb.NestHandlingUnitRequest(name=three, parent_handling_unit=f"{SITE}/handlingUnits/x"), "RESOURCE_NOT_FOUND"),
        (pb.NestHandlingUnitRequest(name=three, parent_handling_unit="sites/x/handlingUnits/x"), "FIELD_INVALID"),
        (pb.UnnestHandlingUnitRequest(name=three), "FIELD_INVALID"),
        (pb.RetireHandlingUnitRequest(name=one), "HANDLING_UNIT_NESTED"),
        (pb.RetireHandlingUnitRequest(name=three), "HANDLING_UNIT_NOT_EMPTY"),
        (pb.UnnestHandlingUnitRequest(name=one, etag='"7"'), "ETAG_MISMATCH"),
    ):
        assert (await refused(store, request)).reason == why
    await close(store, three)
    (loose,) = await handling_units(store, pallet)
    for request in (
        pb.UnnestHandlingUnitRequest(name=one),
        pb.NestHandlingUnitRequest(name=loose.name, parent_handling_unit=one),
    ):
        found = await refused(store, request)
        assert (found.reason, found.metadata["handling_unit"]) == ("HANDLING_UNIT_CLOSED", three)
    await reopen(store, three)
    out = await store("sam", pb.UnnestHandlingUnitRequest(name=one))
    assert (out.location, out.parent_handling_unit) == (at("shelf"), "")


@pytest.mark.rule("MAT-20")
async def test_units_are_at_most_ten_deep(store: Plant, pallet: str) -> None:
    chain = [unit.name for unit in await handling_units(store, pallet, 11)]
    for inner, outer in pairwise(chain[:6]):  # six deep
        await nest(store, inner, outer)
    for inner, outer in pairwise(chain[6:]):  # five deep
        await nest(store, inner, outer)
    found = await refused(store, pb.NestHandlingUnitRequest(name=chain[5], parent_handling_unit=chain[6]))
    assert (found.reason, found.metadata["depth"], found.metadata["limit"]) == ("NESTING_TOO_DEEP", "11", "10")
    await nest(store, chain[5], chain[7])
    assert len((await get(store, chain[10])).nested_units) == 10


@pytest.mark.rule("MAT-20")
async def test_what_is_inside_is_shown_with_its_weight(store: Plant, pallet: str) -> None:
    steel, bolts = await item(store, base_unit_code="KGM"), await item(store)
    await stocked(store, steel, 100, unit_code="KGM")
    await stocked(store, bolts, 10)
    inner, outer = await handling_units(store, pallet, 2)
    await nest(store, inner.name, outer.name)
    await pack(store, inner.name, packed(steel, 40, "KGM"))
    read = await get(store, outer.name)
    assert (read.total_weight, [one.name for one in read.nested_units]) == (q(90, "KGM"), [inner.name])
    assert [(row.item, row.handling_unit, row.on_hand) for row in read.contents] == [(steel, inner.name, q(40, "KGM"))]
    await pack(store, outer.name, packed(bolts, 3))
    assert not (await get(store, outer.name)).HasField("total_weight")  # nobody knows what bolts weigh
    closed = await close(store, outer.name, gross_weight=q("0.1", "TNE"))
    assert (closed.gross_weight, (await get(store, outer.name)).total_weight) == (q("0.1", "TNE"), q(100, "KGM"))
    opened = await reopen(store, outer.name)
    assert not opened.HasField("gross_weight")
    for weight, why in ((q("1.001", "TNE"), "CAPACITY_EXCEEDED"), (q(1, "MTR"), "FIELD_INVALID")):
        found = await refused(store, pb.CloseHandlingUnitRequest(name=outer.name, gross_weight=weight))
        assert found.reason == why


@pytest.mark.rule("MAT-22")
async def test_an_empty_unit_retires_or_waits_in_the_pool(store: Plant, pallet: str) -> None:
    tote = await unit_type(store, title="tote", reusable=True)
    name = await item(store)
    await stocked(store, name, 2)
    (once,), (again,) = await handling_units(store, pallet), await handling_units(store, tote)
    await pack(store, once.name, packed(name, 1))
    found = await refused(store, pb.RetireHandlingUnitRequest(name=once.name))
    assert found.reason == "HANDLING_UNIT_NOT_EMPTY"
    await store("sam", pb.UnpackHandlingUnitRequest(name=once.name))
    assert (await store("sam", pb.RetireHandlingUnitRequest(name=once.name))).state == Unit.RETIRED
    assert (await store("sam", pb.RetireHandlingUnitRequest(name=again.name))).state == Unit.POOLED
    for gone, why in ((once.name, "HANDLING_UNIT_CLOSED"), (again.name, "HANDLING_UNIT_CLOSED")):
        found = await refused(store, pb.PackHandlingUnitRequest(name=gone, contents=[packed(name, 1)]))
        assert found.reason == why
    assert (await refused(store, pb.MoveHandlingUnitRequest(name=once.name, location=at("bin")))).reason == (
        "HANDLING_UNIT_GONE"
    )
    assert (await refused(store, pb.ReopenHandlingUnitRequest(name=once.name))).reason == "TRANSITION_NOT_ALLOWED"
    assert (await refused(store, pb.CloseHandlingUnitRequest(name=again.name))).reason == "TRANSITION_NOT_ALLOWED"
    assert (await move(store, again.name, "bin")).movement == ""
    assert (await reopen(store, again.name)).state == Unit.OPEN
    assert (await store("sam", pb.RetireHandlingUnitRequest(name=again.name, permanent=True))).state == Unit.RETIRED
    listed = await store("vic", pb.ListHandlingUnitsRequest(parent=SITE, filter=f'sscc = "{once.sscc}"'))
    assert [(row.name, row.state) for row in listed.handling_units] == [(once.name, Unit.RETIRED)]
    for text in (f'handling_unit_type = "{tote}"', f'location = "{at("bin")}" AND number = "{again.number}"'):
        listed = await store("vic", pb.ListHandlingUnitsRequest(parent=SITE, filter=text))
        assert [row.name for row in listed.handling_units] == [again.name]


# --- moving --------------------------------------------------------------------------------------------------


@pytest.mark.rule("MAT-21")
async def test_a_pallet_moves_with_all_that_is_in_it_in_one_movement_and_a_claim_inside_goes_along(
    store: Plant, pallet: str
) -> None:
    one, two = await item(store), await item(store)
    outer, middle, inner = (unit.name for unit in await handling_units(store, pallet, 3))
    await stocked(store, one, 10)
    await stocked(store, two, 6)
    await pack(store, outer, packed(one, 1))
    await pack(store, inner, packed(one, 7), packed(two, 6))
    await nest(store, inner, middle)
    await nest(store, middle, outer)
    claim = await reserved(store, two, 4)
    elsewhere = await reserved(store, one, 10)  # of all three places
    await close(store, inner)
    found = await refused(store, pb.MoveHandlingUnitRequest(name=inner, location=at("bin")))
    assert (found.reason, found.metadata["outer"]) == ("HANDLING_UNIT_NESTED", middle)
    for target, field in (("shelf", "location"), ("nowhere", "location")):
        assert (await refused(store, pb.MoveHandlingUnitRequest(name=outer, location=at(target)))).fields == [field]
    done = await move(store, outer, "bin")
    assert sorted(done.reservations) == sorted([claim.name, elsewhere.name])
    made = await store("vic", movements_pb2.GetMovementRequest(name=done.movement))
    assert (made.kind, len(made.entries), made.source) == (movements_pb2.Movement.MOVE, 6, outer)
    assert where(store, one) == {("shelf", ""): (2, 2), ("bin", outer): (1, 1), ("bin", inner): (7, 7)}
    assert where(store, two) == {("bin", inner): (6, 4)}
    after = await claim_of(store, claim.work_order)
    assert [(row.location, row.quantity) for row in after.allocations] == [(at("bin"), q(4))]
    assert int(after.etag.strip('"')) > int(claim.etag.strip('"'))
    assert (await get(store, inner)).standing_location == at("bin")
    await reopen(store, inner)
    issued = await store(
        "sam", reservations_pb2.IssueReservationRequest(name=claim.name, quantity=q(4), location=at("bin"))
    )
    assert (issued.issued, where(store, two)) == (q(4), {("bin", inner): (2, 0)})


@pytest.mark.rule("MAT-21")
async def test_a_part_moves_when_it_is_taken_out_first(store: Plant, pallet: str) -> None:
    name = await item(store)
    await stocked(store, name, 5)
    outer, inner = (unit.name for unit in await handling_units(store, pallet, 2))
    await pack(store, inner, packed(name, 5))
    await nest(store, inner, outer)
    await close(store, outer)
    request = pb.MoveHandlingUnitRequest(name=inner, location=at("bin"), detach=True)
    assert (await refused(store, request)).reason == "HANDLING_UNIT_CLOSED"
    await reopen(store, outer)
    done = await move(store, inner, "bin", detach=True)
    assert (done.handling_unit.location, done.handling_unit.parent_handling_unit) == (at("bin"), "")
    assert where(store, name) == {("bin", inner): (5, 0)}
    assert (await get(store, outer)).location == at("shelf")


@pytest.mark.rule("MAT-21")
async def test_claims_follow_what_is_packed_when_nothing_free_is_left(store: Plant, pallet: str) -> None:
    name = await item(store)
    await stocked(store, name, 10)
    first, second = await reserved(store, name, 3), await reserved(store, name, 4)
    (unit,) = await handling_units(store, pallet)
    assert list((await pack(store, unit.name, packed(name, 3))).reservations) == []  # three were free
    done = await pack(store, unit.name, packed(name, 5))
    assert set(done.reservations) == {first.name, second.name}
    assert where(store, name) == {("shelf", ""): (2, 2), ("shelf", unit.name): (8, 5)}
    await store("sam", pb.UnpackHandlingUnitRequest(name=unit.name))
    assert where(store, name) == {("shelf", ""): (10, 7)}
    for claim, value in ((first, 3), (second, 4)):
        after = await claim_of(store, claim.work_order)
        assert [(row.location, row.quantity) for row in after.allocations] == [(at("shelf"), q(value))]


@pytest.mark.rule("MAT-20")
@pytest.mark.parametrize("depth", [1, 2])
async def test_the_database_keeps_stock_and_unit_at_one_place(store: Plant, pallet: str, depth: int) -> None:
    name = await item(store)
    await stocked(store, name, 3)
    one, two = await handling_units(store, pallet, 2)
    await pack(store, one.name, packed(name, 3))
    if depth == 2:
        await nest(store, one.name, two.name)
    outer = (one, two)[depth - 1].name
    with store.look("materials") as connection:
        with pytest.raises(psycopg.errors.CheckViolation, match="stayed at"):
            connection.execute("update handling_unit set location = %s where name = %s", [at("bin"), outer])
        with pytest.raises(psycopg.errors.CheckViolation, match="inside itself"):
            connection.execute(
                "update handling_unit set parent_handling_unit = %s, location = null where name = %s", [one.name, outer]
            )


@pytest.mark.rule("MAT-20")
@pytest.mark.rule("MAT-22")
async def test_the_check_of_the_ledger_finds_units_that_are_wrong(store: Plant, pallet: str) -> None:
    name = await item(store)
    await stocked(store, name, 3)
    one, two = (unit.name for unit in await handling_units(store, pallet, 2))
    await pack(store, one, packed(name, 3))
    stands, holds, loops = (
        "update handling_unit set location = %s where name = %s",
        "update handling_unit set state = %s where name = %s",
        "update handling_unit set location = null, parent_handling_unit = %s where name = %s",
    )
    back = "update handling_unit set location = %s, parent_handling_unit = null where name = %s"
    with store.look("materials") as connection:
        connection.execute("set session_replication_role = replica")  # past the guards of the database
        for wrong, values, right, sound, finding in (
            (stands, [at("bin"), one], stands, [at("shelf"), one], "stock lies elsewhere than its handling unit"),
            (holds, ["RETIRED", one], holds, ["OPEN", one], "a handling unit out of use holds stock or units"),
            (loops, [two, two], back, [at("shelf"), two], "a handling unit is inside itself"),
        ):
            connection.execute(wrong, values)
            found = await check(store)
            connection.execute(right, sound)
            assert [line.split(":")[0] for line in found] == [finding]
    assert await check(store) == []


# --- scans ---------------------------------------------------------------------------------------------------


@pytest.mark.rule("MAT-21")
@pytest.mark.rule("MAT-23")
async def test_a_scanned_unit_stands_for_all_of_it_and_an_item_inside_for_as_many_as_are_said(
    store: Plant, pallet: str
) -> None:
    name = await item(store, number=(number := fresh("N-")))
    await stocked(store, name, 3)
    unit, outer = await handling_units(store, pallet, 2)
    await pack(store, unit.name, packed(name, 2))

    async def lookup(code: str, **given: Any) -> Any:
        answer = await store("sam", chain_pb2.LookupMaterialsCodeRequest(parent=SITE, code=code, **given))
        (match,) = answer.matches
        return match

    for code in (unit.sscc, f"00{unit.sscc}", f"(00){unit.sscc}", f"]C100{unit.sscc}", unit.number):
        match = await lookup(code)
        assert (match.kind, match.resource, match.state) == ("handling_unit", unit.name, "OPEN"), code
    assert {action.verb for action in match.actions} == {"move", "pack", "unpack", "put into", "close"}
    await nest(store, unit.name, outer.name)
    await close(store, unit.name)
    verbs = {action.verb for action in (await lookup(unit.sscc)).actions}
    assert verbs == {"move", "put into", "reopen", "take out"}
    inside = [(action.verb, list(action.asked_fields)) for action in (await lookup(number)).actions]
    assert inside == [("show stock", [])]
    inside = [
        (action.verb, list(action.asked_fields)) for action in (await lookup(number, handling_unit=unit.name)).actions
    ]
    assert inside == [("show stock", []), ("take out", ["contents.quantity"])]
    assert (await store("sam", chain_pb2.LookupMaterialsCodeRequest(parent=SITE, code="0" * 17 + "5"))).matches == []
