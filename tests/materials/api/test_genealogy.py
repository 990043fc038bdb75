"""Traces through the api: forward, backward, through circles, to their bounds."""

import asyncio
import random
from decimal import Decimal as D
from typing import Any

import pytest
from plantops.materials.v1 import lots_pb2, movements_pb2, reservations_pb2, tasks_pb2

from services.materials.model import tracing
from tests.materials.builders import (
    ago,
    approval,
    at,
    call,
    claim_of,
    expected,
    fresh,
    item,
    lot,
    movement,
    post,
    q,
    received,
    scanned,
    stocked,
    tell,
    work_order,
)
from tests.materials.genealogy import Traced, backward, forward, named_lots, pb, tail, wire
from tests.materials.production import bill, component, line, ordered, reported, some, staged
from tests.materials.serials import opened, serials, tool
from tests.materials.shipping import back, goes, sent, shipped
from tests.materials.shipping import line as transfer_line
from tests.plant import Refused
from tests.world import Plant

PUMP = "sites/hamburg/assets/pump-7"


@pytest.fixture(scope="module")
async def works(store: Plant) -> Plant:
    """The site with a place at the line."""
    await line(store)
    return store


async def refusal(plant: Plant, request: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        await plant("vic", request)
    return refused.value


@pytest.mark.rule("MAT-136")
async def test_from_a_suppliers_lot_to_customers_and_assets_and_back(works: Plant) -> None:
    steel = await item(works, tracking="LOT")
    await expected(works, steel, 20)
    receipt = await received(works, scanned(steel, 20, lot_number="HEAT-1"))
    heat = receipt.lines[0].lot
    await works("sam", tasks_pb2.ConfirmPutAwayRequest(name=receipt.lines[0].put_away_task, location=at("shelf")))
    pump = await bill(works, [component(steel, 2)], tracking="LOT")
    order = await ordered(works, pump, 5)
    await staged(works, order.name, 5, stocks=[some(1, 10, lot=heat)])
    made = (await reported(works, order.name, 5, lot_number=fresh("P"))).lot

    shipment = await sent(works, goes(pump, 3, lot=made, where="bin"))
    await call(works, "stella", back(shipment, 1, 1))
    need = work_order()
    event = approval(need, {"d1": (steel, 4)})
    event.asset = PUMP
    await tell(works, "maintenance", event, correlation=need)
    claim = await claim_of(works, need)
    await works("sam", reservations_pb2.IssueReservationRequest(name=claim.name, quantity=q(4)))

    found = await forward(works, heat)
    assert found.steps == [(tail(heat), tail(made), 1, True)]
    (edge,) = found.edges
    assert (edge.item, edge.quantity.value, edge.certain, edge.operation) == (steel, "10", True, 10)
    assert (edge.production_order, edge.movement.split("/")[2]) == (order.name, "movements")
    assert found.parties == [
        ("ASSET", PUMP, tail(heat), "4", True), ("CUSTOMER", "Contoso", tail(made), "2", True),
    ]  # fmt: skip
    by_kind = {end.kind: end for end in found.ends}
    customer, asset = by_kind[pb.TraceEnd.CUSTOMER], by_kind[pb.TraceEnd.ASSET]
    assert (customer.document, customer.returned_quantity.value) == (shipment.name, "1")
    assert (asset.document, asset.work_order, asset.returned_quantity.value) == (claim.name, need, "0")
    assert (found.complete, found.node_count) == (True, 1)

    source = await backward(works, made)
    assert source.steps == [(tail(heat), tail(made), 1, True)]
    assert source.parties == [("SUPPLIER", "suppliers/acme", tail(heat), "20", True)]
    assert (source.ends[0].document, source.complete, source.node_count) == (receipt.name, True, 1)


@pytest.mark.rule("MAT-136")
async def test_rework_in_a_circle_ends_and_pooled_lots_show_as_possible(works: Plant) -> None:
    lots = await named_lots(works, "a", "b", "c", "d", "e")
    await wire(works, lots, "a>b", "b>a", "b?c", "c>d", "b>e", "e>d")
    found = await forward(works, lots["a"])
    assert found.steps == [
        ("a", "b", 1, True), ("b", "a", 2, True), ("b", "c", 2, False), ("b", "e", 2, True), ("c", "d", 3, False),
        ("e", "d", 3, True),
    ]  # fmt: skip
    assert (found.complete, found.node_count) == (True, 4)
    assert {tail(edge.output_lot): edge.certain for edge in found.edges}["c"] is False
    sure = await forward(works, lots["a"], certain_only=True)
    assert sure.steps == [("a", "b", 1, True), ("b", "a", 2, True), ("b", "e", 2, True), ("e", "d", 3, True)]
    origin = await backward(works, lots["d"])
    assert [step[:2] for step in origin.steps] == [
        ("c", "d"),
        ("e", "d"),
        ("b", "c"),
        ("b", "e"),
        ("a", "b"),
        ("b", "a"),
    ]


@pytest.mark.rule("MAT-136")
async def test_a_certain_way_that_is_found_late_makes_all_behind_it_certain(works: Plant) -> None:
    lots = await named_lots(works, "a", "b", "c", "d", "e")
    await wire(works, lots, "a?d", "d>e", "a>b", "b>c", "c>d")
    await stocked(works, lots["e"].rsplit("/", 2)[0], 5, lot=lots["e"])
    await sent(works, goes(lots["e"].rsplit("/", 2)[0], 5, lot=lots["e"]))
    found = await forward(works, lots["a"])
    assert ("d", "e", 2, True) in found.steps
    assert ("a", "d", 1, False) in found.steps
    assert found.parties == [("CUSTOMER", "Contoso", "e", "5", True)]


@pytest.mark.rule("MAT-136")
async def test_a_trace_keeps_to_depth_time_and_number_and_says_so(works: Plant) -> None:
    lots = await named_lots(works, "a", "b", "c", "d")
    await wire(works, lots, "a>b", days_ago=30)
    await wire(works, lots, "b>c", days_ago=20)
    await wire(works, lots, "c>d", days_ago=10)
    short = await forward(works, lots["a"], depth=2)
    assert ([step[1] for step in short.steps], short.complete, short.node_count) == (["b", "c"], False, 2)
    exact = await forward(works, lots["a"], depth=3)
    assert (exact.complete, exact.node_count) == (True, 3)
    few = await forward(works, lots["a"], max_node_count=2)
    assert ([step[1] for step in few.steps], few.complete, few.node_count) == (["b", "c"], False, 2)
    early = await forward(works, lots["a"], end_time=ago(days=15))
    assert ([step[1] for step in early.steps], early.complete) == (["b", "c"], True)
    late = await backward(works, lots["d"], start_time=ago(days=25))
    assert [step[:2] for step in late.steps] == [("c", "d"), ("b", "c")]
    none = await forward(works, lots["d"])
    assert (none.steps, none.ends, none.complete, none.node_count) == ([], [], True, 0)


@pytest.mark.rule("MAT-136")
async def test_a_trace_comes_in_pages_of_500_edges_each_once(works: Plant) -> None:
    lots = await named_lots(works, "root")
    name = lots["root"].rsplit("/", 2)[0]
    lots = {**lots, **{f"l{n}": f"{name}/lots/l{n}" for n in range(1100)}}
    await wire(works, lots, *(f"root>l{n}" for n in range(1100)), "l7>l8")
    found = await forward(works, lots["root"])
    assert [len(page.edges) for page in found.pages] == [500, 500, 101, 0]
    assert len(set(found.steps)) == 1101
    assert (found.node_count, found.complete) == (1100, True)


@pytest.mark.rule("MAT-136")
async def test_edges_of_a_reversed_movement_are_no_part_of_a_trace(works: Plant) -> None:
    name = await item(works, tracking="LOT")
    lots = [await lot(works, name) for _ in range(2)]
    for one in lots:
        await stocked(works, name, 2, lot=one)
    merge = lots_pb2.MergeLotsRequest(parent="sites/hamburg", lots=lots, number="AB", location=at("shelf"))
    new = await works("sam", merge)
    (edge,) = (await forward(works, lots[0])).edges
    assert (edge.output_lot, edge.production_order) == (new.name, "")
    # a caller of another site sees no edges of this one
    assert (await forward(works, lots[0], "eve")).edges == []
    await call(works, "stella", movements_pb2.ReverseMovementRequest(name=edge.movement, reason="wrong lots"))
    assert (await forward(works, lots[0])).edges == []
    assert (await backward(works, new.name)).edges == []


@pytest.mark.rule("MAT-136")
async def test_serials_are_traced_to_customers(works: Plant) -> None:
    name = await tool(works)
    one, two = await serials(works, name, 2)
    await opened(works, name, [one, two])
    shipment = await sent(works, goes(name, 1, serials=[two]))
    assert (await forward(works, one)).parties == []
    found = await forward(works, two)
    assert found.parties == [("CUSTOMER", "Contoso", tail(two), "1", True)]
    assert found.ends[0].document == shipment.name


@pytest.mark.rule("MAT-136")
async def test_what_cannot_be_traced_is_refused(works: Plant) -> None:
    (known,) = (await named_lots(works, "a")).values()
    assert (await refusal(works, pb.TraceForwardRequest(name="items/x/lots/none"))).reason == "RESOURCE_NOT_FOUND"
    for request in (
        pb.TraceBackwardRequest(name="items/x/boxes/b"),
        pb.TraceForwardRequest(name="items/x"),
        pb.TraceForwardRequest(name=known, depth=-1),
        pb.TraceForwardRequest(name=known, start_time=ago(days=1), end_time=ago(days=2)),
    ):
        assert (await refusal(works, request)).reason == "FIELD_INVALID"


def mass(answer: Any) -> dict[str, str]:
    """What is not zero, by name."""
    found = {field.name: value.value for field, value in answer.ListFields() if field.name not in ("lot", "item")}
    return {name: value for name, value in found.items() if value != "0"}


@pytest.mark.rule("MAT-137")
async def test_the_mass_balance_of_a_lot_closes_whatever_happens_to_it(works: Plant) -> None:
    steel = await item(works, tracking="LOT")
    await expected(works, steel, 100)
    receipt = await received(works, scanned(steel, 100, lot_number="HEAT-2"))
    heat = receipt.lines[0].lot
    await works("sam", tasks_pb2.ConfirmPutAwayRequest(name=receipt.lines[0].put_away_task, location=at("shelf")))
    pump = await bill(works, [component(steel, 2)], tracking="LOT")
    order = await ordered(works, pump, 5)
    await staged(works, order.name, 5, stocks=[some(1, 10, lot=heat)])
    made = (await reported(works, order.name, 4, lot_number=fresh("P"))).lot
    shipment = await sent(works, goes(steel, 20, lot=heat))
    await call(works, "stella", back(shipment, 1, 1))
    await post(works, movement("SCRAP", steel, 3, lot=heat, from_location=at("shelf")))
    await post(works, movement("ADJUST", steel, 5, lot=heat, from_location=at("shelf")))
    wrong = await post(works, movement("ADJUST", steel, 2, lot=heat, to_location=at("shelf")))
    await call(works, "stella", movements_pb2.ReverseMovementRequest(name=wrong.name, reason="no"))
    await shipped(works, transfer_line(steel, 6, lot=heat))
    found = await works("vic", pb.GetMassBalanceRequest(name=heat))
    assert (found.lot, found.item, found.gap) == (heat, steel, q("0"))
    assert mass(found) == {
        "received": "100", "on_hand": "59", "in_transit": "6", "shipped": "19", "consumed": "8", "scrapped": "3",
        "adjusted": "-5",
    }  # fmt: skip
    assert mass(await works("vic", pb.GetMassBalanceRequest(name=made))) == {"produced": "4", "on_hand": "4"}

    # a balance that somebody changed behind the ledger's back shows as a gap
    change = "update balance set on_hand = on_hand + %s where lot = %s and location = %s and not virtual"
    for amount, gap in ((D(-2), "2"), (D(2), "0")):
        with works.look("materials") as connection:
            connection.execute("set session_replication_role = replica")
            connection.execute(change, (amount, heat, at("shelf")))
        assert (await works("vic", pb.GetMassBalanceRequest(name=heat))).gap.value == gap
    assert (await refusal(works, pb.GetMassBalanceRequest(name=f"{steel}/lots/none"))).reason == "RESOURCE_NOT_FOUND"


def truth(edges: list[tuple[str, str, bool]], root: str) -> set[tuple[str, str, int, bool]]:
    """The trace, by looking at sets until nothing is new."""

    def depths(given: list[tuple[str, str, bool]]) -> dict[str, int]:
        found, step = {root: 0}, 0
        while new := {b for a, b, _ in given if found.get(a) == step and b not in found}:
            step += 1
            found.update(dict.fromkeys(new, step))
        return found

    all_depths, sure = depths(edges), depths([edge for edge in edges if edge[2]])
    return {(a, b, all_depths[a] + 1, certain and a in sure) for a, b, certain in edges if a in all_depths}


@pytest.fixture(params=["as it is", "in small parts"])
def parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traces as they are, and in pages and statements that end in the midst of a step."""
    if request.param == "in small parts":
        for name, value in (("PAGE", 3), ("_AT_ONCE", 2), ("_FEWEST", 1), ("_MOST", 2)):
            monkeypatch.setattr(tracing, name, value)


@pytest.mark.rule("MAT-136")
@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("seed", range(6))
async def test_a_trace_finds_what_a_look_at_all_edges_finds(works: Plant, seed: int) -> None:
    chance = random.Random(seed)
    ids = [f"n{number}" for number in range(25)]
    first = await named_lots(works, ids[0])
    name = first[ids[0]].rsplit("/", 2)[0]
    lots = {one: f"{name}/lots/{one}" for one in ids}
    pairs = {(chance.choice(ids), chance.choice(ids)) for _ in range(45)}
    edges = [(a, b, chance.random() < 0.6) for a, b in sorted(pairs) if a != b]
    await wire(works, lots, *(f"{a}{'>' if certain else '?'}{b}" for a, b, certain in edges))
    found: Traced = await forward(works, lots[ids[0]])
    assert len(found.steps) == len(set(found.steps))
    assert set(found.steps) == truth(edges, ids[0])
    assert [edge.depth for edge in found.edges] == sorted(edge.depth for edge in found.edges)
    few = await forward(works, lots[ids[0]], max_node_count=5)
    reached = {step[1] for step in few.steps} - {ids[0]}
    assert (len(reached), few.complete) == (min(5, found.node_count), found.node_count <= 5)
    assert {step for step in few.steps if step[3]} <= set(found.steps)
    assert max((step[2] for step in few.steps), default=0) <= max((step[2] for step in found.steps), default=0)


@pytest.mark.rule("MAT-136")
@pytest.mark.usefixtures("parts")
async def test_a_possible_way_is_told_from_a_certain_one_wherever_it_shows(works: Plant) -> None:
    lots = await named_lots(works, "a", "b", "c", "d", "e", "f", "g")
    # the first possible edge comes when all of the step before were certain; b is reached for certain by a longer way
    await wire(works, lots, "a>c", "a>d", "c>e", "d?b", "e>f", "f>b", "b>g")
    found = await forward(works, lots["a"])
    assert found.steps == [
        ("a", "c", 1, True), ("a", "d", 1, True), ("c", "e", 2, True), ("d", "b", 2, False), ("b", "g", 3, True),
        ("e", "f", 3, True), ("f", "b", 4, True),
    ]  # fmt: skip
    # within three steps only the possible way leads there
    short = await forward(works, lots["a"], depth=3)
    assert short.steps == [(*step[:3], step[3] and step[1] != "g") for step in found.steps if step[2] <= 3]


@pytest.mark.rule("MAT-136")
async def test_who_stops_reading_a_trace_leaves_nothing_open(works: Plant) -> None:
    lots = await named_lots(works, "root")
    name = lots["root"].rsplit("/", 2)[0]
    lots = {**lots, **{f"l{n}": f"{name}/lots/l{n}" for n in range(5000)}}
    await wire(works, lots, *(f"root>l{n}" for n in range(5000)))
    failed: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, trouble: failed.append(trouble))
    client = works.client("materials", "people/vic")
    call = client.channel.unary_stream(
        "/plantops.materials.v1.GenealogyService/TraceForward",
        request_serializer=pb.TraceForwardRequest.SerializeToString,
        response_deserializer=pb.TraceForwardResponse.FromString,
    )(pb.TraceForwardRequest(name=lots["root"]), metadata=client.metadata())
    assert len((await call.read()).edges) == 500
    call.cancel()
    busy = (
        "select count(*) from pg_stat_activity where datname = current_database() and state <> 'idle'"
        " and pid <> pg_backend_pid() and query like '%genealogy_edge%'"
    )
    with works.look("materials") as connection:

        async def open_ones() -> Any:
            return connection.execute(busy).fetchone()

        await works.eventually(open_ones, lambda found: found == (0,))
    assert (await forward(works, lots["root"])).node_count == 5000
    assert failed == []
