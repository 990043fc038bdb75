"""Files of other systems: checked first, brought in once, and out again as they came (MAT-320 .. MAT-322)."""

from decimal import Decimal
from typing import Any

import pytest
from plantops.materials.v1 import exchange_pb2, items_pb2, locations_pb2, lots_pb2

from tests.materials import builders as make
from tests.materials.builders import SITE, at, balances, call, fresh, worth
from tests.materials.files import Import, cells, checked, counts, errors, exported, file_of, rows, sent, taken
from tests.plant import Refused
from tests.statements import statements_of
from tests.world import Plant

ITEM = ("external_id", "number", "title", "base_unit", "tracking", "conversions", "gtins", "shelf_life_days")


def item_rows(prefix: str, size: int, **given: str) -> list[tuple[str, ...]]:
    known = {"title": "Bolt", "base_unit": "H87", "tracking": "NONE", **given}
    return [
        tuple({"external_id": f"{prefix}-{n}", "number": f"00{prefix}{n}", **known}.get(name, "") for name in ITEM)
        for n in range(size)
    ]


async def item_of(plant: Plant, number: str) -> Any:
    answer = await plant("vic", items_pb2.ListItemsRequest(filter=f'number = "{number}"'))
    return answer.items[0] if answer.items else None


@pytest.mark.rule("MAT-320")
@pytest.mark.rule("MAT-321")
async def test_a_file_is_checked_without_effect_then_taken_once(store: Plant) -> None:
    prefix = fresh("i")
    good = item_rows(prefix, 3, conversions="BX=10:Box|CS=200", gtins="4006381333931")
    good[1:] = [(*row[:6], "", row[7]) for row in good[1:]]
    file = b"\xef\xbb\xbf" + file_of([ITEM, *good, (f"{prefix}-x", f"{prefix}x", "Nut", "QQ9", "NONE", "", "", "")])
    before = make.contents(store)
    said = await checked(store, "ITEMS", file)
    assert counts(said) == (3, 0, 0, 1)
    assert await errors(store, said) == [(5, "base_unit", "UNIT_UNKNOWN")]
    grown = {name for name, size in make.contents(store).items() if size != before[name]}
    assert grown == {"materials_import", "materials_import_part", "materials_import_row"}
    done = await taken(store, "ITEMS", file)
    assert counts(done) == (3, 0, 0, 1)
    first = await item_of(store, f"00{prefix}0")
    assert [(row.unit_code, row.numerator, row.pack_name) for row in first.conversions] == [
        ("BX", 10, "Box"), ("CS", 200, ""),
    ]  # fmt: skip
    assert list(first.gtins) == ["04006381333931"]
    assert (await rows(store, done))[0].resource == first.name
    again = await taken(store, "ITEMS", file)
    assert counts(again) == (0, 0, 3, 1)
    changed = [(*row[:2], "Bolt 2", *row[3:]) for row in good[:1]] + [(good[1][0], f"R{prefix}", *good[1][2:])]
    assert counts(await taken(store, "ITEMS", file_of([ITEM, *changed, good[2]]))) == (0, 2, 1, 0)
    assert (await item_of(store, f"00{prefix}0")).title == "Bolt 2"
    assert (await item_of(store, f"R{prefix}")).title == "Bolt"
    told = store.value("materials", "select count(*) from outbox where aggregate_id = %s", first.name)
    audited = store.value("materials", "select count(*) from audit where object = %s", first.name)
    assert (told, audited) == (2, 2)


@pytest.mark.rule("MAT-320")
@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"tracking": "SOMETIMES"}, ("tracking", "FIELD_INVALID")),
        ({"title": ""}, ("title", "FIELD_INVALID")),
        ({"conversions": "BX=1,5"}, ("conversions", "FIELD_INVALID")),
        ({"conversions": "BX=ten"}, ("conversions", "FIELD_INVALID")),
        ({"gtins": "4006381333932"}, ("gtins", "FIELD_INVALID")),
        ({"shelf_life_days": "1.5"}, ("shelf_life_days", "FIELD_INVALID")),
        ({"base_unit": "KGM", "tracking": "SERIAL"}, ("tracking", "FIELD_INVALID")),
    ],
)
async def test_a_bad_cell_is_named_and_the_other_rows_come_in(
    store: Plant, given: dict[str, str], wrong: tuple[str, str]
) -> None:
    prefix = fresh("b")
    file = file_of([ITEM, *item_rows(prefix, 1, **given), *item_rows(f"{prefix}g", 1)])
    done = await taken(store, "ITEMS", file)
    assert counts(done) == (1, 0, 0, 1)
    assert await errors(store, done) == [(2, *wrong)]


@pytest.mark.rule("MAT-320")
async def test_a_file_with_semicolons_commas_and_open_quotes_is_refused_row_by_row(store: Plant) -> None:
    prefix = fresh("c")
    head = ("number", "title", "base_unit", "tracking", "gross_weight", "gross_weight_unit")
    text = ";".join(head) + f"\n007{prefix};Bolt;H87;NONE;0.5;KGM\n008{prefix};Nut;H87;NONE;0,5;KGM\n"
    text += f'9{prefix};"open;H87;NONE;;\n10{prefix};Washer;H87;NONE\n11{prefix};Ring;H87;NONE;;KGM\n'
    text += f"007{prefix};a;H87;NONE;;\n"
    done = await taken(store, "ITEMS", text.encode(), delimiter=";")
    assert counts(done) == (2, 0, 0, 4)
    assert await errors(store, done) == [
        (3, "gross_weight", "FIELD_INVALID"), (4, "", "ROW_INVALID"), (5, "", "FIELD_COUNT"), (7, "", "DUPLICATE"),
    ]  # fmt: skip
    assert (await item_of(store, f"007{prefix}")).gross_weight.value == "0.5"
    for content, says in (
        (b"number;titel\n", "titel"),
        (b"number;number\n", "twice"),
        (b"", "empty"),
        (b"\xff", "utf-8"),
    ):
        if content:
            made = await sent(store, "ITEMS", content, delimiter=";")
            with pytest.raises(Refused, match=says) as error:
                await store("mara", exchange_pb2.CheckMaterialsImportRequest(name=made.name))
            assert (error.value.reason, error.value.fields) == ("FIELD_INVALID", ["content"])


@pytest.mark.rule("MAT-321")
async def test_rows_are_independent_unless_all_or_nothing(store: Plant) -> None:
    prefix = fresh("a")
    bad = item_rows(f"{prefix}b", 1, base_unit="QQ9")
    file = file_of([ITEM, *item_rows(prefix, 2), *bad])
    whole = await checked(store, "ITEMS", file, all_or_nothing=True)
    with pytest.raises(Refused) as error:
        await store("mara", exchange_pb2.RunMaterialsImportRequest(name=whole.name))
    assert (error.value.reason, error.value.code) == ("IMPORT_HAS_ERRORS", "FAILED_PRECONDITION")
    assert await item_of(store, f"00{prefix}0") is None
    assert counts(await taken(store, "ITEMS", file_of([ITEM, *item_rows(prefix, 2)]), all_or_nothing=True))[0] == 2
    late = await checked(store, "ITEMS", file_of([ITEM, *item_rows(f"{prefix}l", 2)]), all_or_nothing=True)
    await store("mara", items_pb2.CreateItemRequest(item=items_pb2.Item(
        number=f"00{prefix}l1", title="x", base_unit_code="KGM", tracking="NONE",
    )))  # fmt: skip
    name = (await item_of(store, f"00{prefix}l1")).name
    await make.stocked(store, name, "1", unit_code="KGM")
    ended = await store("mara", exchange_pb2.RunMaterialsImportRequest(name=late.name))
    assert (ended.state, ended.error_count) == (Import.CHECKED, 1)
    assert await errors(store, ended) == [(3, "base_unit", "HAS_MOVED")]
    assert await item_of(store, f"00{prefix}l0") is None


@pytest.mark.rule("MAT-321")
async def test_what_other_systems_call_something_stays(store: Plant) -> None:
    prefix = fresh("e")
    await taken(store, "ITEMS", file_of([ITEM, *item_rows(prefix, 2)]))
    swapped = [(f"{prefix}-0", f"00{prefix}1", "x", "H87", "NONE", "", "", "")]
    swapped += [(f"{prefix}-new", f"00{prefix}0", "x", "H87", "NONE", "", "", "")]
    done = await taken(store, "ITEMS", file_of([ITEM, *swapped]))
    assert await errors(store, done) == [(2, "external_id", "FIELD_INVALID"), (3, "external_id", "FIELD_INVALID")]
    with pytest.raises(Refused) as error:
        await sent(store, "ITEMS", b"x", person="sam")
    assert error.value.reason == "PERMISSION_DENIED"


@pytest.mark.rule("MAT-320")
@pytest.mark.rule("MAT-321")
async def test_places_nest_within_a_file_and_circles_are_refused(store: Plant) -> None:
    prefix = fresh("p")
    head = ("external_id", "id", "title", "kind", "parent", "path_order", "limits")
    file = [
        head,
        ("A-01", f"{prefix}-a", "Aisle", "GROUP", "", "", ""),
        ("A-01-01", "", "Shelf", "STORAGE", "A-01", "1", '{"maxWeight": {"value": "100", "unitCode": "KGM"}}'),
        ("A-02", f"{prefix}-b", "Aisle", "GROUP", f"{prefix}-a", "", ""),
        ("V", f"{prefix}-v", "Void", "SCRAP", "", "", ""),
        ("O", f"{prefix}-o", "Orphan", "STORAGE", "nowhere", "", ""),
        ("S", f"{prefix}-s", "Stacked", "STORAGE", "A-01-01", "", ""),
        ("U", "UPPER", "Upper", "STORAGE", "", "", ""),
    ]
    done = await taken(store, "LOCATIONS", file_of(file))
    assert counts(done) == (3, 0, 0, 4)
    assert await errors(store, done) == [
        (5, "kind", "FIELD_INVALID"), (6, "parent", "FIELD_INVALID"), (7, "parent", "FIELD_INVALID"),
        (8, "id", "FIELD_INVALID"),
    ]  # fmt: skip
    shelf = (await rows(store, done))[1].resource
    found = await store("vic", locations_pb2.GetLocationRequest(name=shelf))
    assert (found.parent_location, found.limits.max_weight.value) == (at(f"{prefix}-a"), "100")
    circle = [head, ("A-01", f"{prefix}-a", "Aisle", "GROUP", f"{prefix}-b", "", "")]
    assert await errors(store, await taken(store, "LOCATIONS", file_of(circle))) == [(2, "parent", "CYCLE")]
    assert counts(await taken(store, "LOCATIONS", file_of(file[:4]))) == (0, 0, 3, 0)


@pytest.mark.rule("MAT-320")
@pytest.mark.rule("MAT-321")
async def test_stock_enters_by_opening_movements_once(store: Plant) -> None:
    name = await make.item(store, conversions=[items_pb2.Item.Conversion(unit_code="BX", numerator=10, denominator=1)])
    number = name.removeprefix("items/").upper()
    head = ("external_id", "item", "location", "status", "quantity", "unit", "value")
    file = file_of(
        [
            head, ("q1", number, "shelf", "", "2", "BX", "50.00"), ("q2", number, "bin", "BLOCKED", "5", "H87", "12.5"),
            ("q3", number, "bin", "", "0.5", "H87", ""), ("q4", number, "nowhere", "", "1", "H87", ""),
            ("", number, "dock", "", "1", "H87", ""), ("", number, "dock", "", "1", "H87", ""),
        ]
    )  # fmt: skip
    before = make.position(store)
    done = await taken(store, "STOCK", file)
    assert counts(done) == (4, 0, 0, 2)
    assert await errors(store, done) == [(4, "quantity", "QUANTITY_NOT_ON_GRID"), (5, "location", "FIELD_INVALID")]
    assert await balances(store, name) == {
        ("shelf", "UNRESTRICTED"): (Decimal(20), Decimal(0)), ("bin", "BLOCKED"): (Decimal(5), Decimal(0)),
        ("dock", "UNRESTRICTED"): (Decimal(2), Decimal(0)),
    }  # fmt: skip
    assert worth(store, name)[:2] == (Decimal(27), Decimal("67.50"))
    assert make.kinds_told(store, before).count("MovementPosted") == 4
    assert counts(await taken(store, "STOCK", file)) == (0, 0, 4, 2)
    assert (await balances(store, name))["dock", "UNRESTRICTED"][0] == 2
    other = file_of([head, ("q1", number, "shelf", "", "3", "BX", "50.00")])
    assert await errors(store, await taken(store, "STOCK", other)) == [(2, "external_id", "ALREADY_IMPORTED")]
    with pytest.raises(Refused) as error:
        await sent(store, "STOCK", b"x", person="sam")
    assert error.value.reason == "PERMISSION_DENIED"


@pytest.mark.rule("MAT-322")
async def test_an_export_says_what_there_is_and_comes_back_unchanged(store: Plant) -> None:
    sample = await sample_plant(store)
    for kind in ("ITEMS", "ITEM_SETTINGS", "LOCATIONS", "LOTS", "SERIALS", "HANDLING_UNIT_TYPES", "STOCK"):
        for safe in (False, True):
            file = await exported(store, kind, spreadsheet_safe=safe)
            size = len(cells(file))
            assert size >= 1, kind
            assert counts(await taken(store, kind, file, spreadsheet_safe=safe)) == (0, 0, size, 0), kind
            assert await exported(store, kind, spreadsheet_safe=safe) == file
    marked = next(
        row for row in cells(await exported(store, "ITEMS", spreadsheet_safe=True)) if sample in row["number"]
    )
    assert (marked["title"], marked["item_class"]) == ("'=1+1", "''quoted")
    moved = await exported(store, "STOCK")
    await make.post(store, make.movement("SCRAP", f"items/{sample}", 1, from_location=at("shelf")))
    changed = await taken(store, "STOCK", moved)
    assert [code for _, _, code in await errors(store, changed)] == ["STOCK_DIFFERS"]


@pytest.mark.rule("MAT-322")
@pytest.mark.rule("MAT-321")
async def test_all_settings_of_an_item_go_out_and_come_in(store: Plant) -> None:
    new, held = await make.item(store), await make.item(store)
    await make.stocked(store, held, 1)
    head = ("item", "count_class", "fixed_location", "storage_class", "over_issue_percent", "shortage",
            "valuation_method")  # fmt: skip
    rows = [(new.split("/")[1].upper(), "A", "bin", "COLD", "2.5", "WARN", "FIFO"),
            (held.split("/")[1].upper(), "B", at("bin"), "", "", "", "MOVING_AVERAGE")]  # fmt: skip
    file = file_of([head, *rows])
    assert counts(await taken(store, "ITEM_SETTINGS", file)) == (2, 0, 0, 0)
    assert counts(await taken(store, "ITEM_SETTINGS", file)) == (0, 0, 2, 0)
    out = {row["item"]: row for row in cells(await exported(store, "ITEM_SETTINGS"))}
    assert tuple(out[rows[0][0]][name] for name in head) == rows[0]
    again = await exported(store, "ITEM_SETTINGS")
    assert counts(await taken(store, "ITEM_SETTINGS", again)) == (0, 0, len(cells(again)), 0)
    way = "select valuation_method from value_balance where item = %s"
    assert store.rows("materials", way, new) == [("FIFO",)]
    wrong = [
        (rows[0][0], "A", "dock-9", "", "", "", ""),
        (rows[1][0], "", "", "", "", "", "FIFO"),
    ]
    assert await errors(store, await taken(store, "ITEM_SETTINGS", file_of([head, *wrong]))) == [
        (2, "fixed_location", "FIELD_INVALID"), (3, "valuation_method", "VALUATION_METHOD_IN_USE"),
    ]  # fmt: skip
    worse = [(rows[0][0], "D", "", "", "", "", ""), (rows[1][0], "", "", "", "101", "", "")]
    assert await errors(store, await taken(store, "ITEM_SETTINGS", file_of([head, *worse]))) == [
        (2, "count_class", "FIELD_INVALID"), (3, "over_issue_percent", "FIELD_INVALID"),
    ]  # fmt: skip
    assert store.rows("materials", way, held) == [("MOVING_AVERAGE",)]


async def sample_plant(store: Plant) -> str:
    """Something of everything; gives the id of an item without lots that is on the shelf."""
    sample = fresh("x")
    await store("mara", items_pb2.CreateItemRequest(item_id=sample, item=items_pb2.Item(
        number=sample, title="=1+1", item_class="'quoted", base_unit_code="H87", tracking="NONE",
        standard_cost=make.eur(2, 50),
    )))  # fmt: skip
    await make.stocked(store, f"items/{sample}", 5)
    other = items_pb2.Item.Alternate(item=f"items/{sample}", numerator=1, denominator=2, direction="ONE_WAY")
    both = await make.item(
        store, tracking="LOT_AND_SERIAL", alternates=[other], gross_weight=make.q("0.25", "KGM"),
        rounding="HALF_UP", lot_merge_allowed=False,
    )  # fmt: skip
    number = (await store("vic", items_pb2.GetItemRequest(name=both))).number
    lots = [("item", "number", "supplier", "expire_date"), (number, "-0815", "suppliers/acme", "2040-02-29")]
    assert counts(await taken(store, "LOTS", file_of(lots))) == (1, 0, 0, 0)
    serials = [("item", "number", "lot"), (number, "0001", "-0815"), (number, "0002", "-0815")]
    assert counts(await taken(store, "SERIALS", file_of(serials))) == (2, 0, 0, 0)
    stock = [("item", "lot", "serial", "location", "quantity", "unit"), (number, "-0815", "0001", "bin", "1", "H87")]
    assert counts(await taken(store, "STOCK", file_of(stock))) == (1, 0, 0, 0)
    settings = [("item", "minimum_remaining_life_days", "lot_number_prefix"), (number, "30", "-")]
    assert counts(await taken(store, "ITEM_SETTINGS", file_of(settings))) == (1, 0, 0, 0)
    types = [("external_id", "title", "tare_weight", "tare_weight_unit"), (fresh("PAL"), "Pallet", "25", "KGM")]
    assert counts(await taken(store, "HANDLING_UNIT_TYPES", file_of(types))) == (1, 0, 0, 0)
    return sample


@pytest.mark.rule("MAT-321")
async def test_dates_of_a_known_lot_and_the_lot_of_a_known_serial_stay(store: Plant) -> None:
    name = await make.item(store, tracking="LOT_AND_SERIAL")
    number = name.removeprefix("items/").upper()
    head = ("item", "number", "expire_date", "supplier")
    await taken(store, "LOTS", file_of([head, (number, "L1", "2040-01-01", ""), (number, "L2", "", "")]))
    again = await taken(
        store, "LOTS", file_of([head, (number, "L1", "2041-01-01", ""), (number, "L2", "", "suppliers/x")])
    )
    assert (counts(again), await errors(store, again)) == ((0, 1, 0, 1), [(2, "expire_date", "FIELD_INVALID")])
    lots = await store("vic", lots_pb2.ListLotsRequest(parent=name))
    assert sorted(row.number for row in lots.lots) == ["L1", "L2"]
    first = ("item", "number", "lot")
    await taken(store, "SERIALS", file_of([first, (number, "S1", "L1")]))
    wrong = [first, (number, "S1", "L2"), (number, "S2", ""), (number, "S3", "L9"), ("none", "S4", "L1")]
    done = await taken(store, "SERIALS", file_of(wrong))
    assert [(line, column) for line, column, _ in await errors(store, done)] == [
        (2, "lot"), (3, "lot"), (4, "lot"), (5, "item"),
    ]  # fmt: skip


@pytest.mark.rule("MAT-320")
async def test_parts_and_rows_are_neither_left_out_nor_taken_twice(store: Plant) -> None:
    prefix = fresh("o")
    made = await sent(store, "ITEMS", file_of([ITEM, *item_rows(prefix, 1200)]))
    for request in (
        exchange_pb2.AppendMaterialsImportRequest(name=made.name, offset=1, content=b"x"),
        exchange_pb2.CheckMaterialsImportRequest(name=made.name, offset=1000),
    ):
        with pytest.raises(Refused) as error:
            await store("mara", request)
        assert error.value.reason == "OFFSET_WRONG"
    with pytest.raises(Refused) as error:
        await store("mara", exchange_pb2.RunMaterialsImportRequest(name=made.name))
    assert (error.value.reason, error.value.metadata["state"]) == ("TRANSITION_NOT_ALLOWED", "RECEIVING")
    half = await store("mara", exchange_pb2.CheckMaterialsImportRequest(name=made.name))
    assert (half.state, half.next_row, half.created_count, half.row_count) == (Import.CHECKING, 1000, 1000, 1200)
    with pytest.raises(Refused) as error:
        await store(
            "mara", exchange_pb2.AppendMaterialsImportRequest(name=made.name, offset=made.byte_count, content=b"x")
        )
    assert error.value.reason == "TRANSITION_NOT_ALLOWED"
    anew = await store("mara", exchange_pb2.CheckMaterialsImportRequest(name=made.name))
    assert (anew.next_row, anew.created_count) == (1000, 1000)
    listed = await store("vic", exchange_pb2.ListMaterialsImportsRequest(parent=SITE, filter='state = "CHECKING"'))
    assert [row.name for row in listed.materials_imports] == [made.name]
    assert await store("vic", exchange_pb2.GetMaterialsImportRequest(name=made.name)) == anew
    first = await store("vic", exchange_pb2.ListMaterialsImportRowsRequest(parent=made.name, page_size=2))
    second = await store(
        "vic", exchange_pb2.ListMaterialsImportRowsRequest(parent=made.name, page_token=first.next_page_token)
    )
    assert [row.line for row in [*first.rows, *second.rows][:4]] == [2, 3, 4, 5]


@pytest.mark.rule("PERF-1")
@pytest.mark.rule("MAT-321")
async def test_a_thousand_rows_take_as_many_statements_as_ten(store: Plant) -> None:
    async def statements(kind: str, content: bytes) -> int:
        found = await checked(store, kind, content)
        request = exchange_pb2.RunMaterialsImportRequest(name=found.name)
        with statements_of(store.processes["materials"].engine) as seen:
            ended = await call(store, "stella" if kind == "STOCK" else "mara", request)
        assert (ended.state, ended.created_count) == (Import.DONE, found.row_count)
        return len(seen.with_part("materials_import_row r set"))

    few, many = fresh("f"), fresh("m")
    small = await statements("ITEMS", file_of([ITEM, *item_rows(few, 10, conversions="BX=10")]))
    large = await statements("ITEMS", file_of([ITEM, *item_rows(many, 300, conversions="BX=10")]))
    assert small == large
    head = ("item", "location", "quantity", "unit")
    small = await statements("STOCK", file_of([head, *((f"00{many}{n}", "shelf", "1", "H87") for n in range(10))]))
    large = await statements("STOCK", file_of([head, *((f"00{many}{n}", "bin", "2", "H87") for n in range(100))]))
    assert small == large
