"""Recalls through the api: step by step, and as an exercise."""

from typing import Any

import pytest
from plantops.materials.v1 import holds_pb2, recalls_pb2

from tests.materials.builders import SITE, SUPPLIER, at, expected, item, lot, movement, post, received, scanned, stocked
from tests.materials.genealogy import named_lots, pb, tail, wire
from tests.materials.holds import refused, stopped
from tests.materials.shipping import goes, sent
from tests.world import Plant

rc = recalls_pb2
Case = rc.RecallCase
INES = "ines"


async def opened(plant: Plant, name: str, **given: Any) -> Any:
    """A case about a lot."""
    return await plant(INES, rc.OpenRecallRequest(parent=SITE, lot=name, reason="cracks found", **given))


async def chain(plant: Plant) -> tuple[str, dict[str, str]]:
    """A lot a, of which b was made for certain and c possibly, ten of each on the shelf; with the item."""
    lots = dict(await named_lots(plant, "a", "b", "c"))
    await wire(plant, lots, "a>b", "a?c")
    name = lots["a"].rsplit("/", 2)[0]
    for one in lots.values():
        await stocked(plant, name, 10, lot=one)
    return name, lots


@pytest.mark.rule("MAT-138")
async def test_a_recall_goes_from_open_to_closed(store: Plant) -> None:
    name, lots = await chain(store)
    shipment = await sent(store, goes(name, 4, lot=lots["b"]))
    case = await opened(store, lots["a"])
    assert (case.state, case.person, case.item, case.mock) == (Case.OPEN, "people/ines", name, False)
    early = await refused(store, rc.ContainRecallRequest(name=case.name), INES)
    assert early.reason == "TRANSITION_NOT_ALLOWED"

    case = await store(INES, rc.TraceRecallRequest(name=case.name))
    assert (case.state, case.complete, case.lot_count, case.party_count) == (Case.TRACED, True, 3, 1)
    assert [(tail(row.lot), row.certain, row.found.value, row.shipped.value, row.gap.value) for row in case.lots] == [
        ("a", True, "10", "0", "0"), ("b", True, "6", "4", "0"), ("c", False, "10", "0", "0"),
    ]  # fmt: skip
    (party,) = case.parties
    assert (party.party, party.document, party.quantity.value, party.certain) == ("Contoso", shipment.name, "4", True)
    assert not party.HasField("notify_time")
    assert case.locate_duration.ToMicroseconds() > 0

    case = await store(INES, rc.ContainRecallRequest(name=case.name))
    assert (case.state, case.receipt_hold) == (Case.CONTAINED, "")
    for one in lots.values():
        assert await stopped(store, name, lot=one) == case.hold

    unknown = await refused(store, rc.NotifyRecallRequest(name=case.name, parties=["Fabrikam"]), INES)
    assert unknown.reason == "FIELD_INVALID"
    case = await store(INES, rc.NotifyRecallRequest(name=case.name))
    assert case.state == Case.CONTAINED
    case = await store(INES, rc.NotifyRecallRequest(name=case.name, parties=["Contoso"]))
    assert (case.state, case.parties[0].HasField("notify_time")) == (Case.NOTIFIED, True)

    case = await store(INES, rc.ReconcileRecallRequest(name=case.name))
    assert (case.state, case.gap_count) == (Case.RECONCILED, 0)
    case = await store(INES, rc.CloseRecallRequest(name=case.name, conclusion="six scrapped"))
    assert (case.state, case.conclusion) == (Case.CLOSED, "six scrapped")
    assert (await store("vic", holds_pb2.GetHoldRequest(name=case.hold))).state == holds_pb2.Hold.ACTIVE
    listed = await store("vic", rc.ListRecallCasesRequest(parent=SITE, filter=f'lot = "{lots["a"]}"'))
    assert [(row.name, list(row.lots)) for row in listed.recall_cases] == [(case.name, [])]
    assert await store("vic", rc.GetRecallCaseRequest(name=case.name)) == case


@pytest.mark.rule("MAT-138")
async def test_who_got_any_after_the_trace_is_told_before_the_case_is_reconciled(store: Plant) -> None:
    name, lots = await chain(store)
    case = await opened(store, lots["a"])
    await store(INES, rc.TraceRecallRequest(name=case.name))
    await sent(store, goes(name, 1, lot=lots["c"]), customer="Fabrikam")
    await store(INES, rc.ContainRecallRequest(name=case.name))
    await store(INES, rc.NotifyRecallRequest(name=case.name))
    found = await refused(store, rc.ReconcileRecallRequest(name=case.name), INES)
    assert (found.reason, found.metadata["party"]) == ("PARTY_NOT_NOTIFIED", "Fabrikam")


@pytest.mark.rule("MAT-138")
async def test_receipts_to_come_are_held(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    await expected(store, name, 20)
    old = (await received(store, scanned(name, 5, lot_number="OLD"))).lines[0].lot
    case = await opened(store, old, hold_receipts=True)
    await store(INES, rc.TraceRecallRequest(name=case.name))
    case = await store(INES, rc.ContainRecallRequest(name=case.name))
    assert case.receipt_hold != case.hold != ""
    new = await received(store, scanned(name, 5, lot_number="NEW"))
    assert new.lines[0].hold == case.receipt_hold
    hold = await store("vic", holds_pb2.GetHoldRequest(name=case.receipt_hold))
    assert (hold.supplier, hold.item, hold.person) == (SUPPLIER, name, "people/ines")


@pytest.mark.rule("MAT-138")
async def test_a_mock_recall_is_timed_and_holds_nothing(store: Plant) -> None:
    name, lots = await chain(store)
    await sent(store, goes(name, 2, lot=lots["c"]))
    await post(store, movement("SCRAP", name, 1, lot=lots["a"], from_location=at("shelf")))
    before = store.value("materials", "select count(*) from hold")
    case = await store(INES, rc.RunMockRecallRequest(parent=SITE, lot=lots["a"], reason="exercise"))
    assert (case.state, case.mock, case.hold, case.lot_count, case.party_count) == (Case.CLOSED, True, "", 3, 1)
    assert {tail(row.lot): (row.came.value, row.found.value, row.scrapped.value) for row in case.lots} == {
        "a": ("10", "9", "1"), "b": ("10", "10", "0"), "c": ("10", "8", "0"),
    }  # fmt: skip
    assert case.locate_duration.ToMicroseconds() > 0
    assert not case.parties[0].HasField("notify_time")
    assert store.value("materials", "select count(*) from hold") == before
    assert await stopped(store, name, lot=lots["a"]) == ""


@pytest.mark.rule("MAT-138")
async def test_what_cannot_be_called_back_is_refused(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    one = await lot(store, name)
    for given in ({"lot": f"{name}/lots/none"}, {"lot": one, "hold_receipts": True}):
        request = rc.OpenRecallRequest(parent=SITE, reason="cracks found", **given)
        assert (await refused(store, request, INES)).reason == "FIELD_INVALID"
    request = rc.OpenRecallRequest(parent=SITE, reason="cracks found", lot=one)
    assert (await refused(store, request, "sam")).reason == "PERMISSION_DENIED"
    assert (await store("vic", pb.GetMassBalanceRequest(name=one))).gap.value == "0"
