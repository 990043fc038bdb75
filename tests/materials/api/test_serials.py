"""Serials through the api: their identity, where they are, how they leave and come back."""

from decimal import Decimal as D

import pytest
from plantops.materials.v1 import (
    chain_pb2,
    movements_pb2,
    serials_pb2,
)

from tests.materials.builders import (
    SITE,
    at,
    batch,
    call,
    eur,
    fresh,
    item,
    lot,
    movement,
    reason,
    worth,
)
from tests.materials.serials import move, moving, opened, refusal, reverse, serial, serials, stand, steps, tool
from tests.plant import Refused
from tests.world import Plant

# --- identity ------------------------------------------------------------------------------------------------


@pytest.mark.rule("MAT-15")
async def test_a_serial_number_is_given_once_for_an_item_and_again_for_another(store: Plant) -> None:
    one, other = await tool(store), await tool(store)
    number = fresh("S")
    first, second = await serial(store, one, number), await serial(store, other, number)
    assert first != second
    refused = await refusal(
        store, serials_pb2.CreateSerialRequest(parent=one, serial=serials_pb2.Serial(number=number)), "sam"
    )
    assert (refused.code, refused.reason) == ("ALREADY_EXISTS", "RESOURCE_EXISTS")
    listed = await store("vic", serials_pb2.ListSerialsRequest(parent="items/-", filter=f'number = "{number}"'))
    assert [row.name for row in listed.serials] == sorted([first, second])
    mine = await store("vic", serials_pb2.ListSerialsRequest(parent=one))
    assert [(row.name, row.item, row.number) for row in mine.serials] == [(first, one, number)]


@pytest.mark.rule("MAT-12")
async def test_serial_numbers_differ_by_case_and_not_by_the_way_a_letter_is_written(store: Plant) -> None:
    name = await tool(store)
    await serial(store, name, "Ä 01")
    await serial(store, name, "ä 01")
    await serial(store, name, "Ä 1")
    refused = await refusal(
        store, serials_pb2.CreateSerialRequest(parent=name, serial=serials_pb2.Serial(number="A\u0308 01")), "sam"
    )
    assert refused.code == "ALREADY_EXISTS"


async def test_a_serial_needs_a_lot_exactly_where_the_item_has_lots(store: Plant) -> None:
    plain, both, none = await tool(store), await tool(store, "LOT_AND_SERIAL"), await item(store)
    mine, foreign = await lot(store, both), await lot(store, await item(store, tracking="LOT"))
    for parent, given, field in (
        (none, "", "parent"), (plain, mine, "serial.lot"), (both, "", "serial.lot"), (both, foreign, "serial.lot"),
        (both, f"{both}/lots/nothing", "serial.lot"),
    ):  # fmt: skip
        row = serials_pb2.Serial(number=fresh("S"), lot=given)
        refused = await refusal(store, serials_pb2.CreateSerialRequest(parent=parent, serial=row), "sam")
        assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", [field])
    made = await store("vic", serials_pb2.GetSerialRequest(name=await serial(store, both, lot=mine)))
    assert (made.lot, made.location, made.left_by) == (mine, "", "")
    listed = await store("vic", serials_pb2.ListSerialsRequest(parent=both, filter=f'lot = "{mine}"'))
    assert [row.name for row in listed.serials] == [made.name]


@pytest.mark.rule("MAT-11")
async def test_a_bare_number_that_fits_several_gives_them_all(store: Plant) -> None:
    number = fresh("SAME")
    tools = [await tool(store), await tool(store), await tool(store, "LOT_AND_SERIAL")]
    batch_lot = await lot(store, tools[2], number)
    names = [await serial(store, one, number) for one in tools[:2]]
    names.append(await serial(store, tools[2], number, lot=batch_lot))
    found = await store("sam", chain_pb2.LookupMaterialsCodeRequest(parent=SITE, code=number))
    assert [row.resource for row in found.matches if row.kind == "serial"] == sorted(names)
    assert [row.resource for row in found.matches if row.kind == "lot"] == [batch_lot]


# --- movements by hand ---------------------------------------------------------------------------------------


@pytest.mark.rule("MAT-16")
async def test_a_serial_is_in_one_place_and_says_how_it_left(store: Plant) -> None:
    name = await tool(store)
    (one,) = await serials(store, name, 1)
    assert await stand(store, one) == ("", "", "")
    what = movement("OPENING", name, 1, to_location=at("shelf"), serial=one)
    came = await call(store, "stella", movements_pb2.CreateMovementRequest(parent=SITE, movement=what))
    assert (came.serial, [entry.serial for entry in came.entries]) == (one, [one, one])
    assert await stand(store, one) == ("shelf", "UNRESTRICTED", "")
    await move(store, "MOVE", name, [one], from_location=at("shelf"), to_location=at("bin"))
    await move(store, "STATUS_CHANGE", name, [one], from_location=at("bin"), to_status="BLOCKED")
    assert await stand(store, one) == ("bin", "BLOCKED", "")
    gone = await move(store, "SCRAP", name, [one], from_location=at("bin"), from_status="BLOCKED")
    assert await stand(store, one) == ("", "", gone.name)


@pytest.mark.rule("MAT-16")
async def test_many_serials_make_one_movement_or_none(store: Plant) -> None:
    name = await tool(store, standard_cost=eur(10))
    names = await serials(store, name, 3)
    came = await opened(store, name, names)
    assert [entry.serial for entry in came.entries[::2]] == names
    assert {entry.quantity.value for entry in came.entries} == {"-1", "1"}
    assert worth(store, name) == (D(3), D(30), D(0))
    fourth = await serial(store, name)
    refused = await refusal(
        store, moving("MOVE", name, [*names, fourth], from_location=at("shelf"), to_location=at("bin"))
    )
    assert (refused.reason, refused.metadata["asked"]) == ("NOT_ENOUGH_STOCK", "1")
    await move(store, "MOVE", name, names, from_location=at("shelf"), to_location=at("bin"))
    assert [(await stand(store, one))[0] for one in names] == ["bin"] * 3


async def test_serials_are_named_exactly_where_the_item_wants_them(store: Plant) -> None:
    name, plain, both = await tool(store), await item(store), await tool(store, "LOT_AND_SERIAL")
    one, two = await serials(store, name, 2)
    mine, other = await lot(store, both), await lot(store, both)
    lotted = await serial(store, both, lot=mine)
    foreign = await serial(store, await tool(store))
    shelf = {"to_location": at("shelf")}
    twice = moving("OPENING", name, [one], **shelf)
    twice.movement.serial = one
    more = moving("OPENING", name, [one, two], **shelf)
    more.movement.quantity.value = "1"
    for request, field in (
        (moving("OPENING", plain, [one], **shelf), "serials"),
        (movements_pb2.CreateMovementRequest(parent=SITE, movement=movement("OPENING", name, 1, **shelf)),
         "movement.serial"),
        (moving("OPENING", name, [one, one], **shelf), "serials"),
        (moving("OPENING", name, [foreign], **shelf), "serials"),
        (moving("OPENING", name, [f"{name}/serials/nothing"], **shelf), "serials"),
        (moving("OPENING", both, [lotted], lot=other, **shelf), "serials"),
        (moving("OPENING", both, [lotted], **shelf), "movement.lot"),
        (twice, "serials"), (more, "serials"),
    ):  # fmt: skip
        refused = await refusal(store, request)
        assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", [field]), request
    await opened(store, both, [lotted], lot=mine)
    assert (await stand(store, lotted))[0] == "shelf"


@pytest.mark.rule("MAT-16")
async def test_a_serial_comes_in_once_and_the_same_number_on_another_item_too(store: Plant) -> None:
    one, other = await tool(store), await tool(store)
    number = fresh("S")
    mine, others = await serial(store, one, number), await serial(store, other, number)
    await opened(store, one, [mine])
    for kind in ("OPENING", "ADJUST"):
        refused = await refusal(store, moving(kind, one, [mine], to_location=at("bin")))
        assert (refused.code, refused.reason) == ("ALREADY_EXISTS", "SERIAL_EXISTS")
        assert (refused.metadata["serial"], refused.metadata["in_the_way"]) == (mine, at("shelf"))
    await opened(store, other, [others])
    assert (await stand(store, others))[0] == "shelf"


@pytest.mark.rule("MAT-16")
async def test_a_lost_serial_comes_back_by_the_gain_that_names_the_loss_alone(store: Plant) -> None:
    name = await tool(store)
    one, two, new = await serials(store, name, 3)
    await opened(store, name, [one, two])
    loss = await move(store, "ADJUST", name, [one], from_location=at("shelf"))
    later = await move(store, "ADJUST", name, [two], from_location=at("shelf"))
    gain = {"to_location": at("bin")}
    for kind in ("OPENING", "ADJUST"):
        refused = await refusal(store, moving(kind, name, [one], **gain))
        assert (refused.code, refused.reason) == ("ALREADY_EXISTS", "SERIAL_EXISTS")
        assert refused.metadata["in_the_way"] == loss.name
    wrong = await refusal(store, moving("ADJUST", name, [one], returns=later.name, **gain))
    assert (wrong.reason, wrong.metadata["in_the_way"]) == ("SERIAL_EXISTS", loss.name)
    for request in (
        moving("OPENING", name, [one], returns=loss.name, **gain),
        moving("ADJUST", name, [new], returns=loss.name, **gain),
        moving("ADJUST", name, [one], returns=f"{SITE}/movements/nothing", **gain),
        moving("ADJUST", name, [two], returns=loss.name, from_location=at("shelf")),
    ):
        refused = await refusal(store, request)
        assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", ["movement.returns"]), request
    back = await move(store, "ADJUST", name, [one], returns=loss.name, **gain)
    assert (back.returns, await stand(store, one)) == (loss.name, ("bin", "UNRESTRICTED", ""))
    with pytest.raises(Refused) as again:
        await move(store, "ADJUST", name, [one], returns=loss.name, **gain)
    assert again.value.reason in ("SERIAL_EXISTS", "FIELD_INVALID")


@pytest.mark.rule("MAT-16")
@pytest.mark.rule("MAT-47")
async def test_a_reversal_brings_a_serial_back_and_undoes_an_entrance(store: Plant) -> None:
    name = await tool(store)
    (one,) = await serials(store, name, 1)
    came = await opened(store, name, [one])
    gone = await move(store, "SCRAP", name, [one], from_location=at("shelf"))
    back = await reverse(store, gone.name)
    assert (back.reverses, await stand(store, one)) == (gone.name, ("shelf", "UNRESTRICTED", ""))
    await move(store, "MOVE", name, [one], from_location=at("shelf"), to_location=at("bin"))
    refused = await refusal(store, movements_pb2.ReverseMovementRequest(name=came.name, reason="wrong"))
    assert refused.reason == "STOCK_MOVED_ON"
    await move(store, "MOVE", name, [one], from_location=at("bin"), to_location=at("shelf"))
    await reverse(store, came.name)
    assert await stand(store, one) == ("", "", "")
    await opened(store, name, [one], "bin")
    lost = await move(store, "ADJUST", name, [one], from_location=at("bin"))
    await move(store, "ADJUST", name, [one], to_location=at("shelf"), returns=lost.name)
    found = await refusal(store, movements_pb2.ReverseMovementRequest(name=lost.name, reason="it was there"))
    assert (found.reason, found.metadata["in_the_way"]) == ("STOCK_MOVED_ON", at("shelf"))


@pytest.mark.rule("MAT-16")
async def test_the_history_of_a_serial_is_never_overwritten_and_is_read_in_pages(store: Plant) -> None:
    name = await tool(store)
    one, two = await serials(store, name, 2)
    await opened(store, name, [one, two])
    await move(store, "MOVE", name, [one, two], from_location=at("shelf"), to_location=at("bin"))
    lost = await move(store, "ADJUST", name, [one], from_location=at("bin"))
    before = await steps(store, one)
    await move(store, "ADJUST", name, [one], to_location=at("shelf"), returns=lost.name)
    whole = await steps(store, one)
    assert whole[:3] == before
    ways = [(step.kind, *(end.rsplit("/", 1)[-1] for end in (step.from_location, step.to_location))) for step in whole]
    assert ways == [
        ("OPENING", "v-opening", "shelf"), ("MOVE", "shelf", "bin"), ("ADJUST", "bin", "v-adjustment"),
        ("ADJUST", "v-adjustment", "shelf"),
    ]  # fmt: skip
    assert [step.returns for step in whole] == ["", "", "", lost.name]
    assert {(step.actor, step.to_status) for step in whole} == {("people/stella", "UNRESTRICTED")}
    assert await steps(store, one, 1) == whole
    page = await store("vic", serials_pb2.GetSerialHistoryRequest(name=one, page_size=1))
    with pytest.raises(Refused) as foreign:
        await store("vic", serials_pb2.GetSerialHistoryRequest(name=two, page_token=page.next_page_token))
    assert foreign.value.fields == ["page_token"]


async def test_the_history_shows_what_happened_where_the_caller_may_look(store: Plant) -> None:
    name = await tool(store)
    (one,) = await serials(store, name, 1)
    await opened(store, name, [one])
    assert len(await steps(store, one)) == 1
    seen = await store("eve", serials_pb2.GetSerialHistoryRequest(name=one))
    assert list(seen.steps) == []


@pytest.mark.rule("MAT-16")
@pytest.mark.rule("MAT-50")
async def test_a_batch_refuses_the_serial_that_is_in_and_posts_the_others(store: Plant) -> None:
    name = await tool(store)
    one, two = await serials(store, name, 2)
    whats = [movement("OPENING", name, 1, to_location=at("shelf"), serial=which) for which in (one, one, two)]
    outcomes = await batch(store, whats)
    assert [reason(outcome) for outcome in outcomes] == ["", "SERIAL_EXISTS", ""]
