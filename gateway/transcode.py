"""HTTP request -> request message, by the route's rule: address, query, body and the headers that are fields.

If-Match is the etag, Idempotency-Key the request_id, and the keys of a PATCH body are the update mask.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway import documents
from gateway.documents import by_name, own_form
from gateway.refusals import BodyInvalid, HeaderInvalid, IdempotencyKeyInvalid
from gateway.routes import Route, field_of
from services.chassis.faults import FieldInvalid
from services.chassis.requests import changes, masked_field

MAX_PARAMETERS = 100
_MASK = "google.protobuf.FieldMask"
_NEVER_MASKED = ("name", "etag")


def read(
    route: Route, bound: Mapping[str, str], query: bytes, headers: Mapping[str, str], body: bytes
) -> tuple[Message, frozenset[str]]:
    """The request message, and which of `if-match` and `idempotency-key` gave a field of it."""
    request: Message = route.request()
    if route.body:
        _read_body(route, request, body)
    elif body:
        raise BodyInvalid(why="this operation takes no body")
    parameters = _parameters(route, query)
    if parameters:
        documents.parse(parameters, request)
    for path, value in bound.items():
        _bind(request, path, value)
    return request, frozenset(_headers(route, request, headers))


def etag_of(message: Message) -> str:
    """The etag of an answer, empty where it has none."""
    if "etag" not in message.DESCRIPTOR.fields_by_name:
        return ""
    found: str = message.etag  # type: ignore[attr-defined]
    return found


# --- body -----------------------------------------------------------------------------------------------------


def _read_body(route: Route, request: Message, body: bytes) -> None:
    if route.body == "*":
        documents.parse(documents.load(body) if body else {}, request)
        return
    value: Any = documents.load(body) if body else None
    documents.parse(value, getattr(request, route.body), route.body)
    getattr(request, route.body).SetInParent()
    if route.verb == "PATCH" and masked_field(request.DESCRIPTOR) == route.body:
        kind = request.DESCRIPTOR.fields_by_name[route.body].message_type
        names = (field.name for key in value if (field := by_name(kind, key)) is not None)
        request.update_mask.paths.extend(sorted(set(names) - set(_NEVER_MASKED)))  # type: ignore[attr-defined]


# --- query ----------------------------------------------------------------------------------------------------


def _parameters(route: Route, query: bytes) -> dict[str, Any]:
    """Query parameters as a JSON object of the request."""
    if not query:
        return {}
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise FieldInvalid(field="query", rule=f"must be at most {MAX_PARAMETERS} parameters in UTF-8") from None
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        given.setdefault(name, []).append(value)
    found: dict[str, Any] = {}
    for name, values in given.items():
        _place(found, *_parameter(route, name), values)
    return found


def _parameter(route: Route, name: str) -> tuple[list[FieldDescriptor], str]:
    """The fields that a parameter's name leads through; FieldInvalid where it is none of the operation."""
    kind: Descriptor | None = route.rpc.input_type
    chain: list[FieldDescriptor] = []
    for part in name.split("."):
        field = by_name(kind, part) if kind is not None and not own_form(kind) else None
        if field is None or (chain and chain[-1].is_repeated):
            raise FieldInvalid(field=name[:256], rule="is not a parameter of this operation")
        chain.append(field)
        kind = field.message_type
    path = ".".join(field.name for field in chain)
    if route.body == "*" or chain[0].name == route.body:
        raise FieldInvalid(field=path, rule="belongs into the body")
    if any(path == bound or bound.startswith(path + ".") for bound in route.fields):
        raise FieldInvalid(field=path, rule="is given by the address")
    if kind is not None and not own_form(kind):
        raise FieldInvalid(field=path, rule="is an object; give its fields as parameters")
    return chain, path


def _place(found: dict[str, Any], chain: Sequence[FieldDescriptor], path: str, values: list[str]) -> None:
    *parents, field = chain
    if len(values) > 1 and not field.is_repeated:
        raise FieldInvalid(field=path, rule="is given more than once", value=values[1])
    node = found
    for parent in parents:
        node = node.setdefault(parent.name, {})
    read_values = [_value(field, path, value) for value in values]
    if field.name in node:
        raise FieldInvalid(field=path, rule="is given twice")
    node[field.name] = read_values if field.is_repeated else read_values[0]


def _value(field: FieldDescriptor, path: str, text: str) -> Any:
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        if text not in ("true", "false"):
            raise FieldInvalid(field=path, rule="must be true or false", value=text)
        return text == "true"
    if field.enum_type is not None and text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    if field.message_type is not None and field.message_type.full_name == _MASK:
        return ",".join(_camel(part) for part in text.split(","))
    return text


def _camel(path: str) -> str:
    """A mask's path in the JSON form, whichever form was given."""
    first, *others = path.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in others)


# --- address and headers --------------------------------------------------------------------------------------


def _bind(request: Message, path: str, value: str) -> None:
    *parents, last = path.split(".")
    target = request
    for parent in parents:
        target = getattr(target, parent)
    field = field_of(request.DESCRIPTOR, path)
    if field.cpp_type != FieldDescriptor.CPPTYPE_STRING:
        documents.parse({last: value}, target, ".".join(parents))
        return
    before = getattr(target, last)
    if before and before != value:
        raise FieldInvalid(field=path, rule="differs from the address", value=before)
    setattr(target, last, value)


def _headers(route: Route, request: Message, headers: Mapping[str, str]) -> list[str]:
    used: list[str] = []
    match = headers.get("if-match", "").strip()
    if match and match != "*":
        _match(request, match)
        used.append("if-match")
    key = headers.get("idempotency-key", "").strip()
    if key and changes(request.DESCRIPTOR):
        _key(request, key)
        used.append("idempotency-key")
    return used


def _match(request: Message, etag: str) -> None:
    if not (len(etag) > 2 and etag[0] == etag[-1] == '"' and '"' not in etag[1:-1]):
        raise HeaderInvalid(header="If-Match", why='it must be one strong etag such as "3"')
    resource = masked_field(request.DESCRIPTOR)
    holder: Any = request if "etag" in request.DESCRIPTOR.fields_by_name else getattr(request, resource, None)
    if holder is None or "etag" not in holder.DESCRIPTOR.fields_by_name:
        raise HeaderInvalid(header="If-Match", why="this operation knows no etag")
    if holder.etag and holder.etag != etag:
        raise HeaderInvalid(header="If-Match", why="it differs from the etag in the body")
    holder.etag = etag


def _key(request: Message, text: str) -> None:
    key = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    try:
        if str(UUID(key)) != key.lower():
            raise ValueError
    except ValueError:
        raise IdempotencyKeyInvalid(why="it must be a UUID").at("request_id", "must be a UUID") from None
    if "request_id" not in request.DESCRIPTOR.fields_by_name:
        raise IdempotencyKeyInvalid(why="each entry of a batch carries its own requestId")
    if request.request_id and request.request_id != key:  # type: ignore[attr-defined]
        raise IdempotencyKeyInvalid(why="it differs from the requestId of the request").at("request_id")
    request.request_id = key  # type: ignore[attr-defined]
