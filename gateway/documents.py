"""proto3 JSON -> message with every fault named: unknown fields, wrong types, bad values, each by its field path.

`json_format` stops at the first fault and puts the path into a sentence; a client mends all at once when all are
listed, so the document is compared with the descriptor before it is parsed.
"""

import base64
import binascii
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway.refusals import BodyInvalid
from services.chassis.faults import FieldInvalid

MAX_DEPTH = 32
Violation = tuple[str, str, object]

WELL_KNOWN: Mapping[str, str] = {
    "google.protobuf.Timestamp": "must be an instant such as 2026-03-02T06:15:00Z",
    "google.protobuf.Duration": "must be a duration in seconds such as 90s",
    "google.protobuf.FieldMask": "must be field names separated by commas",
    "google.protobuf.Struct": "must be an object",
    "google.protobuf.Value": "must be a JSON value",
    "google.protobuf.ListValue": "must be a list",
    "google.protobuf.Any": "must be an object with @type",
    "google.protobuf.Empty": "must be an empty object",
}
"""Messages that have a JSON form of their own, with the rule that is told."""

_WRAPPERS = "google.protobuf."
_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def own_form(descriptor: Descriptor) -> bool:
    """Whether a message type has a JSON form of its own (a text, a number) instead of an object of its fields."""
    name: str = descriptor.full_name
    return name in WELL_KNOWN or (name.startswith(_WRAPPERS) and name.endswith("Value"))


def load(body: bytes) -> Any:
    """The body as JSON; BodyInvalid for what is no JSON, is nested too deeply or names a key twice."""
    try:
        value = json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise BodyInvalid(why="it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise BodyInvalid(why=f"{error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise BodyInvalid(why=f"it is nested more than {MAX_DEPTH} deep") from None
    except ValueError as error:
        raise BodyInvalid(why=str(error).partition(";")[0]) from None
    if _deeper(value):
        raise BodyInvalid(why=f"it is nested more than {MAX_DEPTH} deep")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _deeper(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for item in level
            if isinstance(item, (dict, list))
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


def parse(value: Any, message: Message, prefix: str = "") -> None:
    """Put a JSON object into a message; FieldInvalid names every field that does not fit."""
    found = list(violations(message.DESCRIPTOR, value, prefix))
    if found:
        raise FieldInvalid.of(found)
    try:
        json_format.ParseDict(value, message)
    except (json_format.ParseError, ValueError, TypeError, OverflowError) as error:
        raise FieldInvalid(field=prefix or "body", rule=f"does not fit: {error}"[:200]) from None


def by_name(descriptor: Descriptor, key: str) -> FieldDescriptor | None:
    """A field by its JSON name or its name in the contract."""
    field: FieldDescriptor | None = descriptor.fields_by_camelcase_name.get(key) or descriptor.fields_by_name.get(key)
    return field


def violations(descriptor: Descriptor, value: Any, path: str) -> Iterator[Violation]:
    """(field path, rule, value) of everything in a JSON object that does not fit a message type."""
    if not isinstance(value, dict):
        yield path or "body", "must be an object", _shown(value)
        return
    seen: set[str] = set()
    for key, inner in value.items():
        field = by_name(descriptor, key)
        place = f"{path}.{key if field is None else field.name}" if path else (key if field is None else field.name)
        if field is None:
            yield place[:256], "is not a field", _shown(inner)
        elif field.name in seen:
            yield place, "is given twice", _shown(inner)
        elif inner is not None or (field.message_type is not None and field.message_type.full_name.endswith("f.Value")):
            seen.add(field.name)
            yield from _field(field, inner, place)
        else:
            seen.add(field.name)
    for oneof in descriptor.oneofs:
        given = [item.name for item in oneof.fields if item.name in seen and _present(value, item)]
        if len(given) > 1:
            yield path or oneof.name, f"takes only one of {', '.join(given)}", ""


def _present(value: Mapping[str, Any], field: FieldDescriptor) -> bool:
    return value.get(field.name) is not None or value.get(field.camelcase_name) is not None


def _field(field: FieldDescriptor, value: Any, path: str) -> Iterator[Violation]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        if not isinstance(value, dict):
            yield path, "must be an object", _shown(value)
            return
        key, item = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        for name, inner in value.items():
            yield from _scalar(key, name, f"{path}[{name}]")
            yield from _one(item, inner, f"{path}[{name}]")
    elif field.is_repeated:
        if not isinstance(value, list):
            yield path, "must be a list", _shown(value)
            return
        for index, inner in enumerate(value):
            yield from _one(field, inner, f"{path}[{index}]")
    else:
        yield from _one(field, value, path)


def _one(field: FieldDescriptor, value: Any, path: str) -> Iterator[Violation]:
    kind = field.message_type
    if value is None and not (kind is not None and kind.full_name.endswith("f.Value")):
        yield path, "must not be null", ""
    elif kind is None:
        yield from _scalar(field, value, path)
    elif own_form(kind):
        try:
            json_format.ParseDict(value, message_factory.GetMessageClass(kind)())
        except (json_format.ParseError, ValueError, TypeError, AttributeError, OverflowError):
            yield path, WELL_KNOWN.get(kind.full_name, "is of another type"), _shown(value)
    else:
        yield from violations(kind, value, path)


def _scalar(field: FieldDescriptor, value: Any, path: str) -> Iterator[Violation]:
    rule = ""
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        rule = _bytes(value) if field.type == FieldDescriptor.TYPE_BYTES else _text(value)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        rule = "" if isinstance(value, bool) else "must be true or false"
    elif field.enum_type is not None:
        rule = _enum(field.enum_type, value)
    elif field.cpp_type in _INTEGERS:
        rule = _integer(value, *_INTEGERS[field.cpp_type])
    if rule:
        yield path, rule, _shown(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        return "must be a text"
    return "" if value.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in value) else "must be Unicode text"


def _bytes(value: Any) -> str:
    if not isinstance(value, str):
        return "must be a text in base64"
    try:
        base64.b64decode(value.replace("-", "+").replace("_", "/") + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return "must be a text in base64"
    return ""


def _enum(kind: EnumDescriptor, value: Any) -> str:
    if isinstance(value, str) and value in kind.values_by_name:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and value in kind.values_by_number:
        return ""
    return "must be one of " + ", ".join(item.name for item in kind.values if item.number)


def _integer(value: Any, low: int, high: int) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return "must be a whole number"
    if isinstance(value, str):
        digits = value.removeprefix("-")
        if not digits.isascii() or not digits.isdigit() or len(digits) > 20:
            return "must be a whole number"
        value = int(value)
    if isinstance(value, float) and (not math.isfinite(value) or value != int(value)):
        return "must be a whole number"
    return "" if low <= value <= high else f"must lie between {low} and {high}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=True)
    return text.encode("utf-8", "backslashreplace").decode()[:100]
