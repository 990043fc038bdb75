"""A CSV file of work orders, row by row: what a mapping makes of it and what is wrong with it (MNT-340 .. 344)."""

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

FIELDS = frozenset({"asset", "title", "text", "start_date", "finish_date", "cost", "kind", "external_id"})
REQUIRED = ("asset", "title")


@dataclass(frozen=True, slots=True)
class Column:
    """Where a field comes from: a column or a constant, with translated values."""

    name: str = ""
    constant: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mapping_:
    """How a file is read."""

    columns: Mapping[str, Column]
    delimiter: str = ","
    encoding: str = "utf-8"
    date_format: str = ""
    null_tokens: frozenset[str] = frozenset({""})


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row is refused: line (the header is 1), column, code, reason."""

    row: int
    column: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """A good row; `key` is its external id or its digest with its ordinal among equal rows (MNT-344)."""

    row: int
    key: str
    values: Mapping[str, str]
    start: date | None
    finish: date | None
    cost: Decimal | None


class FileUnreadable(ValueError):
    """The file as a whole cannot be read; `column` says where."""


def read(content: bytes, mapping: Mapping_) -> Iterator[Row | Fault]:
    """Every row of the file as a good row or as a fault; none vanishes (MNT-340)."""
    try:
        text = content.decode(mapping.encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise FileUnreadable(f"encoding {mapping.encoding}: {error}") from None
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=mapping.delimiter, strict=True)
    try:
        header = next(reader)
    except StopIteration:
        raise FileUnreadable("the file is empty") from None
    except csv.Error as error:
        raise FileUnreadable(f"the header cannot be read: {error}") from None
    missing = [c.name for c in mapping.columns.values() if c.name and c.name not in header]
    if missing:
        raise FileUnreadable(f"the file has no column {', '.join(missing)}; it has {', '.join(header)}")
    places = {name: header.index(column.name) for name, column in mapping.columns.items() if column.name}
    seen: dict[str, int] = {}
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Fault(line, "", "ROW_INVALID", f"cannot be read: {error}")
            continue
        if not cells:
            continue
        if len(cells) != len(header):
            yield Fault(line, "", "FIELD_COUNT", f"has {len(cells)} fields, the header has {len(header)}")
            continue
        yield _row(line, cells, mapping, places, seen)


def _row(
    line: int, cells: Sequence[str], mapping: Mapping_, places: Mapping[str, int], seen: dict[str, int]
) -> Row | Fault:
    values: dict[str, str] = {}
    for name, column in mapping.columns.items():
        raw = cells[places[name]].strip() if name in places else column.constant
        if raw in mapping.null_tokens:
            raw = ""
        if column.values and raw:
            if raw not in column.values:
                return Fault(line, column.name, "VALUE_UNMAPPED", f"{raw!r} has no translation")
            raw = column.values[raw]
        if "\x00" in raw:
            return Fault(line, column.name, "ROW_INVALID", "holds a NUL character")
        values[name] = raw
    for name in REQUIRED:
        if not values.get(name):
            return Fault(line, mapping.columns[name].name, "REQUIRED", f"{name} is empty")
    days: dict[str, date | None] = {}
    for name in ("start_date", "finish_date"):
        try:
            days[name] = _day(values.get(name, ""), mapping.date_format)
        except ValueError:
            return Fault(line, mapping.columns[name].name, "DATE_INVALID", f"{values[name]!r} is no date")
    cost: Decimal | None = None
    if values.get("cost"):
        try:
            cost = Decimal(values["cost"])
        except InvalidOperation:
            cost = None
        if cost is None or not cost.is_finite() or abs(cost) >= 10**12:
            return Fault(line, mapping.columns["cost"].name, "NUMBER_INVALID", f"{values['cost']!r} is no amount")
    return Row(line, _key(values, cells, seen), values, days["start_date"], days["finish_date"], cost)


def _day(text: str, form: str) -> date | None:
    if not text:
        return None
    return datetime.strptime(text, form).date() if form else date.fromisoformat(text)


def _key(values: Mapping[str, str], cells: Sequence[str], seen: dict[str, int]) -> str:
    if values.get("external_id"):
        return hashlib.sha256(("id\x1f" + values["external_id"]).encode()).hexdigest()[:24]
    digest = hashlib.sha256("\x1f".join(cells).encode()).hexdigest()
    ordinal = seen[digest] = seen.get(digest, 0) + 1
    return hashlib.sha256(f"{digest}\x1f{ordinal}".encode()).hexdigest()[:24]
