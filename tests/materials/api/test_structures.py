"""Structures through the api: dated revisions, circles, what a quantity takes, kits."""

from datetime import date
from decimal import Decimal as D
from typing import Any

import pytest
from google.type.money_pb2 import Money
from plantops.materials.v1 import items_pb2, structures_pb2

from tests.materials.builders import SITE, at, check, contents, day, eur, fresh, item, lot, q, stocked, worth
from tests.materials.production import (
    PLANNER,
    bill,
    component,
    edges,
    on_hand,
    output,
    percent,
    revised,
    revising,
    structure,
)
from tests.plant import Refused
from tests.world import Plant


async def refusal(plant: Plant, request: Any, person: str = PLANNER) -> Refused:
    """How a request is refused; nothing is changed by it."""
    before = contents(plant)
    with pytest.raises(Refused) as refused:
        await plant(person, request)
    assert contents(plant) == before
    return refused.value


async def exploded(plant: Plant, name: str, **given: Any) -> list[tuple[int, str, str, str]]:
    """(level, item, exact, demanded) of what a quantity takes."""
    answer = await plant("vic", structures_pb2.ExplodeStructureRequest(name=name, **given))
    return [
        (row.level, row.item, f"{row.exact_numerator}/{row.exact_denominator}", row.quantity.value)
        for row in answer.rows
    ]


@pytest.mark.rule("MAT-130")
async def test_a_revision_counts_from_its_day_on_and_never_changes(store: Plant) -> None:
    made, old, new = [await item(store) for _ in range(3)]
    name = await structure(store, made)
    first = await revised(store, name, [component(old, 2)])
    later = await revised(store, name, [component(new, 3, 2)], since=date(2030, 1, 1))
    assert (first.structure, first.author, first.cost_percent.value) == (name, "people/mara", "100")
    assert [(row.line, row.item, row.operation) for row in first.components] == [(1, old, 10)]
    assert await exploded(store, name, as_of_date=day(date(2029, 12, 31))) == [(1, old, "2/1", "2")]
    assert await exploded(store, name, as_of_date=day(date(2030, 1, 1))) == [(1, new, "3/2", "2")]
    assert await exploded(store, name, quantity=q(5), as_of_date=day(date(2030, 1, 1))) == [(1, new, "15/2", "8")]
    read = await store("vic", structures_pb2.GetStructureRevisionRequest(name=later.name))
    assert read == later
    listed = await store("vic", structures_pb2.ListStructureRevisionsRequest(parent=name))
    assert {row.name for row in listed.structure_revisions} == {first.name, later.name}
    twin = revising(name, [component(old)], since=date(2030, 1, 1))
    assert (await refusal(store, twin)).reason == "REVISION_OVERLAP"
    with store.look("materials") as connection, pytest.raises(Exception, match="append-only"):
        connection.execute("update structure_component set numerator = 9")
    before = structures_pb2.ExplodeStructureRequest(name=name, as_of_date=day(date(2019, 1, 1)))
    assert (await refusal(store, before)).reason == "STRUCTURE_NOT_IN_FORCE"


@pytest.mark.rule("MAT-130")
async def test_an_item_has_one_structure(store: Plant) -> None:
    made = await item(store)
    name = await structure(store, made)
    again = structures_pb2.Structure(item=made, kind="KIT")
    assert (await refusal(store, structures_pb2.CreateStructureRequest(structure=again))).reason == "STRUCTURE_EXISTS"
    nothing = structures_pb2.Structure(item="items/none", kind="KIT")
    refused = await refusal(store, structures_pb2.CreateStructureRequest(structure=nothing))
    assert refused.fields == ["structure.item"]
    found = await store("vic", structures_pb2.ListStructuresRequest(filter=f'item = "{made}"'))
    assert [row.name for row in found.structures] == [name]
    assert (await store("vic", structures_pb2.GetStructureRequest(name=name))).item == made


@pytest.mark.rule("MAT-130")
async def test_a_circle_is_refused_with_its_path(store: Plant) -> None:
    top, middle, bottom, spare = [await item(store) for _ in range(4)]
    names = {made: await structure(store, made) for made in (top, middle, bottom)}
    await revised(store, names[top], [component(middle)])
    await revised(store, names[middle], [component(bottom)])
    refused = await refusal(store, revising(names[bottom], [component(spare), component(top)]))
    assert (refused.reason, refused.metadata["path"]) == ("CYCLE", " -> ".join([bottom, top, middle, bottom]))
    assert (await refusal(store, revising(names[top], [component(top)], since=date(2030, 1, 1)))).reason == "CYCLE"
    # a revision that no longer counts closes no circle
    await revised(store, names[middle], [component(spare)], since=date(2031, 1, 1))
    await revised(store, names[bottom], [component(top)], since=date(2031, 1, 1))
    early = revising(names[bottom], [component(top)], since=date(2030, 1, 1))
    assert (await refusal(store, early)).reason == "CYCLE"


@pytest.mark.rule("MAT-130")
async def test_what_a_quantity_takes_is_exact_over_all_levels(store: Plant) -> None:
    screw = await item(store)
    steel = await item(store, base_unit_code="KGM", base_step={"value": "0.001"})
    half = await bill(store, [component(screw, 4), component(steel, 250, unit_code="GRM", scrap_percent=10)])
    top = await bill(store, [component(half, 1, 3), component(screw, 1)], base=q(2))
    name = next(
        row.name
        for row in (await store("vic", structures_pb2.ListStructuresRequest(filter=f'item = "{top}"'))).structures
    )
    assert await exploded(store, name, quantity=q(10)) == [
        (1, half, "5/3", "2"), (2, screw, "20/3", "7"), (2, steel, "25/54", "0.463"), (1, screw, "5/1", "5"),
    ]  # fmt: skip
    assert [row[0] for row in await exploded(store, name, max_level=1)] == [1, 1]
    assert (await refusal(store, structures_pb2.ExplodeStructureRequest(name=name, quantity=q(0)))).fields == [
        "quantity.value"
    ]


@pytest.mark.rule("MAT-127")
async def test_shares_of_the_cost_sum_to_100(store: Plant) -> None:
    made, beside, chips, used = [await item(store) for _ in range(4)]
    name = await structure(store, made)
    co_product = output(beside, "CO_PRODUCT", cost_percent="33.3")
    by_product = output(chips, "BY_PRODUCT", unit_value=eur(2))
    revision = await revised(store, name, [component(used)], outputs=[co_product, by_product])
    assert revision.cost_percent.value == "66.7"
    assert [row.line for row in revision.outputs] == [1, 2]
    stated = revising(name, [component(used)], outputs=[co_product], cost_percent=percent(70), since=date(2030, 1, 1))
    assert (await refusal(store, stated)).fields == ["structure_revision.cost_percent"]
    for broken, field in (
        (output(beside, "CO_PRODUCT"), "outputs[0].cost_percent"),
        (output(beside, "BY_PRODUCT"), "outputs[0].unit_value"),
        (output(beside, "CO_PRODUCT", cost_percent=100), "outputs[0].cost_percent"),
        (output(beside, "BY_PRODUCT", unit_value=Money(currency_code="EUR", units=-1)), "outputs[0].unit_value"),
        (output(made, "CO_PRODUCT", cost_percent=5), "outputs[0].item"),
        (output("items/none", "CO_PRODUCT", cost_percent=5), "outputs[0].item"),
    ):
        request = revising(name, [component(used)], outputs=[broken], since=date(2030, 1, 1))
        assert (await refusal(store, request)).fields == [f"structure_revision.{field}"]


@pytest.mark.rule("MAT-130")
async def test_a_component_is_an_item_in_a_unit_of_it_and_its_percents_can_be(store: Plant) -> None:
    made, used = [await item(store) for _ in range(2)]
    name = await structure(store, made)
    for broken, field in (
        (component("items/none"), "components[0].item"),
        (component(used, scrap_percent=100), "components[0].scrap_percent"),
        (component(used, under_percent=101), "components[0].under_percent"),
        (component(used, numerator=2**62, denominator=1, unit_code="DZN"), "components[0].numerator"),
    ):
        refused = await refusal(store, revising(name, [broken]))
        assert refused.fields == [f"structure_revision.{field}"]
    assert (await refusal(store, revising(name, [component(used, unit_code="KGM")]))).reason == "UNIT_INCOMPATIBLE"
    assert (await refusal(store, revising(name, [component(used)], base=q(0)))).fields == [
        "structure_revision.base_quantity.value"
    ]


# --- kits -------------------------------------------------------------------------------------------------------


@pytest.mark.rule("MAT-129")
async def test_kits_are_assembled_and_taken_apart_with_value_and_edges(store: Plant) -> None:
    screw = await item(store, standard_cost=eur(1))
    oil = await item(store, tracking="LOT", standard_cost=eur(5))
    made = await bill(store, [component(screw, 4), component(oil, 1)], kind="KIT", tracking="LOT")
    name = next(
        row.name
        for row in (await store("vic", structures_pb2.ListStructuresRequest(filter=f'item = "{made}"'))).structures
    )
    can = await lot(store, oil)
    await stocked(store, screw, 10)
    await stocked(store, oil, 3, lot=can)
    request = structures_pb2.AssembleKitRequest(
        parent=SITE, structure=name, quantity=q(2), location=at("shelf"), lot_number=fresh("K")
    )
    kit = await store("sam", request)
    assert (kit.value, worth(store, made)[:2]) == (eur(18), (2, D(18)))
    assert (await on_hand(store, screw), await on_hand(store, oil)) == ({("shelf", ""): 2}, {("shelf", ""): 1})
    assert edges(store, kit.lot) == {can.rsplit("/", 1)[-1]: (D(2), True)}
    apart = structures_pb2.DisassembleKitRequest(parent=SITE, structure=name, quantity=q(1), location=at("shelf"))
    undone = await store("sam", apart)
    assert (undone.value, undone.lot) == (eur(9), kit.lot)
    assert (await on_hand(store, screw), await on_hand(store, oil)) == ({("shelf", ""): 6}, {("shelf", ""): 2})
    assert worth(store, screw)[1] + worth(store, oil)[1] + worth(store, made)[1] == 25
    assert edges(store, can) == {kit.lot.rsplit("/", 1)[-1]: (D(1), True)}
    assert await check(store) == []


@pytest.mark.rule("MAT-129")
async def test_kits_are_not_made_of_what_is_not_there(store: Plant) -> None:
    used = await item(store)
    made = await bill(store, [component(used)], kind="KIT")
    name = next(
        row.name
        for row in (await store("vic", structures_pb2.ListStructuresRequest(filter=f'item = "{made}"'))).structures
    )

    def asked(kind: Any, **given: Any) -> Any:
        values = {"structure": name, "quantity": q(1), "location": at("shelf"), **given}
        return kind(parent=SITE, **values)

    for kind in (structures_pb2.AssembleKitRequest, structures_pb2.DisassembleKitRequest):
        assert (await refusal(store, asked(kind), "sam")).reason == "NOT_ENOUGH_STOCK"
        assert (await refusal(store, asked(kind, quantity=q(0)), "sam")).fields == ["quantity.value"]
        assert (await refusal(store, asked(kind, location=at("hall")), "sam")).fields == ["location"]
    other = await structure(store, await item(store))
    assert (await refusal(store, asked(structures_pb2.AssembleKitRequest, structure=other), "sam")).fields == [
        "structure"
    ]
    await stocked(store, used, 1)
    wrong = asked(structures_pb2.AssembleKitRequest, lot_number="L")
    assert (await refusal(store, wrong, "sam")).fields == ["lot_number"]
    assert (await store("vic", items_pb2.GetItemRequest(name=used))).name == used
