"""A movement is taken back by its exact negation, once; what stock is worth before and after."""

from decimal import Decimal as D

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from plantops.materials.v1 import items_pb2, movements_pb2

from tests.materials.builders import (
    at,
    call,
    check,
    eur,
    item,
    movement,
    post,
    site,
    stocked,
    worth,
)
from tests.materials.movements import Movement, moved, reverse
from tests.plant import Refused
from tests.world import Plant

# --- reversal ------------------------------------------------------------------------------------------------


@pytest.mark.rule("MAT-46")
async def test_a_reversal_is_the_exact_negation_and_happens_once(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 10)
    made = await moved(store, name, 4)
    back = await reverse(store, made.name)
    assert (back.kind, back.reverses, back.reason_code) == (Movement.REVERSAL, made.name, "wrong bin")
    assert [(row.location, row.quantity.value) for row in back.entries] == [(at("bin"), "-4"), (at("shelf"), "4")]
    read = await store("vic", movements_pb2.GetMovementRequest(name=made.name))
    assert read.reversed_by == back.name
    for name_again in (made.name, back.name):
        with pytest.raises(Refused) as refused:
            await reverse(store, name_again)
        assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "ALREADY_REVERSED")
        assert refused.value.metadata["movement"] == name_again


@pytest.mark.rule("MAT-46")
async def test_a_reversal_has_the_value_of_the_original_and_not_of_today(store: Plant) -> None:
    name = await item(store, standard_cost=eur(10))
    first = await stocked(store, name, 10)
    await store(
        "mara",
        items_pb2.UpdateItemRequest(
            item=items_pb2.Item(name=name, standard_cost=eur(13)), update_mask=FieldMask(paths=["standard_cost"])
        ),
    )
    await stocked(store, name, 10, "bin")
    assert worth(store, name) == (D(20), D(230), D(0))
    back = await reverse(store, first.name)
    assert back.cost == eur(100)
    assert worth(store, name) == (D(10), D(130), D(0))


@pytest.mark.rule("MAT-46")
async def test_a_reversed_loss_comes_back_with_its_value(store: Plant) -> None:
    name = await item(store, standard_cost=eur(3, 33))
    await stocked(store, name, 3)
    lost = await post(store, movement("SCRAP", name, 3, from_location=at("shelf")))
    assert (lost.cost, worth(store, name)) == (eur(9, 99), (D(0), D(0), D(0)))
    await reverse(store, lost.name)
    assert worth(store, name) == (D(3), D("9.99"), D(0))


@pytest.mark.rule("MAT-47")
async def test_a_reversal_is_refused_when_the_stock_is_gone(store: Plant) -> None:
    name = await item(store)
    opened = await stocked(store, name, 10)
    await moved(store, name, 4)
    with pytest.raises(Refused) as refused:
        await reverse(store, opened.name)
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "STOCK_MOVED_ON")
    assert refused.value.metadata["available"] == "6"
    assert refused.value.metadata["location"] == at("shelf")


async def test_a_reversal_needs_its_permission_and_a_reason(store: Plant) -> None:
    name = await item(store)
    opened = await stocked(store, name, 10)
    with pytest.raises(Refused) as refused:
        await reverse(store, opened.name, "tina")
    assert refused.value.code == "PERMISSION_DENIED"
    with pytest.raises(Refused) as unreasoned:
        await call(store, "stella", movements_pb2.ReverseMovementRequest(name=opened.name))
    assert unreasoned.value.fields == ["reason"]


# --- value ---------------------------------------------------------------------------------------------------


@pytest.mark.rule("MAT-181")
async def test_single_pieces_take_the_value_to_exactly_zero(store: Plant) -> None:
    name = await item(store, standard_cost=eur(3, 33))
    await stocked(store, name, 2)
    await store(
        "mara",
        items_pb2.UpdateItemRequest(
            item=items_pb2.Item(name=name, standard_cost=eur(3, 34)), update_mask=FieldMask(paths=["standard_cost"])
        ),
    )
    await stocked(store, name, 1)
    assert worth(store, name) == (D(3), D("10.00"), D(0))
    costs = [(await post(store, movement("SCRAP", name, 1, from_location=at("shelf")))).cost for _ in range(3)]
    assert costs == [eur(3, 33), eur(3, 34), eur(3, 33)]
    assert worth(store, name) == (D(0), D(0), D(0))


@pytest.mark.rule("MAT-184")
async def test_moves_and_status_changes_are_value_neutral(store: Plant) -> None:
    name = await item(store, standard_cost=eur(5))
    await stocked(store, name, 10)
    made = await moved(store, name, 4)
    changed = await post(store, movement("STATUS_CHANGE", name, 2, from_location=at("bin"), to_status="BLOCKED"))
    assert not made.HasField("cost")
    assert not changed.HasField("cost")
    assert worth(store, name) == (D(10), D(50), D(0))


@pytest.mark.rule("MAT-180")
async def test_value_is_kept_in_the_currency_of_the_site_at_its_places(store: Plant) -> None:
    await site(store, "osaka", "JPY", "Asia/Tokyo")
    name = await item(store, standard_cost={"currency_code": "JPY", "units": 10, "nanos": 500_000_000})
    made = await post(
        store,
        movement("OPENING", name, 3, to_location="sites/osaka/locations/shelf"), parent="sites/osaka",
    )  # fmt: skip
    assert (made.cost.currency_code, made.cost.units, made.cost.nanos) == ("JPY", 32, 0)
    found = await post(
        store, movement("ADJUST", name, 1, to_location="sites/osaka/locations/shelf"), parent="sites/osaka"
    )
    assert (found.cost.units, found.cost.nanos) == (11, 0)
    assert await check(store, "sites/osaka") == []
