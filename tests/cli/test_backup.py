"""A plant's backups: taken while it works, restored with what opens them to the instant that was chosen (OPS-48)."""

import json
import shutil
import stat
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from plantops.maintenance.v1 import sites_pb2
from plantops.materials.v1 import items_pb2

from cli import backup as store_of
from cli.__main__ import main
from cli.engines import EngineFailed
from cli.engines.archive import SLOT, Archive, Origin
from cli.engines.backup import BackupInvalid
from cli.engines.postgres import Postgres
from cli.home import SERVICES, Home
from tests.world import Plant


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that the server's account can pass."""
    with tempfile.TemporaryDirectory(prefix="plantops-store-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


async def work(plant: Plant, name: str) -> None:
    """A site and an item, told to the other services."""
    site = sites_pb2.Site(title=name, time_zone="Europe/Berlin", currency_code="EUR", country_code="DE")
    await plant("root", sites_pb2.CreateSiteRequest(site_id=name, site=site))
    item = items_pb2.Item(number=name, title=name, base_unit_code="H87", tracking="NONE")
    await plant("mara", items_pb2.CreateItemRequest(item_id=name, item=item))
    await plant.settle()


def seen(connect: Any) -> dict[str, list[tuple[Any, ...]]]:
    """What each database holds: rows that were made, events told, events applied."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for service in SERVICES:
        with connect(service) as connection:
            for query in (
                "select event_id::text, subject from outbox order by pos",
                "select consumer, event_id::text from inbox order by 1, 2",
                "select event_type, resource, version from journal order by pos",
            ):
                found[f"{service} {query}"] = connection.execute(query).fetchall()
    with connect("maintenance") as connection:
        found["sites"] = connection.execute("select name, title from site order by 1").fetchall()
    with connect("materials") as connection:
        found["items"] = connection.execute("select name, title from item order by 1").fetchall()
    return found


@pytest.fixture(scope="module")
async def store(plant: Plant, folder: Path) -> tuple[Path, datetime, dict[str, Any], dict[str, Any]]:
    """A store of backups; the chosen instant, and what the databases held then and at the end."""
    url = plant.engines.postgres_url
    home = Home(folder / "plant")
    home.folder.mkdir()
    home.secrets()
    with Archive(folder / "store") as receiver:
        receiver.follow(url)
        try:
            await work(plant, "first")
            store_of.create(home, url, folder / "store")
            await work(plant, "second")
            chosen = plant.value("maintenance", "select clock_timestamp()")
            then = seen(plant.look)
            await work(plant, "third")
            end = seen(plant.look)
            lsn = plant.value("maintenance", "select pg_current_wal_flush_lsn()::text")
            assert receiver.reached(lsn)
        finally:
            receiver.close()
            plant.value("maintenance", "select pg_drop_replication_slot(%s)", SLOT)
    return folder / "store", chosen, then, end


@pytest.mark.rule("OPS-48")
@pytest.mark.rule("OPS-47")
def test_a_plant_is_restored_as_it_was_at_an_instant(store: Any, folder: Path, plant: Plant) -> None:
    backups, chosen, then, end = store
    for title, at, wanted in (("then", chosen, then), ("end", None, end)):
        target = folder / title
        base, reached = store_of.restore(backups, target, at=at, durable=False)
        assert base.said == "backup successfully verified"
        assert reached.last_commit is not None
        if at is not None:
            assert base.completed <= reached.last_commit <= at
        with Postgres(target, durable=False) as server:

            def look(service: str, url: str = server.url) -> psycopg.Connection[Any]:
                return psycopg.connect(store_of.in_database(url, plant.database[service]))

            assert seen(look) == wanted
            note = json.loads((target / store_of.RESTORED).read_text())
            assert note["base"] == base.folder.name
            assert store_of.rows_of(server.url) == note["rows"]  # of the template databases, where nobody works
        shutil.rmtree(target / "postgres")
    assert [name for name, _ in then["sites"]] == ["sites/first", "sites/second"]
    assert [name for name, _ in end["sites"]] == ["sites/first", "sites/second", "sites/third"]


def test_what_opens_the_databases_comes_with_them_and_is_private(store: Any, folder: Path) -> None:
    backups, *_ = store
    (base,) = store_of.bases(backups)
    kept = sorted(base.secrets.iterdir())
    assert [path.name for path in kept] == [store_of.PASSWORD, "secrets.json"]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in kept)
    assert stat.S_IMODE(backups.stat().st_mode) == 0o700
    assert (folder / "then" / "secrets.json").read_text() == (folder / "plant" / "secrets.json").read_text()
    assert stat.S_IMODE((folder / "then" / "secrets.json").stat().st_mode) == 0o600
    assert not [path for path in backups.rglob("*") if path.name in {"nats", "jetstream"}]


def test_an_instant_before_the_backup_is_refused_with_the_earliest_one(store: Any, folder: Path) -> None:
    backups, chosen, *_ = store
    (base,) = store_of.bases(backups)
    early = base.completed - timedelta(milliseconds=1)
    with pytest.raises(BackupInvalid, match=r"the earliest instant that .* can restore is 20"):
        store_of.restore(backups, folder / "never", at=early, durable=False)
    assert not (folder / "never").exists()
    assert store_of.choose(backups, base.completed) == base
    assert store_of.choose(backups, chosen) == base


def test_the_newest_backup_that_was_whole_is_chosen(tmp_path: Path) -> None:
    for hour in (1, 2, 3):
        folder = tmp_path / "base" / f"2026050{hour}T000000Z"
        folder.mkdir(parents=True)
        content = {
            "begun": f"2026-05-04T0{hour}:00:00+00:00", "completed": f"2026-05-04T0{hour}:10:00+00:00",
            "origin": {"system": "1", "timeline": 1}, "size": 1, "rows": {}, "said": "",
        }  # fmt: skip
        (folder / "backup.json").write_text(json.dumps(content))
    for hour, minute, wanted in ((1, 10, 0), (2, 9, 0), (2, 10, 1), (9, 0, 2)):
        at = datetime(2026, 5, 4, hour, minute, tzinfo=UTC)
        assert store_of.choose(tmp_path, at) == store_of.bases(tmp_path)[wanted]
    assert store_of.choose(tmp_path, None) == store_of.bases(tmp_path)[2]
    (tmp_path / "base" / "20260503T000000Z" / "backup.json").write_text("{")
    with pytest.raises(BackupInvalid, match="cannot be read"):
        store_of.bases(tmp_path)


def test_old_backups_go_with_the_log_that_only_they_need(tmp_path: Path) -> None:
    (tmp_path / "wal").mkdir()
    for number in range(1, 7):
        (tmp_path / "wal" / f"00000001000000000000000{number}").touch()
    for hour in (1, 3, 5):
        data = tmp_path / "base" / f"2026050{hour}T000000Z" / "data"
        data.mkdir(parents=True)
        (data / "backup_label").write_text(f"START WAL LOCATION: 0/{hour}000028 (file 00000001000000000000000{hour})\n")
        content = {
            "begun": f"2026-05-0{hour}T00:00:00+00:00", "completed": f"2026-05-0{hour}T00:10:00+00:00",
            "origin": {"system": "1", "timeline": 1}, "size": 1, "rows": {}, "said": "",
        }  # fmt: skip
        (data.parent / "backup.json").write_text(json.dumps(content))
    with pytest.raises(EngineFailed, match="at least one"):
        store_of.prune(tmp_path, 0)
    assert store_of.prune(tmp_path, 3) == ([], 0)
    assert store_of.prune(tmp_path, 2) == (["20260501T000000Z"], 2)
    assert sorted(path.name[-1] for path in (tmp_path / "wal").iterdir()) == ["3", "4", "5", "6"]
    assert [base.folder.name[7] for base in store_of.bases(tmp_path)] == ["3", "5"]
    assert store_of.prune(tmp_path, 1) == (["20260503T000000Z"], 2)
    assert store_of.choose(tmp_path, None).folder.name == "20260505T000000Z"


def test_secrets_that_exist_are_not_overwritten(store: Any, folder: Path) -> None:
    backups, *_ = store
    target = folder / "mine"
    target.mkdir()
    (target / "secrets.json").write_text("mine")
    with pytest.raises(EngineFailed, match="exists already; restore into a new folder, nothing was changed"):
        store_of.restore(backups, target, durable=False)
    assert [path.name for path in target.iterdir()] == ["secrets.json"]
    assert (target / "secrets.json").read_text() == "mine"


def test_a_backup_that_fails_leaves_nothing(
    store: Any, folder: Path, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    backups, *_ = store
    before = sorted(path.name for path in (backups / "base").iterdir())

    def fails(folder: Path) -> str:
        raise BackupInvalid("damaged")

    monkeypatch.setattr(store_of.backup, "verify", fails)
    with pytest.raises(BackupInvalid, match="damaged"):
        store_of.create(Home(folder / "plant"), plant.engines.postgres_url, backups)
    assert sorted(path.name for path in (backups / "base").iterdir()) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("backup", "list", "--from", "{}"), "there is no backup in"),
        (("backup", "restore", "--from", "{}", "--to", "{}/new"), "there is no backup in"),
        (("backup", "create", "--to", "{}", "--postgres-url", "postgresql://x@127.0.0.1:1/x"), "does not answer"),
    ],
)
def test_the_command_line_says_what_hinders_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert main([word.format(tmp_path) for word in words]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("plantops: ")
    assert said in told.err
    assert told.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("given", "said"), [("2026-05-04", "needs an offset"), ("noon", "Invalid isoformat")])
def test_an_instant_needs_an_offset(given: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["backup", "restore", "--from", "x", "--to", "y", "--time", given])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.rule("OPS-49")
def test_the_order_after_a_restore_is_one_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["restore-guide"]) == 0
    told = capsys.readouterr().out
    steps = [line[:3].strip() for line in told.splitlines() if line[:3].strip().isdigit()]
    assert steps == [str(number) for number in range(1, len(steps) + 1)]
    places = [told.index(word) for word in ("door closed", "backup check", "reconcile", "person decides", "Open the")]
    assert places == sorted(places)


def test_a_store_is_of_one_server(store: Any) -> None:
    backups, *_ = store
    (base,) = store_of.bases(backups)
    assert Origin(**json.loads((backups / "store.json").read_text())) == base.origin
