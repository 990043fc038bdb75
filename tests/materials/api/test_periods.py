"""Periods: closed only when all is done, proved by a snapshot, refused to later postings, opened newest first."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.type.date_pb2 import Date
from plantops.materials.v1 import periods_pb2

from services.materials.model import proof
from tests.materials.builders import SITE, arrived, at, day, eur, item, stocked
from tests.materials.counting import counted_places
from tests.materials.periods import (
    accountant,
    back,
    carl,
    close,
    noon,
    opened,
    reopen,
    reversed_,
    scrapped,
)
from tests.plant import Refused
from tests.world import Plant

Period = periods_pb2.Period


@pytest.fixture(scope="module")
async def books(store: Plant) -> Plant:
    await accountant(store)
    return store


@pytest.fixture(autouse=True)
async def open_again(books: Plant) -> AsyncIterator[None]:
    """Each test begins with nothing closed."""
    yield
    shut = await carl(books, periods_pb2.ListPeriodsRequest(parent=SITE, filter='state = "CLOSED"'))
    for row in sorted(shut.periods, key=lambda found: found.name, reverse=True):
        await reopen(books, row.name)


def change(plant: Plant, statement: str, *values: str) -> None:
    """Past all guards, as only a superuser can."""
    with plant.look("materials") as connection:
        connection.execute(b"set session_replication_role = replica")
        connection.execute(statement.encode(), values)


async def refused(call: Any) -> Refused:
    with pytest.raises(Refused) as found:
        await call
    return found.value


@pytest.mark.rule("MAT-196", "MAT-197")
async def test_a_closed_period_keeps_a_proved_snapshot_and_takes_no_more_movements(books: Plant) -> None:
    name = await item(books, standard_cost=eur(5))
    await opened(books, name, 10, 9)
    await scrapped(books, name, 4, 8)
    await opened(books, name, 3, 5)
    made = await close(books, 6)
    assert (made.state, made.findings, made.closer) == (Period.CLOSED, [], "people/carl")
    assert (made.name, made.first_open_date) == (f"{SITE}/periods/{back(6)}", day(back(5)))
    rows = books.rows(
        "materials",
        "select s.quantity from period_balance s join balance b on b.name = s.balance and not b.virtual"
        " where s.item = %s union all select value from period_value where item = %s", name, name,
    )  # fmt: skip
    assert [row[0] for row in rows] == [6, 30]
    assert made.value.units >= 30
    assert made.balance_count >= 3
    proved = await carl(books, periods_pb2.ProvePeriodRequest(name=made.name))
    assert (proved.findings, proved.next_page_token) == ([], "")

    late = await refused(opened(books, name, 1, 6))
    assert (late.reason, late.metadata["first_open_date"]) == ("PERIOD_CLOSED", str(back(5)))
    both = await refused(scrapped(books, name, 1, 7))
    assert both.reason == "PERIOD_CLOSED"
    assert (await opened(books, name, 1, 5)).effective_time == noon(5)

    second = await close(books, 3)  # its snapshot goes on from the one before
    assert (second.state, second.findings) == (Period.CLOSED, [])
    whole = await carl(books, periods_pb2.ProvePeriodRequest(name=second.name, entry_count=1))
    seen, pages = list(whole.findings), 1
    while whole.next_page_token:
        whole = await carl(
            books,
            periods_pb2.ProvePeriodRequest(name=second.name, entry_count=1, page_token=whole.next_page_token),
        )
        seen += whole.findings
        pages += 1
    assert (seen, pages > 0) == ([], True)


@pytest.mark.rule("MAT-48")
async def test_a_reversal_of_what_is_closed_is_posted_into_the_first_open_period(books: Plant) -> None:
    name = await item(books, standard_cost=eur(2))
    before = await opened(books, name, 2, 4)
    await close(books, 2)
    undone = await reversed_(books, before.name)
    assert undone.effective_time.ToDatetime() > noon(1).ToDatetime()
    assert undone.reverses == before.name
    assert not (await carl(books, periods_pb2.ProvePeriodRequest(name=f"{SITE}/periods/{back(2)}"))).findings


@pytest.mark.rule("MAT-195")
async def test_what_has_begun_is_named_before_a_period_is_closed(books: Plant) -> None:
    for wrong in (day(back(0)), day(back(-1)), Date(year=2026, month=2, day=31), Date()):
        request = periods_pb2.ClosePeriodRequest(parent=SITE, close_date=wrong)
        assert (await refused(carl(books, request))).reason in ("FIELD_INVALID", "FIELD_REQUIRED")
    receipt = await arrived(books)
    change(books, "update receipt set arrive_time = arrive_time - interval '5 days' where state = 'ARRIVED'")
    found = await refused(close(books, 3))
    assert (found.reason, found.metadata["resource"]) == ("PERIOD_NOT_READY", receipt.name)
    change(books, "update receipt set state = 'CANCELLED' where name = %s", receipt.name)

    name = await item(books)
    await stocked(books, name, 5)
    task = f"{SITE}/putAwayTasks/begun"
    change(
        books,
        "insert into put_away_task (name, site, version, event_version, correlation, create_time, update_time, item,"
        " lot, from_location, proposed_location, no_place_reason, to_location, quantity, unit_code, receipt,"
        " receipt_line, movement, state, status) select %s, 'hamburg', 1, 0, '', now() - interval '5 days', now(),"
        " %s, '', %s, '', '', '', 1, 'H87', '', 0, '', 'STARTED', 'UNRESTRICTED'",
        task, name, at("shelf"),
    )  # fmt: skip
    found = await refused(close(books, 3))
    assert (found.reason, found.metadata["resource"]) == ("PERIOD_NOT_READY", task)
    change(books, "delete from put_away_task where name = %s", task)

    count = await counted_places(books, "shelf")
    change(books, "update count_document set start_time = now() - interval '5 days' where name = %s", count.name)
    found = await refused(close(books, 3))
    assert (found.reason, found.metadata["resource"]) == ("PERIOD_NOT_READY", count.name)
    change(books, "update count_document set state = 'CANCELLED' where name = %s", count.name)
    assert (await close(books, 3)).state == Period.CLOSED


@pytest.mark.rule("MAT-196")
async def test_a_difference_is_named_and_the_period_stays_open(books: Plant) -> None:
    name = await item(books, standard_cost=eur(5))
    posted = await opened(books, name, 10, 9)
    key = books.value("materials", "select balance from movement_entry where movement = %s and side = 2", posted.name)
    # the balance follows, as who tampers would do
    tampered = (
        ("update movement_entry set quantity = {} * quantity where movement = %s", posted.name),
        ("update balance set on_hand = {} * on_hand where item = %s", name),
        ("update value_balance set quantity = {} * quantity where item = %s", name),
    )
    made = await close(books, 6)
    assert made.state == Period.CLOSED
    for statement, value in tampered:
        change(books, statement.format(2), value)
    try:
        proved = await carl(books, periods_pb2.ProvePeriodRequest(name=made.name))
        assert any(key in finding for finding in proved.findings)
        assert any(name in finding and finding.startswith("value in") for finding in proved.findings)
        later = await close(books, 4)  # goes on from a snapshot that is not true any more
        assert later.state == Period.OPEN
        assert any(key in finding for finding in later.findings)
        assert books.value("materials", "select count(*) from period_balance where period = %s", later.name) == 0
    finally:
        for statement, value in tampered:
            change(books, statement.format(0.5), value)
    assert (await scrapped(books, name, 1, 5)).name


@pytest.mark.rule("MAT-197")
async def test_periods_are_opened_newest_first(books: Plant) -> None:
    name = await item(books)
    await opened(books, name, 1, 9)
    first, second = await close(books, 6), await close(books, 4)
    assert (await refused(close(books, 5))).metadata["resource"] == second.name
    wrong = await refused(reopen(books, first.name))
    assert (wrong.reason, wrong.metadata["resource"]) == ("PERIOD_NOT_READY", second.name)
    opened_again = await reopen(books, second.name)
    assert (opened_again.state, opened_again.reopener) == (Period.OPEN, "people/ada")
    assert opened_again.reopen_reason == "a receipt is missing"
    assert books.value("materials", "select count(*) from period_balance where period = %s", second.name) == 0
    assert (await opened(books, name, 1, 5)).name
    assert (await refused(opened(books, name, 1, 6))).reason == "PERIOD_CLOSED"
    unproved = await refused(carl(books, periods_pb2.ProvePeriodRequest(name=second.name)))
    assert unproved.reason == "TRANSITION_NOT_ALLOWED"
    audited = books.value("materials", "select count(*) from audit where object = %s", second.name)
    assert audited >= 2
    assert (await close(books, 4)).state == Period.CLOSED


@pytest.mark.rule("MAT-196")
async def test_a_snapshot_goes_on_behind_what_was_written(books: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        await opened(books, await item(books), 1, 9)
    monkeypatch.setattr(proof, "PART", 1)
    made = await close(books, 6)
    assert (made.state, made.findings) == (Period.CLOSED, [])
    items = books.value("materials", "select count(distinct item) from period_balance where period = %s", made.name)
    assert items >= 2
