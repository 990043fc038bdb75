"""The contract as the descriptor image tells it: files, rpcs, messages, comments."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import MethodDescriptor

from cli.databases import SERVICES
from services.chassis.bind import rpc_services

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "gen" / "plantops" / "plantops.binpb"
PACKAGES = (*SERVICES, "gateway")


@cache
def files() -> tuple[descriptor_pb2.FileDescriptorProto, ...]:
    """Our files of the image, with source information."""
    found = descriptor_pb2.FileDescriptorSet.FromString(IMAGE.read_bytes())
    return tuple(file for file in found.file if file.package.startswith("plantops."))


@cache
def rpcs(*packages: str) -> tuple[MethodDescriptor, ...]:
    """All rpcs of the given packages, of all when none is given."""
    return tuple(
        method
        for package in packages or PACKAGES
        for service in rpc_services(f"plantops.{package}.v1")
        for method in service.methods
    )


@dataclass(frozen=True)
class Element:
    """A named part of a proto file with its comment."""

    kind: str
    name: str
    comment: str


def elements() -> Iterator[Element]:
    """Every message, field, enum, enum value, rpc service and rpc, with the comment before or behind it."""
    for file in files():
        comments = {
            tuple(place.path): (place.leading_comments or place.trailing_comments).strip()
            for place in file.source_code_info.location
        }

        def found(kind: str, name: str, path: tuple[int, ...], known: dict[tuple[int, ...], str]) -> Element:
            return Element(kind, name, known.get(path, ""))

        def messages(
            items: object, prefix: str, path: tuple[int, ...], known: dict[tuple[int, ...], str]
        ) -> Iterator[Element]:
            for index, message in enumerate(items):  # type: ignore[call-overload]
                if message.options.map_entry:
                    continue
                name, here = f"{prefix}.{message.name}", (*path, index)
                yield found("message", name, here, known)
                for number, field in enumerate(message.field):
                    yield found("field", f"{name}.{field.name}", (*here, 2, number), known)
                yield from enums(message.enum_type, name, (*here, 4), known)
                yield from messages(message.nested_type, name, (*here, 3), known)

        def enums(
            items: object, prefix: str, path: tuple[int, ...], known: dict[tuple[int, ...], str]
        ) -> Iterator[Element]:
            for index, enum in enumerate(items):  # type: ignore[call-overload]
                name, here = f"{prefix}.{enum.name}", (*path, index)
                yield found("enum", name, here, known)
                for number, value in enumerate(enum.value):
                    yield found("enum value", f"{name}.{value.name}", (*here, 2, number), known)

        yield from messages(file.message_type, file.package, (4,), comments)
        yield from enums(file.enum_type, file.package, (5,), comments)
        for index, service in enumerate(file.service):
            name = f"{file.package}.{service.name}"
            yield found("service", name, (6, index), comments)
            for number, method in enumerate(service.method):
                yield found("rpc", f"{name}.{method.name}", (6, index, 2, number), comments)
