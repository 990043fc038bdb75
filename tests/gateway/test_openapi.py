"""The description is valid, complete and true: what it allows never makes the plant fail."""

import asyncio
import contextlib
import json
import os
from typing import Any

import pytest
import schemathesis
from google.api import field_behavior_pb2
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import validate
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error

from gateway.routes import Table, contract
from gateway.schemas import behaves
from tests.gateway.conftest import Caller

DEEP = os.environ.get("PLANTOPS_TEST_PROFILE") == "deep"
EXAMPLES = 15 if DEEP else 2
"""Requests of each operation that keep to the description; a deep run also makes some that do not."""


@pytest.fixture(scope="module")
async def description(http: Caller) -> dict[str, Any]:
    response = await http("", "GET", "/openapi.json")
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


def operations(description: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """operationId -> operation."""
    return {
        operation["operationId"]: operation for item in description["paths"].values() for operation in item.values()
    }


async def test_it_is_cached_by_its_etag(http: Caller) -> None:
    first = await http("", "GET", "/openapi.json")
    again = await http("", "GET", "/openapi.json", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "max-age" in first.headers["cache-control"]


def test_it_is_valid(description: dict[str, Any]) -> None:
    validate(description)


def test_every_rpc_is_described_with_its_permission(description: dict[str, Any]) -> None:
    found = operations(description)
    for route in Table(contract()).routes:
        operation = found[f"{route.rpc.containing_service.name}_{route.rpc.name}"]
        assert operation["x-plantops-scope"].count(".") == 2
        assert operation["summary"]
        assert "default" in operation["responses"]
    assert len(found) == len(Table(contract()).routes) + 1  # and the built-in issuer


def test_rules_of_the_contract_are_keywords(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    made = schemas["materials.Item"]
    assert made["required"] == ["number", "title", "baseUnitCode", "tracking"]
    assert made["properties"]["title"]["maxLength"] == 256
    assert made["properties"]["baseUnitCode"]["pattern"] == "^[A-Z0-9]{2,3}$"
    assert made["properties"]["gtins"]["items"]["maxLength"] == 256
    assert made["properties"]["createTime"] == {
        "type": "string", "format": "date-time", "description": "When it was made.", "readOnly": True,
    }  # fmt: skip
    assert schemas["materials.Item.Conversion"]["properties"]["numerator"]["pattern"] == "^[1-9][0-9]{0,18}$"
    assert schemas["type.Quantity"]["required"] == ["value", "unitCode"]
    found = operations(description)
    update = found["ItemService_UpdateItem"]["requestBody"]["content"]["application/json"]["schema"]
    assert "required" not in update
    headers = {item["name"] for item in found["ItemService_UpdateItem"]["parameters"] if item["in"] == "header"}
    assert headers == {"Idempotency-Key", "If-Match"}
    assert "304" in found["ItemService_GetItem"]["responses"]


def test_every_field_has_its_comment(description: dict[str, Any]) -> None:
    for name, schema in description["components"]["schemas"].items():
        if name.split(".")[0] in ("maintenance", "materials", "procurement", "gateway", "type"):
            for field, found in schema.get("properties", {}).items():
                assert found.get("description"), f"{name}.{field}"


def test_what_the_server_sets_is_read_only(description: dict[str, Any]) -> None:
    for route in Table(contract()).routes:
        for field in route.rpc.output_type.fields:
            if behaves(field, field_behavior_pb2.OUTPUT_ONLY):
                name = route.rpc.output_type.full_name.removeprefix("plantops.").replace(".v1.", ".")
                assert description["components"]["schemas"][name]["properties"][field.json_name]["readOnly"]


@pytest.mark.rule("SEC-34")
async def test_no_described_request_makes_the_plant_fail(http: Caller, description: dict[str, Any]) -> None:
    """Schemathesis in a thread, as the plant runs in this loop."""
    schema = schemathesis.openapi.from_dict(json.loads(json.dumps(description)))
    base = f"http://127.0.0.1:{http.client.base_url.port}"
    everything = {"-": ["administrator", "planner", "storekeeper", "stockplanner", "inspector", "buyer", "approver"]}
    headers = {"authorization": f"Bearer {http.issuer.token('people/otto', everything)}"}
    count = 0

    def asked(cases: Any) -> None:
        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases)
        def ask(case: Any) -> None:
            nonlocal count
            count += 1
            response = case.call(base_url=base, headers=headers)
            case.validate_response(response, checks=[not_a_server_error])

        ask()

    def explore() -> None:
        for found in schema.get_all_operations():
            operation = found.ok()
            if operation.path.startswith("/dev/"):
                continue

            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)[: 1 + DEEP]:
                with contextlib.suppress(Unsatisfiable):  # nothing can break an operation without input
                    asked(operation.as_strategy(generation_mode=mode))

    await asyncio.to_thread(explore)
    assert count >= len(operations(description)) - 1
