"""Row -> message and message -> row by field name, driven by descriptors; there are no mapper functions.

Conventions: Timestamp <-> datetime, google.type.Date <-> date, Duration <-> timedelta, google.type.Decimal
<-> Decimal, enum <-> value name; a Quantity field `f` <-> Decimal `f` with its unit in `f_unit_code`, else in
`unit_code`; a Money field `f` <-> Decimal `f` with its currency in `f_currency_code`, else in
`currency_code`.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation, localcontext
from enum import Enum
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from google.api import field_behavior_pb2
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type import date_pb2, decimal_pb2, money_pb2
from plantops.type.v1 import quantity_pb2

from services.chassis.faults import FieldInvalid

M = TypeVar("M", bound=Message)

QUANTITY = quantity_pb2.Quantity.DESCRIPTOR.full_name
MONEY = money_pb2.Money.DESCRIPTOR.full_name
DECIMAL = decimal_pb2.Decimal.DESCRIPTOR.full_name
DATE = date_pb2.Date.DESCRIPTOR.full_name
TIMESTAMP = "google.protobuf.Timestamp"
DURATION = "google.protobuf.Duration"
STRUCT = "google.protobuf.Struct"

NANO = Decimal(10) ** 9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def canonical(value: Decimal) -> str:
    """Canonical decimal text: no exponent, no plus sign, no trailing zeros; zero is "0"."""
    if not value.is_finite():
        raise ValueError(f"{value} is not a number")
    if value == 0:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def decimal_of(text: str, field: str = "value", *, whole: int = 12, places: int = 6) -> Decimal:
    """Decimal of plain text; FieldInvalid beyond `whole` digits before or `places` after the point."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise FieldInvalid(field=field, rule="must be a decimal number such as 2.5", value=text) from None
    if "e" in text.lower() or not number.is_finite() or text != text.strip() or "_" in text:
        raise FieldInvalid(field=field, rule="must be plain decimal text without exponent", value=text)
    _, digits, exponent = number.as_tuple()
    after = max(0, -int(exponent))
    if after > places or len(digits) - after > whole:
        raise FieldInvalid(
            field=field, rule=f"has at most {whole} digits before and {places} after the point", value=text
        )
    return number


def money(amount: Decimal, currency_code: str) -> money_pb2.Money:
    """google.type.Money of an exact amount with at most nine decimals."""
    with localcontext(prec=60):
        nanos = amount * NANO
        if nanos != nanos.to_integral_value():
            raise ValueError(f"{amount} has more than nine decimals")
        units, rest = divmod(abs(int(nanos)), 10**9)
    sign = -1 if amount < 0 else 1
    return money_pb2.Money(currency_code=currency_code, units=sign * units, nanos=sign * rest)


def amount_of(value: money_pb2.Money) -> Decimal:
    """Exact amount of google.type.Money."""
    with localcontext(prec=60):
        return Decimal(value.units) + Decimal(value.nanos) / NANO


def quantity(value: Decimal, unit_code: str) -> quantity_pb2.Quantity:
    """Quantity message with canonical text."""
    return quantity_pb2.Quantity(value=canonical(value), unit_code=unit_code)


def to_date(value: date_pb2.Date) -> date | None:
    """datetime.date of google.type.Date; None when unset."""
    return date(value.year, value.month, value.day) if value.year and value.month and value.day else None


def date_message(value: date) -> date_pb2.Date:
    """google.type.Date of a calendar day."""
    return date_pb2.Date(year=value.year, month=value.month, day=value.day)


def put_instant(target: Timestamp, value: datetime) -> None:
    """An instant, to the microsecond; a tenth of the time that FromDatetime takes, which goes by calendar fields."""
    since = value - _EPOCH
    target.seconds, target.nanos = since.days * 86400 + since.seconds, since.microseconds * 1000


def enum_name(message: Message, field: str) -> str:
    """Value name of an enum field, such as "DONE"."""
    return _value_names(message.DESCRIPTOR, field)[getattr(message, field)]


@cache
def _value_names(descriptor: Descriptor, field: str) -> Mapping[int, str]:
    enum = descriptor.fields_by_name[field].enum_type
    return {number: value.name for number, value in enum.values_by_number.items()}


# --- row -> message ----------------------------------------------------------------------------------------


def fill(message: M, source: object) -> M:
    """Fill a message from the attributes (or keys) of the same names; None leaves a field unset."""
    for field in message.DESCRIPTOR.fields:
        value = _value(source, field.name)
        if value is not None:
            _set(message, field, value, source)
    return message


def _value(source: object, name: str) -> Any:
    return source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)


def _set(message: Message, field: FieldDescriptor, value: Any, source: object) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        _set_map(message, field, value)
    elif field.is_repeated:
        target = getattr(message, field.name)
        if field.message_type is None:
            target.extend(_scalar(field, item) for item in value)
        else:
            for item in value:
                _set_message(target.add(), item, source, field.name)
    elif field.message_type is None:
        setattr(message, field.name, _scalar(field, value))
    else:
        target = getattr(message, field.name)
        target.SetInParent()
        _set_message(target, value, source, field.name)


def _set_map(message: Message, field: FieldDescriptor, value: Mapping[Any, Any]) -> None:
    target = getattr(message, field.name)
    entry = field.message_type.fields_by_name["value"]
    for key, item in value.items():
        if entry.message_type is None:
            target[key] = _scalar(entry, item)
        else:
            _set_message(target[key], item, value, field.name)


def _scalar(field: FieldDescriptor, value: Any) -> Any:
    if field.enum_type is not None:
        text = value.value if isinstance(value, Enum) else value
        return text if isinstance(text, int) else field.enum_type.values_by_name[text].number
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return canonical(value) if field.type == FieldDescriptor.TYPE_STRING else int(value)
    return str(value) if isinstance(value, UUID) else value


def _set_message(target: Any, value: Any, source: object, name: str) -> None:
    if isinstance(value, Message):
        target.CopyFrom(value)
        return
    kind = target.DESCRIPTOR.full_name
    if kind == TIMESTAMP:
        put_instant(target, value)
    elif kind == DURATION:
        target.FromTimedelta(value)
    elif kind == DECIMAL:
        target.value = canonical(value)
    elif kind == DATE:
        target.year, target.month, target.day = value.year, value.month, value.day
    elif kind == QUANTITY and isinstance(value, Decimal):
        target.value = canonical(value)
        target.unit_code = _unit(source, name, "unit_code")
    elif kind == MONEY and isinstance(value, Decimal):
        target.CopyFrom(money(value, _unit(source, name, "currency_code")))
    elif kind == STRUCT or isinstance(value, Mapping):
        json_format.ParseDict(value, target, ignore_unknown_fields=True)
    else:
        fill(target, value)


def _unit(source: object, name: str, suffix: str) -> str:
    own = _value(source, f"{name}_{suffix}")
    unit = own if own is not None else _value(source, suffix)
    if unit is None:
        raise TypeError(f"{type(source).__name__}.{name} has neither {name}_{suffix} nor {suffix}")
    return str(unit)


# --- message -> row ----------------------------------------------------------------------------------------

_SERVER_SET = {field_behavior_pb2.OUTPUT_ONLY, field_behavior_pb2.IDENTIFIER}


@cache
def behaviours(field: FieldDescriptor) -> frozenset[int]:
    """google.api.field_behavior values of a field."""
    return frozenset(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])


@cache
def _columns(model: type) -> frozenset[str]:
    return frozenset(getattr(model, "model_fields", {}))


@cache
def _kinds(model: type) -> Mapping[str, type[Enum]]:
    """Columns that hold an enum: a table class does not convert what is assigned, and rows compare by identity."""
    table = getattr(model, "__table__", None)
    kinds = {} if table is None else {column.key: getattr(column.type, "kind", None) for column in table.columns}
    return {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Enum)}


def _in_kind(kind: type[Enum] | None, value: Any) -> Any:
    return kind(value) if kind is not None and value in kind._value2member_map_ else value


def values_for(model: type, message: Message, fields: Iterable[str] | None = None) -> dict[str, Any]:
    """Column values of a row class from a message: fields that clients may set and that the class has.

    Without `fields` unset fields that have a column default are left out; named fields are given even when
    empty, so that a mask can clear them.
    """
    columns, kinds = _columns(model), _kinds(model)
    descriptor: Descriptor = message.DESCRIPTOR
    wanted = None if fields is None else set(fields)
    found: dict[str, Any] = {}
    for field in descriptor.fields:
        if behaviours(field) & _SERVER_SET or field.name in {"etag"}:
            continue
        if wanted is not None and field.name not in wanted:
            continue
        if field.name not in columns:
            continue
        present = message.HasField(field.name) if field.has_presence else True
        if wanted is None and field.has_presence and not present:
            continue
        found.update(_column_values(columns, message, field, present))
    return {name: _in_kind(kinds.get(name), value) for name, value in found.items()}


def _column_values(columns: frozenset[str], message: Message, field: FieldDescriptor, present: bool) -> dict[str, Any]:
    name = field.name
    value = getattr(message, name)
    if field.is_repeated:
        if field.message_type is None:
            return {name: [_plain_scalar(field, item) for item in value]}
        if field.message_type.GetOptions().map_entry:
            return {name: dict(value)}
        return {name: [json_of(item) for item in value]}
    if field.message_type is None:
        return {name: _plain_scalar(field, value) if present else None}
    if not present:
        return {name: None}
    kind = field.message_type.full_name
    if kind == QUANTITY:
        unit = f"{name}_unit_code" if f"{name}_unit_code" in columns else "unit_code"
        found: dict[str, Any] = {name: decimal_of(value.value, f"{name}.value")}
        return found | ({unit: value.unit_code} if unit in columns else {})
    if kind == MONEY:
        currency = f"{name}_currency_code" if f"{name}_currency_code" in columns else "currency_code"
        found = {name: amount_of(value)}
        return found | ({currency: value.currency_code} if currency in columns else {})
    return {name: python_of(value, name)}


def _plain_scalar(field: FieldDescriptor, value: Any) -> Any:
    if field.enum_type is None:
        return value
    return field.enum_type.values_by_number[value].name


def python_of(value: Message, field: str = "value") -> Any:
    """Python value of a well-known message: datetime, date, timedelta, Decimal; others as plain JSON data."""
    kind = value.DESCRIPTOR.full_name
    if kind == TIMESTAMP:
        return value.ToDatetime(tzinfo=UTC)  # type: ignore[attr-defined]
    if kind == DURATION:
        return value.ToTimedelta()  # type: ignore[attr-defined]
    if kind == DATE:
        return to_date(value)  # type: ignore[arg-type]
    if kind == DECIMAL:
        return decimal_of(value.value, f"{field}.value")  # type: ignore[attr-defined]
    if kind == MONEY:
        return amount_of(value)  # type: ignore[arg-type]
    return json_of(value)


def json_of(message: Message) -> dict[str, Any]:
    """Plain JSON data of a message with the proto's field names, for JSONB columns."""
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


__all__ = [
    "amount_of", "behaviours", "canonical", "date_message", "decimal_of", "enum_name", "fill", "json_of", "money",
    "put_instant", "python_of", "quantity", "to_date", "values_for",
]  # fmt: skip
