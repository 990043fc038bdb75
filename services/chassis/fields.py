"""What is wrong with the fields of a message, from its descriptor alone: what is missing, texts, numbers, dates.

Nearly all messages are right, so a quick look comes first; only where it is not sure the walk tells what is wrong.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from services.chassis import wire
from services.chassis.faults import FieldInvalid

_REQUIRED = field_behavior_pb2.REQUIRED
_OUTPUT_ONLY = field_behavior_pb2.OUTPUT_ONLY

Violation = tuple[str, str, object]
"""Field path, rule, value."""

LONGEST_TEXT = 4000
"""Characters of any text; most fields have a lower limit of their own (SEC-31)."""
_UNPRINTABLE = re.compile(r"[\x00-\x03\x05-\x08\x0b\x0c\x0e-\x1c\x1f\x7f]")
"""Control characters but tab, line ends and the separators inside scanned codes (EOT, GS, RS)."""
ENTRIES = "requests"
"""The entries of a batch."""


def of_batch(field: FieldDescriptor) -> bool:
    """Whether these are the entries of a batch, each a request of its own, with its own outcome."""
    own = field.message_type is not None and "request_id" in field.message_type.fields_by_name
    return field.name == ENTRIES and own and "request_id" not in field.containing_type.fields_by_name


@dataclass(frozen=True, slots=True)
class _Field:
    descriptor: FieldDescriptor
    name: str
    required: bool
    output_only: bool
    message: bool
    repeated: bool
    kind: str
    text: bool
    enum: bool
    apart: bool
    """Entries of a batch: each is looked at by itself."""
    numbers: frozenset[int]
    """Values of an enum."""


@cache
def _fields(descriptor: Descriptor) -> tuple[_Field, ...]:
    found = []
    for field in descriptor.fields:
        behaviours = wire.behaviours(field)
        message = field.message_type is not None and not field.message_type.GetOptions().map_entry
        found.append(
            _Field(
                field,
                field.name,
                _REQUIRED in behaviours,
                _OUTPUT_ONLY in behaviours,
                message,
                field.is_repeated,
                field.message_type.full_name if field.message_type is not None else "",
                field.type == FieldDescriptor.TYPE_STRING,
                field.enum_type is not None,
                of_batch(field),
                frozenset(field.enum_type.values_by_number) if field.enum_type is not None else frozenset(),
            )
        )
    return tuple(found)


@cache
def _field(descriptor: FieldDescriptor) -> _Field:
    return next(field for field in _fields(descriptor.containing_type) if field.descriptor is descriptor)


def cleared(message: Message, masked: str = "") -> bool:
    """Clear what the server sets; whether the walk is sure to find nothing, as with nearly all.

    `masked` names the resource of an update: of it only what is present or named by the mask has to be there.
    """
    if not masked and _sound(message):
        return True
    _clear(message)
    return False


@cache
def _needed(descriptor: Descriptor) -> tuple[Mapping[int, _Field], frozenset[int]]:
    """Fields by number, and the numbers of those that have to be given."""
    fields = _fields(descriptor)
    return (
        {field.descriptor.number: field for field in fields},
        frozenset(
            field.descriptor.number
            for field in fields
            if field.required and not field.output_only and _can_be_empty(field.descriptor)
        ),
    )


def _can_be_empty(field: FieldDescriptor) -> bool:
    """Whether the field says when it is not given, as numbers and truth values do not: 0 may be meant."""
    return field.is_repeated or field.has_presence or field.enum_type is not None or field.type in _TEXTS


_TEXTS = frozenset({FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES})


def _sound(message: Message) -> bool:
    """Whether all that has to be given is, all is plain, and nothing is there that the server sets.

    What is not plain may still be right: the walk tells.
    """
    fields, needed = _needed(message.DESCRIPTOR)
    missing = len(needed)
    for descriptor, value in message.ListFields():
        number = descriptor.number
        field = fields[number]
        if field.output_only:
            return False
        missing -= number in needed
        if field.text or field.enum:
            if field.repeated or not _plain(field, value):
                return False
        elif field.message:
            if field.repeated:
                if not field.apart and not all(_sound_value(field.kind, item) for item in value):
                    return False
            elif not _sound_value(field.kind, value):
                return False
    return missing == 0


def _sound_value(kind: str, value: Message) -> bool:
    if kind == wire.QUANTITY:
        return _PLAIN_NUMBER.fullmatch(value.value) is not None and _sound(value)  # type: ignore[attr-defined]
    return next(_message(value, kind, ""), None) is None if kind in _BUILT_IN else _sound(value)


_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,6})?", re.ASCII)
_BUILT_IN = frozenset({wire.DECIMAL, wire.MONEY, wire.DATE, wire.TIMESTAMP})


def _clear(message: Message) -> None:
    for descriptor, value in message.ListFields():
        field = _field(descriptor)
        if field.output_only:
            message.ClearField(field.name)  # type: ignore[arg-type]
        elif field.message:
            for item in value if field.repeated else (value,):
                _clear(item)


def _plain(field: _Field, value: Any) -> bool:
    """Whether a value is surely well formed, as nearly all are; what is not plain is looked at closely."""
    return len(value) <= LONGEST_TEXT and value.isprintable() if field.text else value in field.numbers


def walk(message: Message, masked: str = "", prefix: str = "") -> Iterator[Violation]:
    """Each broken rule, in the order of the fields; paths begin with the prefix."""
    given = {descriptor.name: value for descriptor, value in message.ListFields()}
    for field in _fields(message.DESCRIPTOR):
        if field.name not in given and not field.required and field.name != masked:
            continue  # nothing is wrong with what is not there
        path = prefix + field.name
        value = given[field.name] if field.name in given else getattr(message, field.name)
        if field.required and not field.output_only and _empty(message, field, value):
            yield path, "is required", ""
            continue
        if field.text or field.enum:
            if not field.repeated and _plain(field, value):
                continue
            items = value if field.repeated else (value,)
            for index, item in enumerate(items):
                where = f"{path}[{index}]" if field.repeated else path
                if field.text and len(item) > LONGEST_TEXT:
                    yield where, f"has at most {LONGEST_TEXT} characters", len(item)
                elif field.text and _UNPRINTABLE.search(item):
                    yield where, "must not contain control characters", ""
                elif field.enum and item not in field.numbers:
                    yield where, f"must be one of {_choices(field.descriptor)}", item
            continue
        if not field.message:
            continue
        if field.name == masked and not prefix:
            yield from _walk_masked(message, field, path)
        elif field.repeated:
            for index, item in enumerate(() if field.apart else value):
                yield from _message(item, field.kind, f"{path}[{index}]")
        elif message.HasField(field.name):  # type: ignore[arg-type]
            yield from _message(value, field.kind, path)


def _walk_masked(message: Message, field: _Field, path: str) -> Iterator[Violation]:
    """In an update only what is present or named by the mask has to be there."""
    resource = getattr(message, field.name)
    paths = set(message.update_mask.paths)  # type: ignore[attr-defined]
    for violation in _message(resource, field.kind, path):
        inner = violation[0].removeprefix(path + ".")
        named = "*" in paths or inner.split("[")[0] in paths
        if violation[1] != "is required" or named or "." in inner:
            yield violation


def _choices(field: FieldDescriptor) -> str:
    return ", ".join(value.name for value in field.enum_type.values if value.number)


def _empty(message: Message, field: _Field, value: Any) -> bool:
    if field.repeated:
        return len(value) == 0
    if field.descriptor.has_presence:
        return not message.HasField(field.name)  # type: ignore[arg-type]
    if field.descriptor.enum_type is not None:
        return bool(value == 0)
    return value in ("", b"")  # a number or a bool that is 0 may be meant


def _message(value: Message, kind: str, path: str) -> Iterator[Violation]:
    try:
        if kind == wire.QUANTITY:
            wire.decimal_of(value.value, f"{path}.value")  # type: ignore[attr-defined]
        elif kind == wire.DECIMAL:
            wire.decimal_of(value.value, f"{path}.value")  # type: ignore[attr-defined]
            return
        elif kind == wire.MONEY:
            yield from _money(value, path)
            return
        elif kind == wire.DATE:
            yield from _date(value, path)
            return
        elif kind == wire.TIMESTAMP:
            value.ToDatetime()  # type: ignore[attr-defined]
            return
    except FieldInvalid as fault:
        for field, rule in fault.fields:
            yield field, rule, fault.metadata.get("value", "")
        return
    except (ValueError, OverflowError):
        yield path, "must be an instant between the years 1 and 9999", ""
        return
    yield from walk(value, prefix=path + ".")


def _money(value: Any, path: str) -> Iterator[Violation]:
    code = value.currency_code
    if len(code) != 3 or not code.isascii() or not code.isalpha() or not code.isupper():
        yield f"{path}.currency_code", "must be an ISO 4217 code such as EUR", code
    if not -999_999_999 <= value.nanos <= 999_999_999 or value.units * value.nanos < 0:
        yield f"{path}.nanos", "must lie between -999999999 and 999999999 with the sign of units", value.nanos
    if abs(value.units) >= 10**12:
        yield f"{path}.units", "has at most 12 digits", value.units


def _date(value: Any, path: str) -> Iterator[Violation]:
    try:
        date(value.year, value.month, value.day)
    except ValueError:
        given = f"{value.year}-{value.month}-{value.day}"
        yield path, "must be a calendar day with year, month and day", given
