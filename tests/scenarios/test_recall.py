"""A supplier calls back a heat of steel: what was made of it, where that is, who got any, how long finding takes."""

from decimal import Decimal as D
from typing import Any

import pytest
from plantops.materials.v1 import genealogy_pb2, holds_pb2, measures_pb2, production_pb2, recalls_pb2

from tests.materials import builders
from tests.materials.builders import SITE, SUPPLIER, at, day, eur, item, q
from tests.materials.genealogy import backward, forward, tail
from tests.materials.holds import stopped
from tests.materials.production import bill, component, line, ordered, reported, staged
from tests.materials.shipping import goes, sent
from tests.world import Plant, site_today

rc = recalls_pb2
Case = rc.RecallCase


async def balance(plant: Plant, lot: str) -> dict[str, D]:
    """The mass balance of a lot, what is 0 left out."""
    found = await plant("vic", genealogy_pb2.GetMassBalanceRequest(name=lot))
    return {
        field.name: D(value.value)
        for field, value in found.ListFields()
        if hasattr(value, "unit_code") and D(value.value)
    }  # fmt: skip


@pytest.mark.rule("MAT-136", "MAT-137")
@pytest.mark.rule("MAT-138")
async def test_a_lot_of_a_supplier_is_called_back_from_the_plant_and_its_customers(plant: Plant) -> None:
    builders.begin()
    await builders.site(plant)
    await line(plant)

    # forty bars of steel come in, of two heats
    steel = await item(plant, "steel", tracking="LOT", standard_cost=eur(5))
    await builders.expected(plant, steel, 40, price=eur(5))
    receipt = await builders.received(
        plant, builders.scanned(steel, 30, lot_number="HEAT-7"),
        builders.scanned(steel, 10, lot_number="HEAT-8"),
    )  # fmt: skip
    heat, other = (row.lot for row in receipt.lines)
    for name, amount in ((heat, 30), (other, 10)):
        await builders.post(
            plant, builders.movement("MOVE", steel, amount, lot=name, from_location=at("dock"), to_location=at("shelf"))
        )

    # twelve brackets take two bars each, then five gates take two brackets each
    bracket = await bill(plant, [component(steel, 2)], tracking="LOT")
    brackets = await ordered(plant, bracket, 12)
    named = [production_pb2.ComponentStock(component=1, quantity=q(24), lot=heat)]
    await staged(plant, brackets.name, 12, stocks=named)
    first = await reported(plant, brackets.name, 12)
    gate = await bill(plant, [component(bracket, 2)], tracking="LOT")
    gates = await ordered(plant, gate, 5)
    await staged(plant, gates.name, 5)
    made = await reported(plant, gates.name, 4, scrap=1)

    # three gates and one bracket leave the plant
    shipment = await sent(plant, goes(gate, 3, lot=made.lot, where="bin"), customer="Contoso")
    await sent(plant, goes(bracket, 1, lot=first.lot, where="bin"), customer="Fabrikam")

    # an exercise first: all is found, nothing is stopped, and the clock says how long it took
    exercise = await plant("ines", rc.RunMockRecallRequest(parent=SITE, lot=heat, reason="yearly exercise"))
    assert (exercise.mock, exercise.complete, exercise.gap_count) == (True, True, 0)
    assert (exercise.lot_count, exercise.party_count) == (3, 2)
    assert exercise.locate_duration.ToMicroseconds() > 0
    assert await stopped(plant, bracket, lot=first.lot, from_location=at("bin"), to_location=at("shelf")) == ""
    window = {"start_date": day(site_today()), "end_date": day(site_today().fromordinal(site_today().toordinal() + 1))}
    asked = ["mock_recall_time", "mock_recall_gap"]
    measures = await plant("vic", measures_pb2.BatchGetMaterialsMeasuresRequest(parent=SITE, measures=asked, **window))
    time, gap = measures.measures
    assert D(time.value.value) == D(exercise.locate_duration.ToMicroseconds()) / 1_000_000
    assert gap.value.value == "0"

    # where all of it is, to the bar: six bars lie there, the rest is in brackets; and so on
    assert await balance(plant, heat) == {"received": 30, "on_hand": 6, "consumed": 24}
    assert await balance(plant, first.lot) == {"produced": 12, "on_hand": 1, "consumed": 10, "shipped": 1}
    assert await balance(plant, made.lot) == {"produced": 4, "on_hand": 1, "shipped": 3}
    assert (await forward(plant, other)).edges == []
    parties = (await forward(plant, heat)).parties
    assert [(kind, party, lot, amount, certain) for kind, party, lot, amount, certain in parties] == [
        ("CUSTOMER", "Contoso", tail(made.lot), "3", True), ("CUSTOMER", "Fabrikam", tail(first.lot), "1", True),
    ]  # fmt: skip
    assert [(kind, party) for kind, party, *_ in (await backward(plant, made.lot)).parties] == [("SUPPLIER", SUPPLIER)]

    # the supplier is serious now
    case: Any = await plant("ines", rc.OpenRecallRequest(parent=SITE, lot=heat, reason="cracks", hold_receipts=True))
    case = await plant("ines", rc.TraceRecallRequest(name=case.name))
    assert {tail(row.lot): row.gap.value for row in case.lots} == {tail(n): "0" for n in (heat, first.lot, made.lot)}
    assert {row.document for row in case.parties} >= {shipment.name}
    case = await plant("ines", rc.ContainRecallRequest(name=case.name))
    for name, lot in ((steel, heat), (bracket, first.lot), (gate, made.lot)):
        where = {"from_location": at("shelf" if name == steel else "bin"), "to_location": at("dock")}
        assert await stopped(plant, name, lot=lot, **where) == case.hold
    # what else the supplier brings from today on is stopped too until somebody has looked at it
    assert await stopped(plant, steel, lot=other, to_location=at("dock")) == case.receipt_hold != case.hold
    early = rc.ReconcileRecallRequest(name=case.name)
    case = await plant("ines", rc.NotifyRecallRequest(name=case.name, parties=["Contoso", "Fabrikam"]))
    case = await plant("ines", early)
    assert (case.state, case.gap_count) == (Case.RECONCILED, 0)
    case = await plant("ines", rc.CloseRecallRequest(name=case.name, conclusion="all back or destroyed"))
    assert case.state == Case.CLOSED
    assert (await plant("vic", holds_pb2.GetHoldRequest(name=case.hold))).state == holds_pb2.Hold.ACTIVE
    assert await builders.check(plant) == []
