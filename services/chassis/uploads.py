"""A file that comes in parts, and the records of a CSV file: RFC 4180 with a header, a byte order mark tolerated.

A quote that is opened and not closed, or a wrong number of fields, spoils its own line only.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select
from sqlmodel import Field, SQLModel

from services.chassis.faults import FieldInvalid, OutOfRange
from services.chassis.unit import Unit

MAX_BYTES = 25 * 1024 * 1024
MAX_LINES = 100
"""Most lines of one record; a longer one is an open quote."""


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


@dataclass(frozen=True, slots=True)
class Record:
    """Cells of the record that begins on a line (the header is on 1), or what is wrong with it."""

    line: int
    cells: Sequence[str]
    code: str = ""
    problem: str = ""


def records(data: bytes, delimiter: str = ",", encoding: str = "utf-8") -> tuple[list[str], Iterator[Record]]:
    """The header and every record behind it; empty lines are left out. FileUnreadable for no file of this form."""
    try:
        text = data.decode(encoding)
    except (UnicodeError, LookupError) as error:
        raise FileUnreadable(f"encoding {encoding}: {error}") from None
    lines = list(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    if not lines:
        raise FileUnreadable("the file is empty")
    header, line, problem = _record(lines, 0, delimiter)
    if problem:
        raise FileUnreadable(f"the header cannot be read: {problem}")
    return header, _behind(lines, line, len(header), delimiter)


def _behind(lines: Sequence[str], line: int, width: int, delimiter: str) -> Iterator[Record]:
    while line < len(lines):
        start = line
        cells, line, problem = _record(lines, start, delimiter)
        if problem:
            line = start + 1
            yield Record(start + 1, (), "ROW_INVALID", problem)
        elif len(cells) not in (0, width):
            line = start + 1
            yield Record(start + 1, (), "FIELD_COUNT", f"has {len(cells)} fields, the header has {width}")
        elif cells:
            yield Record(start + 1, cells)


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
