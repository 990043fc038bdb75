"""PostgreSQL and NATS from container images, through testcontainers (PLANTOPS_ENGINES=containers)."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.engines.process import EngineFailed

POSTGRES_IMAGE = "postgres:18"
NATS_IMAGE = "nats:2.15"


def _prepare() -> None:
    """Ask Docker whether it is there; inside a container the ports of siblings are on loopback as well (OPS-2)."""
    try:
        import docker  # type: ignore[import-untyped]
        from docker.errors import DockerException  # type: ignore[import-untyped]
    except ImportError:
        raise EngineFailed(
            "PLANTOPS_ENGINES=containers needs the package testcontainers; install it or use the embedded engines"
        ) from None
    try:
        client = docker.from_env(timeout=10)
        try:
            client.ping()
        finally:
            client.close()
    except DockerException as error:
        raise EngineFailed(
            f"PLANTOPS_ENGINES=containers needs Docker, which does not answer ({error}); start it or use the embedded "
            "engines"
        ) from None
    if Path("/.dockerenv").exists():
        os.environ.setdefault("TESTCONTAINERS_HOST_OVERRIDE", "127.0.0.1")
        os.environ.setdefault("TESTCONTAINERS_CONNECTION_MODE", "docker_host")


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL container; gives a superuser's URL."""
    _prepare()
    from testcontainers.community.postgres import PostgresContainer

    image = os.environ.get("PLANTOPS_POSTGRES_IMAGE", POSTGRES_IMAGE)
    password = secrets.token_urlsafe(24)
    container = PostgresContainer(
        image, username="postgres", password=password, dbname="postgres", driver=None
    ).with_env("POSTGRES_INITDB_ARGS", "--locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C")
    with container.with_command("postgres -c max_connections=200 -c jit=off -c timezone=UTC") as running:
        yield str(running.get_connection_url())


@contextmanager
def nats() -> Iterator[tuple[str, str]]:
    """A NATS container with JetStream that syncs every write; gives its URL and its monitoring URL."""
    _prepare()
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.waiting_utils import wait_for_logs

    image = os.environ.get("PLANTOPS_NATS_IMAGE", NATS_IMAGE)
    with tempfile.TemporaryDirectory(prefix="plantops-nats-") as folder:
        settings = Path(folder) / "server.conf"
        settings.write_text(
            'listen: "0.0.0.0:4222"\nhttp: "0.0.0.0:8222"\njetstream { store_dir: "/data", sync_interval: always }\n'
        )
        Path(folder).chmod(0o755)
        container = (
            DockerContainer(image)
            .with_volume_mapping(folder, "/plantops", "ro")
            .with_command("-c /plantops/server.conf")
            .with_exposed_ports(4222, 8222)
        )
        with container as running:
            wait_for_logs(running, "Server is ready", timeout=60)
            host = running.get_container_host_ip()
            ports = running.get_exposed_port(4222), running.get_exposed_port(8222)
            yield f"nats://{host}:{ports[0]}", f"http://{host}:{ports[1]}"
