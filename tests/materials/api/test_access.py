"""Every rpc asks for its permission, at the site that it is about; nothing changes when it is refused."""

import re
from typing import Any
from uuid import uuid4

import pytest
from google.api import annotations_pb2
from google.protobuf import message_factory

from services.chassis.requests import changes
from tests.materials.builders import SITE, contents
from tests.plant import Refused
from tests.world import Plant

_PATTERN = re.compile(r"\{([\w.]+)=([^}]+)\}")


def requests(plant: Plant) -> list[tuple[Any, Any, str]]:
    """(method, a request about something of hamburg, its path) of each rpc."""
    found = []
    for service in plant.processes["materials"].services:
        for method in service.methods:
            http = method.GetOptions().Extensions[annotations_pb2.http]
            path = http.get or http.post or http.patch
            request = message_factory.GetMessageClass(method.input_type)()
            for field, pattern in _PATTERN.findall(path):
                target, *rest = field.split(".")
                value = pattern.replace("sites/*", SITE).replace("*", "x")
                if rest:
                    setattr(getattr(request, target), rest[0], value)
                else:
                    setattr(request, target, value)
            if "correlation" in method.input_type.fields_by_name:
                request.correlation = f"{SITE}/workOrders/x"
            if "request_id" in method.input_type.fields_by_name:
                request.request_id = str(uuid4())
            found.append((method, request, path))
    return found


async def refusals(plant: Plant, person: str, wanted: Any, roles: Any = None) -> dict[str, str]:
    """rpc -> reason, of those that are wanted."""
    client = plant.client("materials", person, roles)
    found = {}
    for method, request, path in requests(plant):
        if wanted(method, path):
            try:
                await client.send(method, request)
                found[method.name] = "done"
            except Refused as refused:
                found[method.name] = f"{refused.code} {refused.reason}"
    return found


@pytest.fixture
async def untouched(store: Plant) -> Any:
    before = contents(store)
    yield
    assert contents(store) == before


DENIED = "PERMISSION_DENIED PERMISSION_DENIED"


async def test_nobody_does_anything_without_a_role(store: Plant, untouched: None) -> None:
    found = await refusals(store, "people/vic", lambda method, path: True, {})
    assert len(found) >= 45
    assert set(found.values()) == {DENIED}


async def test_an_auditor_changes_nothing(store: Plant, untouched: None) -> None:
    found = await refusals(store, "people/vic", lambda method, path: changes(method.input_type))
    assert len(found) >= 20
    assert set(found.values()) == {DENIED}


async def test_whoever_works_at_another_site_neither_sees_nor_changes_this_one(store: Plant, untouched: None) -> None:
    found = await refusals(store, "people/eve", lambda method, path: "sites/*" in path)
    assert len(found) >= 30
    assert set(found.values()) == {DENIED}


async def test_the_chain_of_another_site_is_not_shown(store: Plant) -> None:
    found = await refusals(store, "people/eve", lambda method, path: method.name == "ListMaterialsChain")
    assert found == {"ListMaterialsChain": DENIED}


async def test_what_the_enterprise_shares_is_not_changed_from_one_site(store: Plant, untouched: None) -> None:
    roles = {"antwerp": ["stockplanner", "storekeeper"]}
    found = await refusals(
        store, "people/eve", lambda method, path: "sites/" not in path and changes(method.input_type), roles
    )
    assert set(found) >= {"CreateItem", "UpdateItem", "CreateLot", "CreateMaterialsPolicy"}
    assert set(found.values()) == {DENIED}
