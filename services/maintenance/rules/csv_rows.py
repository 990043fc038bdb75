"""Records of a file of work orders: what a mapping makes of them and what is wrong with them (MNT-340 .. 344)."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

FIELDS = frozenset({"asset", "title", "text", "start_date", "finish_date", "cost", "kind", "external_id"})
REQUIRED = ("asset", "title")
FIRST_YEAR, LAST_YEAR = 1900, 2999

_AMOUNT = re.compile(r"[+-]?\d{1,12}(\.\d{1,9})?")


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


class ColumnsMissing(ValueError):
    """The file has not all columns of the mapping; the text says which."""


class Record(Protocol):
    """Cells of a record and the line that it begins on, or a code and text of what is wrong with it."""

    @property
    def line(self) -> int: ...
    @property
    def cells(self) -> Sequence[str]: ...
    @property
    def code(self) -> str: ...
    @property
    def problem(self) -> str: ...


def read(header: Sequence[str], records: Iterable[Record], mapping: Mapping_) -> Iterator[Row | Fault]:
    """Every record of a file as a good row or as a fault; none vanishes (MNT-340)."""
    missing = [c.name for c in mapping.columns.values() if c.name and c.name not in header]
    if missing:
        raise ColumnsMissing(f"the file has no column {', '.join(missing)}; it has {', '.join(header)}")
    places = {name: header.index(column.name) for name, column in mapping.columns.items() if column.name}
    seen: dict[str, int] = {}
    for record in records:
        if record.problem:
            yield Fault(record.line, "", record.code, record.problem)
        else:
            yield _row(record.line, record.cells, mapping, places, seen)


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
            rule = f"a day from {FIRST_YEAR} to {LAST_YEAR}, {mapping.date_format or 'YYYY-MM-DD'}"
            return Fault(line, mapping.columns[name].name, "DATE_INVALID", f"{values[name]!r} is not {rule}")
    start, finish = days["start_date"], days["finish_date"]
    if start is not None and finish is not None and finish < start:
        return Fault(line, mapping.columns["finish_date"].name, "DATE_INVALID", f"{finish} is before the start {start}")
    cost: Decimal | None = None
    if values.get("cost"):
        if not _AMOUNT.fullmatch(values["cost"]):
            rule = "an amount such as -1234.5, at most 12 digits before and 9 after the point"
            return Fault(line, mapping.columns["cost"].name, "NUMBER_INVALID", f"{values['cost']!r} is not {rule}")
        cost = Decimal(values["cost"])
        if start is None and finish is None:
            return Fault(line, mapping.columns["cost"].name, "DATE_MISSING", "a cost needs the day of the work")
    key = _key(values, cells, seen)
    if not key:
        text = f"{values['external_id']!r} stands on an earlier line too"
        return Fault(line, mapping.columns["external_id"].name, "DUPLICATE", text)
    return Row(line, key, values, start, finish, cost)


def _day(text: str, form: str) -> date | None:
    if not text:
        return None
    day = datetime.strptime(text, form).date() if form else date.fromisoformat(text)
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError("out of range")
    return day


def _key(values: Mapping[str, str], cells: Sequence[str], seen: dict[str, int]) -> str:
    """Identity of a row (MNT-344); "" for an external id that stands twice."""
    if values.get("external_id"):
        key = hashlib.sha256(("id\x1f" + values["external_id"]).encode()).hexdigest()[:24]
        seen[key] = seen.get(key, 0) + 1
        return key if seen[key] == 1 else ""
    digest = hashlib.sha256("\x1f".join(cells).encode()).hexdigest()
    ordinal = seen[digest] = seen.get(digest, 0) + 1
    return hashlib.sha256(f"{digest}\x1f{ordinal}".encode()).hexdigest()[:24]
