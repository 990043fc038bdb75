"""A file that comes in parts, and the records of a CSV file: RFC 4180 with a header, a byte order mark tolerated.

A quote that is opened and not closed, or a wrong number of fields, spoils its own line only.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import func, insert, select
from sqlmodel import Field, SQLModel

from services.chassis.faults import FieldInvalid, OutOfRange
from services.chassis.unit import Unit

MAX_BYTES = 25 * 1024 * 1024
MAX_LINES = 100
"""Most lines of one record; a longer one is an open quote."""
_MARK = b"\xef\xbb\xbf"


class OffsetWrong(OutOfRange):
    """A part of the file, or of its rows, is missing or doubled."""

    text = "{name} has {have} {what}; {offset} was given."


class FileUnreadable(ValueError):
    """The file as a whole cannot be read; the text says why."""


class Upload(SQLModel):
    """What a resource that is a file in parts has; mixed in before the resource."""

    byte_count: int = Field(default=0, nullable=False)

    def grow(self, name: str, offset: int, part: bytes) -> None:
        """Take the next part; a wrong offset is refused with the right one."""
        if offset != self.byte_count:
            raise OffsetWrong(name=name, what="bytes", have=self.byte_count, offset=offset)
        if self.byte_count + len(part) > MAX_BYTES:
            raise FieldInvalid(field="content", rule=f"the file has at most {MAX_BYTES} bytes")
        self.byte_count += len(part)


async def keep(unit: Unit, table: Any, name: str, first_byte: int, part: bytes) -> None:
    """Store a part in the table of parts, whose columns are import, first_byte and content."""
    values = {"import": name, "first_byte": first_byte, "content": part}
    await unit.execute(insert(table.__table__), values)


async def content(unit: Unit, table: Any, name: str) -> bytes:
    """The whole file."""
    columns = table.__table__.c
    statement = select(columns.content).where(columns["import"] == name).order_by(columns.first_byte)
    return b"".join((await unit.execute(statement)).scalars())


async def window(unit: Unit, table: Any, name: str, first: int, size: int) -> bytes:
    """At least so many bytes of a file from one on, as far as there are."""
    columns = table.__table__.c
    mine = columns["import"] == name
    at = select(func.max(columns.first_byte)).where(mine, columns.first_byte <= first).scalar_subquery()
    statement = select(columns.first_byte, columns.content).where(
        mine, columns.first_byte >= at, columns.first_byte < first + size
    )
    parts = (await unit.execute(statement.order_by(columns.first_byte))).all()
    return b"".join(part.content for part in parts)[first - parts[0].first_byte :] if parts else b""


@dataclass(frozen=True, slots=True)
class Record:
    """Cells of the record that begins on a line (the header is on 1), or what is wrong with it."""

    line: int
    cells: Sequence[str]
    code: str = ""
    problem: str = ""


@dataclass(slots=True)
class Reading:
    """How far a file is read: bytes, lines and records behind the header, and the header itself."""

    byte: int = 0
    line: int = 0
    header: Sequence[str] = ()

    def portion(self, data: bytes, delimiter: str, most: int, *, last: bool) -> list[Record]:
        """At most so many records of the bytes that come next; FileUnreadable for no file of this form.

        Unless the bytes are the last, a record that may go on behind them is left for the next portion: none at all
        means that more bytes are needed.
        """
        if not last:
            data = data[: data.rfind(b"\n") + 1]
        lines = _lines(data, first=self.byte == 0)
        read = 0
        found: list[Record] = []
        if not self.header and lines:
            header, read, problem = _record(lines, 0, delimiter)
            if problem:
                raise FileUnreadable(f"the header cannot be read: {problem}")
            self.header = header
        elif not lines and last and not self.byte:
            raise FileUnreadable("the file is empty")
        while read < len(lines) and len(found) < most and (last or len(lines) - read >= MAX_LINES):
            record, read = _next(lines, read, len(self.header), delimiter)
            if record is not None:
                found.append(replace(record, line=record.line + self.line))
        mark = len(_MARK) if self.byte == 0 and data.startswith(_MARK) else 0
        self.byte += mark + len("".join(lines[:read]).encode()) if read else 0
        self.line += read
        return found


def _lines(data: bytes, *, first: bool, encoding: str = "utf-8") -> list[str]:
    try:
        text = data.decode(encoding)
    except (UnicodeError, LookupError) as error:
        raise FileUnreadable(f"encoding {encoding}: {error}") from None
    return list(io.StringIO(text.removeprefix("\ufeff") if first else text, newline=""))


def records(data: bytes, delimiter: str = ",", encoding: str = "utf-8") -> tuple[list[str], Iterator[Record]]:
    """The header and every record behind it; empty lines are left out. FileUnreadable for no file of this form."""
    lines = _lines(data, first=True, encoding=encoding)
    if not lines:
        raise FileUnreadable("the file is empty")
    header, line, problem = _record(lines, 0, delimiter)
    if problem:
        raise FileUnreadable(f"the header cannot be read: {problem}")
    return header, _behind(lines, line, len(header), delimiter)


def _behind(lines: Sequence[str], line: int, width: int, delimiter: str) -> Iterator[Record]:
    while line < len(lines):
        record, line = _next(lines, line, width, delimiter)
        if record is not None:
            yield record


def _next(lines: Sequence[str], start: int, width: int, delimiter: str) -> tuple[Record | None, int]:
    """The record that begins on a line, None for an empty one, and the line after it."""
    cells, line, problem = _record(lines, start, delimiter)
    if problem:
        return Record(start + 1, (), "ROW_INVALID", problem), start + 1
    if len(cells) not in (0, width):
        return Record(start + 1, (), "FIELD_COUNT", f"has {len(cells)} fields, the header has {width}"), start + 1
    return Record(start + 1, cells) if cells else None, line


def _record(lines: Sequence[str], start: int, delimiter: str) -> tuple[list[str], int, str]:
    """Cells of the record that begins on a line, the line after it, and what is wrong with it."""
    problem = ""
    for part in (lines[start : start + 1], lines[start : start + MAX_LINES]):
        reader = csv.reader(iter(part), delimiter=delimiter, strict=True)
        try:
            return next(reader), start + reader.line_num, ""
        except csv.Error as error:
            problem = f"cannot be read: {error}"
    return [], start + 1, problem
