"""The sample service running on real engines."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.schema import CreateTable

from cli import databases
from cli.engines import Engines
from services.chassis import exporting, schema
from services.chassis.command import Call
from services.chassis.db import dialect_url
from services.chassis.serve import Process
from tests.chassis.sample import service as sample
from tests.chassis.sample.protos import pb
from tests.chassis.spans import Kept
from tests.plant import PASSWORDS, Client, config_of, superuser
from tests.signing import Issuer


class _Op:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def execute(self, text: str) -> None:
        self.connection.execute(text.replace(r"\:", ":"))


@pytest.fixture(scope="session")
def sample_urls(bootstrapped: Engines) -> databases.DatabaseUrls:
    """The sample's database with its tables."""
    urls = databases.urls(bootstrapped.postgres_url, "sample", PASSWORDS)
    with psycopg.connect(urls.migrator, autocommit=True) as connection:
        connection.execute("set role sample_owner")
        op = _Op(connection)
        schema.create_chassis(op, "sample")
        schema.extend_chassis_2(op, "sample")
        schema.extend_chassis_4(op, "sample")
        engine = create_engine(dialect_url(urls.migrator, "psycopg"))
        connection.execute(str(CreateTable(sample.Box.__table__).compile(engine)))
        engine.dispose()
        schema.guard_states(op, "box", [("OPEN", "SEALED")])
        schema.grant(op, "sample", "box")
        connection.execute("create table alembic_version (version_num text)")
        connection.execute("grant select on alembic_version to sample_app")
    return urls


@pytest.fixture(scope="session")
async def process(
    bootstrapped: Engines, sample_urls: databases.DatabaseUrls, issuer: Issuer, roles_for_sample: None
) -> AsyncIterator[Process]:
    """The sample service, listening."""
    config = config_of(
        "sample", bootstrapped, sample_urls, issuer,
        principals={"people/ana": {"hamburg": ["packer"]}, "people/eve": {"antwerp": ["packer"]},
                    "people/vic": {"-": ["viewer"]}},
    )  # fmt: skip
    import sys

    found = Process(
        "sample",
        config,
        api=sys.modules["tests.chassis.sample"],
        services=pb.DESCRIPTOR.services_by_name.values(),
    )
    await found.start()
    yield found
    await found.stop()


@pytest.fixture(scope="session")
def roles_for_sample() -> Any:
    """Roles of the sample beside the plant's."""
    from services.chassis import access

    known = access.roles()
    made = {**known, "packer": ("sample.boxes.*",), "viewer": ("sample.boxes.read",)}
    patch = pytest.MonkeyPatch()
    patch.setattr(access, "roles", lambda: made)
    access.allows.cache_clear()
    yield
    patch.undo()
    access.allows.cache_clear()


@pytest.fixture
async def ana(process: Process, issuer: Issuer) -> AsyncIterator[Client]:
    """A packer at hamburg."""
    client = Client(process, issuer.token("people/ana", {"hamburg": ["packer"]}))
    yield client
    await client.close()


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    found = Kept()
    monkeypatch.setattr(exporting, "exporter", lambda endpoint: found.spans)
    yield found
    for source in found.made:
        source.provider.shutdown()


@pytest.fixture
def look(bootstrapped: Engines, process: Process) -> Iterator[psycopg.Connection[Any]]:
    """A look at the sample's database from outside."""
    with superuser(bootstrapped, "sample") as connection:
        yield connection


@pytest.fixture
def call(issuer: Issuer) -> Call:
    """What comes with a request of ana."""
    return Call(issuer.token("people/ana", {"hamburg": ["packer"]}), timeout=10)
