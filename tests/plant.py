"""Fixtures: databases of this worker, a token issuer, and calls with somebody's token."""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
from google.protobuf import message_factory
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from cli import databases
from cli.databases import DatabaseUrls
from cli.engines import Engines
from services.chassis import bus
from services.chassis.config import ServiceConfig
from services.chassis.serve import Process
from tests.signing import AUDIENCE, ISSUER, Issuer

PASSWORDS = {
    f"{service}_{login}": f"{service}-{login}"
    for service in (*databases.SERVICES, "sample")
    for login in databases.LOGINS
}


class Refused(Exception):
    """An rpc's refusal: canonical code name, reason, metadata, field violations."""

    def __init__(self, code: str, status: status_pb2.Status, trailing: Mapping[str, Any]) -> None:
        super().__init__(f"{code}: {status.message}")
        self.code = code
        self.message = status.message
        self.trailing = trailing
        self.reason = ""
        self.metadata: dict[str, str] = {}
        self.fields: list[str] = []
        for detail in status.details:
            info = error_details_pb2.ErrorInfo()
            bad = error_details_pb2.BadRequest()
            if detail.Unpack(info):
                self.reason, self.metadata, self.domain = info.reason, dict(info.metadata), info.domain
            elif detail.Unpack(bad):
                self.fields = [violation.field for violation in bad.field_violations]


class Client:
    """Calls the rpcs of one running service by name: `await client(pb.GetBoxRequest(...))`."""

    def __init__(self, process: Process, token: str) -> None:
        self.process = process
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{process.port}")
        self.token = token
        self.methods = {
            (method.input_type.full_name, method.name): method
            for service in process.services
            for method in service.methods
        }
        self.replayed = False

    async def __call__(self, request: Any, *, rpc: str = "", token: str | None = None, timeout: float = 10) -> Any:
        """Unary call; a missing request_id is made; Refused when the answer is a fault."""
        name = rpc or request.DESCRIPTOR.name.removesuffix("Request")
        method = self.methods[request.DESCRIPTOR.full_name, name]
        if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:
            request.request_id = str(uuid4())
        return await self.send(method, request, token=token, timeout=timeout)

    async def send(self, method: Any, request: Message, *, token: str | None = None, timeout: float = 10) -> Any:
        """Call of a method descriptor with the request as it is; all messages of a server stream."""
        kind = message_factory.GetMessageClass(method.output_type)
        if method.server_streaming:
            return await self._all(method, request, kind, token, timeout)
        call = self.channel.unary_unary(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=kind.FromString,
        )(request, metadata=self.metadata(token), timeout=timeout)
        try:
            answer = await call
        except grpc.aio.AioRpcError as error:
            raise refused(error) from None
        self.replayed = dict(await call.trailing_metadata()).get("x-idempotent-replay") == "true"
        return answer

    async def _all(self, method: Any, request: Message, kind: Any, token: str | None, timeout: float) -> list[Any]:
        call = self.channel.unary_stream(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=kind.FromString,
        )(request, metadata=self.metadata(token), timeout=timeout)
        try:
            return [message async for message in call]
        except grpc.aio.AioRpcError as error:
            raise refused(error) from None

    def metadata(self, token: str | None = None) -> tuple[tuple[str, str], ...]:
        """Metadata with the caller's token."""
        value = self.token if token is None else token
        return (("authorization", f"Bearer {value}"),) if value else ()

    async def close(self) -> None:
        """Close the channel."""
        await self.channel.close()


def refused(error: grpc.aio.AioRpcError) -> Refused:
    """The refusal that an rpc error carries."""
    trailing = dict(error.trailing_metadata() or ())
    data = trailing.get("grpc-status-details-bin", b"")
    status = status_pb2.Status.FromString(data) if data else status_pb2.Status(message=error.details() or "")
    return Refused(error.code().name, status, trailing)


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    """Signs tokens that the services of this worker accept."""
    return Issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="session")
def bootstrapped(engines: Engines) -> Engines:
    """Engines with databases and roles of all services, not migrated yet."""
    databases.bootstrap(engines.postgres_url, PASSWORDS, (*databases.SERVICES, "sample"))
    return engines


@pytest.fixture(scope="session")
async def streams(engines: Engines) -> AsyncIterator[Any]:
    """A broker connection with all streams and consumers as declared."""
    nc = await bus.connect(engines.nats_url, "tests@0", wait=10)
    await bus.apply(nc)
    yield nc
    await nc.close()


OPTIONS: Mapping[str, Mapping[str, Any]] = {"materials": {"company_prefix": "0614141", "decision_days": 3653}}
"""What a service is told beside what all are told."""


def config_of(service: str, engines: Engines, urls: DatabaseUrls, issuer: Issuer, **given: Any) -> ServiceConfig:
    """A service's configuration for tests."""
    return ServiceConfig.load(
        service,
        {},
        **{
            "environment": "test",
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "jwks": str(issuer.jwks),
            "database_url": urls.app,
            "relay_url": urls.relay,
            "nats_url": engines.nats_url,
            "page_token_key": "tests",
            "administrators": ["people/root"],
            "principals": {
                "systems/erp": {"-": ["administrator", "planner", "storekeeper", "stockplanner", "inspector", "buyer"]},
                "systems/second": {"-": ["approver", "operations"]},
            },
            **OPTIONS.get(service, {}),
            **given,
        },
    )


def superuser(engines: Engines, database: str) -> psycopg.Connection[Any]:
    """A superuser's connection to a database, for what a test looks at from outside."""
    url = engines.postgres_url.rsplit("/", 1)[0] + f"/{database}"
    return psycopg.connect(url, autocommit=True)


@pytest.fixture
def everyone() -> Mapping[str, Sequence[str]]:
    """A claim of every role everywhere: grants decide alone."""
    from services.chassis.access import roles

    return {"-": sorted(roles())}


def tables(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """Rows of each table, for "nothing changed"."""
    names = connection.execute(
        "select c.oid::regclass::text from pg_class c where c.relnamespace = 'public'::regnamespace "
        "and c.relkind in ('r', 'p') and not c.relispartition"
    ).fetchall()
    return {
        name: connection.execute(f"select count(*) from {name}").fetchone()[0]  # type: ignore[index]  # noqa: S608
        for (name,) in names
    }


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """Logs of services in this process go nowhere."""
    import structlog

    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.JSONRenderer(default=str)],
        logger_factory=structlog.ReturnLoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(0),  # the command line sets it higher
    )


def path_of(name: str) -> Path:
    """A file beside the tests."""
    return Path(__file__).parent / name
