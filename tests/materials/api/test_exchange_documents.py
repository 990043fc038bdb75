"""Files of structures, production orders and reservations (MAT-320 .. MAT-322)."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from plantops.materials.v1 import exchange_pb2, production_pb2, reservations_pb2, structures_pb2

from services.materials.rules.structures import back
from tests.materials.builders import SITE, at, balances, call, contents, fresh, item, reserved, stocked
from tests.materials.files import Import, cells, checked, counts, errors, exported, file_of, rows, taken
from tests.materials.production import component, line, ordered, output, read, revised, structure
from tests.statements import statements_of
from tests.world import Plant, site_today

HEAD = ("item", "effective_date", "base_quantity", "base_quantity_unit", "components")
ORDER = ("source_system", "external_id", "item", "quantity", "unit", "output_location", "state", "due_time")
CLAIM = ("source_system", "external_id", "item", "quantity", "unit", "need_time", "priority", "delivery_location")


def number(name: str) -> str:
    return name.removeprefix("items/").upper()


def parts(*names: str, **given: Any) -> str:
    return json.dumps([{"item": number(name), "numerator": "2", **given} for name in names])


async def made_of(plant: Plant, *names: str) -> str:
    """An item with a revision of its structure, two of each."""
    made = await item(plant, "made")
    await taken(plant, "STRUCTURES", file_of([HEAD, (number(made), "2020-01-01", "1", "H87", parts(*names))]))
    return made


@pytest.mark.rule("MAT-320")
@pytest.mark.rule("MAT-321")
async def test_revisions_of_structures_enter_once_and_never_change(store: Plant) -> None:
    made, bolt, nut = [await item(store) for _ in range(3)]
    external = fresh("bom")
    head = ("external_id", "kind", "title", *HEAD, "outputs")
    beside = json.dumps([{"item": nut, "kind": "CO_PRODUCT", "numerator": "1", "costPercent": {"value": "20"}}])
    first = (external, "BILL_OF_MATERIALS", "Bracket", number(made), "2020-01-01", "10", "H87", parts(bolt), beside)
    later = ("", "", "", number(made), "2030-01-01", "1", "H87", parts(bolt, nut, operation=20), "")
    before = contents(store)
    said = await checked(store, "STRUCTURES", file_of([head, first, later]))
    assert counts(said) == (2, 0, 0, 0)
    grown = {name for name, size in contents(store).items() if size != before[name]}
    assert grown == {"materials_import", "materials_import_part", "materials_import_row"}
    done = await taken(store, "STRUCTURES", file_of([head, first, later]))
    revision = (await rows(store, done))[0].resource
    found = await store("vic", structures_pb2.GetStructureRevisionRequest(name=revision))
    assert (found.base_quantity.value, found.components[0].item, found.cost_percent.value) == ("10", bolt, "80")
    assert (found.outputs[0].item, found.author) == (nut, "people/mara")
    assert counts(await taken(store, "STRUCTURES", file_of([head, first, later]))) == (0, 0, 2, 0)
    same = (
        *first[:5],
        "20",
        "H87",
        parts(bolt, numerator="4"),
        json.dumps([{**json.loads(beside)[0], "numerator": 2}]),
    )
    other = (*later[:7], parts(bolt), "")
    again = await taken(store, "STRUCTURES", file_of([head, same, other]))
    assert (counts(again), await errors(store, again)) == ((0, 0, 1, 1), [(3, "components", "CONTENT_DIFFERS")])


@pytest.mark.rule("MAT-320")
async def test_bad_rows_of_structures_are_named(store: Plant) -> None:
    made, bolt = [await item(store) for _ in range(2)]
    await taken(
        store, "STRUCTURES", file_of([HEAD, (number(bolt), "2020-01-01", "1", "H87", parts(await item(store)))])
    )
    bad = [
        ("nobody", "2020-01-01", "1", "H87", parts(bolt)),
        (number(made), "1.1.2020", "1", "H87", parts(bolt)),
        (number(made), "2020-01-02", "0", "H87", parts(bolt)),
        (number(made), "2020-01-03", "1", "H87", "two bolts"),
        (number(made), "2020-01-04", "1", "H87", parts(bolt, numerator="0")),
        (number(made), "2020-01-05", "1", "H87", '[{"item": "nobody", "numerator": 1}]'),
        (number(made), "2020-01-06", "1", "H87", parts(made)),
        (number(made), "2020-01-07", "1,5", "H87", parts(bolt)),
        (number(made), "2020-01-08", "1", "H87", parts(bolt)),
        (number(bolt), "2025-01-01", "1", "H87", parts(made)),
    ]
    done = await taken(store, "STRUCTURES", file_of([HEAD, *bad]))
    assert counts(done) == (1, 0, 0, 9)
    assert await errors(store, done) == [
        (2, "item", "FIELD_INVALID"), (3, "effective_date", "FIELD_INVALID"), (4, "base_quantity", "FIELD_INVALID"),
        (5, "components", "FIELD_INVALID"), (6, "components", "FIELD_INVALID"), (7, "components", "FIELD_INVALID"),
        (8, "components", "CYCLE"), (9, "base_quantity", "FIELD_INVALID"), (11, "components", "CYCLE"),
    ]  # fmt: skip


@pytest.mark.rule("MAT-130")
@pytest.mark.parametrize(
    ("known", "day", "way"),
    [
        ({}, 5, []),
        ({"b": {1: ["a"]}}, 5, ["a", "b", "a"]),
        ({"b": {1: ["a"], 4: ["c"]}}, 5, []),
        ({"b": {1: ["a"], 6: ["c"]}}, 5, ["a", "b", "a"]),
        ({"b": {1: ["c"], 6: ["a"]}}, 5, ["a", "b", "a"]),
        ({"b": {1: ["c", "d"]}, "c": {1: ["d"]}, "d": {1: ["c"], 9: ["a"]}}, 5, ["a", "b", "d", "a"]),
        ({"b": {1: ["c"]}, "c": {1: ["b"]}}, 5, []),
    ],
)
def test_a_circle_counts_on_any_day_from_the_revision_on(known: Any, day: int, way: list[str]) -> None:
    def on(number: int) -> Any:
        return site_today().replace(month=1, day=number)

    dated = {name: {on(one): goes_in for one, goes_in in days.items()} for name, days in known.items()}
    assert back("a", ["b"], on(day), dated) == way


@pytest.mark.rule("MAT-130")
@pytest.mark.rule("MAT-321")
async def test_orders_of_another_system_come_once_and_only_their_times_move(store: Plant) -> None:
    bolt, system = await item(store), fresh("erp")
    made = await made_of(store, bolt)
    row = (system, "007", number(made), "5", "H87", "bin", "RELEASED", "2030-05-01T06:00:00Z")
    done = await taken(store, "PRODUCTION_ORDERS", file_of([ORDER, row, (system, "7", *row[2:6], "", "")]))
    assert counts(done) == (2, 0, 0, 0)
    first, second = [await read(store, shown.resource) for shown in await rows(store, done)]
    Order = production_pb2.ProductionOrder
    assert (first.state, first.external_id, first.quantity.value) == (Order.RELEASED, "007", "5")
    assert (second.state, second.components[0].required.value, second.output_location) == (
        Order.PLANNED,
        "10",
        at("bin"),
    )
    assert first.number != second.number
    assert counts(await taken(store, "PRODUCTION_ORDERS", file_of([ORDER, row]))) == (0, 0, 1, 0)
    moved = (*row[:7], "2030-06-01T06:00:00Z")
    assert counts(await taken(store, "PRODUCTION_ORDERS", file_of([ORDER, moved]))) == (0, 1, 0, 0)
    assert (await read(store, first.name)).due_time.ToJsonString() == "2030-06-01T06:00:00Z"
    released = (system, "7", *row[2:6], "RELEASED", "")
    with store.look("materials") as connection:  # an order that carries a request is released with it
        update = "update production_order set supply_request = %s where name = %s"
        connection.execute(update, [f"{SITE}/supplyRequests/r", second.name])
        connection.commit()
        carried = await taken(store, "PRODUCTION_ORDERS", file_of([ORDER, released]))
        assert await errors(store, carried) == [(2, "state", "FIELD_INVALID")]
        connection.execute(update, ["", second.name])
    assert counts(await taken(store, "PRODUCTION_ORDERS", file_of([ORDER, released]))) == (0, 1, 0, 0)
    wrong = [
        (system, "007", number(made), "6", "H87", "bin", "", ""),
        (system, "008", number(made), "5", "H87", "bin", "COMPLETED", ""),
        ("", "", number(made), "5", "H87", "bin", "", ""),
        (system, "009", number(bolt), "5", "H87", "bin", "", ""),
        (system, "010", number(made), "0.5", "H87", "bin", "", ""),
        (system, "011", number(made), "5", "H87", "nowhere", "", ""),
        (system, "012", number(made), "5", "H87", "bin", "", "tomorrow"),
        (system, "7", *row[2:6], "CLOSED", ""),
    ]
    bad = await taken(store, "PRODUCTION_ORDERS", file_of([ORDER, *wrong]))
    assert await errors(store, bad) == [
        (2, "quantity", "CONTENT_DIFFERS"), (3, "state", "FIELD_INVALID"), (4, "external_id", "FIELD_INVALID"),
        (5, "item", "FIELD_INVALID"), (6, "quantity", "QUANTITY_NOT_ON_GRID"), (7, "output_location", "FIELD_INVALID"),
        (8, "due_time", "FIELD_INVALID"), (9, "state", "FIELD_INVALID"),
    ]  # fmt: skip
    await store("mara", production_pb2.CancelOrderRequest(name=second.name, reason="given up"))
    late = await taken(store, "PRODUCTION_ORDERS", file_of([ORDER, (*released[:7], "2031-01-01T00:00:00Z")]))
    assert await errors(store, late) == [(2, "due_time", "FIELD_INVALID")]


@pytest.mark.rule("MAT-321")
async def test_claims_of_another_system_take_stock_once(store: Plant) -> None:
    name, system = await item(store), fresh("shop").lower()
    await stocked(store, name, 5)
    need = (site_today() + timedelta(days=30)).isoformat() + "T06:00:00Z"
    file = [
        CLAIM,
        (system, "1", number(name), "3", "H87", need, "2", "shelf"),
        (system, "2", number(name), "4", "H87", "", "", ""),
    ]
    before = contents(store)
    assert counts(await checked(store, "RESERVATIONS", file_of(file))) == (2, 0, 0, 0)
    grown = {one for one, size in contents(store).items() if size != before[one]}
    assert grown == {"materials_import", "materials_import_part", "materials_import_row"}
    assert (await balances(store, name))["shelf", "UNRESTRICTED"] == (Decimal(5), Decimal(0))
    done = await taken(store, "RESERVATIONS", file_of(file))
    assert counts(done) == (2, 0, 0, 0)
    claims = [
        await store("vic", reservations_pb2.GetReservationRequest(name=row.resource)) for row in await rows(store, done)
    ]
    assert [(row.allocated.value, row.short.value, row.priority) for row in claims] == [
        ("3", "0", 2), ("2", "2", 3),
    ]  # fmt: skip
    assert counts(await taken(store, "RESERVATIONS", file_of(file))) == (0, 0, 2, 0)
    wrong = [
        (system, "1", number(name), "4", "H87", need, "2", "shelf"),
        (system, "3", "nothing", "4", "H87", "", "", ""),
        (system, "4", number(name), "0", "H87", "", "", ""),
        ("", "", number(name), "1", "H87", "", "", ""),
        (system, "5", number(name), "1", "H87", "", "9", ""),
        (system, "6", number(name), "1", "H87", "", "", "nowhere"),
    ]
    bad = await taken(store, "RESERVATIONS", file_of([CLAIM, *wrong]))
    assert await errors(store, bad) == [
        (2, "quantity", "CONTENT_DIFFERS"), (3, "item", "FIELD_INVALID"), (4, "quantity", "FIELD_INVALID"),
        (5, "demand", "FIELD_INVALID"), (6, "priority", "FIELD_INVALID"), (7, "delivery_location", "FIELD_INVALID"),
    ]  # fmt: skip


@pytest.mark.rule("MAT-322")
async def test_documents_come_back_as_they_went_out(store: Plant) -> None:
    bolt, nut, made = [await item(store) for _ in range(3)]
    kit = await structure(store, made, "KIT")
    await revised(
        store, kit, [component(bolt, 1, 3, scrap_percent=2, over_percent=5, operation=30, manual=True)],
        outputs=[output(nut, "CO_PRODUCT", cost_percent=10)],
    )  # fmt: skip
    await line(store, place := fresh("line"))
    steps = [production_pb2.ProductionOrder.Operation(operation=number, title=f"=step {number}") for number in (10, 30)]
    await ordered(store, made, 3, line_location=at(place), operations=steps, lot_rule="DAY")
    own = [production_pb2.ProductionOrder.Component(component=component(nut, 1, 7))]
    given = {"source_system": "mes", "external_id": fresh("+1"), "components": own, "line_location": at(place)}
    await ordered(store, bolt, 4, **given)
    await stocked(store, nut, 1)
    await reserved(store, nut, 3)
    for kind in ("STRUCTURES", "PRODUCTION_ORDERS", "RESERVATIONS"):
        for safe in (False, True):
            file = await exported(store, kind, spreadsheet_safe=safe)
            size = len(cells(file))
            assert size >= 2 or kind == "RESERVATIONS"
            again = await taken(store, kind, file, spreadsheet_safe=safe)
            assert (counts(again), await errors(store, again)) == ((0, 0, size, 0), []), kind
            assert await exported(store, kind, spreadsheet_safe=safe) == file


@pytest.mark.rule("PERF-1")
@pytest.mark.rule("MAT-321")
async def test_a_chunk_of_documents_takes_as_many_statements_as_a_few(store: Plant) -> None:
    async def statements(kind: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> int:
        found = await checked(store, kind, file_of([head, *rows]))
        with statements_of(store.processes["materials"].engine) as seen:
            request = exchange_pb2.RunMaterialsImportRequest(name=found.name)
            ended = await call(store, "mara", request)
        assert (ended.state, ended.created_count, ended.error_count) == (Import.DONE, len(rows), 0)
        return len(seen.with_part("materials_import_row r set"))

    bolt, system = await item(store), fresh("erp").lower()
    made = await made_of(store, bolt)

    def orders(first: int, last: int) -> list[tuple[str, ...]]:
        return [(system, f"{n:05}", number(made), "5", "H87", "bin", "RELEASED", "") for n in range(first, last)]

    def claims(first: int, last: int) -> list[tuple[str, ...]]:
        return [(system, f"{n:05}", number(bolt), "1", "H87", "", "", "") for n in range(first, last)]

    def bills(first: int, last: int) -> list[tuple[str, ...]]:
        days = [(site_today() + timedelta(days=n)).isoformat() for n in range(first, last)]
        return [(number(made), one, "1", "H87", parts(bolt)) for one in days]

    for kind, head, some in (
        ("PRODUCTION_ORDERS", ORDER, orders), ("RESERVATIONS", CLAIM, claims), ("STRUCTURES", HEAD, bills),
    ):  # fmt: skip
        assert await statements(kind, head, some(1, 11)) == await statements(kind, head, some(11, 111)), kind
