"""Imports through the rpcs: a generated file with the quirks of real histories, taken once and completely."""

import csv
import io
import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf import json_format
from plantops.maintenance.v1 import imports_pb2 as pb
from plantops.maintenance.v1 import measures_pb2, occurrences_pb2, work_orders_pb2

from tests.maintenance import builders as make
from tests.plant import Refused, path_of
from tests.world import Plant

Import = pb.MaintenanceImport
Column = Import.Column
HEAD = ("BscStartDate", "Asset", "OriginalShorttext", "PMType", "Cost")


@pytest.fixture(scope="module", autouse=True)
async def two_sites(plant: Plant) -> None:
    await make.sites(plant)


@pytest.fixture(scope="module")
async def letters(plant: Plant, two_sites: None) -> dict[str, str]:
    """Number in the file -> asset."""
    return {letter: await make.asset(plant, number=letter) for letter in "ABCDE"}


def mapping(**given: Any) -> Any:
    """The mapping that comes with the product for such a file."""
    text = (path_of("").parent / "cli" / "samples" / "excavators.json").read_text()
    found = json_format.ParseDict(json.loads(text), Import())
    for name, value in given.items():
        if isinstance(value, str):
            setattr(found, name, value)
        else:
            found.ClearField(name)
            getattr(found, name).extend(value)
    return found


def history(size: int, seed: int) -> list[tuple[str, ...]]:
    """Rows as a planner's export has them: repeats, commas and quotes in texts, negative and missing cost."""
    dice = random.Random(seed)
    rows: list[tuple[str, ...]] = []
    while len(rows) < size:
        day = date(2001, 1, 1) + timedelta(days=dice.randrange(4000))
        text = dice.choice(["BUCKET WON'T OPEN", "loose grease line, bucket", 'HOSE 2" LEAKS', "O/H", "Öl läuft aus"])
        cost = dice.choice(["0", f"{dice.randrange(10**6) / 100}", f"-{dice.randrange(10**4) / 100}", "NA"])
        kind = dice.choices(["PM01", "PM02", "PM06"], [90, 5, 5])[0]
        row = (day.isoformat(), dice.choice("ABCDE"), text, kind, cost)
        rows += [row] * dice.choices([1, 2, 3], [90, 8, 2])[0]
    return rows[:size]


def content(rows: list[tuple[str, ...]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([HEAD, *rows])
    return out.getvalue().encode()


async def sent(plant: Plant, file: bytes, found: Any, *, part: int = 100_000, site: str = make.HAMBURG) -> Any:
    """An import with its file."""
    made = await plant("paul", pb.CreateMaintenanceImportRequest(parent=site, maintenance_import=found))
    for offset in range(0, len(file), part):
        piece = pb.AppendMaintenanceImportRequest(name=made.name, offset=offset, content=file[offset : offset + part])
        made = await plant("paul", piece)
    return made


async def run(plant: Plant, name: str) -> Any:
    """All rows taken."""
    found = await plant("paul", pb.RunMaintenanceImportRequest(name=name), timeout=60)
    while found.state != Import.DONE:
        found = await plant("paul", pb.RunMaintenanceImportRequest(name=name, offset=found.next_row), timeout=60)
    return found


async def errors(plant: Plant, name: str, size: int = 100) -> list[tuple[int, str, str]]:
    found: list[tuple[int, str, str]] = []
    token = ""
    while True:
        request = pb.ListMaintenanceImportErrorsRequest(parent=name, page_size=size, page_token=token)
        page = await plant("vic", request)
        found += [(row.row, row.column, row.code) for row in page.errors]
        token = page.next_page_token
        if not token:
            return found


def orders(plant: Plant, asset: str) -> Iterator[tuple[Any, ...]]:
    query = "select title, kind, state, origin, cost from work_order where asset = %s and origin = 'IMPORTED'"
    return iter(plant.rows("maintenance", query, asset))


@pytest.mark.rule("MNT-340")
@pytest.mark.rule("MNT-344")
@pytest.mark.rule("MNT-345")
async def test_a_history_is_taken_completely_once_and_quietly(plant: Plant, letters: dict[str, str]) -> None:
    rows = history(2_300, seed=1)
    before = plant.value("maintenance", "select count(*) from outbox")
    made = await sent(plant, content(rows), mapping())
    checked = await plant("paul", pb.CheckMaintenanceImportRequest(name=made.name))
    assert (checked.state, checked.row_count, checked.error_count, checked.imported_count) == (
        Import.CHECKED, 2_300, 0, 0,
    )  # fmt: skip
    assert plant.value("maintenance", "select count(*) from work_order") == 0
    done = await run(plant, made.name)
    assert (done.imported_count, done.known_count, done.error_count, done.row_count) == (2_300, 0, 0, 2_300)
    counts = Counter(row[1] for row in rows)
    for letter, asset in letters.items():
        found = list(orders(plant, asset))
        assert len(found) == counts[letter]
        assert Counter(row[0] for row in found) == Counter(row[2] for row in rows if row[1] == letter)
        wanted = sum((Decimal(row[4]) for row in rows if row[1] == letter and row[4] != "NA"), Decimal(0))
        assert sum(row[4] for row in found) == wanted
        assert {row[2] for row in found} == {"CLOSED"}
    assert plant.value("maintenance", "select count(*) from outbox") == before
    assert plant.value("maintenance", "select count(distinct number) from work_order") == 2_300
    audited = plant.value("maintenance", "select count(*) from audit where after ->> 'origin' = 'IMPORTED'")
    assert audited == 2_300

    again = await sent(plant, content(rows), mapping())
    checked = await plant("paul", pb.CheckMaintenanceImportRequest(name=again.name))
    assert (checked.known_count, checked.error_count) == (2_300, 0)
    done = await run(plant, again.name)
    assert (done.imported_count, done.known_count) == (0, 2_300)
    assert plant.value("maintenance", "select count(*) from work_order") == 2_300

    grown = await sent(plant, content([*rows, rows[0], rows[0]]), mapping())
    assert (await run(plant, grown.name)).imported_count == 2
    other = await make.asset(plant, number="A", site=make.ANTWERP)
    elsewhere = await sent(plant, content([row for row in rows if row[1] == "A"][:5]), mapping(), site=make.ANTWERP)
    assert (await run(plant, elsewhere.name)).imported_count == 5
    assert len(list(orders(plant, other))) == 5


@pytest.mark.rule("MNT-343")
@pytest.mark.rule("MNT-346")
async def test_imported_days_give_no_hours_and_no_failures(plant: Plant) -> None:
    asset = await make.asset(plant, number="M")
    rows = [("2004-07-01", "M", "LEAK", kind, "1") for kind in ("PM01", "PM01", "PM02", "PM06")]
    assert (await run(plant, (await sent(plant, content(rows), mapping())).name)).imported_count == 4
    for measure in ("mtbf", "mttr"):
        request = measures_pb2.GetMaintenanceMeasureRequest(
            parent=make.HAMBURG, measure=measure, asset=asset, start_date=make.day(date(2001, 1, 1)),
            end_date=make.day(date(2013, 1, 1)),
        )  # fmt: skip
        found = await plant("vic", request)
        assert (found.status, found.record_count) == (measures_pb2.MaintenanceMeasure.INSUFFICIENT_DATA, 0)
        assert [(row.reason.split(":")[0], row.record_count) for row in found.exclusions] == [
            ("imported", 3), ("not corrective", 1),
        ]  # fmt: skip


@pytest.mark.rule("MNT-345")
async def test_an_imported_order_says_where_it_comes_from_and_is_final(plant: Plant) -> None:
    asset = await make.asset(plant, number="N")
    made = await sent(plant, content([("2004-07-01", "N", "LEAK", "PM01", "12.5")]), mapping())
    await run(plant, made.name)
    request = work_orders_pb2.ListWorkOrdersRequest(parent=make.HAMBURG, filter=f'asset = "{asset}"')
    (order,) = (await plant("vic", request)).work_orders
    assert (order.kind, order.origin, order.title) == (
        work_orders_pb2.WorkOrder.CORRECTIVE, work_orders_pb2.WorkOrder.IMPORTED, "LEAK",
    )  # fmt: skip
    assert (order.cost.units, order.cost.nanos, order.cost_lines[0].cost_date) == (
        12, 500_000_000, make.day(date(2004, 7, 1)),
    )  # fmt: skip
    why = await plant("vic", occurrences_pb2.ExplainWorkOrderRequest(name=order.name))
    assert list(why.explanation) == [f"made by {made.name}"]
    with pytest.raises(Refused) as refused:
        await plant("paul", work_orders_pb2.ReopenWorkOrderRequest(name=order.name, reason="?"))
    assert refused.value.reason == "TRANSITION_NOT_ALLOWED"


@pytest.mark.rule("MNT-340")
@pytest.mark.rule("MNT-341")
@pytest.mark.rule("MNT-342")
async def test_bad_rows_are_named_and_all_good_ones_taken(plant: Plant, letters: dict[str, str]) -> None:
    good = '2003-01-0{},A,"text, with comma",PM01,1.5\n'
    lines = [
        good.format(1), "2003-01-02,A,text,PM01\n", "2003-13-01,A,text,PM01,1\n", good.format(2),
        "2003-01-02,Z,text,PM01,1\n", "2003-01-02,B,text,PM77,1\n", '2003-01-02,B,"open,PM01,1\n',
        "2003-01-02,B,text,PM01,one\n", good.format(3), "2003-01-02,B,,PM01,1\n",
    ]  # fmt: skip
    file = (",".join(HEAD) + "\n" + "".join(lines)).encode()
    made = await sent(plant, file, mapping(), part=37)
    expected = [
        (3, "", "FIELD_COUNT"), (4, "BscStartDate", "DATE_INVALID"), (6, "Asset", "ASSET_UNKNOWN"),
        (7, "PMType", "VALUE_UNMAPPED"), (8, "", "ROW_INVALID"), (9, "Cost", "NUMBER_INVALID"),
        (11, "OriginalShorttext", "REQUIRED"),
    ]  # fmt: skip
    for _ in range(2):
        checked = await plant("paul", pb.CheckMaintenanceImportRequest(name=made.name))
        assert (checked.row_count, checked.error_count) == (10, 7)
        assert await errors(plant, made.name, size=2) == expected
    done = await run(plant, made.name)
    assert (done.imported_count, done.error_count) == (3, 7)
    assert await errors(plant, made.name) == expected
    with pytest.raises(Refused) as over:
        await plant("paul", pb.RunMaintenanceImportRequest(name=made.name))
    assert (over.value.code, over.value.reason) == ("FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED")


@pytest.mark.rule("MNT-344")
async def test_an_external_id_is_taken_once(plant: Plant) -> None:
    await make.asset(plant, number="X")
    columns = [Column(field=name, column=name) for name in ("asset", "title", "external_id", "start_date")]
    first = b"asset,title,external_id,start_date\nX,one,77,2003-01-01\nX,two,78,2003-01-01\nX,again,77,2003-01-01\n"
    made = await sent(plant, first, mapping(columns=columns))
    done = await run(plant, made.name)
    assert (done.imported_count, done.error_count) == (2, 1)
    assert await errors(plant, made.name) == [(4, "external_id", "DUPLICATE")]
    changed = await sent(plant, first.replace(b"one", b"other"), mapping(columns=columns))
    assert (await run(plant, changed.name)).known_count == 2


async def test_parts_and_runs_follow_each_other_without_gap(plant: Plant) -> None:
    made = await sent(plant, content([("2004-07-01", "A", "x", "PM01", "1")] * 1_200), mapping())
    for request, have in (
        (pb.AppendMaintenanceImportRequest(name=made.name, offset=3, content=b"x"), str(made.byte_count)),
        (pb.RunMaintenanceImportRequest(name=made.name, offset=7), "0"),
    ):
        with pytest.raises(Refused) as refused:
            await plant("paul", request)
        assert (refused.value.code, refused.value.reason) == ("OUT_OF_RANGE", "OFFSET_WRONG")
        assert refused.value.metadata["have"] == have
    half = await plant("paul", pb.RunMaintenanceImportRequest(name=made.name), timeout=60)
    assert (half.state, half.next_row) == (Import.RUNNING, 1_000)
    with pytest.raises(Refused) as again:
        await plant("paul", pb.RunMaintenanceImportRequest(name=made.name))
    assert (again.value.reason, again.value.metadata["have"]) == ("OFFSET_WRONG", "1000")
    assert (await plant("vic", pb.GetMaintenanceImportRequest(name=made.name))).next_row == 1_000
    done = await plant("paul", pb.RunMaintenanceImportRequest(name=made.name, offset=1_000), timeout=60)
    assert (done.state, done.imported_count + done.known_count) == (Import.DONE, 1_200)
    listed = await plant("vic", pb.ListMaintenanceImportsRequest(parent=make.HAMBURG, filter="state = DONE"))
    assert made.name in {row.name for row in listed.maintenance_imports}


@pytest.mark.parametrize(
    ("file", "says"), [(b"", "empty"), (b"a,b\n", "no column"), (b"\xff\xfea,b\n", "encoding utf-8")]
)
async def test_a_file_that_cannot_be_read_says_why(plant: Plant, file: bytes, says: str) -> None:
    made = await sent(plant, file, mapping())
    with pytest.raises(Refused) as refused:
        await plant("paul", pb.CheckMaintenanceImportRequest(name=made.name))
    assert (refused.value.code, refused.value.fields) == ("INVALID_ARGUMENT", ["content"])
    assert says in refused.value.message


ASSET, TITLE = Column(field="asset", column="a"), Column(field="title", column="t")


@pytest.mark.rule("MNT-342")
@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"columns": [ASSET]}, "columns"),
        ({"columns": [ASSET, TITLE, TITLE]}, "columns[2].field"),
        ({"columns": [ASSET, TITLE, Column(field="colour", column="c")]}, "columns[2].field"),
        ({"columns": [ASSET, Column(field="title")]}, "columns[1]"),
        ({"columns": [ASSET, Column(field="title", column="t", constant="x")]}, "columns[1]"),
        ({"columns": [ASSET, TITLE, Column(field="kind", column="k")]}, "columns[2].values"),
        ({"delimiter": '"'}, "delimiter"),
        ({"currency_code": "USD"}, "currency_code"),
    ],
)
async def test_a_mapping_that_cannot_be_names_what_is_wrong(plant: Plant, values: Any, field: str) -> None:
    with pytest.raises(Refused) as refused:
        await sent(plant, b"", mapping(**values))
    assert (refused.value.code, refused.value.fields) == ("INVALID_ARGUMENT", [f"maintenance_import.{field}"])


async def test_a_technician_imports_nothing(plant: Plant) -> None:
    with pytest.raises(Refused) as refused:
        await plant("tina", pb.CreateMaintenanceImportRequest(parent=make.HAMBURG, maintenance_import=mapping()))
    assert refused.value.code == "PERMISSION_DENIED"
