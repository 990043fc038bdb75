"""Requests made from descriptors: well-formed ones, and every single way to spoil them (PROOF-11)."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID, uuid4

from buf.validate import validate_pb2
from google.api import field_behavior_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from services.chassis import wire
from services.chassis.requests import changes, masked_field, name_forms

TEXTS = {
    "country_code": "DE", "currency_code": "EUR", "time_zone": "Europe/Berlin", "unit_code": "H87", "site": "hamburg",
    "filter": "", "order_by": "", "page_token": "", "etag": "", "source": "maintenance", "content_hash": "0" * 64,
    "from_unit_code": "H87", "to_unit_code": "BX", "base_unit_code": "H87", "event_id": str(UUID(int=7 << 76)),
    "role": "planner",
}  # fmt: skip
DEPTH = 3


def empty(method: MethodDescriptor) -> Any:
    """An empty request of an rpc."""
    return message_factory.GetMessageClass(method.input_type)()


def well_formed(method: MethodDescriptor, site: str = "hamburg", identifier: str = "nothing-1") -> Any:
    """A request with every required field, about resources of a site that need not exist."""
    request = empty(method)
    _fill(request, site, identifier, DEPTH)
    for path, forms in name_forms(method).items():
        _put(request, path, _named(forms[0], site, identifier))
    if "request_id" in method.input_type.fields_by_name:
        request.request_id = str(uuid4())
    return request


def _named(form: str, site: str, identifier: str) -> str:
    parts = form.split("/")
    filled = [site if part == "*" and parts[index - 1] == "sites" else part for index, part in enumerate(parts)]
    return "/".join(identifier if part == "*" else part for part in filled)


def _fill(message: Any, site: str, identifier: str, depth: int) -> None:
    for field in message.DESCRIPTOR.fields:
        if field_behavior_pb2.REQUIRED in wire.behaviours(field) and not _of_server(field):
            _set(message, field, site, identifier, depth)


def _set(message: Any, field: FieldDescriptor, site: str, identifier: str, depth: int) -> None:
    """Give a field one plausible value."""
    if field.message_type is not None:
        if field.message_type.GetOptions().map_entry or depth == 0:
            return
        target = getattr(message, field.name)
        target = target.add() if field.is_repeated else target
        target.SetInParent()
        kind = target.DESCRIPTOR.full_name
        if kind == wire.QUANTITY:
            target.value, target.unit_code = "1", "H87"
        elif kind == wire.DECIMAL:
            target.value = "1"
        elif kind == wire.MONEY:
            target.currency_code, target.units = "EUR", 1
        elif kind == wire.DATE:
            target.year, target.month, target.day = 2026, 3, 2
        elif kind == wire.TIMESTAMP:
            target.seconds = 1_700_000_000
        elif kind == wire.DURATION:
            target.seconds = 60
        else:
            _fill(target, site, identifier, depth - 1)
            if "request_id" in target.DESCRIPTOR.fields_by_name:
                target.request_id = str(uuid4())
        return
    value = _scalar(field, site, identifier)
    if field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)


def _scalar(field: FieldDescriptor, site: str, identifier: str) -> Any:
    if field.enum_type is not None:
        return next(value.number for value in field.enum_type.values if value.number)
    if field.type == FieldDescriptor.TYPE_STRING:
        rule = field.GetOptions().Extensions[validate_pb2.field].string
        if rule.uuid:
            return str(uuid4())
        named = list(getattr(rule, "in"))
        return named[0] if named else TEXTS.get(field.name, identifier)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"x"
    return field.type == FieldDescriptor.TYPE_BOOL or 1


def _of_server(field: FieldDescriptor) -> bool:
    behaviours = wire.behaviours(field)
    return field_behavior_pb2.OUTPUT_ONLY in behaviours or field_behavior_pb2.IDENTIFIER in behaviours


def _put(message: Any, path: str, value: Any) -> None:
    *above, last = path.split(".")
    for part in above:
        message = getattr(message, part)
    setattr(message, last, value)


# --- spoiled -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spoiled:
    """A request with one fault, and what the fault is."""

    what: str
    request: Any
    entry: bool = False
    """The fault is in an entry of a batch, which is refused by itself."""


def without_required(method: MethodDescriptor) -> Iterator[Spoiled]:
    """Each required field left out, at every depth."""
    masked = masked_field(method.input_type)
    for path, field in _places(well_formed(method)):
        if field_behavior_pb2.REQUIRED not in wire.behaviours(field) or _optional_zero(field):
            continue
        if path[0][0] == masked and len(path) == 2 and path[1][0] != "name":
            continue  # an update says only what changes
        request = well_formed(method)
        _at(request, path[:-1]).ClearField(path[-1][0])
        yield Spoiled(f"without {_text(path)}", request, _in_entry(method, path))


def _optional_zero(field: FieldDescriptor) -> bool:
    """A number or a bool that is 0 may be meant."""
    return not field.is_repeated and not field.has_presence and field.type not in (
        FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_ENUM,
    )  # fmt: skip


def with_bad_values(method: MethodDescriptor) -> Iterator[Spoiled]:
    """Too long text, text with a NUL, unknown enum numbers, wrong decimals, days and instants, at every depth."""
    for path, field in _everywhere(method.input_type, DEPTH):
        for name, values in _bad(field):
            request = well_formed(method)
            try:
                _enter(request, path, field, values)
            except (ValueError, OverflowError):
                continue
            yield Spoiled(f"{_text(path)} {name}", request, _in_entry(method, path))


def _in_entry(method: MethodDescriptor, path: "Path") -> bool:
    own = "request_id" not in method.input_type.fields_by_name
    return own and changes(method.input_type) and path[0][0] == "requests" and len(path) > 1


def _bad(field: FieldDescriptor) -> Iterator[tuple[str, Any]]:
    if field.type == FieldDescriptor.TYPE_STRING:
        yield "too long", "x" * 20_000
        yield "with NUL", "a\0b"
    elif field.enum_type is not None:
        yield "unknown number", 999
    elif field.message_type is not None:
        kind = field.message_type.full_name
        if kind == wire.QUANTITY:
            for value in ("abc", "1e5", "NaN", "9" * 20, "0.0000001", ""):
                yield f"value {value!r}", {"value": value, "unit_code": "H87"}
            yield "unit", {"value": "1", "unit_code": "no unit"}
        elif kind == wire.DECIMAL:
            for value in ("abc", "1e5", "NaN", "9" * 20, "0.0000001", ""):
                yield f"value {value!r}", {"value": value}
        elif kind == wire.MONEY:
            yield "currency", {"currency_code": "euro", "units": 1}
            yield "nanos", {"currency_code": "EUR", "units": 1, "nanos": -1}
            yield "units", {"currency_code": "EUR", "units": 10**15}
        elif kind == wire.DATE:
            yield "no day", {"year": 2026, "month": 2, "day": 30}
        elif kind == wire.TIMESTAMP:
            yield "beyond the calendar", {"seconds": 1 << 50}


def with_bad_names(method: MethodDescriptor) -> Iterator[Spoiled]:
    """Resource names that have not the form of the route."""
    for path in name_forms(method):
        for name in ("x", "sites", "sites/hamburg/nothing/at/all/here", "/sites/hamburg", "sites//x", "../../etc"):
            request = well_formed(method)
            _put(request, path, name)
            yield Spoiled(f"{path} {name!r}", request)


def with_bad_lists(method: MethodDescriptor) -> Iterator[Spoiled]:
    """Pages, filters and orders that mean nothing."""
    wrong: dict[str, tuple[Any, ...]] = {
        "page_size": (-1, -(2**31)),
        "page_token": ("garbage", "AAAA" * 20, "%%%", "1 or 1=1"),
        "filter": (
            "(", "nonsense", "nonsense = 1", "name", "name = ", "name = a AND", "name ? 1", "password = x",
            " OR ".join(["name = a"] * 40), "name = " + "a" * 2000, "((((" * 20 + "name = a",
        ),
        "order_by": ("nonsense", "name sideways", "name, name", "1; drop table audit"),
    }  # fmt: skip
    for name, values in wrong.items():
        if name in method.input_type.fields_by_name:
            for value in values:
                request = well_formed(method)
                setattr(request, name, value)
                yield Spoiled(f"{name} {value!r:.40}", request)


Path = tuple[tuple[str, int | None], ...]


def _text(path: Path) -> str:
    return ".".join(name if index is None else f"{name}[{index}]" for name, index in path)


def _places(message: Any, prefix: Path = ()) -> Iterator[tuple[Path, FieldDescriptor]]:
    """Fields that are set in a message, depth first."""
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            continue
        yield (*prefix, (field.name, None)), field
        if field.message_type is None or field.message_type.full_name.startswith("google."):
            continue
        if field.is_repeated:
            for index, item in enumerate(value):
                yield from _places(item, (*prefix, (field.name, index)))
        else:
            yield from _places(value, (*prefix, (field.name, None)))


def _everywhere(descriptor: Descriptor, depth: int, prefix: Path = ()) -> Iterator[tuple[Path, FieldDescriptor]]:
    """All fields that a client may set, down to a depth."""
    for field in descriptor.fields:
        if field_behavior_pb2.OUTPUT_ONLY in wire.behaviours(field) or field.name in ("update_mask", "request_id"):
            continue
        if not prefix and field.name in ("page_token", "filter", "order_by"):
            continue
        if field_behavior_pb2.IDENTIFIER in wire.behaviours(field):
            continue
        yield (*prefix, (field.name, 0 if field.is_repeated else None)), field
        inner = field.message_type
        if inner is None or inner.GetOptions().map_entry or inner.full_name.startswith("google.") or depth == 0:
            continue
        if inner.full_name != wire.QUANTITY:
            yield from _everywhere(inner, depth - 1, (*prefix, (field.name, 0 if field.is_repeated else None)))


def _at(message: Any, path: Path) -> Any:
    for name, index in path:
        message = getattr(message, name) if index is None else getattr(message, name)[index]
    return message


def _enter(request: Any, path: Path, field: FieldDescriptor, value: Any) -> None:
    """Put a value at a place, making what lies above it."""
    message = request
    for name, index in path[:-1]:
        target = getattr(message, name)
        if (index is not None and not len(target)) or (index is None and not message.HasField(name)):
            _set(message, message.DESCRIPTOR.fields_by_name[name], "hamburg", "nothing-1", DEPTH)
        message = getattr(message, name) if index is None else getattr(message, name)[index]
    name = field.name
    if field.is_repeated:
        message.ClearField(name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            raise ValueError("maps are left out")
        if isinstance(value, dict):
            getattr(message, name).add(**value)
        else:
            getattr(message, name).append(value)
    elif isinstance(value, dict):
        message.ClearField(name)
        getattr(message, name).MergeFrom(type(getattr(message, name))(**value))
        getattr(message, name).SetInParent()
    else:
        setattr(message, name, value)


# --- random --------------------------------------------------------------------------------------------------

_NASTY = (
    "", "x", "-", "null", "sites/-", "sites/hamburg", "sites/antwerp", "items/-", "a" * 256, "'; drop table audit; --",
    "%_\\", "\U0001f600", "‮x", "=1+1", "<b>", "\n", "0", "-1", "1e400", "NaN", "sites/hamburg/assets/press",
    "../..", "people/root", "\\x00", "é" * 100, "{}", "[1]",
)  # fmt: skip


def random_request(method: MethodDescriptor, chance: Random) -> Any:
    """A request that is well-formed except where chance puts something else."""
    request = copy.deepcopy(well_formed(method))
    _shake(request, chance, DEPTH)
    if "request_id" in method.input_type.fields_by_name:
        request.request_id = str(uuid4())
    return request


def _shake(message: Message, chance: Random, depth: int) -> None:
    for field in message.DESCRIPTOR.fields:
        if chance.random() < 0.55 or (field.message_type is not None and field.message_type.GetOptions().map_entry):
            continue
        value: Any
        if field.message_type is not None:
            if depth == 0:
                continue
            target: Any = getattr(message, field.name)
            if field.is_repeated:
                for _ in range(chance.randrange(3)):
                    _shake(target.add(), chance, depth - 1)
            else:
                target.SetInParent()
                _shake(target, chance, depth - 1)
            continue
        if field.type == FieldDescriptor.TYPE_STRING:
            value = chance.choice(_NASTY)
        elif field.type == FieldDescriptor.TYPE_BYTES:
            value = chance.choice((b"", b"\0\xff", b"a;b\n1;2"))
        elif field.enum_type is not None:
            value = chance.choice([item.number for item in field.enum_type.values])
        elif field.type == FieldDescriptor.TYPE_BOOL:
            value = chance.random() < 0.5
        elif field.cpp_type == FieldDescriptor.CPPTYPE_INT64:
            value = chance.choice((0, 1, -1, 2**63 - 1, -(2**63)))
        else:
            value = chance.choice((0, 1, -1, 2**31 - 1, -(2**31), 7))
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
