"""What is wrong with a request, from its descriptor alone: fields, rules of the contract, names, entries of a batch.

Fields that the server sets are cleared on input (AIP-203). All violations are collected, so that a caller
mends them at once.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import protovalidate
from google.api import annotations_pb2
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message

from services.chassis import fields
from services.chassis.faults import FieldInvalid
from services.chassis.fields import ENTRIES, Violation


@cache
def changes(descriptor: Descriptor) -> bool:
    """Whether a request changes something: it, or each entry of a batch, carries a request_id (AIP-155)."""
    if "request_id" in descriptor.fields_by_name:
        return True
    return _has_own_entries(descriptor)


def _has_own_entries(descriptor: Descriptor) -> bool:
    entries = descriptor.fields_by_name.get(ENTRIES)
    return entries is not None and fields.of_batch(entries)


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


def check(request: Message, method: MethodDescriptor | None = None) -> Mapping[int, Sequence[Violation]]:
    """Clear what the server sets, then refuse what breaks a rule of the contract with FieldInvalid.

    What is wrong with entries of a batch is given by their index: the batch refuses each by itself. With the rpc also
    the form of the resource name is checked.
    """
    entries = getattr(request, ENTRIES) if _has_own_entries(request.DESCRIPTOR) else ()
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
    index, closed, rest = path.removeprefix(f"{ENTRIES}[").partition("]")
    return (int(index), rest.removeprefix(".")) if closed and index.isdecimal() else (_BESIDE, path)


def problems(request: Message) -> Iterator[Violation]:
    """(field path, rule, value) of each broken rule, in the order of the fields."""
    return _problems(request, _cleared(request), _broken(request))


def _cleared(request: Message) -> bool:
    return fields.cleared(request, masked_field(request.DESCRIPTOR))


def _broken(request: Message) -> list[tuple[str, Any]]:
    """Paths and violations of the rules that fields state themselves."""
    return [(_path(violation), violation) for violation in protovalidate.collect_violations(request)]


def _problems(request: Message, sound: bool, broken: Iterable[tuple[str, Any]]) -> Iterator[Violation]:
    resource = masked_field(request.DESCRIPTOR)
    seen: set[str] = set()
    for path, rule, value in () if sound else fields.walk(request, resource):
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
