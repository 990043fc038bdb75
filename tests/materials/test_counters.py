"""Counters that carry no noise: statements of a batch, of a list, and updates that touch no index."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from plantops.materials.v1 import (
    balances_pb2,
    handling_units_pb2,
    inspections_pb2,
    items_pb2,
    locations_pb2,
    lots_pb2,
    movements_pb2,
    policies_pb2,
    receipts_pb2,
    reservations_pb2,
    serials_pb2,
    tasks_pb2,
)

from tests.materials.builders import (
    SITE,
    approve,
    arrived,
    at,
    batch,
    call,
    counted,
    expected,
    handling_units,
    item,
    lot,
    movement,
    pack,
    packed,
    q,
    reason,
    received,
    reserved,
    scanned,
    stocked,
    unit_type,
    work_order,
)
from tests.materials.serials import tool
from tests.statements import Statements, statements_of
from tests.world import Plant


@pytest.fixture
def statements(store: Plant) -> Iterator[Statements]:
    with statements_of(store.processes["materials"].engine) as found:
        yield found


@pytest.mark.rule("MAT-50")
@pytest.mark.rule("PERF-1")
async def test_a_batch_takes_as_many_statements_whatever_its_size(store: Plant, statements: Statements) -> None:
    counts: dict[int, int] = {}
    for size in (1, 3, 60):
        names = [await item(store, tracking="LOT" if number % 2 else "NONE") for number in range(min(size, 12))]
        lots = {name: await lot(store, name) if number % 2 else "" for number, name in enumerate(names)}
        whats = []
        for number in range(size):
            name = names[number % len(names)]
            whats.append(movement("OPENING", name, 2, lot=lots[name], to_location=at("shelf")))
        outcomes = await batch(store, whats)
        assert {reason(row) for row in outcomes} == {""}
        found = statements.with_part("post_to_ledger")
        assert sum("post_to_ledger" in statement for statement in found) == 1
        counts[size] = len(found)
    assert counts[3] == counts[60]
    assert counts[1] <= counts[3] <= 24, statements.with_part("post_to_ledger")


@pytest.mark.rule("PERF-1")
async def test_a_movement_is_posted_by_one_call_of_one_function(store: Plant, statements: Statements) -> None:
    name = await item(store)
    await stocked(store, name, 5)
    found = statements.with_part("post_commands")
    assert sum("post_commands" in statement for statement in found) == 1
    assert not [
        statement for statement in found if statement.lower().startswith(("insert into movement", "update balance"))
    ]


async def test_lines_of_a_receipt_are_counted_in_with_as_many_statements_whatever_their_number(
    store: Plant, statements: Statements
) -> None:
    counts = {}
    for size in (2, 30):
        names = [await item(store) for _ in range(2)]
        for name in names:
            await expected(store, name, 100)
        receipt = await arrived(store)
        outcomes = await counted(store, receipt.name, *(scanned(names[number % 2], 1) for number in range(size)))
        assert {reason(outcome) for outcome in outcomes} == {""}
        counts[size] = len(statements.with_part("INSERT INTO receipt_line"))
    assert counts[2] == counts[30]


@pytest.mark.rule("PERF-1")
@pytest.mark.played_partner
async def test_demands_of_an_order_are_claimed_with_as_many_statements_whatever_their_number(
    store: Plant, statements: Statements
) -> None:
    counts = {}
    for size in (1, 2, 12):
        names = [await item(store) for _ in range(size)]
        for name in names[:-1]:
            await stocked(store, name, 5)  # the last one is short
        order = work_order()
        await approve(store, order, {f"d{number}": (name, 2) for number, name in enumerate(names)})
        counts[size] = len(statements.with_part("INSERT INTO reservation"))
    assert counts[2] == counts[12], statements.with_part("INSERT INTO reservation")
    assert counts[1] <= counts[2], counts


@pytest.mark.rule("PERF-4")
async def test_goods_of_known_lots_are_counted_in_whoever_changes_their_items(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    await lot(store, name, "L1")
    await expected(store, name, 10)
    receipt = await arrived(store)
    with store.look("materials") as other, other.transaction():
        other.execute("select from item where name = %s for update", [name])
        outcomes = await counted(store, receipt.name, scanned(name, 1, lot_number="L1"))
    assert {reason(outcome) for outcome in outcomes} == {""}


@pytest.mark.rule("MAT-100")
async def test_places_for_a_receipt_are_found_with_as_many_statements_whatever_its_lines(
    store: Plant, statements: Statements
) -> None:
    counts = {}
    for size in (1, 8):
        names = [await item(store, gross_weight=q(1, "KGM")) for _ in range(size)]
        for name in names:
            await expected(store, name, 1, to="")
        receipt = await arrived(store)
        await counted(store, receipt.name, *(scanned(name, 1) for name in names))
        answer = await store("sam", receipts_pb2.PostReceiptRequest(name=receipt.name))
        assert len(answer.lines) == size
        counts[size] = len([row for row in statements.with_part("post_to_ledger") if " location" in row])
    assert counts[1] == counts[8] > 0


@pytest.mark.rule("MAT-50")
@pytest.mark.played_partner
async def test_serials_take_as_many_statements_whatever_their_number(store: Plant, statements: Statements) -> None:
    counts: dict[int, list[int]] = {}
    for size in (2, 25):
        name = await tool(store)
        await expected(store, name, 30)
        numbers = [f"S{number}" for number in range(size)]
        receipt = await received(store, scanned(name, size, serial_numbers=numbers))
        found = [len(statements.with_part("INSERT INTO receipt_line")), len(statements.with_part("post_to_ledger"))]
        (line,) = receipt.lines
        claim = await reserved(store, name, size - 1)
        found.append(len(statements.with_part("insert into allocation")))
        await store("sam", tasks_pb2.ConfirmPutAwayRequest(name=line.put_away_task, location=at("shelf")))
        found.append(len(statements.with_part("post_to_ledger")))
        taken = {row.serial for row in claim.allocations}
        mine = [*sorted(set(line.serials) - taken), *sorted(taken)[1:]]  # one that is free for one that is allocated
        issue = reservations_pb2.IssueReservationRequest(name=claim.name, quantity=q(len(mine)), serials=mine)
        await store("sam", issue)
        found.append(len(statements.with_part("post_to_ledger")))
        back = reservations_pb2.ReturnIssueRequest(
            name=claim.name, quantity=q(len(mine)), serials=mine, location=at("bin")
        )
        await store("sam", back)
        found.append(len(statements.with_part("post_to_ledger")))
        await store("vic", serials_pb2.ListSerialsRequest(parent=name))
        found.append(len(statements.with_part("FROM serial ")))
        counts[size] = found
    assert counts[2] == counts[25]


LISTS: list[tuple[Any, str, int]] = [
    (movements_pb2.ListMovementsRequest(parent=SITE), "FROM movement ", 3),
    (balances_pb2.ListBalancesRequest(parent=SITE), "FROM balance ", 1),
    (items_pb2.ListItemsRequest(), "FROM item ", 1),
    (lots_pb2.ListLotsRequest(parent="items/-"), "FROM lot ", 1),
    (locations_pb2.ListLocationsRequest(parent=SITE), "FROM location ", 2),
    (reservations_pb2.ListReservationsRequest(parent=SITE), "FROM reservation ", 2),
    (receipts_pb2.ListExpectedReceiptsRequest(parent=SITE), "FROM expected_receipt ", 1),
    (receipts_pb2.ListReceiptsRequest(parent=SITE), "FROM receipt ", 3),
    (inspections_pb2.ListInspectionLotsRequest(parent=SITE), "FROM inspection_lot ", 1),
    (tasks_pb2.ListPutAwayTasksRequest(parent=SITE), "FROM put_away_task ", 1),
    (policies_pb2.ListMaterialsPoliciesRequest(), "FROM materials_policy ", 1),
    (policies_pb2.ListMaterialsRevisionsRequest(parent="materialsPolicies/-"), "FROM materials_revision ", 1),
    (policies_pb2.ListSupplyRequestsRequest(parent=SITE), "FROM supply_request ", 1),
]


@pytest.mark.rule("PERF-10")
@pytest.mark.parametrize(("request_", "part", "count"), LISTS, ids=[part.split()[1] for _, part, _ in LISTS])
async def test_a_list_takes_one_query_and_one_for_the_parts_of_all_its_rows(
    store: Plant, statements: Statements, request_: Any, part: str, count: int
) -> None:
    name = await item(store, tracking="LOT", inspect_receipts=True)
    number = await lot(store, name, "L1")
    await stocked(store, name, 4, lot=number)
    for _ in range(2):
        await reserved(store, name, 1)
        await expected(store, name, 1)
        receipt = await arrived(store)
        await counted(store, receipt.name, scanned(name, 1, lot_number="L1"))
        await store("sam", receipts_pb2.PostReceiptRequest(name=receipt.name))
    await store("vic", request_)
    found = statements.with_part(part)
    asked = [row for row in found if row.startswith("SELECT") and " FROM " in row and "principal_grant" not in row]
    assert len([row for row in asked if "set_config" not in row]) == count, found
    assert "count(" not in " ".join(asked).lower()
    assert sum("LIMIT" in row for row in asked) == 1


@pytest.mark.rule("PERF-7")
async def test_changes_of_balances_touch_no_index(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 100)
    for column in ("on_hand", "reserved", "update_time"):
        used = store.rows(
            "materials",
            "select indexdef from pg_indexes where tablename = 'balance' and indexdef like %s",
            f"%{column}%",
        )
        assert used == [], column
    options = store.value("materials", "select reloptions from pg_class where relname = 'balance'")
    assert options == ["fillfactor=70"]
    one = {"from_location": at("shelf"), "to_location": at("bin")}
    before = _updates(store)
    for _ in range(50):  # a batch changes each of the two once
        await batch(store, [movement("MOVE", name, 1, **one) for _ in range(2)])

    async def counters() -> tuple[int, int]:
        return _updates(store)

    updated, hot = await store.eventually(counters, lambda found: found[0] - before[0] >= 50)
    assert hot - before[1] >= 0.99 * (updated - before[0])


def _updates(plant: Plant) -> tuple[int, int]:
    """(updates, of them HOT) of balances so far."""
    with plant.look("materials") as connection:
        connection.execute("select pg_stat_force_next_flush()")
        row = connection.execute(
            "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'balance'"
        ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


@pytest.mark.rule("PERF-5")
async def test_a_thousand_movements_are_one_call(store: Plant, statements: Statements) -> None:
    name = await item(store)
    entries = [
        movements_pb2.CreateMovementRequest(
            parent=SITE, movement=movement("OPENING", name, 1, to_location=at("shelf")), request_id=str(uuid4())
        )
        for _ in range(1000)
    ]
    request = movements_pb2.BatchCreateMovementsRequest(parent=SITE, requests=entries)
    client_answer = await call(store, "stella", request)
    assert len(client_answer.outcomes) == 1000
    assert store.value("materials", "select on_hand from balance where item = %s and not virtual", name) == 1000
    assert len(statements.with_part("post_to_ledger")) <= 24


@pytest.mark.rule("MAT-21")
async def test_a_full_pallet_takes_as_many_statements_as_a_small_one(store: Plant, statements: Statements) -> None:
    counts = []
    pallet = await unit_type(store)
    for size in (2, 20):
        names = [await item(store) for _ in range(size)]
        await batch(store, [movement("OPENING", name, 3, to_location=at("shelf")) for name in names])
        order = work_order()
        await approve(store, order, {f"d{number}": (name, 2) for number, name in enumerate(names[: size // 2])})
        outer, *boxes = (unit.name for unit in await handling_units(store, pallet, 3))
        for box in boxes:
            await pack(store, box, *(packed(name, 1) for name in names))
            await store("sam", handling_units_pb2.NestHandlingUnitRequest(name=box, parent_handling_unit=outer))
        await store.settle()
        done = await store("sam", handling_units_pb2.MoveHandlingUnitRequest(name=outer, location=at("bin")))
        assert len(done.reservations) == size // 2
        counts.append(len(statements.with_part("UPDATE handling_unit")))
    assert counts[0] == counts[1]
