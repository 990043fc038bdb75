"""History from other systems: a file in parts, its mapping, and what became of each row (MNT-340 .. MNT-346)."""

from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import ARRAY, ForeignKey, Index, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.chassis.faults import FieldInvalid
from services.chassis.resource import enum_text
from services.chassis.uploads import OffsetWrong, Upload
from services.maintenance.model.base import Resource, Table
from services.maintenance.model.work_order import Kind
from services.maintenance.rules import csv_rows

BATCH = 1000
"""Rows of one run."""


class State(StrEnum):
    RECEIVING = "RECEIVING"
    CHECKED = "CHECKED"
    RUNNING = "RUNNING"
    DONE = "DONE"


class Import(Upload, Resource, table=True):
    """A file with its mapping."""

    __tablename__ = "maintenance_import"
    COLLECTION: ClassVar[str] = "maintenanceImports"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset(
        {
            (State.RECEIVING, State.CHECKED),
            (State.CHECKED, State.RECEIVING),
            (State.RECEIVING, State.RUNNING),
            (State.CHECKED, State.RUNNING),
            (State.RUNNING, State.DONE),
        }
    )
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"state"})
    __table_args__ = (Index("ix_maintenance_import_site", "site", "name"),)

    title: str = Field(sa_type=Text)
    delimiter: str = Field(default="", sa_type=Text, nullable=False)
    encoding: str = Field(default="", sa_type=Text, nullable=False)
    date_format: str = Field(default="", sa_type=Text, nullable=False)
    currency_code: str = Field(sa_type=Text)
    null_tokens: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))  # type: ignore[call-overload]
    columns: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    state: State = Field(default=State.RECEIVING, sa_type=enum_text(State), nullable=False)
    row_count: int = Field(default=0, nullable=False)
    imported_count: int = Field(default=0, nullable=False)
    known_count: int = Field(default=0, nullable=False)
    error_count: int = Field(default=0, nullable=False)
    next_row: int = Field(default=0, nullable=False)

    def append(self, offset: int, part: bytes) -> None:
        """Take the next part; a wrong offset is refused with the right one."""
        self.grow(self.name, offset, part)
        if self.state is not State.RECEIVING:
            self.move(State.RECEIVING)

    def check(self, rows: int, known: int, refused: int) -> None:
        """A dry run: what became of the rows, nothing is imported."""
        if self.state is not State.CHECKED:
            self.move(State.CHECKED)
        self.row_count, self.known_count, self.error_count = rows, known, refused

    def begin(self, offset: int) -> bool:
        """Start or go on with a run at a row; whether it starts. Rows are neither left out nor taken twice."""
        starts = self.state is not State.RUNNING
        if starts:
            self.move(State.RUNNING)
            self.imported_count = self.known_count = self.error_count = self.next_row = 0
        if offset != self.next_row:
            raise OffsetWrong(name=self.name, what="rows behind it", have=self.next_row, offset=offset)
        return starts

    def took(self, rows: int, *, imported: int, known: int, refused: int) -> None:
        """Count what became of the next rows; DONE behind the last one."""
        self.imported_count += imported
        self.known_count += known
        self.error_count += refused
        self.next_row = min(self.next_row + BATCH, rows)
        self.row_count = rows
        if self.next_row >= rows:
            self.move(State.DONE)

    def mapping(self) -> csv_rows.Mapping_:
        """The mapping for the rules; FieldInvalid names what is wrong with it."""
        columns: dict[str, csv_rows.Column] = {}
        for index, column in enumerate(self.columns):
            where = f"maintenance_import.columns[{index}]"
            name = column["field"]
            if name not in csv_rows.FIELDS:
                raise FieldInvalid(
                    field=f"{where}.field", rule=f"must be one of {', '.join(sorted(csv_rows.FIELDS))}", value=name
                )
            if name in columns:
                raise FieldInvalid(field=f"{where}.field", rule="stands twice", value=name)
            if bool(column.get("column")) == bool(column.get("constant")):
                raise FieldInvalid(field=where, rule="names either a column or a constant")
            values = {item["from"]: item["to"] for item in column.get("values", [])}
            if name == "kind" and not values and column.get("constant") not in set(Kind):
                raise FieldInvalid(field=f"{where}.values", rule="a kind needs a translation of its values")
            columns[name] = csv_rows.Column(column.get("column", ""), column.get("constant", ""), values)
        for name in csv_rows.REQUIRED:
            if name not in columns:
                raise FieldInvalid(field="maintenance_import.columns", rule=f"{name} must be mapped")
        if self.delimiter in ('"', "\r", "\n"):
            raise FieldInvalid(field="maintenance_import.delimiter", rule="must not be a quote or an end of line")
        return csv_rows.Mapping_(
            columns,
            self.delimiter or ",",
            self.encoding or "utf-8",
            self.date_format,
            frozenset({"", *self.null_tokens}),
        )


class Part(Table, table=True):
    """A part of the file as it came."""

    __tablename__ = "maintenance_import_part"

    import_: str = Field(
        sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("maintenance_import.name")],
        sa_column_kwargs={"name": "import"},
    )  # fmt: skip
    first_byte: int = Field(primary_key=True)
    content: bytes = Field(sa_type=LargeBinary)


class ImportError_(Table, table=True):
    """A refused row."""

    __tablename__ = "maintenance_import_error"

    import_: str = Field(
        sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("maintenance_import.name")],
        sa_column_kwargs={"name": "import"},
    )  # fmt: skip
    row: int = Field(primary_key=True)
    column: str = Field(sa_type=Text, sa_column_kwargs={"name": "column_name"})
    code: str = Field(sa_type=Text)
    text: str = Field(sa_type=Text)
