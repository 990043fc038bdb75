"""Message types as JSON Schema 2020-12, from descriptors, comments and the contract's field rules."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from buf.validate import validate_pb2
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from gateway.routes import image

Schema = dict[str, Any]

_FORMS: Mapping[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "google.protobuf.FieldMask": {"type": "string", "description": "Field names separated by commas."},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array"},
    "google.protobuf.Empty": {"type": "object", "maxProperties": 0},
    "google.protobuf.Any": {"type": "object", "properties": {"@type": {"type": "string"}}},
}
_INT32 = {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1}
_INT64 = {"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$"}
_BOUNDS = {"gte": "minimum", "lte": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
_TEXT = {"min_len": "minLength", "max_len": "maxLength", "len": "minLength", "pattern": "pattern"}
_FORMATS = {"uuid": "uuid", "email": "email", "uri": "uri", "hostname": "hostname"}
_FILE_FIELDS = {4: "message_type", 5: "enum_type", 6: "service"}
_MESSAGE_FIELDS = {2: "field", 3: "nested_type", 4: "enum_type", 8: "oneof_decl"}


@cache
def comments() -> Mapping[str, str]:
    """Full name of an element of the contract -> its comment."""
    found: dict[str, str] = {}
    for file in image().file:
        if not file.package.startswith("plantops."):
            continue
        for location in file.source_code_info.location:
            text = " ".join(location.leading_comments.split())
            if text and len(location.path) % 2 == 0 and (name := _name_at(file, tuple(location.path))):
                found[name] = text
    return found


def _name_at(file: descriptor_pb2.FileDescriptorProto, path: tuple[int, ...]) -> str:
    element: Any = file
    name = file.package
    for number, index in zip(path[::2], path[1::2], strict=True):
        if isinstance(element, descriptor_pb2.FileDescriptorProto):
            part = _FILE_FIELDS.get(number)
        elif isinstance(element, descriptor_pb2.DescriptorProto):
            part = _MESSAGE_FIELDS.get(number)
        else:  # a service's methods, an enum's values
            part = {"ServiceDescriptorProto": "method", "EnumDescriptorProto": "value"}.get(type(element).__name__)
            part = part if number == 2 else None
        if part is None:
            return ""
        element = getattr(element, part)[index]
        name += f".{element.name}"
    return name


def component(full_name: str) -> str:
    """Name of a type among the document's schemas."""
    return full_name.removeprefix("plantops.").replace(".v1.", ".")


def behaves(field: FieldDescriptor, behaviour: int) -> bool:
    """Whether a field has a google.api.field_behavior."""
    return behaviour in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def required(field: FieldDescriptor) -> bool:
    """Whether a caller must give a field."""
    return behaves(field, field_behavior_pb2.REQUIRED) and not behaves(field, field_behavior_pb2.OUTPUT_ONLY)


class Schemas:
    """Collects the schemas of all message and enum types that are referred to."""

    def __init__(self) -> None:
        self.found: dict[str, Schema] = {}

    def reference(self, kind: Descriptor) -> Schema:
        """A message type's schema by reference, or its own JSON form."""
        if kind.full_name in _FORMS:
            return dict(_FORMS[kind.full_name])
        name = component(kind.full_name)
        if name not in self.found:
            self.found[name] = {}
            self.found[name] = self.object(kind)
        return {"$ref": f"#/components/schemas/{name}"}

    def object(self, kind: Descriptor, without: frozenset[str] = frozenset(), *, partial: bool = False) -> Schema:
        """A message type as an object; `partial` = nothing is required, as in an update's body."""
        fields = [field for field in kind.fields if field.name not in without]
        schema: Schema = {"type": "object", "properties": {field.json_name: self.field(field) for field in fields}}
        if text := comments().get(kind.full_name, ""):
            schema = {"description": text, **schema}
        needed = [field.json_name for field in fields if required(field)]
        if needed and not partial:
            schema["required"] = needed
        return schema

    def field(self, field: FieldDescriptor) -> Schema:
        """A field with its comment, behaviour and rules."""
        rules = field.GetOptions().Extensions[validate_pb2.field]
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            value = field.message_type.fields_by_name["value"]
            schema: Schema = {"type": "object", "additionalProperties": self._value(value)}
        elif field.is_repeated:
            schema = {
                "type": "array",
                "items": self._value(field) | dict(_rules(rules.repeated.items, field)),
                **dict(_list_rules(rules.repeated)),
            }
        else:
            schema = self._value(field) | dict(_rules(rules, field))
        if text := comments().get(field.full_name, ""):
            schema["description"] = text
        if behaves(field, field_behavior_pb2.OUTPUT_ONLY) or behaves(field, field_behavior_pb2.IDENTIFIER):
            schema["readOnly"] = True
        if field.containing_oneof is not None:
            others = ", ".join(item.json_name for item in field.containing_oneof.fields if item is not field)
            if others:
                schema["description"] = f"{schema.get('description', '')} Excludes {others}.".strip()
        return schema

    def _value(self, field: FieldDescriptor) -> Schema:
        if field.message_type is not None:
            return self.reference(field.message_type)
        if field.enum_type is not None:
            return self._enum(field.enum_type)
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            return {"type": "boolean"}
        if field.cpp_type == FieldDescriptor.CPPTYPE_INT32:
            return dict(_INT32)
        if field.cpp_type == FieldDescriptor.CPPTYPE_INT64:
            return dict(_INT64)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return {"type": "string", "contentEncoding": "base64"}
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            return {"type": "string"}
        raise TypeError(f"{field.full_name}: the contract has no fields of this type")

    def _enum(self, kind: EnumDescriptor) -> Schema:
        name = component(kind.full_name)
        if name not in self.found:
            known = comments()
            lines = [
                f"{value.name}: {known[f'{kind.full_name}.{value.name}']}"
                for value in kind.values
                if value.number and f"{kind.full_name}.{value.name}" in known
            ]
            names = [value.name for value in kind.values if value.number]  # zero = not given, never sent out
            text = " ".join([known.get(kind.full_name, ""), *lines]).strip()
            self.found[name] = {"type": "string", "enum": names, "description": text}
        return {"$ref": f"#/components/schemas/{name}"}


def _list_rules(rules: Any) -> Iterator[tuple[str, Any]]:
    for name, keyword in (("min_items", "minItems"), ("max_items", "maxItems"), ("unique", "uniqueItems")):
        if rules.HasField(name):
            yield keyword, getattr(rules, name)


def _rules(rules: Any, field: FieldDescriptor) -> Iterator[tuple[str, Any]]:
    """protovalidate's rules as JSON Schema keywords; what JSON Schema cannot say is left to the service."""
    kind = rules.WhichOneof("type")
    if kind is None:
        return
    own = getattr(rules, kind)
    if kind == "string":
        yield from _text_rules(own)
    elif kind == "bytes" and own.HasField("max_len"):
        yield "maxLength", (own.max_len + 2) // 3 * 4
    elif field.cpp_type == FieldDescriptor.CPPTYPE_INT32:
        for name, keyword in _BOUNDS.items():
            if own.HasField(name):
                yield keyword, getattr(own, name)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_INT64:
        least = own.gte if own.HasField("gte") else own.gt + 1 if own.HasField("gt") else None
        if least is not None and least >= 0:
            yield "pattern", "^[1-9][0-9]{0,18}$" if least > 0 else "^[0-9]{1,19}$"


def _text_rules(own: Any) -> Iterator[tuple[str, Any]]:
    for name, keyword in _TEXT.items():
        if own.HasField(name):
            yield keyword, getattr(own, name)
    if own.HasField("len"):
        yield "maxLength", own.len
    values = list(getattr(own, "in"))
    if values:
        yield "enum", values
    known = own.WhichOneof("well_known")
    if known in _FORMATS and getattr(own, known):
        yield "format", _FORMATS[known]
