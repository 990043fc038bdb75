"""The contract's form: routes, permissions, comments, ids, exact numbers, events, and a test for every rpc."""

import importlib
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from buf.validate import validate_pb2
from google.api import annotations_pb2, field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from plantops.type.v1 import event_pb2

from cli.databases import SERVICES
from services.chassis import access, bus, wire
from services.chassis.inbox import followed, listeners
from services.chassis.requests import changes
from services.chassis.serve import events_of
from tests.contract.contract import IMAGE, ROOT, elements, files, rpcs


def route(method: MethodDescriptor) -> tuple[str, str]:
    """(verb, path) of an rpc; empty when it has none."""
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern")
    return (verb, getattr(rule, verb)) if verb else ("", "")


@pytest.mark.rule("API-2")
def test_the_contract_passes_lint() -> None:
    buf = Path(sys.executable).parent / "buf"
    done = subprocess.run([str(buf), "lint", str(IMAGE)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


@pytest.mark.rule("API-3")
def test_there_is_no_float_or_double() -> None:
    inexact = {FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE}

    def below(message: object, name: str) -> list[str]:
        found = [f"{name}.{field.name}" for field in message.field if field.type in inexact]  # type: ignore[attr-defined]
        for nested in message.nested_type:  # type: ignore[attr-defined]
            found += below(nested, f"{name}.{nested.name}")
        return found

    assert [name for file in files() for message in file.message_type for name in below(message, message.name)] == []


@pytest.mark.rule("API-1")
@pytest.mark.rule("SEC-13")
def test_every_rpc_has_one_route_and_one_permission() -> None:
    for method in rpcs():
        assert access.scope_of(method).count(".") == 2, method.full_name
        assert access.scope_of(method).split(".")[0] == method.containing_service.file.package.split(".")[1]
        if not method.client_streaming:
            assert route(method)[1].startswith("/v1/"), method.full_name


@pytest.mark.rule("SEC-13")
def test_every_permission_is_in_a_role_and_every_role_speaks_of_permissions_that_exist() -> None:
    scopes = sorted({access.scope_of(method) for method in rpcs()})
    assert [scope for scope in scopes if not any(access.allows(role, scope) for role in access.roles())] == []
    idle = []
    declared = tomllib.loads((ROOT / "services" / "roles.toml").read_text())
    for role, entry in declared.items():
        for pattern in entry["permissions"]:
            form = re.escape(pattern).replace(r"\*", r"[^.]+")
            form = form.removesuffix(r"[^.]+") + ".+" if pattern.endswith("*") else form
            if not any(re.fullmatch(form, scope) for scope in scopes):
                idle.append(f"{role}: {pattern}")
    assert idle == []


@pytest.mark.rule("API-1")
def test_no_two_rpcs_share_method_and_path() -> None:
    def plain(method: MethodDescriptor) -> tuple[str, str]:
        verb, path = route(method)
        return verb, re.sub(r"\{[\w.]+=([^}]*)\}|\{[\w.]+\}", lambda found: found[1] or "*", path)

    counted = Counter(plain(method) for method in rpcs() if route(method)[0])
    assert [where for where, count in counted.items() if count > 1] == []


@pytest.mark.rule("API-1")
def test_names_of_rpc_services_are_unique_over_all_packages() -> None:
    counted = Counter(service.name for service in {method.containing_service for method in rpcs()})
    assert [name for name, count in counted.items() if count > 1] == []


@pytest.mark.rule("REL-59")
def test_every_rpc_that_changes_something_requires_a_request_id() -> None:
    for method in rpcs():
        verb, _ = route(method)
        reads = verb == "get" or access.scope_of(method).split(".")[-1] in ("read", "check")
        assert changes(method.input_type) != reads, f"{method.full_name} {verb}"
        if reads:
            continue
        field = method.input_type.fields_by_name.get("request_id")
        if field is None:
            field = method.input_type.fields_by_name["requests"].message_type.fields_by_name["request_id"]
        assert field_behavior_pb2.REQUIRED in wire.behaviours(field), field.full_name
        assert field.GetOptions().Extensions[validate_pb2.field].string.uuid, field.full_name


@pytest.mark.rule("API-2")
def test_every_element_has_a_comment() -> None:
    assert [f"{element.kind} {element.name}" for element in elements() if len(element.comment) < 3] == []


@pytest.mark.rule("API-4")
def test_lists_have_pages() -> None:
    for method in rpcs(*SERVICES):
        if method.name.startswith("List") and method.name != "ListPlantSummary":
            fields = method.input_type.fields_by_name
            assert {"page_size", "page_token"} <= set(fields), method.full_name
            assert "next_page_token" in method.output_type.fields_by_name, method.full_name


@pytest.mark.rule("REL-36")
@pytest.mark.parametrize("service", SERVICES)
def test_events_say_whose_order_counts_and_carry_their_version(service: str) -> None:
    module = importlib.import_module(f"plantops.{service}.v1.events_pb2")
    told = {file.package: file for file in files() if file.name.endswith("events.proto")}
    assert module.DESCRIPTOR.services_by_name == {}
    for event in events_of(service):
        key, unordered = (
            event.GetOptions().Extensions[event_pb2.key],
            event.GetOptions().Extensions[event_pb2.unordered],
        )
        assert bool(key) != unordered, event.full_name
        assert not key or event.fields_by_name[key].type == FieldDescriptor.TYPE_STRING, event.full_name
        assert event.fields_by_name["version"].type == FieldDescriptor.TYPE_INT64, event.full_name
    with_key = [
        message.name
        for message in module.DESCRIPTOR.message_types_by_name.values()
        if message.GetOptions().Extensions[event_pb2.key] or message.GetOptions().Extensions[event_pb2.unordered]
    ]
    assert sorted(with_key) == sorted(event.name for event in events_of(service))
    assert f"plantops.{service}.v1" in told


@pytest.mark.rule("REL-36")
@pytest.mark.rule("REL-25")
def test_the_declared_consumers_are_what_the_listeners_follow() -> None:
    wanted: dict[str, dict[str, list[str]]] = {}
    for service in SERVICES:
        known = listeners(importlib.import_module(f"services.{service}.listeners"))
        for source in {name.split(".")[1] for name in known}:
            mine = {name: function for name, function in known.items() if name.split(".")[1] == source}
            types = followed(mine, events_of(source))
            wanted.setdefault(service, {})[source] = sorted(name.rsplit(".", 1)[-1] for name in types)
    assert bus.received() == wanted


def test_every_rpc_is_called_by_a_test() -> None:
    places = [path for path in (ROOT / "tests").rglob("*.py") if "contract" not in path.parts]
    places += list((ROOT / "cli").rglob("*.py")) if (ROOT / "tests" / "cli").exists() else []
    text = "\n".join(path.read_text() for path in places)
    shared = Counter(method.input_type.full_name for method in rpcs())
    missing = []
    for method in rpcs(*SERVICES):
        words = [method.input_type.name] if shared[method.input_type.full_name] == 1 else [method.name]
        if not all(re.search(rf"\b{word}\b", text) for word in words):
            missing.append(method.full_name)
    assert missing == []
