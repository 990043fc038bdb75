"""Reports of production through the api: what they use, make, cost, and where it came from."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from plantops.materials.v1 import item_settings_pb2, lots_pb2, production_pb2

from services.chassis.wire import canonical
from tests.materials.builders import (
    SITE,
    ago,
    at,
    call,
    check,
    contents,
    day,
    eur,
    fresh,
    item,
    lot,
    position,
    q,
    reason,
    reserved,
    stocked,
    told,
    worth,
)
from tests.materials.production import (
    PLANNER,
    WORKER,
    amount,
    bill,
    component,
    edges,
    line,
    on_hand,
    ordered,
    output,
    read,
    report,
    reported,
    reports,
    some,
    staged,
    used,
)
from tests.plant import Refused
from tests.statements import statements_of
from tests.world import Plant, site_today

Order = production_pb2.ProductionOrder
Report = production_pb2.ProductionReport


@pytest.fixture(scope="module")
async def works(store: Plant) -> AsyncIterator[Plant]:
    """The site with a place at the line; in the end ledger and costs are whole."""
    await line(store)
    yield store
    assert await check(store) == []
    assert unbalanced(store) == []


def unbalanced(plant: Plant) -> list[Any]:
    """Orders whose value in process is not what their inputs and they themselves still bear."""
    return plant.rows(
        "materials",
        "select o.name, o.consumed_value - o.output_value, o.carried_value, c.open from production_order o"
        " left join lateral (select coalesce(sum(remaining_value), 0) as open from production_consumption"
        " where production_order = o.name) c on true"
        " where o.state <> 'CLOSED' and o.consumed_value - o.output_value <> o.carried_value + c.open",
    )


async def refusal(plant: Plant, request: Any, person: str = WORKER) -> Refused:
    """How a request is refused; nothing is changed by it."""
    before = contents(plant)
    with pytest.raises(Refused) as refused:
        await call(plant, person, request)
    assert contents(plant) == before
    return refused.value


async def refused_report(plant: Plant, *requests: Any) -> list[Any]:
    """Outcomes of reports that are all refused; nothing is changed by them."""
    before = contents(plant)
    outcomes = await reports(plant, *requests)
    after = contents(plant)
    assert {key: after[key] for key in before if key != "idempotency"} == {
        key: before[key] for key in before if key != "idempotency"
    }
    return [reason(outcome) for outcome in outcomes]


def stamp(value: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(value)
    return found


def reversing(name: str) -> production_pb2.ReverseReportRequest:
    return production_pb2.ReverseReportRequest(name=name, reason="counted wrong")


@pytest.mark.rule("MAT-122")
async def test_half_a_piece_for_each_unit_is_used_1_0_1(works: Plant) -> None:
    part = await item(works, standard_cost=eur(10))
    order = await ordered(works, await bill(works, [component(part, 1, 2)]), 10)
    await stocked(works, part, 5)
    await staged(works, order.name, 10)
    found = [used(await reported(works, order.name, 1)) for _ in range(3)]
    assert found == [{(1, ""): D(1)}, {}, {(1, ""): D(1)}]
    assert (await read(works, order.name)).components[0].consumed.value == "2"


@pytest.mark.rule("MAT-122")
async def test_scrap_at_20_takes_a_of_10_and_no_b_of_30(works: Plant) -> None:
    a, b = [await item(works, standard_cost=eur(1)) for _ in range(2)]
    made = await bill(works, [component(a, operation=10), component(b, operation=30)])
    steps = [Order.Operation(operation=number) for number in (10, 20, 30)]
    order = await ordered(works, made, 10, operations=steps)
    for name in (a, b):
        await stocked(works, name, 10)
    await staged(works, order.name, 10)
    spoilt = await reported(works, order.name, scrap=2, operation=20)
    assert used(spoilt) == {(1, ""): D(2)}
    assert (spoilt.produce_movement, spoilt.scrap_reason) == ("", "BROKEN")
    done = await reported(works, order.name, 8)
    assert used(done) == {(1, ""): D(8), (2, ""): D(8)}
    # what spoilt units took is borne by the good ones
    assert (worth(works, made)[:2], amount((await read(works, order.name)).output_value)) == ((8, D(18)), 18)


@pytest.mark.rule("MAT-126")
async def test_a_report_says_what_was_made_where_when_and_by_which_shift(works: Plant) -> None:
    part = await item(works)
    made = await bill(works, [component(part)], tracking="LOT")
    asset = f"{SITE}/assets/{fresh('line')}"
    external = fresh("erp")
    order = await ordered(works, made, 10, source_system="erp", external_id=external, asset=asset)
    await stocked(works, part, 10)
    await staged(works, order.name, 10)
    now = datetime.now(UTC)
    begin, end = stamp(now - timedelta(minutes=9)), stamp(now - timedelta(milliseconds=1))
    after = position(works)
    given: dict[str, Any] = {"start_time": begin, "shift": "early", "rework": 1, "scrap": 2}
    shown = await reported(works, order.name, 3, **given)
    assert (shown.number[:3], shown.state, shown.shift, shown.asset) == ("PR-", Report.POSTED, "early", asset)
    assert (shown.good.value, shown.scrap.value, shown.rework.value) == ("3", "2", "1")
    (event,) = told(works, "ProductionReported", after=after)
    assert (event.production_report, event.external_id, event.asset, event.version) == (shown.name, external, asset, 1)
    assert (event.good.value, event.last_operation, event.reversed) == ("3", True, False)
    assert [(row.item, row.quantity.value) for row in event.consumed] == [(part, "5")]
    assert [(row.item, row.lot, row.quantity.value) for row in event.made] == [(made, shown.lot, "3")]
    assert [type(row).__name__ for row in told(works, after=after)] == ["ProductionReported", *["MovementPosted"] * 2]
    known = await works("vic", lots_pb2.GetLotRequest(name=shown.lot))
    assert (known.number, known.manufacture_date) == (order.number, day(site_today()))
    assert await works("vic", production_pb2.GetProductionReportRequest(name=shown.name)) == shown
    listed = await works(
        "vic", production_pb2.ListProductionReportsRequest(parent=SITE, filter=f'production_order = "{order.name}"')
    )
    assert [row.name for row in listed.production_reports] == [shown.name]
    stands = await read(works, order.name)
    assert (stands.state, stands.good.value, stands.scrapped.value, stands.reworked.value) == (
        Order.STARTED, "3", "2", "1",
    )  # fmt: skip
    assert end.seconds <= now.timestamp()


@pytest.mark.rule("MAT-126")
async def test_a_report_that_cannot_be_is_refused_and_the_others_are_taken(works: Plant) -> None:
    part = await item(works)
    order = await ordered(works, await bill(works, [component(part)]), 10)
    planned = await works(
        PLANNER, production_pb2.CreateProductionOrderRequest(
            parent=SITE, production_order=Order(item=order.item, quantity=q(1), output_location=at("bin")),
        ),
    )  # fmt: skip
    await stocked(works, part, 3)
    await staged(works, order.name, 3)
    later = stamp(datetime.now(UTC) + timedelta(hours=1))
    outcomes = await reports(
        works, report(order.name, 1), report(order.name, 3), report(order.name), report(order.name, scrap=1,
        scrap_reason=""), report(order.name, 1, operation=99), report(order.name, 1, end_time=later),
        report(order.name, 1, end_time=ago(days=30)), report(f"{SITE}/productionOrders/none", 1),
        report(planned.name, 1), report(order.name, 1, lot_number="L"), report(order.name, -1),
        report(order.name, 1, start_time=later), report(order.name, 2),
    )  # fmt: skip
    assert [reason(outcome) for outcome in outcomes] == [
        "", "NOT_ENOUGH_STOCK", "FIELD_INVALID", "FIELD_INVALID", "FIELD_INVALID", "TIME_IN_FUTURE",
        "BACKDATE_TOO_FAR", "FIELD_INVALID", "TRANSITION_NOT_ALLOWED", "FIELD_INVALID", "FIELD_INVALID",
        "FIELD_INVALID", "",
    ]  # fmt: skip
    assert (await read(works, order.name)).good.value == "3"


@pytest.mark.rule("MAT-126")
async def test_a_batch_sent_again_makes_nothing_twice(works: Plant) -> None:
    part = await item(works)
    order = await ordered(works, await bill(works, [component(part)]), 10)
    await stocked(works, part, 3)
    await staged(works, order.name, 3)
    request = report(order.name, 2)
    first = await reports(works, request)
    again = await reports(works, request, report(order.name, 1))
    assert again[0] == first[0]
    assert (await read(works, order.name)).good.value == "3"


@pytest.mark.rule("MAT-126")
@pytest.mark.parametrize(("rule", "number"), [("DAY", "{day}"), ("LINE", "press-7-{day}")])
async def test_the_lot_follows_the_rule_of_the_order_or_the_scan(works: Plant, rule: str, number: str) -> None:
    part = await item(works)
    made = await bill(works, [component(part)], tracking="LOT")
    order = await ordered(works, made, 10, lot_rule=rule, asset=f"{SITE}/assets/press-7")
    await stocked(works, part, 9)
    await staged(works, order.name, 9)
    wanted = number.format(day=f"{site_today():%Y%m%d}")
    first, second, scanned = [
        await reported(works, order.name, 1, **given) for given in ({}, {}, {"lot_number": "SCAN"})
    ]
    assert first.lot == second.lot != scanned.lot
    names = [(await works("vic", lots_pb2.GetLotRequest(name=row.lot))).number for row in (first, scanned)]
    assert names == [wanted, "SCAN"]


@pytest.mark.rule("MAT-16")
@pytest.mark.rule("MAT-126")
async def test_serials_are_made_here_once(works: Plant) -> None:
    part = await item(works, tracking="LOT")
    made = await bill(works, [component(part, 2)], tracking="SERIAL")
    order = await ordered(works, made, 10)
    name = await lot(works, part)
    await stocked(works, part, 20, lot=name)
    await staged(works, order.name, 10)
    numbers = [fresh("S") for _ in range(2)]
    shown = await reported(works, order.name, 2, serial_numbers=numbers)
    assert (len(shown.serials), shown.lot) == (2, "")
    for serial in shown.serials:
        assert edges(works, serial) == {name.rsplit("/", 1)[-1]: (D(2), True)}
    again = report(order.name, 1, serial_numbers=[numbers[0]])
    assert await refused_report(works, again, report(order.name, 1), report(order.name, 2, serial_numbers=["x"])) == [
        "SERIAL_EXISTS", "FIELD_INVALID", "FIELD_INVALID",
    ]  # fmt: skip


@pytest.mark.rule("MAT-123")
async def test_lots_of_another_order_in_the_same_bin_are_not_touched(works: Plant) -> None:
    part = await item(works, tracking="LOT")
    made = await bill(works, [component(part)], tracking="LOT")
    mine, other = [await ordered(works, made, 10) for _ in range(2)]
    first, second = [await lot(works, part) for _ in range(2)]
    await stocked(works, part, 5, lot=first)
    await staged(works, other.name, 5)
    await stocked(works, part, 5, lot=second)
    await staged(works, mine.name, 2)
    assert await refused_report(works, report(mine.name, 3)) == ["NOT_ENOUGH_STOCK"]
    assert used(await reported(works, mine.name, 2)) == {(1, second.rsplit("/", 1)[-1]): D(2)}
    assert (await on_hand(works, part))["line", other.name.rsplit("/", 1)[-1]] == 5


@pytest.mark.rule("MAT-55")
@pytest.mark.rule("MAT-123")
async def test_too_little_at_the_line_is_said_where_the_site_wants_it_so(works: Plant) -> None:
    part = await item(works)
    order = await ordered(works, await bill(works, [component(part, 2)]), 10)
    await stocked(works, part, 9)
    await staged(works, order.name, 1)
    assert await refused_report(works, report(order.name, 2)) == ["NOT_ENOUGH_STOCK"]
    settings = item_settings_pb2.ItemSettings(shortage="WARN")
    await works(
        PLANNER,
        item_settings_pb2.CreateItemSettingsRequest(
            parent=SITE, item_settings_id=part.rsplit("/", 1)[-1], item_settings=settings
        ),
    )
    short = await reported(works, order.name, 2)
    assert (used(short), [(row.item, row.quantity.value) for row in short.shortages]) == ({(1, ""): 2}, [(part, "2")])
    await staged(works, order.name, 2)
    # what was missing is used by the next report
    assert used(await reported(works, order.name, 1)) == {(1, ""): D(4)}
    assert min((await on_hand(works, part)).values()) > 0


@pytest.mark.rule("MAT-124")
async def test_more_or_less_than_the_tolerance_needs_a_reason(works: Plant) -> None:
    part = await item(works)
    bought = [component(part, 10, over_percent=10, under_percent=10, manual=True)]
    order = await ordered(works, await bill(works, bought), 10)
    await stocked(works, part, 99)
    await staged(works, order.name, 9)

    def counting(value: int, **given: Any) -> Any:
        return report(order.name, 1, consumptions=[some(1, value, **given)])

    assert await refused_report(works, counting(12), counting(8), counting(0)) == [
        "TOLERANCE_EXCEEDED", "TOLERANCE_EXCEEDED", "FIELD_INVALID",
    ]  # fmt: skip
    outcomes = await reports(works, counting(11), counting(11), counting(20, reason_code="TORN"))
    assert [reason(outcome) for outcome in outcomes] == ["", "", ""]
    unknown = report(order.name, 1, consumptions=[some(7, 1)])
    assert await refused_report(works, unknown) == ["FIELD_INVALID"]


@pytest.mark.rule("MAT-127")
async def test_co_products_share_the_cost_and_by_products_lower_it(works: Plant) -> None:
    costly, plank, board, chips = [await item(works, standard_cost=eur(10, 1)) for _ in range(4)]
    await stocked(works, costly, 9)
    beside = [output(board, "CO_PRODUCT", 1, 2, cost_percent="33.3"), output(chips, "BY_PRODUCT", unit_value=eur(1))]
    made = await bill(works, [component(costly)], item=plank, outputs=beside)
    by_structure = await ordered(works, made, 5)
    assert [row.output.cost_percent.value for row in by_structure.outputs] == ["33.3", "0"]
    given = {
        "components": [Order.Component(component=component(costly))],
        "outputs": [Order.Output(output=row) for row in beside],
    }
    order = await ordered(works, made, 5, **given)
    await staged(works, order.name, 5)
    asked = [production_pb2.OutputQuantity(output=2, quantity=q(3))]
    shown = await reported(works, order.name, 3, outputs=asked)
    assert [(row.item, row.quantity.value, amount(row.value)) for row in shown.outputs] == [
        (plank, "3", D("18.03")), (board, "1", D("9.00")), (chips, "3", D("3.00")),
    ]  # fmt: skip
    assert worth(works, plank)[:2] == (3, D("18.03"))
    rest = await reported(works, order.name, 1)
    assert [(row.item, row.quantity.value) for row in rest.outputs] == [(plank, "1"), (board, "1")]
    for broken in ([production_pb2.OutputQuantity(output=9, quantity=q(1))], [*asked, *asked]):
        assert await refused_report(works, report(order.name, 1, outputs=broken)) == ["FIELD_INVALID"]


@pytest.mark.rule("MAT-135")
async def test_where_lots_lay_together_what_was_made_is_possibly_of_each(works: Plant) -> None:
    part, screw = [await item(works, tracking="LOT") for _ in range(2)]
    made = await bill(works, [component(part), component(screw)], tracking="LOT")
    order = await ordered(works, made, 10)
    first, second, alone = await lot(works, part), await lot(works, part), await lot(works, screw)
    for name, parent in ((first, part), (second, part), (alone, screw)):
        await stocked(works, parent, 4, lot=name)
    stocks = [some(1, 2, lot=first), some(1, 2, lot=second), some(2, 4)]
    await staged(works, order.name, 4, stocks=stocks)
    shown = await reported(works, order.name, 1, lot_number=fresh("A"))
    found = edges(works, shown.lot)
    assert {key: certain for key, (_, certain) in found.items()} == {
        first.rsplit("/", 1)[-1]: False, second.rsplit("/", 1)[-1]: False, alone.rsplit("/", 1)[-1]: True,
    }  # fmt: skip
    scanned = [some(1, 1, lot=second)]
    sure = await reported(works, order.name, 1, lot_number=fresh("B"), consumptions=scanned)
    assert edges(works, sure.lot) == {
        second.rsplit("/", 1)[-1]: (D(1), True), alone.rsplit("/", 1)[-1]: (D(1), True),
    }  # fmt: skip
    rows = works.rows(
        "materials", "select distinct operation, production_order from genealogy_edge where output_lot = %s", sure.lot
    )
    assert rows == [(10, order.name)]


@pytest.mark.rule("MAT-125")
async def test_a_report_is_taken_back_with_all_that_it_did(works: Plant) -> None:
    part = await item(works, tracking="LOT", standard_cost=eur(5))
    made = await bill(works, [component(part)], tracking="LOT")
    order = await ordered(works, made, 10)
    name = await lot(works, part)
    await stocked(works, part, 10, lot=name)
    await staged(works, order.name, 5)
    before = (await on_hand(works, part), worth(works, part)[:2])
    shown = await reported(works, order.name, 2, scrap=1)
    assert edges(works, shown.lot) == {name.rsplit("/", 1)[-1]: (D(3), True)}
    after = position(works)
    taken = await works(PLANNER, reversing(shown.name))
    assert (taken.state, taken.reason) == (Report.REVERSED, "counted wrong")
    assert (await on_hand(works, part), worth(works, part)[:2]) == before
    assert (await on_hand(works, made), edges(works, shown.lot)) == ({}, {})
    (event,) = told(works, "ProductionReported", after=after)
    assert (event.reversed, event.production_report, event.version) == (True, shown.name, 2)
    stands = await read(works, order.name)
    assert (stands.good.value, stands.scrapped.value, amount(stands.consumed_value), amount(stands.output_value)) == (
        "0", "0", 0, 0,
    )  # fmt: skip
    assert (await refusal(works, reversing(shown.name), PLANNER)).reason == "TRANSITION_NOT_ALLOWED"
    assert used(await reported(works, order.name, 2)) == {(1, name.rsplit("/", 1)[-1]): D(2)}


@pytest.mark.rule("MAT-125")
async def test_a_report_whose_output_has_moved_on_stays(works: Plant) -> None:
    part = await item(works, standard_cost=eur(5))
    made = await bill(works, [component(part), component(part, operation=20)])
    order = await ordered(works, made, 10)
    await stocked(works, part, 20)
    await staged(works, order.name, 5)
    early = await reported(works, order.name, 3, operation=10)
    late = await reported(works, order.name, 2)
    refused = await refusal(works, reversing(early.name), PLANNER)
    assert (refused.reason, refused.metadata["in_the_way"]) == ("STOCK_MOVED_ON", part)
    claim = await reserved(works, made, 1)
    assert claim.allocated.value == "1"
    assert (await refusal(works, reversing(late.name), PLANNER)).reason == "STOCK_MOVED_ON"
    assert (await refusal(works, reversing(late.name), WORKER)).code == "PERMISSION_DENIED"


@pytest.mark.rule("MAT-121")
async def test_units_cost_what_was_used_for_them_wherever_they_are_reported(works: Plant) -> None:
    cheap, dear = await item(works, standard_cost=eur(1)), await item(works, standard_cost=eur(7))
    made = await bill(works, [component(cheap), component(dear, operation=20)])
    order = await ordered(works, made, 10)
    for name in (cheap, dear):
        await stocked(works, name, 10)
    await staged(works, order.name, 10)
    await reported(works, order.name, 10, operation=10)
    one = await reported(works, order.name, 1)
    assert [amount(row.value) for row in one.outputs] == [8]
    wip = await works("vic", production_pb2.GetWipRequest(name=order.name))
    assert [(amount(row.value), row.waiting_units.value) for row in wip.rows] == [(9, "0"), (0, "9")]
    gone = await reported(works, order.name, scrap=1, operation=20)
    assert canonical(sum((amount(row.value) for row in gone.consumptions), D(0))) == "7"
    rest = await reported(works, order.name, 8)
    assert [amount(row.value) for row in rest.outputs] == [72]


@pytest.mark.rule("MAT-50")
@pytest.mark.rule("MAT-122")
async def test_a_batch_of_reports_takes_as_many_statements_whatever_its_size(works: Plant) -> None:
    parts = [await item(works, tracking="LOT") for _ in range(2)]
    made = await bill(works, [component(name) for name in parts], tracking="LOT")
    orders = [await ordered(works, made, 99) for _ in range(2)]
    for name in parts:
        await stocked(works, name, 99, lot=await lot(works, name))
    for order in orders:
        await staged(works, order.name, 20)
    counts = []
    with statements_of(works.processes["materials"].engine) as statements:
        for size in (2, 2, 12):  # the first makes the lots
            statements.sent.clear()
            asked = [report(orders[number % 2].name, 1) for number in range(size)]
            assert {reason(outcome) for outcome in await reports(works, *asked)} == {""}
            (sent,) = [found for found in statements.sent if any("production_consumption" in text for text, _ in found)]
            counts.append(len(sent))
    assert counts[1] == counts[2] <= 45, counts


@pytest.mark.rule("MAT-120")
@pytest.mark.rule("MAT-125")
@pytest.mark.rule("MAT-127")
async def test_a_day_at_the_line_with_scrap_and_rework(works: Plant) -> None:
    """Castings are turned at 10 and get seals at 20; one is spoilt, one is worked on again, one report was wrong."""
    casting = await item(works, "casting", tracking="LOT", standard_cost=eur(30))
    seal = await item(works, "seal", standard_cost=eur(2))
    bought = [component(casting), component(seal, 3, operation=20)]
    pump = await bill(works, bought, item=await item(works, "pump", tracking="LOT_AND_SERIAL"))
    heat = await lot(works, casting, "HEAT-7")
    await stocked(works, casting, 10, lot=heat)
    await stocked(works, seal, 40)
    order = await ordered(works, pump, 6, lot_rule="DAY")
    await staged(works, order.name, 6)
    await reported(works, order.name, 5, operation=10, scrap=1, scrap_reason="PORES")
    numbers = [fresh("P") for _ in range(4)]
    first = await reported(works, order.name, 3, serial_numbers=numbers[:3], rework=1, shift="early")
    assert edges(works, first.lot) == {heat.rsplit("/", 1)[-1]: (D("3.6"), True)}
    wip = await works("vic", production_pb2.GetWipRequest(name=order.name))
    assert [row.waiting_units.value for row in wip.rows] == ["0", "2"]
    await works(PLANNER, reversing(first.name))
    again = await reported(works, order.name, 3, serial_numbers=numbers[:3], shift="early")
    assert again.serials == first.serials
    await reported(works, order.name, 1, serial_numbers=numbers[3:], shift="late")  # the one that was worked on again
    last = await reported(works, order.name, scrap=1, operation=20)
    assert used(last) == {(2, ""): D(3)}
    done = await works(PLANNER, production_pb2.CompleteOrderRequest(name=order.name))
    assert (done.good.value, done.scrapped.value, done.reworked.value) == ("4", "2", "0")
    closed = await works(PLANNER, production_pb2.CloseOrderRequest(name=order.name))
    # 6 castings and 15 seals were used; what the last spoilt one took is in no pump
    assert (amount(closed.consumed_value), amount(closed.output_value), amount(closed.variance_value)) == (210, 168, 42)
    assert worth(works, pump)[:2] == (4, D(168))
    assert await on_hand(works, seal) == {("shelf", ""): 22, ("line", ""): 3}
