"""Files of items, places, lots, stock and more, in and out (MAT-320 .. MAT-322)."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from plantops.materials.v1 import exchange_pb2

from services.chassis import uploads
from services.chassis.access import EVERYWHERE, denied
from services.chassis.faults import FailedPrecondition, FieldInvalid
from services.chassis.query import page_size, position
from services.chassis.unit import Unit
from services.chassis.wire import enum_name, values_for
from services.materials.api import sheets_values
from services.materials.api.reading import read_on
from services.materials.api.sheets import Sheet
from services.materials.api.sheets_items import ItemSettingsSheet, ItemSheet
from services.materials.api.sheets_lots import LotSheet, SerialSheet
from services.materials.api.sheets_orders import ProductionOrderSheet
from services.materials.api.sheets_places import HandlingUnitTypeSheet, LocationSheet
from services.materials.api.sheets_reservations import ReservationSheet
from services.materials.api.sheets_stock import StockSheet
from services.materials.api.sheets_structures import StructureSheet
from services.materials.model import exchange
from services.materials.model.exchange import Given, Import, Kind, Outcome, Part, State
from services.materials.model.item import site_fact
from services.materials.rules import csv_cells

SHEETS: Mapping[Kind, Sheet] = {
    sheet.kind: sheet
    for sheet in (
        ItemSheet(), ItemSettingsSheet(), LocationSheet(), LotSheet(), SerialSheet(), HandlingUnitTypeSheet(),
        StockSheet(), StructureSheet(), ProductionOrderSheet(), ReservationSheet(),
    )
}  # fmt: skip
PART_BYTES = 256 * 1024


class ImportHasErrors(FailedPrecondition):
    """A file of which all rows or none come in has a bad one (MAT-321)."""

    text = "{resource} has {count} rows with errors; all rows come in or none."


class MaterialsExchangeService:
    """CSV files."""

    async def get_materials_import(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Import, request.name)

    async def list_materials_imports(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Import, request)

    async def create_materials_import(self, request: Any, unit: Unit) -> Any:
        await site_fact(unit, request.parent.split("/")[1])
        name = unit.new_name(request.parent, Import.COLLECTION)
        found = Import(name=name, **values_for(Import, request.materials_import))
        _delimiter(found.delimiter, "materials_import.delimiter")
        _allowed(unit, found.kind, request.parent.split("/")[1])
        return unit.add(found)

    async def append_materials_import(self, request: Any, unit: Unit) -> Any:
        found = await unit.get(Import, request.name)
        found.append(request.offset, request.content)
        await uploads.keep(unit, Part, found.name, request.offset, request.content)
        return found

    async def check_materials_import(self, request: Any, unit: Unit) -> Any:
        """Read the next rows of the file; when all are read: what would become of the next ones, and no effect."""
        found = await unit.get(Import, request.name)
        sheet = _allowed(unit, found.kind, found.site or "")
        if found.state is State.RECEIVING:
            found.at(request.offset)
            if not await read_on(unit, found, sheet):
                return found
        found.begin(State.CHECKING, request.offset)
        await unit.flush()  # the database sees each move by itself (REL-68)
        rows = await exchange.next_rows(unit, found, found.next_row)
        earlier = await exchange.earlier(unit, found)
        await sheet.judge(unit, found.site or "", rows, dry=True, earlier=earlier)
        await exchange.keep_outcomes(unit, found, rows)
        if found.took(rows):
            found.move(State.CHECKED)
        return found

    async def run_materials_import(self, request: Any, unit: Unit) -> Any:
        """The next rows in one unit, so that a run of any length commits as it goes; with all_or_nothing all."""
        found = await unit.get(Import, request.name)
        sheet = _allowed(unit, found.kind, found.site or "")
        if found.all_or_nothing:
            return await _run_whole(unit, found, sheet)
        found.begin(State.RUNNING, request.offset)
        await unit.flush()
        rows = await exchange.next_rows(unit, found, found.next_row)
        await sheet.judge(unit, found.site or "", rows, dry=False, earlier=set())
        await exchange.keep_outcomes(unit, found, rows)
        if found.took(rows):
            found.move(State.DONE)
        return found

    async def list_materials_import_rows(self, request: Any, unit: Unit) -> Any:
        found = await unit.get(Import, request.parent)
        size = page_size(request)
        outcome = enum_name(request, "outcome") if request.outcome else ""
        rows = await exchange.page(unit, found, outcome, position(request), size)
        answer = exchange_pb2.ListMaterialsImportRowsResponse()
        for row in rows[:size]:
            answer.rows.add(
                line=row.line, outcome=row.outcome or "OUTCOME_UNSPECIFIED", column=row.column_name, code=row.code,
                text=row.text, resource=row.resource,
            )  # fmt: skip
        if len(rows) > size:
            answer.next_page_token = str(rows[size - 1].row)
        return answer

    async def export_materials(self, request: Any, unit: Unit) -> AsyncIterator[exchange_pb2.ExportMaterialsResponse]:
        """The header and all rows, in parts."""
        site = request.parent.split("/")[1]
        await site_fact(unit, site)
        kind = Kind(enum_name(request, "kind"))
        _delimiter(request.delimiter, "delimiter")
        names: Sequence[str] = sheets_values.NAMES
        if kind is sheets_values.KIND:
            pages = sheets_values.export(unit, site, request)
        else:
            names, pages = SHEETS[kind].names, SHEETS[kind].export(unit, site)
        out = _Writer(request.delimiter or ",", spreadsheet_safe=request.spreadsheet_safe)
        out.add([names])
        async for page in pages:
            out.add([row[name] for name in names] for row in page)
            if len(out) >= PART_BYTES:
                yield exchange_pb2.ExportMaterialsResponse(content=out.taken())
        yield exchange_pb2.ExportMaterialsResponse(content=out.taken())


class _Writer:
    """Rows as bytes of RFC 4180."""

    def __init__(self, delimiter: str, *, spreadsheet_safe: bool) -> None:
        self._text = io.StringIO(newline="")
        self._csv = csv.writer(self._text, delimiter=delimiter, lineterminator="\r\n")
        self._shown = csv_cells.marked if spreadsheet_safe else str

    def __len__(self) -> int:
        return self._text.tell()

    def add(self, rows: Iterable[Sequence[str]]) -> None:
        self._csv.writerows([[self._shown(cell) for cell in row] for row in rows])

    def taken(self) -> bytes:
        """What was written since the last time."""
        found = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return found.encode()


def _delimiter(delimiter: str, field: str) -> None:
    if delimiter in ('"', "\r", "\n", "\x00"):
        raise FieldInvalid(field=field, rule="must not be a quote or an end of line")


def _allowed(unit: Unit, kind: Kind, site: str) -> Sheet:
    """The sheet of a kind; PERMISSION_DENIED unless the caller may make and change what its rows are."""
    if kind not in SHEETS:
        raise FieldInvalid(field="materials_import.kind", rule="must be one that comes in", value=kind)
    sheet = SHEETS[kind]
    for permission in sheet.permissions:
        if not unit.caller.may(permission, EVERYWHERE if sheet.flat else site):
            raise denied(permission)
    return sheet


async def _run_whole(unit: Unit, found: Import, sheet: Sheet) -> Import:
    """All rows, or with a bad one none: then it is CHECKED as before and says which one is bad."""
    if found.state is State.CHECKED and found.error_count:
        raise ImportHasErrors(resource=found.name, count=found.error_count)
    if found.state is not State.CHECKED:
        found.begin(State.RUNNING, 0)
    rows: list[Given] = []
    try:
        async with unit.attempt():
            while len(rows) < found.row_count:
                part = await exchange.next_rows(unit, found, len(rows))
                await sheet.judge(unit, found.site or "", part, dry=False, earlier=set())
                rows += part
            if any(row.outcome == Outcome.ERROR for row in rows):
                raise _Bad
    except _Bad:
        await exchange.keep_outcomes(unit, found, [row for row in rows if row.outcome == Outcome.ERROR])
        found.error_count = sum(row.outcome == Outcome.ERROR for row in rows)
        return found
    found.begin(State.RUNNING, 0)
    await unit.flush()
    await exchange.keep_outcomes(unit, found, rows)
    found.took(rows)
    return found.move(State.DONE)


class _Bad(Exception):
    """A row is bad, so that none comes in."""
