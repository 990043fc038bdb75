"""History from other systems: a file in parts, its mapping, and what became of each row (MNT-340 .. MNT-346)."""

from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import ARRAY, ForeignKey, Index, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.chassis.faults import FieldInvalid, OutOfRange
from services.chassis.resource import enum_text
from services.maintenance.model.base import Resource, Table
from services.maintenance.model.work_order import Kind
from services.maintenance.rules import csv_rows

MAX_BYTES = 25 * 1024 * 1024
BATCH = 1000
ZERO = Decimal(0)


class State(StrEnum):
    RECEIVING = "RECEIVING"
    CHECKED = "CHECKED"
    RUNNING = "RUNNING"
    DONE = "DONE"


class OffsetWrong(OutOfRange):
    """A part of the file is missing or doubled."""

    text = "{name} has {have} bytes; the part begins at {offset}."


class Import(Resource, table=True):
    """A file with its mapping."""

    __tablename__ = "maintenance_import"
    COLLECTION: ClassVar[str] = "maintenanceImports"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset(
        {
            (State.RECEIVING, State.CHECKED),
            (State.CHECKED, State.CHECKED),
            (State.CHECKED, State.RECEIVING),
            (State.RECEIVING, State.RUNNING),
            (State.CHECKED, State.RUNNING),
            (State.RUNNING, State.RUNNING),
            (State.RUNNING, State.DONE),
        }
    )
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"state"})
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"content"})
    __table_args__ = (Index("ix_maintenance_import_site", "site", "name"),)

    title: str = Field(sa_type=Text)
    delimiter: str = Field(default="", sa_type=Text, nullable=False)
    encoding: str = Field(default="", sa_type=Text, nullable=False)
    date_format: str = Field(default="", sa_type=Text, nullable=False)
    currency_code: str = Field(sa_type=Text)
    null_tokens: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))  # type: ignore[call-overload]
    columns: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    state: State = Field(default=State.RECEIVING, sa_type=enum_text(State), nullable=False)
    content: bytes = Field(default=b"", sa_type=LargeBinary, nullable=False)
    byte_count: int = Field(default=0, nullable=False)
    row_count: int = Field(default=0, nullable=False)
    imported_count: int = Field(default=0, nullable=False)
    known_count: int = Field(default=0, nullable=False)
    error_count: int = Field(default=0, nullable=False)
    next_row: int = Field(default=0, nullable=False)

    def append(self, offset: int, part: bytes) -> "Import":
        """Add the next part; a wrong offset is refused with the right one."""
        if offset != self.byte_count:
            raise OffsetWrong(name=self.name, have=self.byte_count, offset=offset)
        if self.byte_count + len(part) > MAX_BYTES:
            raise FieldInvalid(field="content", rule=f"the file has at most {MAX_BYTES} bytes")
        if self.state is not State.RECEIVING:
            self.move(State.RECEIVING)
        self.content += part
        self.byte_count += len(part)
        return self

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
        return csv_rows.Mapping_(
            columns,
            self.delimiter or ",",
            self.encoding or "utf-8",
            self.date_format,
            frozenset({"", *self.null_tokens}),
        )


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
