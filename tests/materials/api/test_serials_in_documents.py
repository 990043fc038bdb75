"""Serials from receipt over inspection and put-away to claim, issue and return."""

from decimal import Decimal as D
from typing import Any

import pytest
from plantops.materials.v1 import (
    inspections_pb2,
    receipts_pb2,
    reservations_pb2,
    tasks_pb2,
)

from tests.materials.builders import (
    SITE,
    arrived,
    at,
    balances,
    check,
    claim_of,
    counted,
    eur,
    expected,
    item,
    lot,
    position,
    q,
    reason,
    received,
    reserved,
    scanned,
    told,
    worth,
)
from tests.materials.serials import move, moving, opened, refusal, serial, serials, stand, steps, tool
from tests.world import Plant

# --- receipts, inspection, put-away --------------------------------------------------------------------------


@pytest.mark.rule("MAT-97")
async def test_scanned_serials_are_received_inspected_put_away_and_claimed(store: Plant) -> None:
    name = await tool(store, inspect_receipts=True)
    await expected(store, name, 3, price=eur(3, 33))
    known = await serial(store, name, "K-1")
    posted = await received(store, scanned(name, 3, serial_numbers=["K-1", "K-2", "K-3"]))
    (line,) = posted.lines
    assert known in line.serials
    assert len(line.serials) == 3
    after = [await stand(store, one) for one in line.serials]
    assert after == [("dock", "INSPECTION", "")] * 3
    assert worth(store, name) == (D(3), D("9.99"), D(0))
    (event,) = told(store, "ReceiptPosted")[-1:]
    assert list(event.lines[0].serials) == list(line.serials)
    (moved,) = [one for one in told(store, "MovementPosted") if one.movement == line.movement]
    assert len(moved.entries) == 6
    good, bad, waits = line.serials
    Split = inspections_pb2.InspectionLot.Split
    for serial_names, value in (([], 1), ([good], 2), ([good, good], 2), ([await serial(store, name)], 1)):
        split = Split(outcome="UNRESTRICTED", quantity=q(value), serials=serial_names)
        refused = await refusal(
            store, inspections_pb2.DecideUsageRequest(name=line.inspection_lot, splits=[split]), "ines"
        )
        assert refused.fields == ["splits.serials"]
    splits = [
        Split(outcome="UNRESTRICTED", quantity=q(1), serials=[good]),
        Split(outcome="SCRAP", quantity=q(1), serials=[bad]),
    ]
    decided = await store("ines", inspections_pb2.DecideUsageRequest(name=line.inspection_lot, splits=splits))
    assert [list(split.serials) for split in decided.splits] == [[good], [bad]]
    assert [(await stand(store, one))[1] for one in (good, bad, waits)] == ["UNRESTRICTED", "", "INSPECTION"]
    again = Split(outcome="UNRESTRICTED", quantity=q(1), serials=[good])
    refused = await refusal(store, inspections_pb2.DecideUsageRequest(name=line.inspection_lot, splits=[again]), "ines")
    assert refused.fields == ["splits.serials"]
    claim = await reserved(store, name, 1)
    assert [taken.serial for taken in claim.allocations] == [good]
    listed = await store("vic", tasks_pb2.ListPutAwayTasksRequest(parent=SITE, filter=f'receipt = "{posted.name}"'))
    ready = {
        tuple(task.serials): task.name for task in listed.put_away_tasks if task.state == tasks_pb2.PutAwayTask.READY
    }
    assert set(ready) == {(good,), (waits,)}
    for task in ready.values():
        await store("sam", tasks_pb2.ConfirmPutAwayRequest(name=task, location=at("shelf")))
    assert [(await stand(store, one))[0] for one in (good, waits)] == ["shelf", "shelf"]
    row = await claim_of(store, claim.work_order)
    assert [(taken.serial, taken.location) for taken in row.allocations] == [(good, at("shelf"))]


@pytest.mark.rule("MAT-16")
async def test_serials_are_counted_in_exactly_once(store: Plant) -> None:
    name, plain, both = await tool(store), await item(store), await tool(store, "LOT_AND_SERIAL")
    for one in (name, plain, both):
        await expected(store, one, 9)
    stocked, gone = await serial(store, name, "IN"), await serial(store, name, "GONE")
    await opened(store, name, [stocked, gone])
    left = await move(store, "SCRAP", name, [gone], from_location=at("shelf"))
    first = await received(store, scanned(both, 1, lot_number="L-1", serial_numbers=["B-1"]))
    receipt = await arrived(store)
    outcomes = await counted(
        store, receipt.name,
        scanned(name, 2, serial_numbers=["A", "A"]),
        scanned(name, 2, serial_numbers=["A"]),
        scanned(name, 1),
        scanned(plain, 1, serial_numbers=["A"]),
        scanned(name, 1, serial_numbers=[""]),
        scanned(name, 2, serial_numbers=["A", "IN"]),
        scanned(name, 1, serial_numbers=["GONE"]),
        scanned(both, 1, lot_number="L-2", serial_numbers=["B-1"]),
        scanned(name, 2, serial_numbers=["A", "B"]),
        scanned(name, 1, serial_numbers=["A"]),
        scanned(both, 1, lot_number="L-2", serial_numbers=["B-2"]),
    )  # fmt: skip
    assert [reason(outcome) for outcome in outcomes] == [
        *["FIELD_INVALID"] * 5, "SERIAL_EXISTS", "SERIAL_EXISTS", "FIELD_INVALID", "", "FIELD_INVALID", "",
    ]  # fmt: skip
    assert (at("shelf") in outcomes[5].status.message, left.name in outcomes[6].status.message) == (True, True)
    assert len((await store("vic", receipts_pb2.GetReceiptRequest(name=receipt.name))).lines) == 2
    assert first.lines[0].lot != ""


@pytest.mark.rule("MAT-99")
async def test_a_reversed_receipt_takes_its_serials_back_and_they_may_come_again(store: Plant) -> None:
    name = await tool(store)
    await expected(store, name, 2, price=eur(5))
    posted = await received(store, scanned(name, 2, serial_numbers=["R-1", "R-2"]))
    one, two = posted.lines[0].serials
    await store("sam", receipts_pb2.ReverseReceiptRequest(name=posted.name, reason="wrong"))
    assert [await stand(store, which) for which in (one, two)] == [("", "", "")] * 2
    assert worth(store, name) == (D(0), D(0), D(0))
    assert [step.kind for step in await steps(store, one)] == ["RECEIPT", "REVERSAL"]
    again = await received(store, scanned(name, 2, serial_numbers=["R-1", "R-2"]))
    assert set(again.lines[0].serials) == {one, two}


# --- reservations --------------------------------------------------------------------------------------------


def issuing(name: str, names: list[str], **given: Any) -> reservations_pb2.IssueReservationRequest:
    return reservations_pb2.IssueReservationRequest(name=name, quantity=q(len(names)), serials=names, **given)


def returning(name: str, names: list[str], **given: Any) -> reservations_pb2.ReturnIssueRequest:
    given.setdefault("location", at("bin"))
    return reservations_pb2.ReturnIssueRequest(name=name, quantity=q(len(names)), serials=names, **given)


@pytest.mark.rule("MAT-79")
@pytest.mark.rule("MAT-16")
async def test_claims_name_serials_and_an_issue_takes_what_was_scanned(store: Plant) -> None:
    name = await tool(store)
    names = await serials(store, name, 5)
    await opened(store, name, names[:4])
    claim = await reserved(store, name, 2)
    other = await reserved(store, name, 1)
    await opened(store, name, names[4:], "bin")
    mine = sorted(taken.serial for taken in claim.allocations)
    (others,) = [taken.serial for taken in other.allocations]
    free = next(one for one in names if one not in (*mine, others) and one != names[4])
    assert len(mine) == 2
    for request in (
        issuing(claim.name, [others]), issuing(claim.name, [names[4]]), issuing(claim.name, [*mine, free]),
        issuing(claim.name, mine[:1], location=at("bin")),
    ):  # fmt: skip
        refused = await refusal(store, request, "tina")
        assert refused.reason == "TOLERANCE_EXCEEDED", request
    unnamed = reservations_pb2.IssueReservationRequest(name=claim.name, quantity=q(1))
    assert (await refusal(store, unnamed, "tina")).fields == ["serials"]
    after = position(store)
    done = await store("tina", issuing(claim.name, sorted([mine[0], free])))
    assert (done.state, done.allocations) == (reservations_pb2.Reservation.ISSUED, [])
    issued, moved = told(store, after=after)
    assert (sorted(issued.serials), issued.quantity) == (sorted([mine[0], free]), q(2))
    assert moved.kind == "ISSUE"
    assert [(await stand(store, one))[2] for one in (mine[0], free)] == [issued.movement] * 2
    assert (await stand(store, mine[1]))[0] == "shelf"
    assert sum(taken for _, taken in (await balances_of(store, name)).values()) == 1
    assert await check(store) == []


async def balances_of(plant: Plant, name: str) -> dict[str, tuple[D, D]]:
    rows = plant.rows(
        "materials",
        "select serial, on_hand, reserved from balance where item = %s and not virtual and on_hand > 0",
        name,
    )
    return {row[0]: (row[1], row[2]) for row in rows}


@pytest.mark.rule("MAT-48")
@pytest.mark.rule("MAT-16")
async def test_issued_serials_come_back_by_the_return_that_names_their_issue(store: Plant) -> None:
    name = await tool(store, standard_cost=eur(10))
    names = await serials(store, name, 3)
    await opened(store, name, names)
    claim, other = await reserved(store, name, 2), await reserved(store, name, 1)
    out = [taken.serial for taken in claim.allocations]
    await store("tina", issuing(claim.name, out))
    await store("tina", issuing(other.name, [taken.serial for taken in other.allocations]))
    left_by = (await stand(store, out[0]))[2]
    refused = await refusal(store, moving("ADJUST", name, out[:1], to_location=at("bin"), returns=left_by))
    assert refused.fields == ["movement.returns"]
    foreign = [taken.serial for taken in other.allocations]
    wrong = await refusal(store, returning(claim.name, foreign), "tina")
    assert (wrong.code, wrong.reason) == ("FAILED_PRECONDITION", "SERIAL_NOT_ISSUED")
    assert (wrong.metadata["serial"], wrong.metadata["reservation"]) == (foreign[0], claim.name)
    back = await store("tina", returning(claim.name, out[:1]))
    assert back.issued.value == "1"
    assert (await stand(store, out[0]))[:2] == ("bin", "UNRESTRICTED")
    assert (await steps(store, out[0]))[-1].returns == left_by
    again = await refusal(store, returning(claim.name, out[:1]), "tina")
    assert again.reason == "SERIAL_NOT_ISSUED"
    assert worth(store, name) == (D(1), D(10), D(0))


@pytest.mark.rule("MAT-79")
async def test_released_serials_are_claimed_by_the_next(store: Plant) -> None:
    name = await tool(store)
    names = await serials(store, name, 2)
    await opened(store, name, names)
    first = await reserved(store, name, 2)
    second = await reserved(store, name, 1)
    assert second.state == reservations_pb2.Reservation.SHORT
    await store("sam", reservations_pb2.ReleaseReservationRequest(name=first.name, reason="not needed"))
    row = await claim_of(store, second.work_order)
    assert (row.state, len(row.allocations)) == (reservations_pb2.Reservation.ALLOCATED, 1)
    assert row.allocations[0].serial in names


async def test_serials_of_two_lots_are_issued_one_lot_after_the_other(store: Plant) -> None:
    name = await tool(store, "LOT_AND_SERIAL")
    lots = [await lot(store, name), await lot(store, name)]
    names = [await serial(store, name, lot=one) for one in lots]
    for one, which in zip(lots, names, strict=True):
        await opened(store, name, [which], lot=one)
    claim = await reserved(store, name, 2)
    refused = await refusal(store, issuing(claim.name, names), "tina")
    assert refused.fields == ["serials"]
    for which in names:
        claim = await store("tina", issuing(claim.name, [which]))
    assert claim.state == reservations_pb2.Reservation.ISSUED
    refused = await refusal(store, returning(claim.name, names), "tina")
    assert refused.fields == ["serials"]
    await store("tina", returning(claim.name, names[:1]))
    assert await balances(store, name) == {("bin", "UNRESTRICTED"): (D(1), D(0))}
