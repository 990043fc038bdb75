"""A process starts, says whether it is ready and why not, drains without losing a call, and names what is wrong."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from plantops.maintenance.v1 import sites_pb2

from cli import databases
from cli.engines import Engines
from cli.engines.nats import Nats
from services.chassis import bus
from services.chassis.serve import READY, Process, main, process_of
from tests.plant import AUDIENCE, ISSUER, PASSWORDS, Client, config_of, superuser
from tests.signing import Issuer
from tests.world import clone

SERVING, NOT_SERVING = 1, 2
ROOT = Path(__file__).parents[2]
SITE = sites_pb2.Site(title="Hamburg", time_zone="Europe/Berlin", currency_code="EUR", country_code="DE")


async def health(channel: grpc.aio.Channel, name: str) -> int:
    stub = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
    status: int = answer.status
    return status


async def until(read: Any, seconds: float = 20) -> None:
    """Wait until `read()` is true."""
    async with asyncio.timeout(seconds):
        while True:
            if await read():
                return
            await asyncio.sleep(0.02)


# --- a real process ------------------------------------------------------------------------------------------


class Started:
    """`python -m services.maintenance` as the shell starts it."""

    def __init__(self, engines: Engines, urls: databases.DatabaseUrls, issuer: Issuer, **given: str) -> None:
        environ = {
            "ENVIRONMENT": "test", "ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "JWKS": str(issuer.jwks),
            "DATABASE_URL": urls.app, "RELAY_URL": urls.relay, "NATS_URL": engines.nats_url, "PAGE_TOKEN_KEY": "k",
            "ADMINISTRATORS": '["people/root"]', **given,
        }  # fmt: skip
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PLANTOPS_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.maintenance"],
            cwd=ROOT,
            env={**kept, "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}"} | {f"PLANTOPS_{k}": v for k, v in environ.items()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    async def port(self) -> int:
        """The port that the process says it listens on."""
        assert self.process.stdout is not None
        while True:
            line = await asyncio.to_thread(self.process.stdout.readline)
            assert line, f"ended with {self.process.wait()}: {self.process.stderr.read()}"  # type: ignore[union-attr]
            entry = json.loads(line)
            if entry["event"] == "listening":
                port: int = entry["port"]
                return port

    async def ended(self, seconds: float = 30) -> int:
        """Exit code."""
        return await asyncio.to_thread(self.process.wait, seconds)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture
def urls(templates: Engines) -> databases.DatabaseUrls:
    return clone(templates, "maintenance", "maintenance_serve")


@pytest.fixture
async def started(
    templates: Engines, urls: databases.DatabaseUrls, issuer: Issuer, streams: Any
) -> AsyncIterator[tuple[Started, grpc.aio.Channel, int]]:
    found = Started(templates, urls, issuer)
    try:
        port = await found.port()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield found, channel, port
    finally:
        found.stop()


class Held:
    """Calls of a running process by hand."""

    def __init__(self, channel: grpc.aio.Channel, issuer: Issuer) -> None:
        self.channel = channel
        self.metadata = (("authorization", f"Bearer {issuer.token('people/root', {'-': ['administrator']})}"),)

    def __call__(self, rpc: str, request: Any) -> Any:
        return self.channel.unary_unary(
            f"/plantops.maintenance.v1.SiteService/{rpc}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=sites_pb2.Site.FromString,
        )(request, metadata=self.metadata, timeout=20)


@contextmanager
def locked(engines: Engines) -> Iterator[Any]:
    """A row lock on the site that holds an update back; commit to let it go."""
    with superuser(engines, "maintenance_serve") as connection:
        connection.execute("begin")
        connection.execute("select 1 from site where name = 'sites/hamburg' for update")
        yield connection
        if connection.info.transaction_status:
            connection.execute("rollback")


async def waiting(engines: Engines) -> bool:
    with superuser(engines, "maintenance_serve") as connection:
        row = connection.execute(
            "select count(*) from pg_stat_activity where datname = 'maintenance_serve' and wait_event_type = 'Lock'"
        ).fetchone()
    return row is not None and row[0] > 0


def update(title: str) -> Any:
    return sites_pb2.UpdateSiteRequest(
        site=sites_pb2.Site(name="sites/hamburg", title=title), request_id="6f0d2d54-8a1e-4c3f-9a55-0c6f3f0b7a11"
    )


@pytest.mark.rule("REL-80")
@pytest.mark.rule("REL-79")
async def test_a_drain_finishes_the_calls_in_flight_and_takes_no_more(
    started: tuple[Started, grpc.aio.Channel, int], templates: Engines, issuer: Issuer
) -> None:
    process, channel, port = started
    call = Held(channel, issuer)
    assert await health(channel, "") == SERVING

    async def ready() -> bool:
        return await health(channel, READY) == SERVING

    await until(ready)
    request = sites_pb2.CreateSiteRequest(site_id="hamburg", site=SITE)
    request.request_id = "0b1c9d0e-7c53-4f3b-8f8e-2d1a7c5e9f02"
    await call("CreateSite", request)
    with locked(templates) as lock:
        flying = asyncio.ensure_future(call("UpdateSite", update("Hafen")))
        await until(lambda: waiting(templates))
        process.process.send_signal(signal.SIGTERM)

        async def closed() -> bool:
            with socket.socket() as probe:
                probe.settimeout(1)
                return probe.connect_ex(("127.0.0.1", port)) != 0

        await until(closed)
        assert not flying.done()
        assert process.process.poll() is None
        lock.execute("commit")
    assert (await flying).title == "Hafen"
    assert await process.ended() == 0
    with superuser(templates, "maintenance_serve") as connection:
        assert connection.execute("select title from site").fetchall() == [("Hafen",)]


@pytest.mark.rule("REL-80")
async def test_a_second_signal_ends_at_once(
    started: tuple[Started, grpc.aio.Channel, int], templates: Engines, issuer: Issuer
) -> None:
    process, channel, _ = started
    call = Held(channel, issuer)
    request = sites_pb2.CreateSiteRequest(site_id="hamburg", site=SITE)
    request.request_id = "0b1c9d0e-7c53-4f3b-8f8e-2d1a7c5e9f02"
    await call("CreateSite", request)
    with locked(templates):
        flying = asyncio.ensure_future(call("UpdateSite", update("Hafen")))
        await until(lambda: waiting(templates))
        process.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        assert process.process.poll() is None
        process.process.send_signal(signal.SIGTERM)
        assert await process.ended(5) == 1
        with pytest.raises(grpc.aio.AioRpcError):
            await flying


@pytest.mark.rule("REL-79")
async def test_a_busy_port_is_one_clear_line(templates: Engines, urls: databases.DatabaseUrls, issuer: Issuer) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        found = Started(templates, urls, issuer, LISTEN=address)
        try:
            _, said = await asyncio.to_thread(found.process.communicate, timeout=30)
            assert found.process.returncode == 2
            assert said.splitlines() == [f"maintenance: listen: {address} is in use or not of this host"]
        finally:
            found.stop()


@pytest.mark.rule("OPS-14")
def test_a_wrong_configuration_is_one_line_for_each_fault(
    urls: databases.DatabaseUrls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {
        "DATABASE_URL": urls.app,
        "POOL_SIZE": "0",
        "LOG_LEVEL": "loud",
        "COLOUR": "red",
        "ISSUER": "x",
        "JWKS": "x",
    }
    for key in [key for key in os.environ if key.startswith("PLANTOPS_")]:
        monkeypatch.delenv(key)
    for key, value in wrong.items():
        monkeypatch.setenv(f"PLANTOPS_{key}", value)
    with pytest.raises(SystemExit) as caught:
        main("maintenance")
    assert caught.value.code == 2
    said = capsys.readouterr()
    keys = sorted(line.split(": ")[1] for line in said.err.splitlines())
    assert keys == ["colour", "log_level", "nats_url", "page_token_key", "pool_size", "relay_url"]
    assert PASSWORDS["maintenance_app"] not in said.err + said.out


# --- in this process, with a broker of its own -----------------------------------------------------------------


@pytest.fixture
async def alone(
    templates: Engines, issuer: Issuer, tmp_path: Path
) -> AsyncIterator[tuple[Process, Nats, grpc.aio.Channel, Any]]:
    """A service with its own broker and database, ready."""
    with Nats(tmp_path, durable=False) as nats:
        nc = await bus.connect(nats.url, "alone@0", wait=10)
        await bus.apply(nc)
        urls = clone(templates, "maintenance", "maintenance_alone")
        config = config_of("maintenance", templates, urls, issuer, nats_url=nats.url)
        process = process_of("maintenance", config)
        await process.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{process.port}") as channel:

            async def ready() -> bool:
                return process.ready

            await until(ready)
            yield process, nats, channel, nc
        await process.stop()
        await nc.close()


async def told(process: Process, word: str) -> None:
    """Wait until the process says that it is not ready because of something."""

    async def said() -> bool:
        return not process.ready and any(word in reason for reason in process.why)

    try:
        await until(said)
    except TimeoutError:
        pytest.fail(f"ready is {process.ready}, because of {process.why}")


@pytest.mark.rule("REL-79")
@pytest.mark.rule("REL-19")
async def test_readiness_names_a_stream_that_is_not_as_declared(
    alone: tuple[Process, Nats, grpc.aio.Channel, Any],
) -> None:
    process, _, channel, nc = alone
    wrong = bus.wanted_streams()["MAINTENANCE"] | {"max_age": 3600 * 10**9}
    await nc.request("$JS.API.STREAM.UPDATE.MAINTENANCE", json.dumps(wrong).encode())
    await told(process, "stream MAINTENANCE: max_age")
    assert await health(channel, READY) == NOT_SERVING
    assert await health(channel, "") == SERVING
    assert len(await bus.apply(nc)) == 1

    async def ready() -> bool:
        return await health(channel, READY) == SERVING

    await until(ready)


@pytest.mark.rule("REL-79")
@pytest.mark.rule("REL-83")
async def test_readiness_names_a_schema_that_is_behind(
    alone: tuple[Process, Nats, grpc.aio.Channel, Any], templates: Engines
) -> None:
    process, _, channel, _ = alone
    with superuser(templates, "maintenance_alone") as connection:
        row = connection.execute("delete from alembic_version returning version_num").fetchone()
        assert row is not None
        await told(process, "the database has no schema and ")
        assert await health(channel, "") == SERVING
        connection.execute("insert into alembic_version values (%s)", row)

        async def ready() -> bool:
            return process.ready

        await until(ready)
        connection.execute("update alembic_version set version_num = 'newer'")
        assert await process.problems() == []  # a newer schema fits older code for one release


@pytest.mark.rule("OPS-16")
@pytest.mark.rule("REL-79")
async def test_liveness_does_not_look_at_the_broker(
    alone: tuple[Process, Nats, grpc.aio.Channel, Any], issuer: Issuer
) -> None:
    process, nats, channel, nc = alone
    await nc.close()
    os.kill(nats.pid, signal.SIGKILL)
    await told(process, "NATS is not connected")
    assert await health(channel, "") == SERVING
    client = Client(process, issuer.token("people/root", {"-": ["administrator"]}))
    made = await client(sites_pb2.CreateSiteRequest(site_id="hamburg", site=SITE))  # commands go on at once
    await client.close()
    assert made.name == "sites/hamburg"

    async def dead() -> bool:
        return not nats.alive

    await until(dead)
    nats.revive()

    async def ready() -> bool:
        return process.ready

    await until(ready)

    async def published() -> bool:
        return process.nc is not None and await bus.messages_in(process.nc, "MAINTENANCE") == 1

    await until(published)


@pytest.mark.rule("REL-20")
async def test_production_needs_a_broker_that_writes_through(
    alone: tuple[Process, Nats, grpc.aio.Channel, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    process, nats, _, _ = alone
    lazy = process.config.model_copy(update={"environment": "production", "nats_monitor_url": nats.monitor_url})
    process.config = lazy
    (line,) = await process.problems()
    assert line.startswith("the broker does not write through to disk: set jetstream sync_interval: always")
    process.config = lazy.model_copy(update={"nats_monitor_url": ""})
    assert len(await process.problems()) == 1
    with Nats(tmp_path_factory.mktemp("durable"), durable=True) as durable:
        assert await asyncio.to_thread(bus.sync_always, durable.monitor_url)
        process.config = lazy.model_copy(update={"nats_monitor_url": durable.monitor_url})
        assert await process.problems() == []


@pytest.mark.rule("REL-79")
async def test_a_part_that_ends_by_a_defect_takes_the_liveness_with_it(
    alone: tuple[Process, Nats, grpc.aio.Channel, Any],
) -> None:
    process, _, channel, _ = alone

    async def broken() -> None:
        raise ZeroDivisionError("a defect")

    process._keep("part", broken())
    await told(process, "part ended: ZeroDivisionError")
    assert await health(channel, "") == NOT_SERVING


@pytest.mark.rule("REL-77")
async def test_two_servers_never_share_a_port(
    alone: tuple[Process, Nats, grpc.aio.Channel, Any], templates: Engines, issuer: Issuer
) -> None:
    from services.chassis.config import ConfigInvalid

    process, nats, _, _ = alone
    urls = databases.urls(templates.postgres_url, "maintenance", PASSWORDS, "maintenance_alone")
    config = config_of("maintenance", templates, urls, issuer, nats_url=nats.url, listen=f"127.0.0.1:{process.port}")
    second = process_of("maintenance", config)
    with pytest.raises(ConfigInvalid, match="is in use"):
        await second.start()
    await second.engine.dispose()
