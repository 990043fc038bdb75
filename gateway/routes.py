"""The route table, made from google.api.http on every rpc of the contract; a new rpc needs no edit here.

A template such as `/v1/{name=sites/*/workOrders/*}:start` becomes a pattern that gives the fields it binds.
Routes are found by their number of segments and their verb, so that a look-up tries a few patterns only.
"""

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from google.api import annotations_pb2
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor

PACKAGES = ("plantops.maintenance.v1", "plantops.materials.v1", "plantops.procurement.v1", "plantops.gateway.v1")
_VARIABLE = re.compile(r"\{([\w.]+)(?:=([^}]+))?\}")
_WILD = {"*": r"[^/:]+", "**": r"[^:]+"}


@dataclass(frozen=True)
class Route:
    """One way to call an rpc over HTTP."""

    rpc: MethodDescriptor
    verb: str
    template: str
    body: str
    """`*` = the whole request, a field's name, or empty for no body."""
    fields: tuple[str, ...]
    """Field paths that the address binds, in its order."""
    pattern: re.Pattern[str]
    request: type[Any] = field(repr=False)
    response: type[Any] = field(repr=False)

    @property
    def target(self) -> str:
        """The rpc's gRPC path."""
        return f"/{self.rpc.containing_service.full_name}/{self.rpc.name}"

    @property
    def service(self) -> str:
        """Part of the plant that answers: maintenance, materials, procurement or gateway."""
        part: str = self.rpc.containing_service.file.package.split(".")[1]
        return part

    @property
    def shape(self) -> str:
        """The template without names: two routes of one shape would answer one address."""
        return _VARIABLE.sub(lambda found: found[2] or "*", self.template)


def field_of(descriptor: Descriptor, path: str) -> FieldDescriptor:
    """The field that a dotted path leads to; KeyError names the part that does not exist."""
    *parents, last = path.split(".")
    for part in parents:
        descriptor = descriptor.fields_by_name[part].message_type
    return descriptor.fields_by_name[last]


def compiled(template: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """A path template as a pattern whose groups are the bound fields in their order."""
    pattern, names, end = "", [], 0
    for found in _VARIABLE.finditer(template):
        pattern += _literal(template[end : found.start()]) + f"({_literal(found[2] or '*')})"
        names.append(found[1])
        end = found.end()
    return re.compile(pattern + _literal(template[end:])), tuple(names)


def _literal(text: str) -> str:
    parts = re.split(r"(\*\*|\*)", text)
    return "".join(_WILD.get(part) or re.escape(part) for part in parts)


def routes_of(rpc: MethodDescriptor) -> Iterator[Route]:
    """The rpc's http rule and its additional bindings; TypeError for a rule that does not fit the request."""
    rule = rpc.GetOptions().Extensions[annotations_pb2.http]
    for binding in (rule, *rule.additional_bindings):
        kind = binding.WhichOneof("pattern")
        if not kind:
            continue
        verb, template = (
            (binding.custom.kind, binding.custom.path) if kind == "custom" else (kind.upper(), getattr(binding, kind))
        )
        pattern, names = compiled(template)
        try:
            for name in (*names, *([binding.body] if binding.body not in ("", "*") else [])):
                field_of(rpc.input_type, name)
        except (KeyError, AttributeError):
            raise TypeError(f"{rpc.full_name}: {template} names a field that its request does not have") from None
        if rpc.client_streaming:
            raise TypeError(f"{rpc.full_name}: a client stream has no route")
        yield Route(
            rpc,
            verb,
            template,
            binding.body,
            names,
            pattern,
            message_factory.GetMessageClass(rpc.input_type),
            message_factory.GetMessageClass(rpc.output_type),
        )


class Table:
    """All routes; `find` gives those that answer an address."""

    def __init__(self, services: Iterable[ServiceDescriptor]) -> None:
        self.routes: list[Route] = []
        self.by_rpc: dict[str, Route] = {}
        self._places: dict[tuple[int, str], list[Route]] = {}
        taken: dict[tuple[str, str], Route] = {}
        for service in services:
            for rpc in service.methods:
                for route in routes_of(rpc):
                    other = taken.setdefault((route.verb, route.shape), route)
                    if other is not route:
                        raise TypeError(
                            f"{rpc.full_name} and {other.rpc.full_name} both answer {route.verb} {route.shape}"
                        )
                    self.routes.append(route)
                    self.by_rpc.setdefault(rpc.full_name, route)
        for route in sorted(self.routes, key=lambda route: route.shape.count("*")):  # words before wildcards
            self._places.setdefault(_place(route.shape), []).append(route)

    def find(self, path: str) -> dict[str, tuple[Route, Mapping[str, str]]]:
        """HTTP method -> route and bound values of an address; empty when nothing answers it."""
        found: dict[str, tuple[Route, Mapping[str, str]]] = {}
        for place in (_place(path), (-1, _place(path)[1])):
            for route in self._places.get(place, ()):
                match = route.pattern.fullmatch(path)
                if match and route.verb not in found:
                    found[route.verb] = (route, dict(zip(route.fields, match.groups(), strict=True)))
        return found


def _place(path: str) -> tuple[int, str]:
    last = path.rpartition("/")[2]
    return (-1 if "**" in path else path.count("/")), last.partition(":")[2]


@cache
def image() -> descriptor_pb2.FileDescriptorSet:
    """The compiled contract with its comments."""
    content = files("plantops").joinpath("plantops.binpb").read_bytes()
    return descriptor_pb2.FileDescriptorSet.FromString(content)


def contract(packages: Iterable[str] = PACKAGES) -> list[ServiceDescriptor]:
    """All rpc services of the contract, in the order of packages and files."""
    found: list[ServiceDescriptor] = []
    for package in packages:
        for file in image().file:
            if file.package == package and file.service:
                module = importlib.import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
                found += module.DESCRIPTOR.services_by_name.values()
    return found
