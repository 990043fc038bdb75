"""What is wrong with a request, from its descriptor alone: required fields, field rules, decimals, dates.

Fields that the server sets are cleared on input (AIP-203). All violations are collected, so that a caller
mends them at once.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import protovalidate
from google.api import annotations_pb2, field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from services.chassis import wire
from services.chassis.faults import FieldInvalid

_REQUIRED = field_behavior_pb2.REQUIRED
_OUTPUT_ONLY = field_behavior_pb2.OUTPUT_ONLY

Violation = tuple[str, str, object]

LONGEST_TEXT = 4000
"""Characters of any text; most fields have a lower limit of their own (SEC-31)."""
_UNPRINTABLE = re.compile(r"[\x00-\x03\x05-\x08\x0b\x0c\x0e-\x1c\x1f\x7f]")
"""Control characters but tab, line ends and the separators inside scanned codes (EOT, GS, RS)."""


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
                frozenset(field.enum_type.values_by_number) if field.enum_type is not None else frozenset(),
            )
        )
    return tuple(found)


@cache
def changes(descriptor: Descriptor) -> bool:
    """Whether a request changes something: it, or each entry of a batch, carries a request_id (AIP-155)."""
    if "request_id" in descriptor.fields_by_name:
        return True
    entries = descriptor.fields_by_name.get("requests")
    return (
        entries is not None and entries.message_type is not None and "request_id" in entries.message_type.fields_by_name
    )


@cache
def masked_field(descriptor: Descriptor) -> str:
    """The resource field that an update request's mask speaks of; empty for other requests."""
    if "update_mask" not in descriptor.fields_by_name:
        return ""
    found: str = next(
        field.name
        for field in descriptor.fields
        if field.message_type is not None and field.name != "update_mask" and not field.is_repeated
    )
    return found


_ENTRIES = "requests"


@cache
def _has_own_entries(descriptor: Descriptor) -> bool:
    """Whether each entry of a batch is a request of its own, with its own outcome."""
    return "request_id" not in descriptor.fields_by_name and changes(descriptor)


def check(request: Message, method: MethodDescriptor | None = None) -> Mapping[int, Sequence[Violation]]:
    """Clear what the server sets, then refuse what breaks a rule of the contract with FieldInvalid.

    What is wrong with entries of a batch is given by their index: the batch refuses each by itself. With the rpc also
    the form of the resource name is checked.
    """
    entries = getattr(request, _ENTRIES) if _has_own_entries(request.DESCRIPTOR) else ()
    sound = _cleared(request)
    sounds = [_cleared(entry) for entry in entries]
    broken: dict[int, list[tuple[str, Any]]] = {}
    for path, violation in _broken(request):
        index, rest = _of_entry(path) if entries else (_BESIDE, path)
        broken.setdefault(index, []).append((rest, violation))
    violations = list(_problems(request, sound, broken.get(_BESIDE, ())))
    bad = {
        index: found
        for index, entry in enumerate(entries)
        if (found := list(_problems(entry, sounds[index], broken.get(index, ()))))
    }
    if method is not None:
        seen = {path for path, _, _ in violations}
        violations += [found for found in _names(request, method) if found[0] not in seen]
    if violations:
        raise FieldInvalid.of(violations)
    return bad


_VARIABLE = re.compile(r"\{([\w.]+)(?:=([^}]*))?\}")


@cache
def name_forms(method: MethodDescriptor) -> Mapping[str, tuple[str, ...]]:
    """Field path -> forms such as sites/*/boxes/* that the rpc's routes give the resource name."""
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    found: dict[str, tuple[str, ...]] = {}
    for binding in (rule, *rule.additional_bindings):
        route = getattr(binding, binding.WhichOneof("pattern") or "get")
        for path, form in _VARIABLE.findall(route):
            found[path] = (*found.get(path, ()), form or "*")
    return found


@cache
def _form(form: str) -> re.Pattern[str]:
    return re.compile("/".join("[^/]+" if part == "*" else re.escape(part) for part in form.split("/")))


def _names(request: Message, method: MethodDescriptor) -> Iterator[Violation]:
    """Names that have not the form of the route; a change names one site, never sites/-."""
    for path, forms in name_forms(method).items():
        value: Any = request
        for part in path.split("."):
            value = getattr(value, part)
        if value == "":
            continue  # an unset required field was found already
        if not any(_form(form).fullmatch(value) for form in forms):
            yield path, f"must have the form {' or '.join(forms)}", value
        elif changes(request.DESCRIPTOR) and "-" in value.split("/"):
            yield path, "must name one resource; - stands for all in lists only", value


_BESIDE = -1
"""What is no entry's."""


def _of_entry(path: str) -> tuple[int, str]:
    """(index of the entry of a batch, path within it) that a path speaks of."""
    index, closed, rest = path.removeprefix(f"{_ENTRIES}[").partition("]")
    return (int(index), rest.removeprefix(".")) if closed and index.isdecimal() else (_BESIDE, path)


def problems(request: Message) -> Iterator[Violation]:
    """(field path, rule, value) of each broken rule, in the order of the fields."""
    return _problems(request, _cleared(request), _broken(request))


def _broken(request: Message) -> list[tuple[str, Any]]:
    """Paths and violations of the rules that fields state themselves."""
    return [(_path(violation), violation) for violation in protovalidate.collect_violations(request)]


def _problems(request: Message, sound: bool, broken: Iterable[tuple[str, Any]]) -> Iterator[Violation]:
    resource = masked_field(request.DESCRIPTOR)
    seen: set[str] = set()
    for path, rule, value in () if sound else _walk(request, "", resource):
        seen.add(path)
        yield path, rule, value
    for path, violation in broken:
        if path in seen or (resource and _unset_in_update(request, resource, path)):
            continue
        yield path, violation.proto.message or violation.proto.rule_id, ""
    if getattr(request, "page_size", 0) < 0:
        yield "page_size", "must not be negative", request.page_size  # type: ignore[attr-defined]
    if "request_id" in request.DESCRIPTOR.fields_by_name:
        text: str = request.request_id  # type: ignore[attr-defined]
        if "request_id" not in seen and not _is_uuid(text):
            yield "request_id", "must be a UUID of version 4, 5 or 7", text


_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def _is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def _path(violation: Any) -> str:
    parts: list[str] = []
    for element in violation.proto.field.elements if violation.proto.field else ():
        part = element.field_name
        subscript = getattr(element, "subscript", None)
        if subscript is not None and getattr(subscript, "field", "") == "index":
            part += f"[{subscript.value}]"
        parts.append(part)
    return ".".join(parts)


@cache
def _field(descriptor: FieldDescriptor) -> _Field:
    return next(field for field in _fields(descriptor.containing_type) if field.descriptor is descriptor)


def _cleared(request: Message) -> bool:
    """Clear what the server sets; whether a walk over the fields is sure to find nothing, as with nearly all."""
    if not masked_field(request.DESCRIPTOR) and _sound(request):
        return True
    _clear(request)
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
                if not _apart(field) and not all(_sound_value(field.kind, item) for item in value):
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


def _apart(field: _Field) -> bool:
    """Whether these are the entries of a batch, each of which is looked at by itself."""
    return field.name == _ENTRIES and _has_own_entries(field.descriptor.containing_type)


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


def _walk(message: Message, prefix: str, masked: str) -> Iterator[Violation]:
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
            for index, item in enumerate(() if _apart(field) else value):
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


def _unset_in_update(request: Message, resource: str, path: str) -> bool:
    parts = path.split(".")
    if parts[0] != resource or len(parts) < 2:
        return False
    paths = set(request.update_mask.paths)  # type: ignore[attr-defined]
    name = parts[1].split("[")[0]
    if "*" in paths or name in paths:
        return False
    present = {field.name for field, _ in getattr(request, resource).ListFields()}
    return name not in present


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
    yield from _walk(value, path + ".", "")


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
