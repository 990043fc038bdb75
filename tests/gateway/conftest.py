"""A gateway in this process before a whole plant, and HTTP calls with somebody's token."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from cli import databases
from cli.engines import Engines
from gateway.serve import Server
from services.chassis.config import GatewayConfig
from tests.plant import tables
from tests.signing import AUDIENCE, ISSUER, Issuer
from tests.world import CAST, Plant, running

SERVICES = databases.SERVICES
PRINCIPALS: Mapping[str, Any] = {
    **{person: {site: list(held) for site, held in roles.items()} for person, roles in CAST.items()},
    **{f"services/{name}": {"-": ["auditor"]} for name in (*SERVICES, "gateway")},
    "systems/erp": {"hamburg": ["planner"]},
}


@pytest.fixture(scope="module")
async def plant(templates: Engines, issuer: Issuer) -> AsyncIterator[Plant]:
    """A plant for the tests of one module; two at once would take each other's events."""
    async with running(templates, issuer, principals=PRINCIPALS) as found:
        yield found


def gateway_config(issuer_: Issuer, ports: Mapping[str, int], **given: Any) -> GatewayConfig:
    """A gateway's configuration for tests."""
    return GatewayConfig.load(
        "gateway",
        {},
        **{
            "environment": "test",
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "jwks": str(issuer_.jwks),
            "listen": "127.0.0.1:0",
            "linger": 0,
            **{name: f"127.0.0.1:{port}" for name, port in ports.items()},
            **given,
        },
    )


def key_file(issuer_: Issuer, folder: Path) -> Path:
    """The private key of the tests' issuer, as the built-in issuer reads it."""
    path = folder / "issuer.json"
    path.write_text(json.dumps(issuer_.key.as_dict(private=True)))
    return path


@pytest.fixture(scope="module")
async def server(plant: Plant, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A gateway before the plant, with the built-in issuer and one configured origin."""
    config = gateway_config(
        plant.issuer,
        {name: process.port for name, process in plant.processes.items()},
        dev_issuer_key=str(key_file(plant.issuer, tmp_path_factory.mktemp("key"))),
        administrators=["people/boss"],
        principals={"systems/erp": {"hamburg": ["planner"]}},
        cors_origins=["https://panel.test"],
    )
    found = Server(config)
    await found.start()
    yield found
    await found.stop()


@dataclass
class Caller:
    """HTTP calls of the gateway as a person: `await http("sam", "POST", "/v1/...", {...})`."""

    client: httpx.AsyncClient
    issuer: Issuer
    plant: Plant
    tokens: dict[str, str] = field(default_factory=dict)
    looking: dict[str, Any] = field(default_factory=dict)

    async def __call__(
        self,
        person: str,
        method: str,
        path: str,
        content: Any = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        given: dict[str, str] = {}
        if person:
            given["authorization"] = f"Bearer {self.token(person)}"
        if method in ("POST", "PATCH") and key != "":
            given["idempotency-key"] = key or str(uuid4())
        if content is not None:
            more["json"] = content
        return await self.client.request(method, path, headers={**given, **(headers or {})}, **more)

    def token(self, person: str) -> str:
        """A token of a person of the cast."""
        if person not in self.tokens:
            self.tokens[person] = self.issuer.token(f"people/{person}", CAST[f"people/{person}"])
        return self.tokens[person]

    async def good(self, *arguments: Any, **more: Any) -> Any:
        """The document of a call that must succeed."""
        response = await self(*arguments, **more)
        assert response.status_code == 200, response.text
        return response.json()

    def counted(self) -> dict[str, dict[str, int]]:
        """Rows of each table of each service but of stored answers, for "nothing changed"."""
        found = {}
        for service in SERVICES:
            if service not in self.looking:
                self.looking[service] = self.plant.look(service)
            found[service] = tables(self.looking[service])
            del found[service]["idempotency"]  # a final refusal is an answer that is kept
        return found

    def close(self) -> None:
        """Close the connections that look at the databases."""
        for connection in self.looking.values():
            connection.close()


@pytest.fixture(scope="module")
async def http(server: Server, plant: Plant) -> AsyncIterator[Caller]:
    """Calls over HTTP; the site hamburg is there, and materials knows it."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=20, trust_env=False) as client:
        caller = Caller(client, plant.issuer, plant)
        await caller.good(
            "root",
            "POST",
            "/v1/sites?siteId=hamburg",
            {"title": "Hamburg", "timeZone": "Europe/Berlin", "currencyCode": "EUR", "countryCode": "DE"},
        )
        await plant.settle()
        yield caller
        caller.close()


def item(number: str = "", **given: Any) -> dict[str, Any]:
    """The body of a new item."""
    return {"number": number or uuid4().hex[:8], "title": "Filter", "baseUnitCode": "H87", "tracking": "NONE", **given}
