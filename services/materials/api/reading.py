"""The rows of a file, read some thousand a call: a call is short however large the file is (MAT-320)."""

import hashlib
from collections.abc import Sequence

from services.chassis import uploads
from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.uploads import Reading, Record
from services.materials.api.sheets import Sheet
from services.materials.model import exchange
from services.materials.model.exchange import Given, Import, Kind, Part
from services.materials.rules import csv_cells

ROWS, BYTES = 5000, 512 * 1024
"""What one call reads: rows, of about so many bytes."""


async def read_on(unit: Unit, found: Import, sheet: Sheet) -> bool:
    """Read the next rows; those that cannot be read, or stand twice, are refused already. Whether all are read."""
    reading = Reading(found.byte_read, found.line_read, found.header)
    try:
        records = await _records(unit, found, reading)
    except uploads.FileUnreadable as error:
        raise FieldInvalid(field="content", rule=str(error)) from None
    if wrong := csv_cells.missing(reading.header, sheet.names, sheet.required):
        raise FieldInvalid(field="content", rule=wrong)
    found.header = list(reading.header)
    rows = [_given(found, number, record) for number, record in enumerate(records, found.row_count + 1)]
    keys = {row.row: _keys(sheet, row) for row in rows if not row.outcome}
    wanted = {key for several in keys.values() for key in several} if found.byte_read else set()
    before = await exchange.keys(unit, found, wanted) if wanted else {}
    seen = dict(before)
    for row in rows:
        if not row.outcome:
            _known_by(sheet, row, keys[row.row], seen)
    await exchange.put_rows(unit, found, rows)
    whole = reading.byte >= found.byte_count
    if not whole:
        await exchange.keep_keys(unit, found, {key: value for key, value in seen.items() if before.get(key) != value})
    elif found.byte_read:
        await exchange.drop_keys(unit, found)
    found.byte_read, found.line_read = reading.byte, reading.line
    return whole


async def _records(unit: Unit, found: Import, reading: Reading) -> Sequence[Record]:
    """The next records, of more bytes where those looked at are too few for one."""
    size = BYTES
    while True:
        data = await uploads.window(unit, Part, found.name, found.byte_read, size)
        last = found.byte_read + len(data) >= found.byte_count
        records = reading.portion(data, found.delimiter or ",", ROWS, last=last)
        if last or reading.line > found.line_read:
            return records
        size *= 2


def _given(found: Import, number: int, record: Record) -> Given:
    shown = [csv_cells.unmarked(cell) for cell in record.cells] if found.spreadsheet_safe else record.cells
    row = Given(number, record.line, "", dict(zip(found.header, shown, strict=False)))
    if record.problem or any("\x00" in cell for cell in shown):
        row.cells = {}
        row.refuse("", record.code or "ROW_INVALID", record.problem or "holds a NUL character")
    return row


def _keys(sheet: Sheet, row: Given) -> list[str]:
    """Hashes of what no other row of the file may have; of stock, of all that it says."""
    external = [f"external {row.external_id}"] if sheet.linked and row.external_id else []
    keys = sheet.keys(row.cells) + external
    row.key = row.external_id if sheet.kind is Kind.STOCK else "\x1f".join(keys)
    if not row.key and sheet.kind is Kind.STOCK:
        return [csv_cells.digest(row.cells)[:40]]
    return [hashlib.blake2b(key.encode(), digest_size=16).hexdigest() for key in keys]


def _known_by(sheet: Sheet, row: Given, keys: Sequence[str], seen: dict[str, int]) -> None:
    """Refuse a row whose key an earlier one has, but for equal rows of stock without id, which are counted."""
    if not row.key and sheet.kind is Kind.STOCK:
        said = keys[0]
        seen[said] = seen.get(said, 0) + 1
        row.key = f"#{said}-{seen[said]}"
        return
    for key in keys:
        first = seen.setdefault(key, row.line)
        if first != row.line:
            row.key = ""
            row.refuse("", "DUPLICATE", f"line {first} is about the same")
            return


__all__ = ["read_on"]
