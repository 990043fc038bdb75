"""Columns of CSV files by the contract's fields: how a cell fills its field, and how a field is shown (MAT-320)."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from services.chassis import wire
from services.materials.rules import csv_cells
from services.materials.rules.csv_cells import CellInvalid

_INSTANT = Timestamp.DESCRIPTOR.full_name


@dataclass(frozen=True, slots=True)
class Column:
    """A column and the field that it fills, `gross_weight.value`; without a path the sheet reads it itself."""

    name: str
    path: str = ""

    @property
    def top(self) -> str:
        """The resource's field."""
        return self.path.partition(".")[0]

    def put(self, message: Any, cell: str) -> None:
        """Fill the field; CellInvalid for a cell that cannot be read."""
        if not self.path or not cell:
            return
        *above, last = self.path.split(".")
        for part in above:
            message = getattr(message, part)
        _put(message, message.DESCRIPTOR.fields_by_name[last], cell)

    def cell(self, message: Any) -> str:
        """The cell of the field."""
        *above, last = self.path.split(".")
        for part in above:
            if not message.HasField(part):
                return ""
            message = getattr(message, part)
        return _cell(message, message.DESCRIPTOR.fields_by_name[last])


class Packs(Column):
    """The packs of an item, `BX=10:Box|CS=1/3`."""

    def put(self, message: Any, cell: str) -> None:
        for unit_code, above, below, name in csv_cells.packs(cell):
            message.conversions.add(unit_code=unit_code, numerator=above, denominator=below, pack_name=name)

    def cell(self, message: Any) -> str:
        rows = message.conversions
        return csv_cells.packs_cell((row.unit_code, row.numerator, row.denominator, row.pack_name) for row in rows)


@dataclass(frozen=True, slots=True)
class Parts(Column):
    """Parts of a bill, as a JSON list; `within` is the field of an entry that holds them."""

    within: str = ""

    def put(self, message: Any, cell: str) -> None:
        if not cell:
            return
        try:
            parts = json.loads(cell)
            if not isinstance(parts, list):
                raise CellInvalid("must be a JSON list")
            for part in parts:
                entry = getattr(message, self.path).add()
                json_format.ParseDict(part, getattr(entry, self.within) if self.within else entry)
        except (json_format.ParseError, ValueError, RecursionError) as error:
            raise CellInvalid(f"must be a JSON list of parts: {error}"[:300]) from None

    def cell(self, message: Any) -> str:
        shown = []
        for entry in getattr(message, self.path):
            part = getattr(entry, self.within) if self.within else entry
            part.ClearField("line")
            shown.append(json_format.MessageToDict(part))
        return json.dumps(shown, ensure_ascii=False) if shown else ""


def same(*names: str) -> tuple[Column, ...]:
    """Columns that bear their fields' names."""
    return tuple(Column(name, name) for name in names)


def measure(name: str) -> tuple[Column, Column]:
    """A quantity with the column of its unit."""
    return Column(name, f"{name}.value"), Column(f"{name}_unit", f"{name}.unit_code")


def _put(message: Any, descriptor: FieldDescriptor, cell: str) -> None:
    name = descriptor.name
    if descriptor.is_repeated and descriptor.message_type is None:
        getattr(message, name).extend(cell.split(csv_cells.BETWEEN))
    elif descriptor.is_repeated or descriptor.message_type is not None:
        _put_message(message, descriptor, cell)
    elif descriptor.enum_type is not None:
        if cell not in descriptor.enum_type.values_by_name or not descriptor.enum_type.values_by_name[cell].number:
            known = ", ".join(value.name for value in descriptor.enum_type.values if value.number)
            raise CellInvalid(f"must be one of {known}")
        setattr(message, name, descriptor.enum_type.values_by_name[cell].number)
    elif descriptor.type == FieldDescriptor.TYPE_BOOL:
        setattr(message, name, csv_cells.flag(cell))
    elif descriptor.type == FieldDescriptor.TYPE_STRING:
        setattr(message, name, cell)
    else:
        setattr(message, name, csv_cells.whole(cell))


def _put_message(message: Any, descriptor: FieldDescriptor, cell: str) -> None:
    target = getattr(message, descriptor.name)
    kind = "" if descriptor.is_repeated else descriptor.message_type.full_name
    if kind == wire.DECIMAL:
        target.value = wire.canonical(wire.decimal_of(cell, descriptor.name))
    elif kind == wire.MONEY:
        amount = wire.money(wire.decimal_of(cell, descriptor.name, places=9), "")
        target.units, target.nanos = amount.units, amount.nanos
        target.SetInParent()
    elif kind == wire.DATE:
        try:
            target.CopyFrom(wire.date_message(date.fromisoformat(cell)))
        except ValueError:
            raise CellInvalid("must be a day such as 2026-12-31") from None
    elif kind == _INSTANT:
        try:
            target.FromJsonString(cell)
        except ValueError:
            raise CellInvalid("must be an instant such as 2026-01-31T06:00:00Z") from None
    else:
        try:
            json_format.ParseDict({descriptor.json_name: json.loads(cell)}, message)
        except (json_format.ParseError, ValueError, RecursionError) as error:
            raise CellInvalid(f"must be JSON of the field: {error}"[:300]) from None


def _cell(message: Any, descriptor: FieldDescriptor) -> str:
    name = descriptor.name
    if descriptor.is_repeated and descriptor.message_type is None:
        return csv_cells.BETWEEN.join(getattr(message, name))
    if descriptor.is_repeated or descriptor.message_type is not None:
        return _message_cell(message, descriptor)
    value = getattr(message, name)
    if descriptor.has_presence and not message.HasField(name):
        return ""
    if descriptor.enum_type is not None:
        return str(descriptor.enum_type.values_by_number[value].name) if value else ""
    if descriptor.type == FieldDescriptor.TYPE_BOOL:
        return "true" if value else "false"
    return value if descriptor.type == FieldDescriptor.TYPE_STRING else str(value)


def _message_cell(message: Any, descriptor: FieldDescriptor) -> str:
    if not descriptor.is_repeated and not message.HasField(descriptor.name):
        return ""
    value = getattr(message, descriptor.name)
    kind = "" if descriptor.is_repeated else descriptor.message_type.full_name
    if kind == wire.DECIMAL:
        return str(value.value)
    if kind == wire.MONEY:
        return wire.canonical(wire.amount_of(value))
    if kind == wire.DATE:
        found = wire.to_date(value)
        return found.isoformat() if found is not None else ""
    if kind == _INSTANT:
        return str(value.ToJsonString())
    if descriptor.is_repeated and not value:
        return ""
    if descriptor.is_repeated:
        parts = (json_format.MessageToJson(item, indent=None) for item in value)
        return f"[{', '.join(parts)}]"
    return json_format.MessageToJson(value, indent=None)
