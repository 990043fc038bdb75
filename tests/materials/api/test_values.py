"""Values: replayed after what was entered late, changed by later cost and by decision, shown as they were."""

from decimal import Decimal
from typing import Any

import pytest
from google.type.money_pb2 import Money
from plantops.materials.v1 import exchange_pb2, items_pb2, movements_pb2, values_pb2

from services.materials.api import values
from tests.materials.builders import (
    SITE,
    ago,
    at,
    eur,
    expected,
    fresh,
    item,
    movement,
    position,
    post,
    received,
    scanned,
    stocked,
    told,
    worth,
)
from tests.materials.files import cells, exported
from tests.materials.periods import accountant, carl, close, noon, opened, reopen, reversed_, scrapped
from tests.plant import Refused
from tests.world import Plant

D = Decimal


@pytest.fixture(scope="module")
async def books(store: Plant) -> Plant:
    await accountant(store)
    return store


async def at_cost(plant: Plant, name: str, cost: int) -> None:
    """Another standard cost."""
    changed = items_pb2.Item(name=name, standard_cost=eur(cost))
    await plant("mara", items_pb2.UpdateItemRequest(item=changed, update_mask={"paths": ["standard_cost"]}))


async def shown(plant: Plant, name: str, **when: Any) -> tuple[str, int, int]:
    """Quantity, units and cents of an item's stock."""
    answer = await carl(plant, values_pb2.GetValueRequest(name=SITE, item=name, **when))
    (row,) = answer.values
    return row.quantity.value, row.value.units, row.value.nanos // 10_000_000


async def refused(call: Any) -> Refused:
    with pytest.raises(Refused) as found:
        await call
    return found.value


@pytest.mark.rule("MAT-186", "MAT-187")
async def test_a_receipt_entered_late_is_replayed_and_the_difference_is_posted_today(books: Plant) -> None:
    name = await item(books, standard_cost=eur(10))
    await opened(books, name, 10, 4)
    issue = await scrapped(books, name, 5, 2)
    assert worth(books, name) == (5, 50, 0)
    known = ago(seconds=0)
    await at_cost(books, name, 13)
    before = position(books)
    late = await opened(books, name, 10, 3)
    assert worth(books, name) == (15, D("172.50"), D("7.50"))
    rows = books.rows(
        "materials",
        "select m.name, m.kind, m.effective_time > now() - interval '1 minute', r.cause, r.value, r.variance, r.issues"
        " from revaluation r join movement m on m.name = r.movement where r.item = %s", name,
    )  # fmt: skip
    assert [row[1:] for row in rows] == [("REVALUE", True, late.name, D("-7.50"), D("7.50"), [issue.name])]
    events = told(books, "MovementPosted", after=before)
    assert [(event.kind, event.entries[-1].value.units) for event in events] == [("OPENING", 130), ("REVALUE", -7)]

    assert await shown(books, name) == ("15", 172, 50)
    assert await shown(books, name, known_time=known) == ("5", 50, 0)
    assert await shown(books, name, effective_time=noon(1)) == ("15", 180, 0)
    assert await shown(books, name, effective_time=noon(3), known_time=known) == ("10", 100, 0)

    found = await books("vic", movements_pb2.GetMovementRequest(name=rows[0][0]))
    assert (found.kind, found.cost.units) == (movements_pb2.Movement.REVALUE, -7)
    assert (await refused(reversed_(books, rows[0][0]))).reason == "ALREADY_REVERSED"

    # the reversal of the late receipt goes back to where it was; another late issue is replayed from the beginning
    await scrapped(books, name, 1, 1)
    assert worth(books, name) == (14, D("161.00"), D("7.50"))
    await post(books, movement("SCRAP", name, 14, from_location=at("shelf")))
    assert worth(books, name) == (0, 0, D("7.50"))


@pytest.mark.rule("MAT-186")
async def test_moves_and_what_came_last_change_nothing_and_a_closed_period_is_where_a_replay_begins(
    books: Plant,
) -> None:
    name = await item(books, standard_cost=eur(10))
    await opened(books, name, 10, 9)
    await scrapped(books, name, 4, 7)
    await post(books, movement("MOVE", name, 2, from_location=at("shelf"), to_location=at("bin")))
    await scrapped(books, name, 1, 6)
    assert worth(books, name) == (5, 50, 0)
    closed = await close(books, 5)
    await scrapped(books, name, 1, 2)
    await at_cost(books, name, 16)
    await opened(books, name, 5, 4)
    assert worth(books, name) == (9, D("117.00"), D("3.00"))
    assert books.value("materials", "select count(*) from revaluation where item = %s", name) == 1
    await reopen(books, closed.name)


@pytest.mark.rule("MAT-185")
async def test_cost_that_comes_later_goes_to_what_remains_and_to_variance(books: Plant) -> None:
    name = await item(books)
    await expected(books, name, 10, price=eur(5))
    receipt = await received(books, scanned(name, 10))
    assert worth(books, name) == (10, 50, 0)
    dock = books.value("materials", "select location from balance where item = %s and not virtual", name)
    await post(books, movement("SCRAP", name, 4, from_location=dock))
    assert worth(books, name) == (6, 30, 0)
    made = await carl(
        books,
        values_pb2.AddLandedCostRequest(name=receipt.name, receipt_line=1, amount=eur(5), reason="invoiced at 5.50"),
    )
    assert (made.source, made.reason_code, made.cost.units) == (receipt.name, "invoiced at 5.50", 3)
    assert worth(books, name) == (6, 33, 2)
    for wrong in (
        {"amount": eur(0)},
        {"amount": Money(currency_code="USD", units=5)},
        {"amount": Money(currency_code="EUR", nanos=1)},
        {"receipt_line": 9},
    ):
        given = {"name": receipt.name, "receipt_line": 1, "amount": eur(5), "reason": "freight", **wrong}
        assert (await refused(carl(books, values_pb2.AddLandedCostRequest(**given)))).reason == "FIELD_INVALID"
    await post(books, movement("SCRAP", name, 6, from_location=dock))
    assert worth(books, name) == (0, 0, 2)


@pytest.mark.rule("MAT-184")
async def test_a_write_down_changes_value_alone_and_stays_when_values_are_replayed(books: Plant) -> None:
    name = await item(books, standard_cost=eur(10))
    await opened(books, name, 10, 3)
    given = {"parent": SITE, "item": name, "value": eur(40), "reason": "out of fashion"}
    made = await carl(books, values_pb2.RevalueItemRequest(**given))
    assert (made.kind, made.cost.units) == (movements_pb2.Movement.REVALUE, -60)
    assert worth(books, name) == (10, 40, 60)
    await opened(books, name, 2, 2)
    assert worth(books, name) == (12, 60, 60)
    for wrong in ({"value": eur(-1)}, {"item": f"items/{fresh('none')}"}, {"value": Money(currency_code="JPY")}):
        assert (await refused(carl(books, values_pb2.RevalueItemRequest(**{**given, **wrong})))).reason == (
            "FIELD_INVALID"
        )
    await post(books, movement("SCRAP", name, 12, from_location=at("shelf")))
    empty = await refused(carl(books, values_pb2.RevalueItemRequest(**given)))
    assert (empty.reason, worth(books, name)) == ("FIELD_INVALID", (0, 0, 60))


@pytest.mark.rule("MAT-187")
async def test_values_come_page_by_page(books: Plant) -> None:
    names = sorted([await item(books, standard_cost=eur(1)) for _ in range(2)])
    for name in names:
        await stocked(books, name, 3)
    request = values_pb2.GetValueRequest(name=SITE, page_size=1)
    seen = []
    while not seen or request.page_token:
        answer = await carl(books, request)
        seen += [row.item for row in answer.values]
        request.page_token = answer.next_page_token
    assert seen == sorted(seen)
    assert set(names) <= set(seen)


@pytest.mark.rule("MAT-187", "MAT-322")
async def test_values_go_out_as_a_file_as_they_were_and_as_they_were_known(books: Plant) -> None:
    name = await item(books, standard_cost=eur(3))
    await opened(books, name, 3, 4)
    known = ago(seconds=0)
    await opened(books, name, 1, 2)

    async def row(**given: Any) -> list[str]:
        (found,) = [row for row in cells(await exported(books, "STOCK_VALUE", **given)) if row["item"] == name_of(name)]
        return [found[column] for column in ("site", "quantity", "unit", "value", "currency", "unit_cost")]

    assert await row() == ["hamburg", "4", "H87", "12", "EUR", "3"]
    assert await row(effective_time=noon(3)) == ["hamburg", "3", "H87", "9", "EUR", "3"]
    assert await row(known_time=known) == ["hamburg", "3", "H87", "9", "EUR", "3"]
    when = noon(3)
    shown = cells(await exported(books, "STOCK_VALUE", effective_time=when))
    assert {(row["effective_time"], row["known_time"]) for row in shown} == {(when.ToJsonString(), "")}
    new = exchange_pb2.MaterialsImport(kind="STOCK_VALUE", title="file")
    request = exchange_pb2.CreateMaterialsImportRequest(parent=SITE, materials_import=new)
    assert (await refused(books("mara", request))).metadata["field"] == "materials_import.kind"


def name_of(name: str) -> str:
    """The number of an item of the builders."""
    return name.rpartition("/")[2].upper()


@pytest.mark.rule("MAT-43")
async def test_a_change_of_value_is_sealed_with_its_amounts(books: Plant) -> None:
    async def left() -> int:
        found = await books("opal", movements_pb2.VerifyLedgerRequest(name=SITE, count=5000))
        assert not found.finding
        return int(found.unsealed_count)

    name = await item(books, standard_cost=eur(10))
    await stocked(books, name, 1)
    given = {"parent": SITE, "item": name, "value": eur(4), "reason": "out of fashion"}
    made = await carl(books, values_pb2.RevalueItemRequest(**given))
    await books.eventually(left, lambda count: count == 0)
    with books.look("materials") as connection:
        connection.execute(b"set session_replication_role = replica")
        connection.execute(b"update revaluation set value = value - 1 where movement = %s", (made.name,))
        bad = await books("opal", movements_pb2.VerifyLedgerRequest(name=SITE, count=5000))
        connection.execute(b"update revaluation set value = value + 1 where movement = %s", (made.name,))
    assert bad.bad_movement == made.name


async def booked(plant: Plant, after: int = 0) -> list[Any]:
    """The parts of an export behind a number."""
    request = values_pb2.ExportPostingsRequest(parent=SITE, after_number=after)
    return list(await carl(plant, request))


def lines(posting: Any) -> dict[str, Decimal]:
    """Account -> amount."""
    account = values_pb2.BookPosting.Account
    return {account.Name(row.account): row.amount.units + D(row.amount.nanos) / 10**9 for row in posting.lines}


@pytest.mark.rule("MAT-188")
async def test_every_movement_with_a_value_is_in_the_books_once_and_balanced(
    books: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unsealed() -> int:
        found = await books("opal", movements_pb2.VerifyLedgerRequest(name=SITE, count=5000))
        return int(found.unsealed_count)

    await books.eventually(unsealed, lambda count: count == 0)
    start = (await booked(books))[-1].last_number
    name = await item(books, standard_cost=eur(10))
    first = await opened(books, name, 4, 3)
    moved = await post(books, movement("MOVE", name, 1, from_location=at("shelf"), to_location=at("bin")))
    gone = await scrapped(books, name, 1, 1)
    given = {"parent": SITE, "item": name, "value": eur(24), "reason": "out of fashion"}
    down = await carl(books, values_pb2.RevalueItemRequest(**given))
    await books.eventually(unsealed, lambda count: count == 0)
    monkeypatch.setattr(values, "PART", 2)
    parts = await booked(books, start)
    mine = [posting for part in parts for posting in part.postings]
    assert [(row.movement, lines(row)) for row in mine] == [
        (first.name, {"STOCK": 40, "OPENING": -40}),
        (gone.name, {"STOCK": -10, "SCRAP": 10}),
        (down.name, {"STOCK": -6, "VARIANCE": 6}),
    ]
    assert moved.name not in {row.movement for row in mine}
    assert len(parts) == 3
    assert [row.ledger_number for row in mine] == [start + 1, start + 3, start + 4]
    (rest,) = await booked(books, parts[-1].last_number)
    assert (list(rest.postings), rest.last_number) == ([], start + 4)
    (last,) = [row for part in await booked(books, start + 3) for row in part.postings]
    assert last.movement == down.name

    everything = [posting for part in await booked(books) for posting in part.postings]
    assert all(sum(lines(posting).values()) == 0 for posting in everything)
    total = sum(lines(posting).get("STOCK", D(0)) for posting in everything)
    assert total == books.value("materials", "select sum(value) from value_balance where site = 'hamburg'")
