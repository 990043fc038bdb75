"""What is wrong with a part that a process needs is one line with what to do, and the guide has it."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from plantops.maintenance.v1 import sites_pb2
from psycopg import sql
from sqlalchemy.exc import TimeoutError as PoolTimeout
from structlog.testing import capture_logs

from cli import databases
from cli.__main__ import main
from cli.engines import Engines
from cli.engines.nats import Nats
from services.chassis import bus, db, migrate, tokens
from services.chassis.serve import READY, Process, process_of
from tests.chassis.test_serve import NOT_SERVING, SERVING, SITE, Started, health, told, until
from tests.plant import PASSWORDS, Client, Refused, config_of, superuser
from tests.signing import AUDIENCE, ISSUER, Issuer
from tests.world import clone

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "when-something-is-wrong.md"
NAME = "maintenance_wrong"


@cache
def _patterns() -> list[re.Pattern[str]]:
    """The lines of the guide's tables; … stands for anything."""
    rows = re.findall(r"^\| `(.+?)` \|", GUIDE.read_text(), re.MULTILINE)
    return [re.compile(".+".join(map(re.escape, row.split("…")))) for row in rows]


def documented(line: str) -> str:
    """The line itself, if the guide has it and it is one line."""
    assert "\n" not in line
    assert any(pattern.fullmatch(line) for pattern in _patterns()), f"the guide does not have: {line}"
    return line


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture
def urls(templates: Engines) -> databases.DatabaseUrls:
    return clone(templates, "maintenance", NAME)


@asynccontextmanager
async def made(engines: Engines, urls: databases.DatabaseUrls, issuer: Issuer, **given: Any) -> AsyncIterator[Process]:
    """A process that has not begun: it can be asked what keeps it from being ready."""
    process = process_of("maintenance", config_of("maintenance", engines, urls, issuer, **given))
    try:
        yield process
    finally:
        if process.port:
            await process.stop()
        elif process.nc is not None:
            await process.nc.close()
        await process.engine.dispose()


async def about(process: Process, word: str) -> str:
    """The one reason that begins with a word."""
    (line,) = (reason for reason in await process.problems() if reason.startswith(word))
    return documented(line)


# --- the database ----------------------------------------------------------------------------------------------


@pytest.mark.rule("REL-79")
async def test_a_database_that_cannot_be_reached_says_why(
    templates: Engines, urls: databases.DatabaseUrls, issuer: Issuer
) -> None:
    port = free_port()
    wrong: dict[str, Callable[[str], str]] = {
        "nothing answers at 127.0.0.1": lambda url: re.sub(r"@127.0.0.1:\d+", f"@127.0.0.1:{port}", url),
        "the database refuses the password": lambda url: url.replace(PASSWORDS["maintenance_app"], "wrong"),
        "the database does not exist": lambda url: url.replace(NAME, "nowhere"),
    }
    for word, change in wrong.items():
        async with made(templates, urls, issuer, database_url=change(urls.app)) as process:
            line = await about(process, "database: ")
            assert word in line
            assert PASSWORDS["maintenance_app"] not in line


@pytest.mark.rule("REL-79")
def test_each_error_of_the_database_that_has_a_remedy_stands_in_the_guide() -> None:
    class Said(Exception):
        def __init__(self, state: str) -> None:
            super().__init__("the driver's words\nand its hint")
            self.sqlstate = state

    url = "postgresql://maintenance_app:secret@db:5432/maintenance"
    for state in db._BY_STATE:
        line = documented(db.what_is_wrong(Said(state.ljust(5, "0")), "maintenance", url))
        assert "(the driver's words)" in line
    documented(db.what_is_wrong(PoolTimeout("full"), "maintenance", url))
    documented(db.what_is_wrong(TimeoutError(), "maintenance", url))
    assert "secret" not in db.what_is_wrong(OSError("away"), "maintenance", url)


@pytest.mark.rule("OPS-39", "REL-79")
async def test_a_schema_that_is_behind_or_missing_names_the_command(
    templates: Engines, urls: databases.DatabaseUrls, issuer: Issuer
) -> None:
    newest = migrate.required_revision("maintenance")
    async with made(templates, urls, issuer) as process:
        assert not [line for line in await process.problems() if "schema" in line]
        with superuser(templates, NAME) as look:
            look.execute("update alembic_version set version_num = '0001'")
        run = "run `plantops migrate maintenance`"
        assert await about(process, "the schema") == f"the schema is at 0001 and {newest} is needed: {run}"
        with superuser(templates, NAME) as look:
            look.execute("drop table alembic_version")
        assert await about(process, "the database") == f"the database has no schema and {newest} is needed: {run}"


@pytest.mark.rule("OPS-39")
async def test_a_newer_schema_fits_until_a_contract_step_says_otherwise(
    templates: Engines, urls: databases.DatabaseUrls, issuer: Issuer
) -> None:
    class Op:
        def execute(self, statement: str) -> None:
            owner.execute(statement.encode())

    async with made(templates, urls, issuer) as process:
        with psycopg.connect(urls.migrator, autocommit=True) as owner:
            owner.execute("set role maintenance_owner")
            owner.execute("update alembic_version set version_num = '9999'")
            assert not [line for line in await process.problems() if "schema" in line]
            for oldest, fits in (("0.0.9", True), (migrate.release(), True), ("0.10.0", False), ("99.0.0", False)):
                migrate.contract(Op(), "maintenance", oldest)
                lines = [documented(line) for line in await process.problems() if "schema" in line]
                assert not lines if fits else len(lines) == 1, oldest
    assert lines == [
        f"the schema is at 9999 and needs release 99.0.0 or newer, this is {migrate.release()}: "
        "start maintenance from the newer image"
    ]


@pytest.mark.rule("REL-79")
async def test_a_database_without_space_refuses_commands_and_nothing_else(
    templates: Engines, urls: databases.DatabaseUrls, issuer: Issuer, streams: Any
) -> None:
    """The database's own error by a trigger; a volume that is really full belongs to the fault runs."""
    with superuser(templates, NAME) as look:
        look.execute(
            "create function full_disk() returns trigger language plpgsql as "
            "$$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$"
        )
        look.execute("create trigger full_disk before insert on site execute function full_disk()")
    async with made(templates, urls, issuer) as process:
        await process.start()
        client = Client(process, issuer.token("people/root", {"-": ["administrator"]}))
        request = sites_pb2.CreateSiteRequest(site_id="hamburg", site=SITE)
        with pytest.raises(Refused) as caught:
            await client(request)
        assert (caught.value.code, caught.value.reason) == ("UNAVAILABLE", "DATABASE_FULL")
        assert len((await client(sites_pb2.ListSitesRequest())).sites) == 0
        with superuser(templates, NAME) as look:
            look.execute("drop trigger full_disk on site")
        assert (await client(request)).name == "sites/hamburg"  # the same request id
        await client.close()


# --- the broker ------------------------------------------------------------------------------------------------


@pytest.mark.rule("REL-79", "REL-19")
async def test_a_broker_that_is_away_refuses_or_lacks_streams_says_so(
    templates: Engines, urls: databases.DatabaseUrls, issuer: Issuer, tmp_path: Path
) -> None:
    port = free_port()
    async with made(templates, urls, issuer, nats_url=f"nats://plantops:secret@127.0.0.1:{port}") as process:
        assert f"127.0.0.1:{port}:" in await about(process, "NATS")
    with Nats(tmp_path, durable=False) as nats:
        wrong = re.sub(r":[^:@]+@", ":wrong@", nats.url)
        async with made(templates, urls, issuer, nats_url=wrong) as process:
            connecting = asyncio.ensure_future(process._connect())

            async def refused() -> bool:
                return any("NATS refuses" in line for line in await process.problems())

            await until(refused)
            assert "wrong" not in await about(process, "NATS")
            connecting.cancel()
        async with made(templates, urls, issuer, nats_url=nats.url) as process:
            process.nc = await bus.connect(nats.url, "wrong@0", wait=10)
            lines = [documented(line) for line in await process.problems()]
            assert lines[-1] == "stream PROCUREMENT is missing: run `plantops nats apply`"
            assert "consumer maintenance-materials is missing: run `plantops nats apply`" in lines
            assert await asyncio.to_thread(main, ["nats", "apply", "--nats-url", nats.url]) == 0
            assert await process.problems() == []
            config = bus.wanted_streams()["MAINTENANCE"] | {"max_bytes": 1 << 20}
            await process.nc.request("$JS.API.STREAM.UPDATE.MAINTENANCE", json.dumps(config).encode())
            assert "max_bytes is 1048576" in await about(process, "stream MAINTENANCE")


# --- keys and tokens -------------------------------------------------------------------------------------------


@pytest.mark.rule("REL-79", "SEC-2")
async def test_a_key_set_that_is_bad_at_the_start_keeps_a_process_from_being_ready(
    templates: Engines, urls: databases.DatabaseUrls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, streams: Any
) -> None:
    monkeypatch.setattr(tokens, "RETRY_SECONDS", 0)
    signer = Issuer(tmp_path)
    good = signer.jwks.read_text()
    signer.jwks.unlink()
    async with made(templates, urls, signer) as process:
        await process.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{process.port}") as channel:
            for content, word in (
                (None, "does not exist"),
                ("", "is no key set"),
                ("{", "is no key set"),
                ('{"keys": []}', "holds no key"),
                ('{"keys": 7}', "is no key set"),
            ):
                if content is not None:
                    signer.jwks.write_text(content)
                await told(process, word)
                (line,) = (reason for reason in process.why if "token" in reason)
                documented(line)
                assert await health(channel, READY) == NOT_SERVING
                assert await health(channel, "") == SERVING
            signer.jwks.write_text(good)

            async def ready() -> bool:
                return await health(channel, READY) == SERVING

            await until(ready)


@pytest.mark.rule("SEC-2")
@pytest.mark.parametrize("content", [None, "", '{"keys": []}', "[]"])
async def test_known_keys_outlive_a_key_set_that_goes_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    monkeypatch.setattr(tokens, "REFRESH_SECONDS", 0)
    monkeypatch.setattr(tokens, "FRESH_SECONDS", 0)
    signer = Issuer(tmp_path)
    verifier = tokens.Verifier(ISSUER, AUDIENCE, str(signer.jwks))
    await verifier.verify(signer.token("people/ana"))
    signer.jwks.unlink()
    if content is not None:
        signer.jwks.write_text(content)
    with capture_logs() as lines:
        for number in range(20):
            assert (await verifier.verify(signer.token(f"people/p{number}"))).subject == f"people/p{number}"
    assert await verifier.lacking() == ""
    (line,) = (line for line in lines if line["event"] == "the key set cannot be read")
    assert line["meanwhile"] == "the keys known so far are used for a day"
    documented(f"no token can be verified: {line['why']}")


@pytest.mark.rule("SEC-1")
async def test_an_expired_token_is_refused_with_its_reason_and_asks_for_no_keys(
    templates: Engines, urls: databases.DatabaseUrls, issuer: Issuer, streams: Any
) -> None:
    async with made(templates, urls, issuer) as process:
        await process.start()
        client = Client(process, issuer.token("people/root", {"-": ["administrator"]}))
        await client(sites_pb2.ListSitesRequest())
        fetched = process.verifier.fetches
        stale = issuer.token("people/root", {"-": ["administrator"]}, exp=1)
        for _ in range(50):
            with pytest.raises(Refused) as caught:
                await client(sites_pb2.ListSitesRequest(), token=stale)
            assert (caught.value.code, caught.value.reason) == ("UNAUTHENTICATED", "TOKEN_INVALID")
            assert caught.value.metadata == {"why": "it has expired"}
        assert process.verifier.fetches == fetched
        await client.close()


# --- processes and commands as the shell starts them -----------------------------------------------------------


@pytest.mark.rule("REL-79", "OPS-16")
async def test_a_process_in_which_everything_is_wrong_says_it_in_one_line_and_lives(
    templates: Engines, urls: databases.DatabaseUrls, issuer: Issuer, tmp_path: Path
) -> None:
    port = free_port()
    wrong = databases.DatabaseUrls(
        migrator=urls.migrator, app=urls.app.replace(PASSWORDS["maintenance_app"], "wrong"), relay=urls.relay
    )
    given = {"NATS_URL": f"nats://127.0.0.1:{port}", "JWKS": str(tmp_path / "none.json")}
    found = Started(templates, wrong, issuer, **given)
    try:
        address = f"127.0.0.1:{await found.port()}"
        assert found.process.stdout is not None
        while True:
            entry = json.loads(await asyncio.to_thread(found.process.stdout.readline))
            if entry["event"] == "readiness" and entry["why"].count("; ") == 2:
                break
        reasons = [documented(line) for line in entry["why"].split("; ")]
        assert [reason.split(" ")[0] for reason in reasons] == ["database:", "NATS", "no"]
        assert entry["level"] == "warning"
        async with grpc.aio.insecure_channel(address) as channel:
            assert await health(channel, "") == SERVING
            assert await health(channel, READY) == NOT_SERVING
        found.process.terminate()
        assert await found.ended() == 0
    finally:
        found.stop()


@pytest.mark.rule("OPS-14")
def test_commands_that_cannot_do_their_work_say_so_in_one_line(
    templates: Engines,
    urls: databases.DatabaseUrls,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    port = free_port()
    monkeypatch.setenv("PLANTOPS_MIGRATOR_URL", re.sub(r"@127.0.0.1:\d+", f"@127.0.0.1:{port}", urls.migrator))
    assert main(["migrate", "maintenance"]) == 1
    documented(capsys.readouterr().err.removesuffix("\n"))
    assert main(["nats", "apply", "--nats-url", f"nats://127.0.0.1:{port}", "--wait", "0.5"]) == 1
    documented(capsys.readouterr().err.removesuffix("\n"))
    monkeypatch.setenv("PLANTOPS_MIGRATOR_URL", urls.migrator)
    with superuser(templates, NAME) as look:
        look.execute(sql.SQL("update alembic_version set version_num = '0001'"))
        assert main(["migrate", "maintenance"]) == 1  # its columns are there: nothing is done by half
        line = documented(capsys.readouterr().err.removesuffix("\n"))
        assert "already exists" in line
        assert look.execute("select version_num from alembic_version").fetchone() == ("0001",)
