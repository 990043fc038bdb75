"""Stock valued first in, first out: layers, what takes and carries them, and how an item comes to be valued so."""

from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from plantops.materials.v1 import item_settings_pb2, items_pb2, periods_pb2, receipts_pb2, values_pb2

from tests.materials.builders import (
    SITE,
    ago,
    at,
    check,
    eur,
    expected,
    item,
    movement,
    position,
    post,
    q,
    received,
    scanned,
    told,
    worth,
)
from tests.materials.periods import accountant, carl, close, noon, opened, reopen, reversed_, scrapped
from tests.materials.shipping import line, other_site, receive, shipped
from tests.plant import Refused
from tests.world import Plant

D = Decimal
FIFO = item_settings_pb2.ItemSettings.FIFO
AVERAGE = item_settings_pb2.ItemSettings.MOVING_AVERAGE


@pytest.fixture(scope="module")
async def books(store: Plant) -> Plant:
    await accountant(store)
    return store


async def layered(plant: Plant, parent: str = SITE, name: str = "", **given: Any) -> str:
    """An item that is valued first in, first out at a site."""
    name = name or await item(plant, standard_cost=eur(10), **given)
    settings = item_settings_pb2.ItemSettings(valuation_method=FIFO)
    await plant(
        "mara",
        item_settings_pb2.CreateItemSettingsRequest(
            parent=parent, item_settings_id=name.rpartition("/")[2], item_settings=settings
        ),
    )
    return name


async def layers(plant: Plant, name: str, parent: str = SITE) -> list[tuple[Decimal, Decimal]]:
    """(quantity, value) that is left of each layer, the oldest first."""
    answer = await carl(plant, values_pb2.ListLayersRequest(parent=parent, item=name))
    return [
        (D(row.remaining_quantity.value), row.remaining_value.units + D(row.remaining_value.nanos) / 10**9)
        for row in answer.layers
    ]


async def bought(plant: Plant, name: str, count: int, price: int) -> Any:
    """A receipt at a price."""
    await expected(plant, name, count, price=eur(price))
    return await received(plant, scanned(name, count))


async def used(plant: Plant, name: str, count: int, where: str = "dock") -> Any:
    """Scrap of now."""
    return await post(plant, movement("SCRAP", name, count, from_location=at(where)))


async def refused(call: Any) -> Refused:
    with pytest.raises(Refused) as found:
        await call
    return found.value


@pytest.mark.rule("MAT-183")
async def test_what_came_first_goes_first_and_comes_back_to_where_it_was(books: Plant) -> None:
    name = await layered(books)
    await bought(books, name, 10, 10)
    await bought(books, name, 10, 13)
    gone = await used(books, name, 12)
    assert (gone.cost.units, await layers(books, name)) == (126, [(D(8), D(104))])
    await post(books, movement("MOVE", name, 3, from_location=at("dock"), to_location=at("shelf")))
    assert await layers(books, name) == [(D(8), D(104))]
    await reversed_(books, gone.name)
    assert (worth(books, name), await layers(books, name)) == ((20, 230, 0), [(D(10), D(100)), (D(10), D(130))])
    request = values_pb2.ListLayersRequest(parent=SITE, item=name, page_size=1)
    first = await carl(books, request)
    request.page_token = first.next_page_token
    second = await carl(books, request)
    assert [row.quantity for row in (*first.layers, *second.layers)] == [q(10), q(10)]
    assert first.layers[0].layer_time.ToDatetime() < second.layers[0].layer_time.ToDatetime()
    assert not second.next_page_token


@pytest.mark.rule("MAT-183")
async def test_goods_that_go_back_to_the_supplier_leave_their_own_layer(books: Plant) -> None:
    name = await layered(books)
    await bought(books, name, 10, 10)
    receipt = await bought(books, name, 10, 13)
    given = {"location": at("dock"), "status": "UNRESTRICTED", "reason_code": "BROKEN"}
    await books("sam", receipts_pb2.ReturnToSupplierRequest(name=receipt.name, line=1, quantity=q(4), **given))
    assert (worth(books, name), await layers(books, name)) == ((16, 178, 0), [(D(10), D(100)), (D(6), D(78))])
    await used(books, name, 12)
    await books("sam", receipts_pb2.ReturnToSupplierRequest(name=receipt.name, line=1, quantity=q(4), **given))
    assert worth(books, name) == (0, 0, 0)


@pytest.mark.rule("MAT-183")
async def test_a_transfer_carries_its_layers_and_their_dates(books: Plant) -> None:
    name, other = await layered(books), await other_site(books)
    await layered(books, other, name)
    await bought(books, name, 3, 10)
    await bought(books, name, 3, 13)
    await receive(books, await shipped(books, line(name, 2, where="dock")))  # inside the site nothing changes
    assert await layers(books, name) == [(D(3), D(30)), (D(3), D(39))]
    lines = [line(name, 2, where="bin"), line(name, 3, where="dock")]
    await receive(books, await shipped(books, *lines, to_site=other, to=""), location=f"{other}/locations/dock")
    assert await layers(books, name) == [(D(1), D(13))]
    assert await layers(books, name, other) == [(D(2), D(20)), (D(1), D(10)), (D(2), D(26))]
    times = books.rows(
        "materials",
        "select distinct layer_time from value_layer where item = %s and quantity > 0 order by 1", name,
    )  # fmt: skip
    assert len(times) == 2
    assert await check(books, other) == []


@pytest.mark.rule("MAT-186")
@pytest.mark.rule("MAT-183")
async def test_a_receipt_entered_late_is_taken_first_and_the_difference_is_posted_today(books: Plant) -> None:
    name = await layered(books)
    await opened(books, name, 10, 4)
    issue = await scrapped(books, name, 5, 2)
    before = position(books)
    late = await post(
        books, movement("OPENING", name, 10, to_location=at("shelf"), effective_time=noon(5))
    )  # worth 10 each: nothing differs, yet the old layer is the late one
    assert kinds(books, before) == ["OPENING"]
    found = await carl(books, values_pb2.ListLayersRequest(parent=SITE, item=name))
    assert [(row.movement == late.name, row.remaining_quantity.value) for row in found.layers] == [
        (True, "5"), (False, "10"),
    ]  # fmt: skip
    await reversed_(books, issue.name)
    assert await layers(books, name) == [(D(10), D(100)), (D(10), D(100))]


def kinds(plant: Plant, before: int) -> list[str]:
    return [event.kind for event in told(plant, "MovementPosted", after=before)]


@pytest.mark.rule("MAT-186")
async def test_late_goods_at_another_cost_change_what_was_issued(books: Plant) -> None:
    name = await layered(books)
    await opened(books, name, 10, 4)
    issue = await scrapped(books, name, 5, 2)
    closed = await close(books, 7)
    await books("mara", changed_cost(name, 13))
    before = position(books)
    await opened(books, name, 10, 6)
    assert kinds(books, before) == ["OPENING", "REVALUE"]
    assert (worth(books, name), await layers(books, name)) == ((15, 165, 15), [(D(5), D(65)), (D(10), D(100))])
    named = books.value("materials", "select issues from revaluation where item = %s", name)
    assert named == [issue.name]
    await scrapped(books, name, 1, 1)
    assert worth(books, name) == (14, 152, 15)
    await used(books, name, 14, "shelf")
    assert worth(books, name) == (0, 0, 15)
    await reopen(books, closed.name)


def changed_cost(name: str, cost: int) -> Any:
    return items_pb2.UpdateItemRequest(
        item=items_pb2.Item(name=name, standard_cost=eur(cost)), update_mask={"paths": ["standard_cost"]}
    )


@pytest.mark.rule("MAT-185")
async def test_cost_that_comes_later_goes_to_the_layer_of_its_receipt(books: Plant) -> None:
    name = await layered(books)
    receipt = await bought(books, name, 10, 5)
    await bought(books, name, 10, 7)
    await used(books, name, 4)
    given = {"name": receipt.name, "receipt_line": 1, "reason": "invoiced at 5.50"}
    await carl(books, values_pb2.AddLandedCostRequest(**given, amount=eur(5)))
    assert (worth(books, name), await layers(books, name)) == ((16, 103, 2), [(D(6), D(33)), (D(10), D(70))])
    await used(books, name, 6)
    await carl(books, values_pb2.AddLandedCostRequest(**given, amount=eur(5)))
    assert (worth(books, name), await layers(books, name)) == ((10, 70, 7), [(D(10), D(70))])
    await post(
        books, movement("SCRAP", name, 1, from_location=at("dock"), effective_time=ago(seconds=0))
    )  # replayed with both
    assert worth(books, name) == (9, 63, 7)


@pytest.mark.rule("MAT-183")
async def test_how_stock_is_valued_changes_while_there_is_none_or_by_a_revaluation(books: Plant) -> None:
    name = await layered(books)
    settings = f"{SITE}/itemSettings/{name.rpartition('/')[2]}"

    async def by(method: Any) -> Any:
        changed = item_settings_pb2.ItemSettings(name=settings, valuation_method=method)
        mask = FieldMask(paths=["valuation_method"])
        return await books("mara", item_settings_pb2.UpdateItemSettingsRequest(item_settings=changed, update_mask=mask))

    await by(AVERAGE)
    await by(FIFO)
    await bought(books, name, 2, 10)
    await bought(books, name, 2, 16)
    await by(FIFO)
    fault = await refused(by(AVERAGE))
    assert (fault.reason, fault.metadata["method"], fault.metadata["quantity"]) == (
        "VALUATION_METHOD_IN_USE", "FIFO", "4",
    )  # fmt: skip
    given = {"parent": SITE, "item": name, "reason": "another way"}
    await carl(books, values_pb2.RevalueItemRequest(**given, value=eur(52), valuation_method=AVERAGE))
    assert await layers(books, name) == []
    await used(books, name, 2)
    assert worth(books, name) == (2, 26, 0)
    await carl(books, values_pb2.RevalueItemRequest(**given, value=eur(30), valuation_method=FIFO))
    assert (worth(books, name), await layers(books, name)) == ((2, 30, -4), [(D(2), D(30))])
    await bought(books, name, 1, 20)
    await carl(books, values_pb2.RevalueItemRequest(**given, value=eur(25)))
    assert await layers(books, name) == [(D(2), D(15)), (D(1), D(10))]
    read = await books("vic", item_settings_pb2.GetItemSettingsRequest(name=settings))
    assert read.valuation_method == FIFO

    # replayed through all of that, the stock is worth what it is
    await post(books, movement("SCRAP", name, 1, from_location=at("dock"), effective_time=ago(seconds=0)))
    assert (worth(books, name)[0], await layers(books, name)) == (2, [(D(1), D("7.50")), (D(1), D(10))])
    other = await item(books, standard_cost=eur(1))
    await opened(books, other, 3, 1)
    await carl(books, values_pb2.RevalueItemRequest(**{**given, "item": other}, value=eur(3), valuation_method=FIFO))
    assert await layers(books, other) == [(D(3), D(3))]


@pytest.mark.rule("MAT-196")
async def test_layers_that_do_not_hold_the_stock_are_found(books: Plant) -> None:
    name = await layered(books)
    await opened(books, name, 2, 1)
    with books.look("materials") as connection:
        connection.execute(b"update value_layer set remaining_value = 19 where item = %s", (name,))
        (finding,) = await check(books)
        period = await close(books, 20)
        connection.execute(b"update value_layer set remaining_value = 20 where item = %s", (name,))
    assert finding.startswith("layers do not hold the stock and its value")
    assert name in finding
    assert (period.state, list(period.findings)) == (periods_pb2.Period.OPEN, [finding])
