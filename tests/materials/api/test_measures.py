"""Key figures: what counts, what is left out, and no value without data (section 7)."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from google.type.date_pb2 import Date
from plantops.materials.v1 import inspections_pb2, measures_pb2, reservations_pb2

from services.materials.measures import DEFINITIONS
from tests.materials import builders as make
from tests.materials.builders import SITE, at, day, eur, fresh, q
from tests.materials.counting import counted_places, entry, record
from tests.materials.holds import hold, release
from tests.plant import Refused
from tests.statements import statements_of
from tests.world import Plant, site_today

Measure = measures_pb2.MaterialsMeasure


def window(days: int = 1) -> dict[str, Date]:
    return {"start_date": day(site_today()), "end_date": day(site_today() + timedelta(days=days))}


async def measured(plant: Plant, name: str, item_class: str = "", days: int = 1) -> Any:
    asked = measures_pb2.GetMaterialsMeasureRequest(parent=SITE, measure=name, item_class=item_class, **window(days))
    return await plant("vic", asked)


def parts(found: Any) -> tuple[str, Decimal, Decimal, int]:
    """(value, numerator, denominator, records)."""
    return found.value.value, Decimal(found.numerator.value), Decimal(found.denominator.value), found.record_count


def left_out(found: Any) -> dict[str, int]:
    return {row.reason: row.record_count for row in found.exclusions}


@pytest.mark.rule("MAT-330")
async def test_without_data_there_is_no_value(store: Plant) -> None:
    nothing = fresh("class")
    asked = measures_pb2.BatchGetMaterialsMeasuresRequest(
        parent=SITE, measures=list(DEFINITIONS), item_class=nothing, **window()
    )
    with statements_of(store.processes["materials"].engine) as seen:
        found = (await store("vic", asked)).measures
    assert [row.measure for row in found] == list(DEFINITIONS)
    of_all = {"backdated_share", "oldest_hold", "hold_days_median", "ledger_differences", "ledger_proof_age"}
    for row in found:
        if row.measure not in of_all:
            assert (row.status, row.HasField("value"), row.record_count) == (Measure.INSUFFICIENT_DATA, False, 0)
        assert (row.definition, row.time_zone) == (f"{row.measure}/1", "Europe/Berlin")
        assert row.formula
        assert row.event_types
    assert len(seen.with_part("inspection_lot q")) < len(DEFINITIONS) + 10
    listed = await store("vic", measures_pb2.ListMaterialsMeasureDefinitionsRequest())
    assert [row.measure for row in listed.definitions] == sorted(DEFINITIONS)
    assert {row.measure: row.unit_code for row in listed.definitions}["record_accuracy"] == "P1"


@pytest.mark.rule("MAT-330")
async def test_what_is_no_measure_and_no_window_is_refused(store: Plant) -> None:
    with pytest.raises(Refused) as error:
        await measured(store, "happiness")
    assert (error.value.reason, error.value.fields) == ("FIELD_INVALID", ["measure"])
    with pytest.raises(Refused) as error:
        await measured(store, "turns", days=0)
    assert (error.value.reason, error.value.fields) == ("FIELD_INVALID", ["end_date"])


@pytest.mark.rule("MAT-331")
async def test_turns_are_issues_at_cost_by_the_mean_of_closing_values(store: Plant) -> None:
    kind = fresh("class")
    name = await make.item(store, item_class=kind, standard_cost=eur(2))
    await make.stocked(store, name, 10)
    claim = await make.reserved(store, name, 4)
    await store("sam", reservations_pb2.IssueReservationRequest(name=claim.name, quantity=q(4)))
    assert parts(await measured(store, "turns", kind)) == ("0.666667", Decimal(8), Decimal(12), 1)
    assert parts(await measured(store, "days_on_hand", kind))[0] == "1.5"
    await store("sam", reservations_pb2.ReturnIssueRequest(name=claim.name, quantity=q(1), location=at("shelf")))
    assert parts(await measured(store, "turns", kind))[1:3] == (Decimal(6), Decimal(14))


@pytest.mark.rule("MAT-331")
async def test_value_that_expires_and_ages(store: Plant) -> None:
    kind = fresh("class")
    name = await make.item(store, item_class=kind, tracking="LOT", standard_cost=eur(1))
    for days, amount in ((3, 10), (30, 20), (None, 10)):
        given = {} if days is None else {"expire_date": day(site_today() + timedelta(days=days))}
        await make.stocked(store, name, amount, lot=await make.lot(store, name, **given))
    found = await measured(store, "expiry_risk", kind, days=10)
    assert (parts(found), left_out(found)) == (("25", Decimal(1000), Decimal(40), 1), {"without a last day": 1})
    assert parts(await measured(store, "dead_stock", kind))[:3] == ("0", Decimal(0), Decimal(40))
    assert left_out(await measured(store, "ageing", kind)) in ({}, {"lot without receipt": 3})


@pytest.mark.rule("MAT-331")
async def test_demands_are_covered_at_their_need_or_not(store: Plant) -> None:
    kind = fresh("class")
    name = await make.item(store, item_class=kind)
    await make.stocked(store, name, 5)
    claims = [await make.reserved(store, name, 5), await make.reserved(store, name, 3)]
    late = await make.reserved(store, name, 1)
    with store.look("materials") as connection:
        for row in claims:
            connection.execute("update reservation set need_time = now() where name = %s", [row.name])
        query = "update reservation set need_time = create_time - interval '1 second' where name = %s"
        connection.execute(query, [late.name])
        connection.commit()
    found = await measured(store, "fill_rate", kind)
    assert (parts(found), left_out(found)) == (
        ("50", Decimal(100), Decimal(2), 2), {"known only after the need": 1},
    )  # fmt: skip


@pytest.mark.rule("MAT-331")
async def test_counts_are_accurate_within_tolerance_and_blind(store: Plant) -> None:
    kind = fresh("class")
    name = await make.item(store, item_class=kind, standard_cost=eur(1))
    place = fresh("place")
    await make.place(store, place)
    await make.stocked(store, name, 10, place)
    count = await counted_places(store, place, due_date=day(date.fromordinal(site_today().toordinal())))
    await record(store, count.name, entry(4, location=at(place), item=name))
    found = await measured(store, "record_accuracy", kind)
    assert parts(found) == ("0", Decimal(0), Decimal(1), 1)
    assert parts(await measured(store, "count_completion", kind)) == ("100", Decimal(100), Decimal(1), 1)


@pytest.mark.rule("MAT-331")
async def test_value_on_hold_and_how_long(store: Plant) -> None:
    kind = fresh("class")
    name = await make.item(store, item_class=kind, tracking="LOT", standard_cost=eur(1))
    lots = [await make.lot(store, name) for _ in range(2)]
    for lot, amount in zip(lots, (30, 10), strict=True):
        await make.stocked(store, name, amount, lot=lot)
    placed = await hold(store, scope="LOT", lot=lots[1])
    assert parts(await measured(store, "held_value", kind)) == ("25", Decimal(1000), Decimal(40), 1)
    assert (await measured(store, "oldest_hold")).status == Measure.VALUE
    await release(store, placed.name)
    found = await measured(store, "hold_days_median")
    assert (found.status, found.record_count, found.denominator.value) == (Measure.VALUE, 1, "1")
    assert parts(await measured(store, "held_value", kind))[0] == "0"


@pytest.mark.rule("MAT-331")
async def test_receipts_to_stock_and_decisions(store: Plant) -> None:
    kind = fresh("class")
    name = await make.item(store, item_class=kind, inspect_receipts=True)
    await make.expected(store, name, 10, price=eur(2))
    receipt = await make.received(store, make.scanned(name, 10))
    found = await measured(store, "dock_to_stock_median", kind)
    assert (found.status, sum(left_out(found).values())) == (Measure.INSUFFICIENT_DATA, 1)
    lot = receipt.lines[0].inspection_lot
    Split = inspections_pb2.InspectionLot.Split
    splits = [Split(outcome="UNRESTRICTED", quantity=q(8)), Split(outcome="SCRAP", quantity=q(2), note="bent")]
    await store("ines", inspections_pb2.DecideUsageRequest(name=lot, splits=splits))
    assert parts(await measured(store, "rejected_share", kind)) == ("20", Decimal(200), Decimal(10), 1)
    assert parts(await measured(store, "first_pass_acceptance", kind))[:3] == ("0", Decimal(0), Decimal(1))
    for name in ("decision_time_median", "decision_time_p90"):
        assert (await measured(store, name, kind)).status == Measure.VALUE
    assert (await measured(store, "backdated_share")).status == Measure.VALUE
