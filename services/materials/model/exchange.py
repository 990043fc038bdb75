"""Files from other systems: parts, rows, what became of each; and the names that others give (MAT-320, MAT-321)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import (
    ARRAY,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    Text,
    bindparam,
    cast,
    func,
    inspect,
    literal_column,
    text,
)
from sqlalchemy import column as sql_column
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlmodel import Field

from services.chassis import audit
from services.chassis.db import json_text
from services.chassis.faults import FieldInvalid
from services.chassis.resource import enum_text
from services.chassis.unit import Unit
from services.chassis.uploads import OffsetWrong, Upload
from services.materials.model import base
from services.materials.model.base import Resource, listed

CHUNK = 1000
"""Rows of one check or run."""
MOST_ROWS, MOST_AT_ONCE = 200_000, 10_000


class Kind(StrEnum):
    ITEMS = "ITEMS"
    ITEM_SETTINGS = "ITEM_SETTINGS"
    LOCATIONS = "LOCATIONS"
    LOTS = "LOTS"
    SERIALS = "SERIALS"
    HANDLING_UNIT_TYPES = "HANDLING_UNIT_TYPES"
    STOCK = "STOCK"
    STRUCTURES = "STRUCTURES"
    PRODUCTION_ORDERS = "PRODUCTION_ORDERS"
    RESERVATIONS = "RESERVATIONS"
    STOCK_VALUE = "STOCK_VALUE"


class State(StrEnum):
    RECEIVING = "RECEIVING"
    CHECKING = "CHECKING"
    CHECKED = "CHECKED"
    RUNNING = "RUNNING"
    DONE = "DONE"


class Outcome(StrEnum):
    CREATED = "CREATED"
    UPDATED = "UPDATED"
    UNCHANGED = "UNCHANGED"
    ERROR = "ERROR"


class Import(Upload, Resource, table=True):
    """A file and how far it is."""

    __tablename__ = "materials_import"
    COLLECTION: ClassVar[str] = "materialsImports"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset(
        {
            (State.RECEIVING, State.CHECKING),
            (State.CHECKING, State.CHECKED),
            (State.CHECKED, State.CHECKING),
            (State.CHECKED, State.RUNNING),
            (State.RUNNING, State.DONE),
        }
    )
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"kind", "state"})
    __table_args__ = (Index("ix_materials_import_site", "site", "name"), *listed("materials_import", "kind", "state"))

    kind: Kind = Field(sa_type=enum_text(Kind))
    title: str = Field(sa_type=Text)
    delimiter: str = Field(default="", sa_type=Text, nullable=False)
    all_or_nothing: bool = Field(default=False, nullable=False)
    spreadsheet_safe: bool = Field(default=False, nullable=False)
    state: State = Field(default=State.RECEIVING, sa_type=enum_text(State), nullable=False)
    header: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))  # type: ignore[call-overload]
    byte_read: int = Field(default=0, nullable=False)
    line_read: int = Field(default=0, nullable=False)
    row_count: int = Field(default=0, nullable=False)
    next_row: int = Field(default=0, nullable=False)
    created_count: int = Field(default=0, nullable=False)
    updated_count: int = Field(default=0, nullable=False)
    unchanged_count: int = Field(default=0, nullable=False)
    error_count: int = Field(default=0, nullable=False)

    def append(self, offset: int, part: bytes) -> None:
        """Take the next part of the file; nothing comes behind a check."""
        if self.state is not State.RECEIVING or self.byte_read:
            self.move(State.RECEIVING)  # says why not
        self.grow(self.name, offset, part)

    def begin(self, state: State, offset: int) -> None:
        """Start or go on with a check or a run at a row; rows are neither left out nor taken twice."""
        if self.state is not state:
            self.move(state)
            self.next_row = 0
        elif offset == 0 and state is State.CHECKING:
            self.next_row = 0
        self.at(offset)
        if offset == 0:
            self.created_count = self.updated_count = self.unchanged_count = self.error_count = 0

    def at(self, offset: int) -> None:
        """Refuse any other row than the next one."""
        if offset != self.next_row:
            raise OffsetWrong(name=self.name, what="rows behind it", have=self.next_row, offset=offset)

    def took(self, rows: Sequence["Given"]) -> bool:
        """Count what became of the next rows; whether they were the last."""
        for row in rows:
            name = f"{row.outcome.lower()}_count"
            setattr(self, name, getattr(self, name) + 1)
        self.next_row += len(rows)
        return self.next_row >= self.row_count


class Part(base.Table, table=True):
    """A part of the file as it came."""

    __tablename__ = "materials_import_part"

    import_: str = Field(
        sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("materials_import.name")],
        sa_column_kwargs={"name": "import"},
    )  # fmt: skip
    first_byte: int = Field(primary_key=True)
    content: bytes = Field(sa_type=LargeBinary)


class ImportRow(base.Table, table=True):
    """A row of the file and what became of it; row counts from 1, the line of the header is 1."""

    __tablename__ = "materials_import_row"
    __table_args__ = (Index("ix_materials_import_row_outcome", "import", "outcome", "row"),)

    import_: str = Field(
        sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("materials_import.name")],
        sa_column_kwargs={"name": "import"},
    )  # fmt: skip
    row: int = Field(primary_key=True)
    line: int
    key: str = Field(sa_type=Text)
    cells: list[str] = Field(sa_type=ARRAY(Text))  # type: ignore[call-overload]
    outcome: str = Field(default="", sa_type=Text, nullable=False)
    column: str = Field(default="", sa_type=Text, nullable=False, sa_column_kwargs={"name": "column_name"})
    code: str = Field(default="", sa_type=Text, nullable=False)
    text: str = Field(default="", sa_type=Text, nullable=False)
    resource: str = Field(default="", sa_type=Text, nullable=False)


class ImportKey(base.Table, table=True):
    """What a row of a file that is being read is known by: a hash, and its line; of equal rows, how many there are."""

    __tablename__ = "materials_import_key"

    import_: str = Field(
        sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("materials_import.name")],
        sa_column_kwargs={"name": "import"},
    )  # fmt: skip
    key: str = Field(sa_type=Text, primary_key=True)
    number: int


class ExternalRecord(base.Table, table=True):
    """What another system calls something here; `home` is the site, empty for what all share."""

    __tablename__ = "external_record"
    __table_args__ = (Index("ix_external_record_name", "kind", "home", "name"),)

    kind: Kind = Field(sa_type=enum_text(Kind), primary_key=True)
    home: str = Field(sa_type=Text, primary_key=True)
    external_id: str = Field(sa_type=Text, primary_key=True)
    name: str = Field(sa_type=Text)
    digest: str = Field(default="", sa_type=Text, nullable=False)


@dataclass(slots=True)
class Given:
    """A row that is worked on; without outcome as long as it is open."""

    row: int
    line: int
    key: str
    cells: Mapping[str, str]
    outcome: str = ""
    column: str = ""
    code: str = ""
    text: str = ""
    resource: str = ""

    @property
    def external_id(self) -> str:
        """What the other system calls it."""
        return self.cells.get("external_id", "")

    def done(self, outcome: Outcome, resource: str) -> None:
        """Set what became of it."""
        self.outcome, self.resource = outcome.value, resource

    def refuse(self, column: str, code: str, reason: str) -> None:
        """Refuse it."""
        self.outcome, self.column, self.code, self.text = Outcome.ERROR.value, column, code, reason
        self.resource = ""


@dataclass(slots=True)
class Externals:
    """External ids of some rows: id -> (name, digest), and which names have one already."""

    by_id: dict[str, tuple[str, str]] = field(default_factory=dict)
    by_name: dict[str, str] = field(default_factory=dict)


_PUT_ROWS = text("""
    insert into materials_import_row (import, row, line, key, cells, outcome, column_name, code, text, resource)
    select :import, x.row, x.line, x.key, x.cells, x.outcome, x.column_name, x.code, x.text, ''
    from jsonb_to_recordset(cast(:rows as jsonb))
      as x(row int, line int, key text, cells text[], outcome text, column_name text, code text, text text)
""")
_ROWS = text("""
    select row, line, key, cells, outcome, column_name, code, text from materials_import_row
    where import = :import and row > :after and row <= :last order by row
""")
_EARLIER = text("""
    select key from materials_import_row where import = :import and row <= :row and key <> '' and code = ''
""")
_PAGE = text("""
    select row, line, outcome, column_name, code, text, resource from materials_import_row
    where import = :import and row > :after and (cast(:outcome as text) = '' or outcome = :outcome)
    order by row limit :size
""")
_KEEP_OUTCOMES = text("""
    update materials_import_row r
    set outcome = x.outcome, column_name = x.column_name, code = x.code, text = x.text, resource = x.resource
    from jsonb_to_recordset(cast(:rows as jsonb))
      as x(row int, outcome text, column_name text, code text, text text, resource text)
    where r.import = :import and r.row between :first and :last and r.row = x.row
""")
_KEYS = text("""
    select k.key, k.number from json_array_elements_text(cast(:keys as json)) x(key)
      join materials_import_key k on k.import = :import and k.key = x.key
""")
_PUT_KEYS = text("""
    insert into materials_import_key as k (import, key, number)
    select :import, x.key, x.value::int from json_each_text(cast(:keys as json)) x
    on conflict (import, key) do update set number = excluded.number
""")
_DROP_KEYS = text("delete from materials_import_key where import = :import")
_EXTERNALS = text("""
    select external_id, name, digest from external_record
    where kind = :kind and home = :home and external_id = any(cast(:ids as text[]))
    union
    select external_id, name, digest from external_record
    where kind = :kind and home = :home and name = any(cast(:names as text[]))
""")
_LINK = text("""
    insert into external_record (kind, home, external_id, name, digest)
    select :kind, :home, x.id, x.name, x.digest
    from unnest(cast(:ids as text[]), cast(:names as text[]), cast(:digests as text[])) as x(id, name, digest)
""")
SPOILED = frozenset({"ROW_INVALID", "FIELD_COUNT", "DUPLICATE"})
"""Codes of rows that are refused when the file is read and stay so."""


async def put_rows(unit: Unit, found: Import, rows: Sequence[Given]) -> None:
    """Keep the rows of a file, in one statement."""
    count = found.row_count + len(rows)
    if count > (limit := MOST_AT_ONCE if found.all_or_nothing else MOST_ROWS):
        raise FieldInvalid(field="content", rule=f"has at most {limit} rows", value=count)
    content = [
        {
            "row": row.row, "line": row.line, "key": row.key, "cells": list(row.cells.values()),
            "outcome": row.outcome, "column_name": row.column, "code": row.code, "text": row.text,
        }
        for row in rows
    ]  # fmt: skip
    await unit.execute(_PUT_ROWS, {"import": found.name, "rows": json_text(content)})
    found.row_count = count


async def keys(unit: Unit, found: Import, wanted: Iterable[str]) -> dict[str, int]:
    """Of some keys those that rows before had: hash -> first line, or how many."""
    rows = await unit.execute(_KEYS, {"import": found.name, "keys": json_text(sorted(wanted))})
    return {row.key: row.number for row in rows}


async def keep_keys(unit: Unit, found: Import, numbers: Mapping[str, int]) -> None:
    """Keep what rows are known by, as long as others come."""
    await unit.execute(_PUT_KEYS, {"import": found.name, "keys": json_text(numbers)})


async def drop_keys(unit: Unit, found: Import) -> None:
    """All rows are read."""
    await unit.execute(_DROP_KEYS, {"import": found.name})


async def next_rows(unit: Unit, found: Import, after: int) -> list[Given]:
    """The rows behind one; those that no reading mends keep their refusal."""
    given = []
    for row in await unit.execute(_ROWS, {"import": found.name, "after": after, "last": after + CHUNK}):
        one = Given(row.row, row.line, row.key, dict(zip(found.header, row.cells, strict=False)))
        if row.code in SPOILED:
            one.refuse(row.column_name, row.code, row.text)
        given.append(one)
    return given


async def earlier(unit: Unit, found: Import) -> set[str]:
    """Keys of good rows before the next one: a check takes what they bring for known; of places alone, which nest."""
    if found.kind is not Kind.LOCATIONS or not found.next_row:
        return set()
    rows = (await unit.execute(_EARLIER, {"import": found.name, "row": found.next_row})).scalars()
    return {key for row in rows for key in row.split("\x1f")}


async def page(unit: Unit, found: Import, outcome: str, after: int, size: int) -> Sequence[Any]:
    """What became of rows behind one, and of one more."""
    where = {"import": found.name, "after": after, "outcome": outcome, "size": size + 1}
    return (await unit.execute(_PAGE, where)).all()


async def keep_outcomes(unit: Unit, found: Import, rows: Sequence[Given]) -> None:
    """Keep what became of rows, in one statement."""
    content = [
        {
            "row": row.row, "outcome": row.outcome, "column_name": row.column, "code": row.code, "text": row.text,
            "resource": row.resource,
        }
        for row in rows
    ]  # fmt: skip
    if content:
        ends = {"first": rows[0].row, "last": rows[-1].row}  # how many rows the file has is nothing to this
        await unit.execute(_KEEP_OUTCOMES, {"import": found.name, "rows": json_text(content), **ends})


async def externals(unit: Unit, kind: Kind, home: str, ids: Iterable[str], names: Iterable[str] = ()) -> Externals:
    """What is known of external ids and of names."""
    wanted = {"ids": sorted({id_ for id_ in ids if id_}), "names": sorted(set(names))}
    found = Externals()
    for row in await unit.execute(_EXTERNALS, {"kind": kind.value, "home": home, **wanted}):
        found.by_id[row.external_id] = (row.name, row.digest)
        found.by_name[row.name] = row.external_id
    return found


async def link(unit: Unit, kind: Kind, home: str, pairs: Sequence[tuple[str, str, str]]) -> None:
    """Remember (external id, name, digest)."""
    if pairs:
        ids, names, digests = (list(values) for values in zip(*pairs, strict=True))
        values = {"ids": ids, "names": names, "digests": digests}
        await unit.execute(_LINK, {"kind": kind.value, "home": home, **values})


async def put(unit: Unit, model: Any, rows: Sequence[Any]) -> None:
    """Write new and changed rows of a resource that the session does not hold, audited, with one statement."""
    if not rows:
        return
    table: Table = model.__table__
    new = func.jsonb_populate_recordset(
        literal_column(f"null::{table.name}"), cast(bindparam("rows", type_=Text), JSONB)
    ).table_valued(*(sql_column(known.name, known.type) for known in table.columns), name="x")
    values = []
    for row in rows:
        fresh = inspect(row).transient
        row.update_time = unit.now
        before, after = audit.changes(row)
        version = 1 if fresh else row.version + 1
        unit.audit(row.name, "", before, after, version)
        attributes = inspect(row).mapper.column_attrs
        values.append({known.columns[0].name: getattr(row, known.key) for known in attributes} | {"version": version})
    names = [known.name for known in table.columns]
    statement = insert(table).from_select(names, new.select())
    statement = statement.on_conflict_do_update(
        index_elements=["name"],
        set_={name: statement.excluded[name] for name in names if name not in ("name", "site", "create_time")},
    )
    await unit.execute(statement, {"rows": json_text(values)})


__all__ = [
    "CHUNK", "Externals", "Given", "Import", "ImportRow", "Kind", "Outcome", "Part", "State",
    "drop_keys", "earlier", "externals", "keep_keys", "keep_outcomes", "keys", "link", "next_rows", "page", "put",
    "put_rows",
]  # fmt: skip
