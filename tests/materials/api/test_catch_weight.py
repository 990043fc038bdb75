"""Catch weight: two quantities in every posting, each conserved by itself, none computed from the other (MAT-9)."""

from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.decimal_pb2 import Decimal as Number
from plantops.materials.v1 import (
    balances_pb2,
    handling_units_pb2,
    inspections_pb2,
    items_pb2,
    lots_pb2,
    movements_pb2,
    receipts_pb2,
    reservations_pb2,
    tasks_pb2,
)

from tests.materials.builders import (
    SITE,
    ago,
    at,
    batch,
    call,
    check,
    expected,
    handling_units,
    item,
    lot,
    movement,
    pack,
    packed,
    position,
    post,
    q,
    reason,
    received,
    reserved,
    scanned,
    told,
    unit_type,
)
from tests.plant import Refused
from tests.world import Plant

SHELF, BIN, DOCK = at("shelf"), at("bin"), at("dock")


def kg(value: str) -> Any:
    return q(value, "KGM")


async def cheese(plant: Plant, tolerance: str = "10", **given: Any) -> str:
    """An item in pieces of usually 2.5 kg."""
    weight = items_pb2.Item.CatchWeight(
        unit_code="KGM", nominal=Number(value="2.5"), tolerance_percent=Number(value=tolerance)
    )
    return await item(plant, "cheese", catch_weight=weight, **given)


async def weighed(plant: Plant, name: str) -> dict[tuple[str, str], tuple[str, str]]:
    """(place, status) -> (pieces, weight)."""
    answer = await plant("vic", balances_pb2.ListBalancesRequest(parent=SITE, filter=f'item = "{name}"'))
    return {
        (row.location.rsplit("/", 1)[-1], balances_pb2.Balance.Status.Name(row.status)): (
            row.on_hand.value, row.second_on_hand.value,
        )
        for row in answer.balances
    }  # fmt: skip


def opening(name: str, pieces: str | int, weight: str, **given: Any) -> movements_pb2.Movement:
    return movement("OPENING", name, pieces, to_location=SHELF, second_quantity=kg(weight), **given)


def move(name: str, pieces: str | int, weight: str, **given: Any) -> movements_pb2.Movement:
    return movement("MOVE", name, pieces, from_location=SHELF, to_location=BIN, second_quantity=kg(weight), **given)


async def refused(plant: Plant, what: movements_pb2.Movement) -> Refused:
    with pytest.raises(Refused) as found:
        await post(plant, what)
    return found.value


@pytest.mark.rule("MAT-9")
async def test_each_quantity_is_conserved_by_itself(store: Plant) -> None:
    name = await cheese(store)
    after = position(store)
    made = await post(store, opening(name, 4, "10.2"))
    assert (made.quantity.value, made.second_quantity.value, made.second_quantity.unit_code) == ("4", "10.2", "KGM")
    assert [row.second_quantity.value for row in made.entries] == ["-10.2", "10.2"]
    (event,) = told(store, "MovementPosted", after=after)
    assert [row.second_quantity.value for row in event.entries] == ["-10.2", "10.2"]
    moved = await post(store, move(name, 1, "2.71"))
    assert await weighed(store, name) == {
        ("shelf", "UNRESTRICTED"): ("3", "7.49"), ("bin", "UNRESTRICTED"): ("1", "2.71"),
    }  # fmt: skip
    await call(store, "stella", movements_pb2.ReverseMovementRequest(name=moved.name, reason="not moved"))
    assert await weighed(store, name) == {("shelf", "UNRESTRICTED"): ("4", "10.2")}
    assert await check(store) == []


@pytest.mark.rule("MAT-9")
@pytest.mark.parametrize(
    ("weight", "confirm", "why"),
    [
        ("9", False, ""),
        ("11", False, ""),
        ("8.999", False, "TOLERANCE_EXCEEDED"),
        ("11.001", False, "TOLERANCE_EXCEEDED"),
        ("11.001", True, ""),
        ("0", True, "FIELD_INVALID"),
        ("0.0001", True, "QUANTITY_NOT_ON_GRID"),
    ],
)
async def test_a_weight_out_of_tolerance_is_confirmed(store: Plant, weight: str, confirm: bool, why: str) -> None:
    name = await cheese(store)
    what = opening(name, 4, weight, confirm_weight=confirm)
    if not why:
        assert (await post(store, what)).second_quantity.value == weight
        return
    found = await refused(store, what)
    assert found.reason == why
    if why == "TOLERANCE_EXCEEDED":
        assert found.code == "FAILED_PRECONDITION"
        assert (found.metadata["least"], found.metadata["most"], found.metadata["second"]) == ("9", "11", weight)


@pytest.mark.rule("MAT-9")
async def test_the_weight_is_stated_where_it_is_kept_and_nowhere_else(store: Plant) -> None:
    name, plain = await cheese(store), await item(store)
    outcomes = await batch(
        store,
        [
            movement("OPENING", name, 4, to_location=SHELF),
            movement("OPENING", plain, 4, to_location=SHELF, second_quantity=kg("10")),
            movement("OPENING", name, 4, to_location=SHELF, second_quantity=q(10, "MTR")),
            movement("OPENING", name, 4, to_location=SHELF, second_quantity=q(10, "QQQ")),
            movement("OPENING", name, 0, to_location=SHELF, second_quantity=kg("10")),
            movement("OPENING", name, 4, to_location=SHELF, second_quantity=q(22, "LBR")),
        ],
    )
    assert [reason(row) for row in outcomes] == [
        "FIELD_INVALID", "FIELD_INVALID", "UNIT_INCOMPATIBLE", "UNIT_UNKNOWN", "FIELD_INVALID", "",
    ]  # fmt: skip
    assert outcomes[5].movement.second_quantity.value == "9.979"
    found = await refused(store, movement("OPENING", name, 4, to_location=SHELF))
    assert found.fields == ["movement.second_quantity"]


@pytest.mark.rule("MAT-9", "MAT-57")
async def test_too_little_weight_is_not_enough_stock(store: Plant) -> None:
    name = await cheese(store)
    await post(store, opening(name, 4, "10"))
    found = await refused(store, move(name, 3, "10.5", confirm_weight=True))
    assert (found.code, found.reason) == ("FAILED_PRECONDITION", "NOT_ENOUGH_STOCK")
    assert (found.metadata["available"], found.metadata["unit_code"], found.metadata["asked"]) == ("10", "KGM", "10.5")
    assert await weighed(store, name) == {("shelf", "UNRESTRICTED"): ("4", "10")}


@pytest.mark.rule("MAT-9", "MAT-56")
async def test_the_weight_is_not_negative_in_the_past(store: Plant) -> None:
    name = await cheese(store)
    await post(store, opening(name, 4, "9", effective_time=ago(hours=3)))
    await post(store, movement("ADJUST", name, 0, to_location=SHELF, second_quantity=kg("1"),
                               effective_time=ago(hours=1)))  # fmt: skip
    found = await refused(store, move(name, 3, "9.5", confirm_weight=True, effective_time=ago(hours=2)))
    assert (found.reason, found.metadata["asked"], found.metadata["unit_code"]) == ("NEGATIVE_IN_PAST", "9.5", "KGM")
    await post(store, move(name, 3, "9.5", confirm_weight=True))


@pytest.mark.rule("MAT-9")
async def test_weight_alone_is_adjusted_and_what_is_left_of_it_is_shown(store: Plant) -> None:
    name = await cheese(store)
    await post(store, opening(name, 4, "10"))
    lost = await post(store, movement("ADJUST", name, 0, from_location=SHELF, second_quantity=kg("0.25")))
    assert (lost.quantity.value, lost.second_quantity.value) == ("0", "0.25")
    await post(store, move(name, 4, "9.5"))
    assert await weighed(store, name) == {
        ("shelf", "UNRESTRICTED"): ("0", "0.25"), ("bin", "UNRESTRICTED"): ("4", "9.5"),
    }  # fmt: skip
    back = await call(store, "stella", movements_pb2.ReverseMovementRequest(name=lost.name, reason="scales were wrong"))
    assert back.second_quantity.value == "0.25"
    await post(store, movement("ADJUST", name, 0, from_location=SHELF, second_quantity=kg("0.5")))
    assert await weighed(store, name) == {("bin", "UNRESTRICTED"): ("4", "9.5")}
    for kind in ("SCRAP", "MOVE"):
        what = movement(kind, name, 0, from_location=BIN, second_quantity=kg("1"))
        assert (await refused(store, what)).fields == ["movement.quantity.value"]


@pytest.mark.rule("MAT-9")
async def test_a_receipt_its_inspection_and_its_put_away_carry_both(store: Plant) -> None:
    name = await cheese(store, inspect_receipts=True)
    await expected(store, name, 10)
    short = scanned(name, 4)
    unusual = scanned(name, 4, second_quantity=kg("20"))
    receipt = await store(
        "sam", receipts_pb2.StartReceiptRequest(parent=SITE, supplier="suppliers/acme", location=DOCK)
    )
    answer = await store(
        "sam",
        receipts_pb2.BatchAddReceiptLinesRequest(
            parent=receipt.name,
            requests=[keyed(short), keyed(unusual)],
        ),
    )
    assert [reason(row) for row in answer.outcomes] == ["FIELD_INVALID", "TOLERANCE_EXCEEDED"]
    posted = await received(store, scanned(name, 4, second_quantity=kg("10.4")))
    (line,) = posted.lines
    assert line.second_quantity == kg("10.4")
    assert await weighed(store, name) == {("dock", "INSPECTION"): ("4", "10.4")}

    lot = line.inspection_lot
    assert (await refused_split(store, lot, ("UNRESTRICTED", 3, ""))).fields == ["splits.second_quantity"]
    assert (await refused_split(store, lot, ("UNRESTRICTED", 4, "10.3"))).fields == ["splits"]
    assert (await refused_split(store, lot, ("UNRESTRICTED", 3, "10.5"))).reason == "TOLERANCE_EXCEEDED"
    decided = await decide(store, lot, ("UNRESTRICTED", 3, "7.8"))
    assert (decided.second_quantity, decided.second_decided) == (kg("10.4"), kg("7.8"))
    assert decided.splits[0].second_quantity == kg("7.8")
    assert (await refused_split(store, lot, ("SCRAP", 1, "2.7"))).fields == ["splits"]
    await decide(store, lot, ("SCRAP", 1, "2.6"))
    assert await weighed(store, name) == {("dock", "UNRESTRICTED"): ("3", "7.8")}

    tasks = await store("vic", tasks_pb2.ListPutAwayTasksRequest(
        parent=SITE, filter=f'receipt = "{posted.name}" AND state = READY'))  # fmt: skip
    (task,) = tasks.put_away_tasks
    assert (task.quantity.value, task.second_quantity) == ("3", kg("7.8"))
    # some weight is gone before it is brought away: what is there moves
    await post(store, movement("ADJUST", name, 0, from_location=DOCK, second_quantity=kg("0.1")))
    await store("sam", tasks_pb2.ConfirmPutAwayRequest(name=task.name, location=SHELF))
    assert await weighed(store, name) == {("shelf", "UNRESTRICTED"): ("3", "7.7")}
    assert await check(store) == []


@pytest.mark.rule("MAT-9")
async def test_a_receipt_is_reversed_in_both_and_a_part_of_the_dock_is_brought_away(store: Plant) -> None:
    name = await cheese(store)
    await expected(store, name, 10)

    async def arrive() -> Any:
        lines = [scanned(name, pieces, second_quantity=kg(weight)) for pieces, weight in ((4, "10.4"), (2, "5"))]
        return await received(store, *lines)

    await store("sam", receipts_pb2.ReverseReceiptRequest(name=(await arrive()).name, reason="wrong goods"))
    assert await weighed(store, name) == {}
    task = (await arrive()).lines[0].put_away_task
    await store("sam", tasks_pb2.ConfirmPutAwayRequest(name=task, location=SHELF))
    assert await weighed(store, name) == {
        ("dock", "UNRESTRICTED"): ("2", "5"), ("shelf", "UNRESTRICTED"): ("4", "10.4"),
    }  # fmt: skip


@pytest.mark.rule("MAT-9", "MAT-48")
async def test_an_issue_and_its_return_carry_both(store: Plant) -> None:
    name = await cheese(store)
    await post(store, opening(name, 4, "10"))
    claim = await reserved(store, name, 3)

    def issue(pieces: int, **given: Any) -> Any:
        return reservations_pb2.IssueReservationRequest(name=claim.name, quantity=q(pieces), **given)

    def back(pieces: int, weight: str, **given: Any) -> Any:
        weighing = {"second_quantity": kg(weight), "location": SHELF, **given}
        return reservations_pb2.ReturnIssueRequest(name=claim.name, quantity=q(pieces), **weighing)

    for request, why in (
        (issue(2), "FIELD_INVALID"),
        (issue(2, second_quantity=kg("8")), "TOLERANCE_EXCEEDED"),
        (issue(2, second_quantity=kg("10.1"), confirm_weight=True), "NOT_ENOUGH_STOCK"),
    ):
        with pytest.raises(Refused) as found:
            await call(store, "sam", request)
        assert found.value.reason == why
    await call(store, "sam", issue(2, second_quantity=kg("5.2")))
    assert await weighed(store, name) == {("shelf", "UNRESTRICTED"): ("2", "4.8")}
    with pytest.raises(Refused) as more:
        await call(store, "sam", back(1, "5.3", confirm_weight=True))
    assert (more.value.reason, more.value.metadata["issued"]) == ("TOLERANCE_EXCEEDED", "5.2")
    await call(store, "sam", back(1, "2.4"))
    assert await weighed(store, name) == {("shelf", "UNRESTRICTED"): ("3", "7.2")}


@pytest.mark.rule("MAT-9", "MAT-14")
async def test_merged_lots_carry_both(store: Plant) -> None:
    name = await cheese(store, tracking="LOT")
    one, two = await lot(store, name), await lot(store, name)
    await post(store, opening(name, 2, "5.1", lot=one))
    await post(store, opening(name, 1, "2.4", lot=two))
    new = await call(
        store, "stella", lots_pb2.MergeLotsRequest(parent=SITE, lots=[one, two], location=SHELF, number="M-1")
    )
    listed = await store("vic", balances_pb2.ListBalancesRequest(parent=SITE, filter=f'item = "{name}"'))
    assert [(row.lot, row.on_hand.value, row.second_on_hand) for row in listed.balances] == [
        (new.name, "3", kg("7.5")),
    ]  # fmt: skip


@pytest.mark.rule("MAT-9", "MAT-20")
async def test_weight_that_is_left_in_a_unit_goes_along_with_it(store: Plant) -> None:
    name = await cheese(store)
    await post(store, opening(name, 2, "5.1"))
    tote = (await handling_units(store, await unit_type(store), 1))[0]
    await pack(store, tote.name, packed(name, 2, second_quantity=kg("5.1")))
    out = movement("MOVE", name, 2, from_location=SHELF, to_location=BIN, second_quantity=kg("5"),
                   from_handling_unit=tote.name)  # fmt: skip
    await post(store, out)
    await store("sam", handling_units_pb2.MoveHandlingUnitRequest(name=tote.name, location=DOCK))
    assert await weighed(store, name) == {
        ("bin", "UNRESTRICTED"): ("2", "5"), ("dock", "UNRESTRICTED"): ("0", "0.1"),
    }  # fmt: skip
    with pytest.raises(Refused) as filled:
        await store("sam", handling_units_pb2.RetireHandlingUnitRequest(name=tote.name))
    assert filled.value.reason == "HANDLING_UNIT_NOT_EMPTY"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"unit_code": "H87"}, "unit_code"),
        ({"unit_code": "QQQ"}, "unit_code"),
        ({"step": Number(value="0.3")}, "step"),
        ({"nominal": Number(value="0")}, "nominal"),
        ({"tolerance_percent": Number(value="101")}, "tolerance_percent"),
        ({"tolerance_percent": Number(value="-1")}, "tolerance_percent"),
    ],
)
async def test_a_wrong_catch_weight_is_refused(store: Plant, given: dict[str, Any], field: str) -> None:
    values = {"unit_code": "KGM", "nominal": Number(value="1"), "tolerance_percent": Number(value="5"), **given}
    with pytest.raises(Refused) as found:
        await item(store, catch_weight=items_pb2.Item.CatchWeight(**values))
    assert (found.value.code, found.value.fields) == ("INVALID_ARGUMENT", [f"item.catch_weight.{field}"])
    with pytest.raises(Refused) as same:
        await item(store, base_unit_code="GRM", catch_weight=items_pb2.Item.CatchWeight(
            unit_code="KGM", nominal=Number(value="1"), tolerance_percent=Number(value="5")))  # fmt: skip
    assert same.value.fields == ["item.catch_weight.unit_code"]


@pytest.mark.rule("MAT-9", "MAT-10")
async def test_the_usual_weight_may_change_and_the_unit_of_it_not(store: Plant) -> None:
    name = await cheese(store)
    await post(store, opening(name, 4, "10"))

    def update(**given: Any) -> Any:
        weight = items_pb2.Item.CatchWeight(**given) if given else None
        return items_pb2.UpdateItemRequest(
            item=items_pb2.Item(name=name, catch_weight=weight), update_mask=FieldMask(paths=["catch_weight"])
        )

    usual = {"nominal": Number(value="5"), "tolerance_percent": Number(value="1")}
    await store("mara", update(unit_code="KGM", **usual))
    assert (await refused(store, move(name, 1, "2.5"))).reason == "TOLERANCE_EXCEEDED"
    for request in (update(unit_code="GRM", **usual), update()):
        with pytest.raises(Refused) as found:
            await store("mara", request)
        assert (found.value.reason, found.value.fields) == ("HAS_MOVED", ["item.catch_weight"])


def keyed(line: receipts_pb2.AddReceiptLineRequest) -> receipts_pb2.AddReceiptLineRequest:
    line.request_id = str(uuid4())
    return line


def _splits(*parts: tuple[str, int, str]) -> list[Any]:
    return [
        inspections_pb2.InspectionLot.Split(
            outcome=outcome, quantity=q(pieces), second_quantity=kg(weight) if weight else None
        )
        for outcome, pieces, weight in parts
    ]


async def decide(plant: Plant, lot: str, *parts: tuple[str, int, str]) -> Any:
    return await plant("ines", inspections_pb2.DecideUsageRequest(name=lot, splits=_splits(*parts)))


async def refused_split(plant: Plant, lot: str, *parts: tuple[str, int, str]) -> Refused:
    with pytest.raises(Refused) as found:
        await decide(plant, lot, *parts)
    return found.value
