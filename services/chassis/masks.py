"""Which fields an update may change, by its mask and the contract (AIP-134)."""

from collections.abc import Iterable

from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from services.chassis.faults import FieldInvalid
from services.chassis.wire import behaviours

_FIXED = {field_behavior_pb2.IMMUTABLE, field_behavior_pb2.OUTPUT_ONLY, field_behavior_pb2.IDENTIFIER}


def named(message: Message, mask: FieldMask | None) -> list[str]:
    """Fields that an update speaks of: those present without a mask, all that may be set for `*`."""
    descriptor = message.DESCRIPTOR
    paths = list(mask.paths) if mask is not None else []
    if paths == ["*"]:
        return [field.name for field in descriptor.fields if not _fixed(field)]
    if not paths:
        return [field.name for field, _ in message.ListFields() if not _fixed(field)]
    names: list[str] = []
    for path in paths:
        name = path.split(".")[0]
        field = descriptor.fields_by_name.get(name)
        if field is None:
            raise FieldInvalid(field="update_mask", rule=f"{descriptor.name} has no field {path}", value=path)
        if immutable(field) or not _fixed(field):
            names.append(name)
    return names


def refuse_beyond(names: Iterable[str], allowed: set[str], kind: str) -> None:
    """FieldInvalid for a field that an update of this kind does not change."""
    for name in names:
        if name not in allowed:
            raise FieldInvalid(field=name, rule=f"is not changed by an update of {kind}")


def immutable(field: FieldDescriptor) -> bool:
    """Whether a field is set at creation alone."""
    return field_behavior_pb2.IMMUTABLE in behaviours(field)


def _fixed(field: FieldDescriptor) -> bool:
    return bool(behaviours(field) & _FIXED) or field.name == "etag"
