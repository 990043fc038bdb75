"""The gateway as a process: its address, its drain, what refuses the start."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import httpx
import pytest
from google.protobuf import json_format
from plantops.materials.v1 import items_pb2

from tests.gateway.partner import partner
from tests.signing import AUDIENCE, ISSUER, Issuer

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.played_partner


def environment(issuer: Issuer, **given: Any) -> dict[str, str]:
    """Settings of a gateway's process."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PLANTOPS_")}
    settings = {
        "environment": "test", "issuer": ISSUER, "audience": AUDIENCE, "jwks": str(issuer.jwks),
        "listen": f"127.0.0.1:{free_port()}", **given,
    }  # fmt: skip
    return clean | {f"PLANTOPS_GATEWAY_{key.upper()}": str(value) for key, value in settings.items()}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


async def started(settings: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", cwd=ROOT, env=settings | {"PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


_passed: WeakKeyDictionary[asyncio.subprocess.Process, list[dict[str, Any]]] = WeakKeyDictionary()
"""Log lines that were read while another one was waited for."""


async def line(process: asyncio.subprocess.Process, event: str) -> dict[str, Any]:
    """The next log line of an event, whether it came before or after the one that was asked for last."""
    assert process.stdout is not None
    passed = _passed.setdefault(process, [])
    for known in passed:
        if known["event"] == event:
            passed.remove(known)
            return known
    async with asyncio.timeout(30):
        while True:
            text = await process.stdout.readline()
            assert text, (await process.stderr.read()).decode() if process.stderr else ""
            found: dict[str, Any] = json.loads(text)
            if found["event"] == event:
                return found
            passed.append(found)


@pytest.fixture
async def slow(issuer: Issuer) -> AsyncIterator[tuple[int, asyncio.Event, asyncio.Event]]:
    """Port of a played materials; an event when a request has arrived, and one that lets it end."""
    arrived, go = asyncio.Event(), asyncio.Event()

    async def answer(request: Any, context: Any) -> Any:
        arrived.set()
        await go.wait()
        return json_format.ParseDict({"name": request.name}, items_pb2.Item())

    async with partner(items_pb2.DESCRIPTOR.services_by_name["ItemService"], {"GetItem": answer}) as port:
        yield port, arrived, go


@pytest.mark.rule("OPS-17", "REL-80")
async def test_what_is_in_flight_ends_before_the_process(
    issuer: Issuer, slow: tuple[int, asyncio.Event, asyncio.Event]
) -> None:
    port, arrived, go = slow
    targets = {name: f"127.0.0.1:{port}" for name in ("maintenance", "materials", "procurement")}
    process = await started(environment(issuer, drain_delay=2, **targets))
    base = f"http://127.0.0.1:{(await line(process, 'listening'))['port']}"
    headers = {"authorization": f"Bearer {issuer.token('people/sam', {'-': ['storekeeper']})}"}
    async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["services"]) == (200, dict.fromkeys(targets, "SERVING"))
        request = asyncio.create_task(client.get("/v1/items/a", headers=headers))
        await arrived.wait()
        process.send_signal(signal.SIGTERM)
        while (refused := await client.get("/readyz")).status_code == 200:
            pass
        assert refused.json()["why"] == ["gateway: draining"]
        assert refused.headers["connection"] == "close"
        assert (await client.get("/healthz")).status_code == 200
        go.set()
        assert (await request).json()["name"] == "items/a"
    await line(process, "stopped")
    assert await process.wait() == 0


@pytest.mark.rule("OPS-16")
async def test_the_outage_of_one_service_does_not_close_the_door_to_the_others(
    issuer: Issuer, slow: tuple[int, asyncio.Event, asyncio.Event]
) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    targets = {"maintenance": nobody, "materials": f"127.0.0.1:{slow[0]}", "procurement": nobody}
    some = await started(environment(issuer, drain_delay=2, **targets))
    none = await started(environment(issuer, **dict.fromkeys(targets, nobody)))
    bases = [f"http://127.0.0.1:{(await line(process, 'listening'))['port']}" for process in (some, none)]
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{bases[0]}/readyz")).status_code == 503
        opened = await client.get(f"{bases[0]}/readyz?need=any")
        assert (opened.status_code, opened.json()["status"]) == (200, "not ready")
        assert opened.json()["why"] == ["maintenance: cannot be reached", "procurement: cannot be reached"]
        assert (await client.get(f"{bases[1]}/readyz?need=any")).status_code == 503
        some.send_signal(signal.SIGTERM)
        while (await client.get(f"{bases[0]}/readyz?need=any")).status_code == 200:
            pass
    none.send_signal(signal.SIGTERM)
    assert [await process.wait() for process in (some, none)] == [0, 0]


@pytest.mark.rule("OPS-17")
async def test_a_second_signal_ends_at_once(issuer: Issuer, slow: tuple[int, asyncio.Event, asyncio.Event]) -> None:
    process = await started(environment(issuer, drain_delay=30))
    base = f"http://127.0.0.1:{(await line(process, 'listening'))['port']}"
    async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
        process.send_signal(signal.SIGTERM)
        while "gateway: draining" not in (await client.get("/readyz")).json()["why"]:
            pass
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(5):
        assert await process.wait() == 1


@pytest.mark.rule("OPS-14")
async def test_what_refuses_the_start_is_one_line(issuer: Issuer, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        wrong = (
            ({"listen": address}, f"gateway: listen: {address} is in use"),
            ({"dev_issuer_key": tmp_path / "none"}, f"{tmp_path / 'none'}: "),
            ({"dev_issuer_key": "k", "environment": "production"}, "gateway: dev_issuer_key: "),
        )
        processes = [await started(environment(issuer, **given)) for given, _ in wrong]
        for process, (_, expected) in zip(processes, wrong, strict=True):
            _, complaint = await process.communicate()
            assert process.returncode == 2
            assert complaint.decode().startswith(expected)
            assert complaint.count(b"\n") == 1


@pytest.mark.rule("OPS-16", "SEC-2")
async def test_without_keys_the_door_lives_says_so_and_opens_when_they_come(
    issuer: Issuer, slow: tuple[int, asyncio.Event, asyncio.Event], tmp_path: Path
) -> None:
    port, arrived, _ = slow
    targets = {name: f"127.0.0.1:{port}" for name in ("maintenance", "materials", "procurement")}
    keys = tmp_path / "keys.json"
    process = await started(environment(issuer, jwks=keys, **targets))
    base = f"http://127.0.0.1:{(await line(process, 'listening'))['port']}"
    async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
        refused = await client.get("/readyz")
        assert (refused.status_code, refused.json()["why"]) == (503, ["gateway: no token can be verified"])
        assert (await client.get("/healthz")).status_code == 200
        said = await line(process, "readiness")
        assert said["why"] == (
            f"gateway: no token can be verified: the key set {keys} does not exist: "
            "put a JSON Web Key Set there, or correct jwks"
        )
        keys.write_text(issuer.jwks.read_text())
        for _ in range(100):
            if (await client.get("/readyz")).status_code == 200:
                break
            await asyncio.sleep(0.2)  # each answer is a log line, and nobody reads them meanwhile
        stale = {"authorization": f"Bearer {issuer.token('people/sam', {'-': ['storekeeper']}, exp=1)}"}
        answer = await client.get("/v1/items/a", headers=stale)
        assert (answer.status_code, answer.json()["metadata"]) == (401, {"why": "it has expired"})
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert "retry-after" not in answer.headers
        assert not arrived.is_set()  # no service was asked
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
