"""Goods under way inside a site and between sites (MAT-51, MAT-111)."""

from decimal import Decimal as D
from typing import Any

import pytest
from google.type.money_pb2 import Money
from plantops.materials.v1 import movements_pb2

from tests.materials.builders import (
    SITE,
    approve,
    at,
    balances,
    check,
    claim_of,
    eur,
    expected,
    handling_units,
    item,
    kinds_told,
    lot,
    movement,
    pack,
    packed,
    position,
    q,
    received,
    reserved,
    scanned,
    stocked,
    told,
    work_order,
    worth,
)
from tests.materials.serials import opened, serials, stand, steps, tool
from tests.materials.shipping import (
    Goods,
    State,
    arrival,
    cheese,
    disposal,
    dispose,
    lies,
    line,
    other_site,
    pb,
    plan,
    receive,
    refused,
    release,
    ship,
    shipped,
    unit_line,
    way,
)
from tests.materials.units import close, get, nest, where
from tests.world import Plant


@pytest.mark.rule("MAT-111")
async def test_goods_are_under_way_between_source_and_destination(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 10)
    row = await plan(store, line(name, 4), carrier="van 3", note="fragile")
    assert (row.state, row.to_site, row.lines[0].line) == (State.DRAFT, SITE, 1)
    assert row.number.startswith("TR-")
    assert (await refused(store, pb.ShipTransferRequest(name=row.name))).reason == "TRANSITION_NOT_ALLOWED"
    assert (await release(store, row.name)).state == State.RELEASED
    left = await ship(store, row.name)
    transit = left.transit_location.rsplit("/", 1)[-1]
    assert (left.state, left.ship_time.seconds > 0) == (State.SHIPPED, True)
    assert lies(store, name)["hamburg", transit] == 4
    come = await receive(store, left, Goods(line=1, quantity=q(1)))
    assert (come.state, come.lines[0].received, come.lines[0].open_quantity) == (State.PARTLY_RECEIVED, q(1), q(3))
    come = await receive(store, come)
    assert (come.state, come.lines[0].received) == (State.SETTLED, q(4))
    assert (await balances(store, name))["bin", "UNRESTRICTED"] == (4, 0)
    found = store.rows("materials", "select kind, cost from movement where source = %s order by record_time", row.name)
    assert found == [("TRANSFER_SHIP", None), ("TRANSFER_RECEIVE", None), ("TRANSFER_RECEIVE", None)]


@pytest.mark.rule("MAT-111")
async def test_a_short_receipt_stays_under_way_until_it_is_disposed_of(store: Plant) -> None:
    name = await item(store, standard_cost=eur(2))
    await stocked(store, name, 10)
    row = await shipped(store, line(name, 10))
    transit = row.transit_location.rsplit("/", 1)[-1]
    assert (await refused(store, disposal(row, "LOST", reason_code="X"))).reason == "TRANSITION_NOT_ALLOWED"
    row = await receive(store, row, Goods(line=1, quantity=q(4)), final=True)
    assert (row.state, lies(store, name)["hamburg", transit]) == (State.RECEIVED, 6)
    for wrong, field in (
        (disposal(row, "LOST"), "reason_code"),
        (disposal(row, "CARRIER_CLAIM", reason_code="X"), "claim_reference"),
        (disposal(row, "FOUND", location=row.transit_location), "location"),
    ):
        assert (await refused(store, wrong)).metadata["field"] == field
    assert (await refused(store, disposal(row, "LOST", reason_code="X"), "sam")).reason == "PERMISSION_DENIED"
    row = await dispose(store, row, "FOUND", Goods(line=1, quantity=q(1)), location=at("shelf"))
    row = await receive(store, row, Goods(line=1, quantity=q(1)))
    assert row.state == State.RECEIVED
    row = await dispose(store, row, "LOST", Goods(line=1, quantity=q(3)), reason_code="FELL_OFF")
    row = await dispose(store, row, "CARRIER_CLAIM", reason_code="FELL_OFF", claim_reference="C-7")
    assert (row.state, row.lines[0].disposed, row.lines[0].received) == (State.SETTLED, q(5), q(5))
    assert [(one.quantity, one.claim_reference, one.person) for one in row.disposals] == [
        (q(1), "", "people/stella"), (q(3), "", "people/stella"), (q(1), "C-7", "people/stella"),
    ]  # fmt: skip
    assert await balances(store, name) == {("shelf", "UNRESTRICTED"): (1, 0), ("bin", "UNRESTRICTED"): (5, 0)}
    assert worth(store, name) == (6, D(12), 0)
    (gone,) = store.rows("materials", "select name from movement where source = %s and cost = 6", row.name)
    reversal = movements_pb2.ReverseMovementRequest(name=gone[0], reason="no")
    assert (await refused(store, reversal)).reason == "BELONGS_TO_DOCUMENT"


@pytest.mark.rule("MAT-51")
async def test_between_sites_each_posts_its_own_movement_at_one_value(store: Plant) -> None:
    other = await other_site(store)
    there = other.removeprefix("sites/")
    name = await item(store, tracking="LOT")
    batch = await lot(store, name)
    await expected(store, name, 3, price=eur(10))
    await received(store, scanned(name, 3, lot_number="L-1"))
    await stocked(store, name, 3, lot=batch)
    (known,) = store.rows("materials", "select lot from balance where item = %s and location = %s", name, at("dock"))
    row = await shipped(store, line(name, 2, where="dock", lot=known[0]), to_site=other, to="")
    transit = row.transit_location.rsplit("/", 1)[-1]
    assert lies(store, name)["hamburg", transit] == 2
    assert worth(store, name)[0] == 6
    before = position(store)
    assert (await refused(store, arrival(row))).metadata["field"] == "location"
    row = await receive(store, row, location=f"{other}/locations/dock")
    assert row.state == State.SETTLED
    found = lies(store, name)
    assert found[there, "dock"] == 2
    assert found["hamburg", "v-inter-site"] == -found[there, "v-inter-site"] == 2
    values = store.rows("materials", "select site, quantity, value from value_balance where item = %s order by 1", name)
    assert sum(value for _, _, value in values) == 60
    assert [(where, quantity) for where, quantity, _ in values if where == there] == [(there, 2)]
    posted = [event for event in told(store, "MovementPosted", after=before) if event.source == row.name]
    assert [event.movement.split("/")[1] for event in posted] == ["hamburg", there]
    assert {event.kind for event in posted} == {"TRANSFER_RECEIVE"}
    assert sum(entry.value.units for event in posted for entry in event.entries if "inter-site" in entry.location) == 0
    assert await check(store, other) == []


@pytest.mark.rule("MAT-51")
async def test_a_ledger_whose_sites_do_not_agree_is_found(store: Plant) -> None:
    other = await other_site(store)
    name = await item(store, standard_cost=eur(3))
    await stocked(store, name, 2)
    await receive(store, await shipped(store, line(name, 2), to_site=other, to=f"{other}/locations/dock"))
    place = f"{other}/locations/v-inter-site"
    with store.look("materials") as connection:
        connection.execute("update balance set on_hand = on_hand + 1 where item = %s and location = %s", [name, place])
    assert any(finding.startswith("what left this site for others") for finding in await check(store))
    with store.look("materials") as connection:
        connection.execute("update balance set on_hand = on_hand - 1 where item = %s and location = %s", [name, place])


@pytest.mark.rule("MAT-51")
async def test_sites_with_other_currencies_and_wrong_places_are_refused(store: Plant) -> None:
    other = await other_site(store, "JPY")
    name = await item(store)
    transit = await way(store)

    def asked(*lines: Any, **given: Any) -> Any:
        values = {"transit_location": transit, "lines": lines or [line(name)], **given}
        return pb.CreateTransferRequest(parent=SITE, transfer=pb.Transfer(**values))

    assert (await refused(store, asked(to_site=other))).reason == "CURRENCY_DIFFERS"
    serial = await tool(store)
    batch = await item(store, tracking="LOT")
    for request, field in (
        (asked(to_site="sites/nowhere"), "transfer.to_site"),
        (asked(transit_location=at("bin")), "transfer.transit_location"),
        (asked(to_location=f"{other}/locations/dock"), "transfer.to_location"),
        (asked(line("items/none")), "transfer.lines[0].item"),
        (asked(line(name, 0)), "transfer.lines[0].quantity.value"),
        (asked(line(name, where="nowhere")), "transfer.lines[0].location"),
        (asked(line(name), line(name)), "transfer.lines[1]"),
        (asked(line(batch)), "transfer.lines[0].lot"),
        (asked(line(name, lot="items/x/lots/y")), "transfer.lines[0].lot"),
        (asked(line(batch, lot="items/x/lots/y")), "transfer.lines[0].lot"),
        (asked(line(serial)), "transfer.lines[0].serials"),
        (asked(line(serial, serials=["items/x/serials/y"])), "transfer.lines[0].serials"),
        (asked(pb.Transfer.Line()), "transfer.lines[0].item"),
        (asked(unit_line("sites/x/handlingUnits/y")), "transfer.lines[0].handling_unit"),
        (asked(line(name, handling_unit="sites/x/handlingUnits/y")), "transfer.lines[0].handling_unit"),
    ):
        assert (await refused(store, request)).metadata["field"] == field


@pytest.mark.rule("MAT-111")
async def test_a_draft_is_changed_and_a_released_one_is_not(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 5)
    row = await plan(store)
    assert (await refused(store, pb.ReleaseTransferRequest(name=row.name))).metadata["field"] == "name"
    change = pb.Transfer(name=row.name, lines=[line(name, 2)], carrier="rail", etag=row.etag)
    changed = await store("sam", pb.UpdateTransferRequest(transfer=change))
    assert (changed.carrier, len(changed.lines), changed.to_location) == ("rail", 1, at("bin"))
    assert (await refused(store, pb.UpdateTransferRequest(transfer=change))).reason == "ETAG_MISMATCH"
    await release(store, row.name)
    request = pb.UpdateTransferRequest(transfer=pb.Transfer(name=row.name, carrier="road"))
    assert (await refused(store, request)).reason == "TRANSITION_NOT_ALLOWED"
    listed = await store("vic", pb.ListIncomingTransfersRequest(parent=SITE, filter='state = "RELEASED"'))
    assert row.name in [one.name for one in listed.transfers]
    request = pb.ListIncomingTransfersRequest(parent="sites/-")
    assert (await refused(store, request)).metadata["field"] == "parent"
    assert (await store("vic", pb.GetTransferRequest(name=row.name))).lines[0].quantity == q(2)


@pytest.mark.rule("MAT-111")
async def test_more_than_is_under_way_does_not_arrive(store: Plant) -> None:
    name, other = await item(store), await other_site(store)
    boxed = await item(store, conversions=[{"unit_code": "BX", "numerator": 5, "denominator": 1}])
    for one in (name, boxed):
        await stocked(store, one, 10)
    row = await shipped(store, line(name, 4), line(boxed, 2, "BX"))
    over = arrival(row, Goods(line=1, quantity=q(5)))
    assert (await refused(store, over)).reason == "OVER_RECEIPT"
    for goods, field in (
        ([Goods(line=3)], "goods[0].line"),
        ([Goods(item="items/none")], "goods[0].item"),
        ([Goods()], "goods[0]"),
        ([Goods(line=1, item=name)], "goods[0]"),
        ([Goods(line=1), Goods(item=name)], "goods[1]"),
        ([Goods(line=1, quantity=q(0))], "goods[0].quantity.value"),
        ([Goods(handling_unit="sites/x/handlingUnits/y")], "goods[0].handling_unit"),
        ([Goods(handling_unit="sites/x/handlingUnits/y", quantity=q(1))], "goods[0].handling_unit"),
        ([Goods(line=1, location=at("none"))], "location"),
        ([Goods(line=1, to_handling_unit="sites/x/handlingUnits/y")], "goods[0].to_handling_unit"),
    ):
        assert (await refused(store, arrival(row, *goods))).metadata["field"] == field
    wrong = pb.ReceiveTransferRequest(parent=other, transfer=row.name)
    assert (await refused(store, wrong)).metadata["field"] == "transfer"
    come = await receive(store, row, Goods(item=boxed, quantity=q(1, "BX")), Goods(item=name, location=at("dock")))
    assert [one.open_quantity for one in come.lines] == [q(0), q(5)]
    assert (await balances(store, name))["dock", "UNRESTRICTED"] == (4, 0)


@pytest.mark.rule("MAT-111")
@pytest.mark.rule("MAT-70")
@pytest.mark.played_partner
async def test_claimed_stock_stays_and_nothing_under_way_is_claimed(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 5)
    claim = await reserved(store, name, 3)
    row = await plan(store, line(name, 3))
    await release(store, row.name)
    refusal = await refused(store, pb.ShipTransferRequest(name=row.name))
    assert (refusal.reason, refusal.metadata["reservations"]) == ("STOCK_CLAIMED", claim.name)
    more = await plan(store, line(name, 9))
    await release(store, more.name)
    assert (await refused(store, pb.ShipTransferRequest(name=more.name))).reason == "STOCK_CLAIMED"
    left = await shipped(store, line(name, 2))
    order = work_order()
    await approve(store, order, {"d1": (name, 2)})
    assert (await claim_of(store, order)).allocations == []
    await receive(store, left)
    assert [one.location for one in (await claim_of(store, order)).allocations] == [at("bin")]


@pytest.mark.rule("MAT-21")
@pytest.mark.rule("MAT-111")
async def test_a_whole_unit_is_under_way_by_one_movement(store: Plant, pallet: str) -> None:
    one, two = await item(store), await item(store)
    outer, inner = await handling_units(store, pallet, 2)
    for name in (one, two):
        await stocked(store, name, 8)
    await pack(store, inner.name, packed(one, 3))
    await nest(store, inner.name, outer.name)
    await pack(store, outer.name, packed(two, 5))
    await close(store, outer.name)
    before = position(store)
    row = await shipped(store, unit_line(outer.name))
    assert kinds_told(store, before) == ["MovementPosted"]
    assert [(got.item, got.handling_unit, got.outer_handling_unit) for got in row.lines] in (
        [(one, inner.name, outer.name), (two, outer.name, outer.name)],
        [(two, outer.name, outer.name), (one, inner.name, outer.name)],
    )
    assert (await get(store, outer.name)).location == row.transit_location
    loose = arrival(row, Goods(line=row.lines[0].line))
    assert (await refused(store, loose)).reason == "HANDLING_UNIT_CLOSED"
    before = position(store)
    row = await receive(store, row, Goods(handling_unit=outer.name))
    assert (row.state, kinds_told(store, before)) == (State.SETTLED, ["MovementPosted"])
    assert where(store, one) == {("shelf", ""): (5, 0), ("bin", inner.name): (3, 0)}


@pytest.mark.rule("MAT-51")
@pytest.mark.rule("MAT-24")
async def test_a_unit_that_went_to_another_site_has_left(store: Plant, pallet: str) -> None:
    other = await other_site(store)
    name = await item(store)
    outer, inner = await handling_units(store, pallet, 2)
    (open_one,) = await handling_units(store, pallet)
    await stocked(store, name, 9)
    await pack(store, inner.name, packed(name, 4))
    await pack(store, open_one.name, packed(name, 1))
    await nest(store, inner.name, outer.name)
    await close(store, outer.name)
    to = f"{other}/locations/dock"
    wrong = await plan(store, unit_line(open_one.name), to_site=other, to=to)
    await release(store, wrong.name)
    assert (await refused(store, pb.ShipTransferRequest(name=wrong.name))).reason == "HANDLING_UNIT_OPEN"
    inside = await plan(store, unit_line(inner.name), to_site=other, to=to)
    await release(store, inside.name)
    assert (await refused(store, pb.ShipTransferRequest(name=inside.name))).reason == "HANDLING_UNIT_NESTED"
    row = await shipped(store, unit_line(outer.name), to_site=other, to=to)
    row = await receive(store, row, Goods(line=row.lines[0].line, quantity=q(3)), final=True)
    transit = row.transit_location.rsplit("/", 1)[-1]
    assert where(store, name)[transit, ""] == (1, 0)
    row = await dispose(store, row, "LOST", reason_code="FELL_OFF")
    assert row.state == State.SETTLED
    for unit in (outer, inner):
        gone = await get(store, unit.name)
        assert (gone.state, gone.location, gone.ship_time.seconds > 0) == (gone.SHIPPED, "", True)


@pytest.mark.rule("MAT-16")
async def test_a_serial_arrives_by_the_transfer_that_it_left_by_alone(store: Plant) -> None:
    other = await other_site(store)
    name = await tool(store)
    names = await serials(store, name, 3)
    await opened(store, name, names)
    row = await shipped(store, line(name, 3, serials=names), to_site=other, to=f"{other}/locations/dock")
    unknown = arrival(row, Goods(serials=["items/x/serials/y"]))
    assert (await refused(store, unknown)).reason == "SERIAL_NOT_UNDER_WAY"
    row = await receive(store, row, Goods(serials=[names[0]]))
    assert row.lines[0].open_serials == names[1:]
    twice = arrival(row, Goods(line=1, quantity=q(1), serials=[names[0]]))
    assert (await refused(store, twice)).reason == "SERIAL_NOT_UNDER_WAY"
    assert (await stand(store, names[0]))[0] == "dock"
    assert [step.to_location.rsplit("/", 1)[-1] for step in await steps(store, names[0])] == [
        "shelf", row.transit_location.rsplit("/", 1)[-1], "v-inter-site", "dock",
    ]  # fmt: skip
    row = await receive(store, row, Goods(line=1, quantity=q(1), serials=[names[1]]), final=True)
    row = await dispose(store, row, "LOST", reason_code="GONE")
    lost = row.disposals[0].movement
    assert await stand(store, names[2]) == ("", "", lost)
    assert await check(store, other) == []


@pytest.mark.rule("MAT-9")
@pytest.mark.rule("MAT-51")
async def test_the_second_quantity_is_carried_along(store: Plant) -> None:
    other = await other_site(store)
    name = await cheese(store)
    await stocked(store, name, 4, second_quantity=q("8.2", "KGM"))
    given = {"second_quantity": q("8.2", "KGM")}
    row = await shipped(store, line(name, 4, **given), to_site=other, to=f"{other}/locations/dock")
    part = Goods(line=1, quantity=q(1))
    assert (await refused(store, arrival(row, part))).metadata["field"] == "goods.second_quantity"
    all_of_it = Goods(line=1, quantity=q(1), second_quantity=q("8.2", "KGM"))
    assert (await refused(store, arrival(row, all_of_it))).metadata["field"] == "goods.second_quantity"
    row = await receive(store, row, Goods(line=1, quantity=q(1), second_quantity=q(2, "KGM")))
    row = await receive(store, row)
    assert (row.state, row.lines[0].second_received) == (State.SETTLED, q("8.2", "KGM"))
    found = store.rows(
        "materials", "select on_hand, second_on_hand from balance where item = %s and not virtual and on_hand > 0", name
    )
    assert found == [(4, D("8.2"))]


@pytest.mark.rule("MAT-184")
async def test_the_value_leaves_the_sender_when_the_goods_arrive(store: Plant) -> None:
    other = await other_site(store)
    name = await item(store)
    await stocked(store, name, 1)
    await expected(store, name, 3, price=Money(currency_code="EUR", units=4))
    await received(store, scanned(name, 3))
    row = await shipped(store, line(name, 2, where="dock"), to_site=other, to=f"{other}/locations/dock")
    assert worth(store, name)[:2] == (4, D(12))
    await receive(store, row)
    values = store.rows("materials", "select quantity, value from value_balance where item = %s order by site", name)
    assert values == [(2, D(6)), (2, D(6))]


async def test_movements_of_transfers_are_taken_back_by_the_transfer_alone(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 1)
    row = await shipped(store, line(name, 1))
    request = movements_pb2.ReverseMovementRequest(name=row.movement, reason="wrong")
    assert (await refused(store, request)).reason == "BELONGS_TO_DOCUMENT"
    request = movements_pb2.CreateMovementRequest(
        parent=SITE, movement=movement("TRANSFER_SHIP", name, 1, from_location=at("shelf"), to_location=at("bin"))
    )
    assert (await refused(store, request)).metadata["field"] == "movement.kind"
