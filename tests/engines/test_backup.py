"""Base backups and the archive of the log: restored to an instant, proved whole, refused in one line (OPS-48)."""

import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cli.engines import EngineFailed, archive, backup
from cli.engines.archive import Archive, Origin
from cli.engines.backup import BackupInvalid
from cli.engines.postgres import Postgres


@dataclass(frozen=True, slots=True)
class Disaster:
    """A server that was backed up, worked on and killed: its backups, and what was noted meanwhile."""

    store: Path
    base: Path
    before: datetime
    chosen: datetime
    lsn: str
    password: str
    origin: Origin

    @property
    def wal(self) -> Path:
        return self.store / "wal"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that the server's account can pass."""
    with tempfile.TemporaryDirectory(prefix="plantops-backup-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture(scope="module")
def disaster(folder: Path) -> Disaster:
    """Row 1 is in the base backup; 2 and 3 are committed behind it, the chosen instant lies between them."""
    store = folder / "store"
    with Archive(store) as receiver, Postgres(folder / "plant", durable=False) as server:
        receiver.follow(server.url)
        with psycopg.connect(server.url, autocommit=True) as connection:

            def work(statement: str) -> Any:
                cursor = connection.execute(statement)  # type: ignore[call-overload]
                return cursor.fetchone()[0] if cursor.description else None

            work("create table work (number int)")
            work("create table ballast as select repeat(md5(i::text), 20) as x from generate_series(1, 5000) i")
            work("insert into work values (1)")
            before = work("select clock_timestamp()")
            backup.base_backup(server.url, store / "base")
            work("select pg_switch_wal()")
            work("insert into work values (2)")
            lsn = work("select pg_current_wal_insert_lsn()::text")
            chosen = work("select clock_timestamp()")
            work("insert into work values (3)")
            work("select pg_switch_wal()")
            work("insert into work values (4)")
            assert receiver.reached(work("select pg_current_wal_flush_lsn()::text"))
            origin = Origin.of(server.url)
        os.kill(server.pid, signal.SIGKILL)
        while server.alive:
            time.sleep(0.01)
    password = (folder / "plant" / ".postgres.password").read_text()
    shutil.rmtree(folder / "plant" / "postgres")
    return Disaster(store, store / "base", before, chosen, lsn, password, origin)


def numbers(plant: Path) -> list[int]:
    with Postgres(plant, durable=False) as server, psycopg.connect(server.url) as connection:
        return [row[0] for row in connection.execute("select number from work order by 1").fetchall()]


@pytest.mark.rule("OPS-48")
@pytest.mark.parametrize("to", ["instant", "position", "end"])
def test_the_rows_are_as_at_the_instant_that_was_chosen(folder: Path, disaster: Disaster, to: str) -> None:
    assert backup.verify(disaster.base) == "backup successfully verified"
    wanted: dict[str, Any] = {"instant": {"at": disaster.chosen}, "position": {"lsn": disaster.lsn}, "end": {}}[to]
    plant = folder / to
    reached = backup.restore(disaster.base, disaster.wal, plant, durable=False, password=disaster.password, **wanted)
    assert reached.timeline == disaster.origin.timeline + 1
    assert reached.segments >= 3
    assert numbers(plant) == ([1, 2, 3, 4] if to == "end" else [1, 2])
    if to == "instant":
        assert reached.last_commit is not None
        assert disaster.before < reached.last_commit <= disaster.chosen
    left = {path.name for path in plant.iterdir()} - {"postgres", "postgres.log"}
    assert left == {".postgres.lock", ".postgres.password"}
    assert stat.S_IMODE((plant / ".postgres.password").stat().st_mode) == 0o600
    assert not (plant / "postgres" / "recovery.signal").exists()


@pytest.mark.rule("OPS-48")
def test_a_segment_that_was_only_laid_out_is_not_replayed(folder: Path, disaster: Disaster) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        wal = Path(name) / "wal"
        shutil.copytree(disaster.wal, wal)
        last = max(archive.segments(wal))
        (wal / f"{last[:-1]}{int(last[-1], 16) + 1:X}.partial").write_bytes(bytes(8 * 1024 * 1024))
        backup.restore(disaster.base, wal, folder / "blank", durable=False, password=disaster.password)
    assert numbers(folder / "blank") == [1, 2, 3, 4]


def test_a_base_backup_stands_without_an_archive(folder: Path, disaster: Disaster) -> None:
    plant = folder / "alone"
    backup.restore(disaster.base, None, plant, durable=False, password=disaster.password)
    assert numbers(plant) == [1]


def test_a_restored_server_may_not_go_on_in_the_archive_of_its_past(folder: Path, disaster: Disaster) -> None:
    plant = folder / "again"
    backup.restore(disaster.base, disaster.wal, plant, durable=False, password=disaster.password)
    before = sorted(path.name for path in disaster.wal.iterdir())
    with Postgres(plant, durable=False) as server:
        with Archive(disaster.store) as past, pytest.raises(EngineFailed, match="from before this plant was restored"):
            past.follow(server.url)
        with Archive(folder / "fresh") as receiver:
            receiver.follow(server.url)
            with psycopg.connect(server.url) as connection:
                row = connection.execute("select pg_current_wal_flush_lsn()::text").fetchone()
            assert row is not None
            assert receiver.reached(row[0])
            with pytest.raises(EngineFailed, match="runs already"), Archive(folder / "fresh") as second:
                second.follow(server.url)
    assert sorted(path.name for path in disaster.wal.iterdir()) == before


def test_a_receiver_that_died_goes_on_without_a_hole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "PAUSE", 0.2)
    store = folder / "revived"
    with Archive(store) as receiver, Postgres(folder / "watched", durable=False) as server:
        receiver.follow(server.url)
        assert receiver.watch() == ""
        os.kill(receiver.pid, signal.SIGKILL)
        with psycopg.connect(server.url, autocommit=True) as connection:
            # it died while it laid out its first segment: PostgreSQL's own program would refuse that for ever
            (store / "wal" / "000000010000000000000001.partial").write_bytes(bytes(10 * 1024 * 1024))
            for _ in range(3):
                connection.execute("select pg_logical_emit_message(true, 'x', 'x'), pg_switch_wal()")
            row = connection.execute("select pg_current_wal_flush_lsn()::text").fetchone()
            assert row is not None
            told: list[str] = []
            until = time.monotonic() + 60
            while not receiver.reached(row[0], 0.1):
                assert time.monotonic() < until, told
                told += filter(None, [receiver.watch()])
        assert any("died" in line for line in told)
        assert receiver.watch() == ""
        names = archive.segments(store / "wal")
        assert len(names) >= 3
        assert archive.hole(names, next(iter(names)), 16 * 1024 * 1024) == ""


def test_a_receiver_whose_owner_died_is_ended_at_the_next_start(folder: Path) -> None:
    with Postgres(folder / "owned", durable=False) as server:
        dead = Archive(folder / "orphaned")
        dead.follow(server.url)
        dead._stack.close()  # its owner is gone, and with it the lock on the folder
        with Archive(folder / "orphaned") as receiver:
            receiver.follow(server.url)
            assert not dead.alive
            assert receiver.alive
            with psycopg.connect(server.url) as connection:
                row = connection.execute("select pg_current_wal_flush_lsn()::text").fetchone()
            assert row is not None
            assert receiver.reached(row[0])


def test_an_archive_that_stood_still_too_long_begins_anew(folder: Path) -> None:
    bounds = {"max_slot_wal_keep_size": "16MB", "max_wal_size": "32MB"}
    with Postgres(folder / "kept", durable=False, settings=bounds) as server:
        with Archive(folder / "still") as receiver:
            receiver.follow(server.url)
        with psycopg.connect(server.url, autocommit=True) as connection:
            for _ in range(5):
                connection.execute("select pg_logical_emit_message(true, 'x', 'x'), pg_switch_wal()")
            connection.execute("checkpoint")
            status = connection.execute("select wal_status from pg_replication_slots").fetchone()
            assert status == ("lost",)  # the server's disk is worth more than the archive
        with pytest.raises(EngineFailed, match="begin a new folder"), Archive(folder / "still") as receiver:
            receiver.follow(server.url)
        with Archive(folder / "anew") as receiver:
            receiver.follow(server.url)
            assert receiver.alive


def test_a_stopped_server_leaves_its_whole_log_in_the_archive(folder: Path) -> None:
    with Archive(folder / "whole") as receiver, Postgres(folder / "ends", durable=False) as server:
        receiver.follow(server.url)
        backup.base_backup(server.url, folder / "whole" / "base")
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("create table work as select 9 as number")
        password = (folder / "ends" / ".postgres.password").read_text()
    plant = folder / "ended"
    backup.restore(folder / "whole" / "base", folder / "whole" / "wal", plant, durable=False, password=password)
    assert numbers(plant) == [9]


# --- what is refused ----------------------------------------------------------------------------------------------


def flipped(base: Path) -> None:
    victim = max((base / "base").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)


def other_manifest(base: Path) -> None:
    path = base / backup.MANIFEST
    path.write_text(path.read_text().replace('"Size": 3', '"Size": 4', 1))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped byte": (flipped, r"is damaged: .*checksum mismatch for file \"base/"),
    "a changed manifest": (other_manifest, "is damaged: .*manifest checksum mismatch"),
    "a manifest that is none": (lambda base: (base / backup.MANIFEST).write_text("{"), "is damaged"),
    "no manifest": (lambda base: (base / backup.MANIFEST).unlink(), "has no backup_manifest"),
    "a file that is gone": (lambda base: (base / "global" / "pg_control").unlink(), r"is damaged: .*pg_control"),
    "another version": (lambda base: (base / "PG_VERSION").write_text("15\n"), "is of PostgreSQL 15, here runs 18"),
    "nothing": (shutil.rmtree, "there is no backup in"),
}


@pytest.mark.rule("OPS-48")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_backup_is_refused_in_one_line(folder: Path, disaster: Disaster, damage: str) -> None:
    plant = folder / "never"
    with tempfile.TemporaryDirectory(dir=folder) as name:
        copy = Path(name) / "base"
        shutil.copytree(disaster.base, copy, symlinks=True)
        harm, sentence = DAMAGES[damage]
        harm(copy)
        with pytest.raises(BackupInvalid, match=sentence) as caught:
            backup.restore(copy, disaster.wal, plant, durable=False, password=disaster.password)
    assert "\n" not in str(caught.value)
    assert not plant.exists()


@pytest.mark.rule("OPS-48")
def test_an_archive_that_does_not_reach_so_far_is_refused(folder: Path, disaster: Disaster) -> None:
    plant = folder / "never"
    future = datetime.now(UTC) + timedelta(days=1)
    with pytest.raises(BackupInvalid, match="the archive ends before"):
        backup.restore(disaster.base, disaster.wal, plant, at=future, durable=False, password=disaster.password)
    assert not plant.exists()
    with tempfile.TemporaryDirectory(dir=folder) as name:
        wal = Path(name) / "wal"
        shutil.copytree(disaster.wal, wal)
        first, _ = backup.first_segment(disaster.base)
        gone = next(segment for segment in archive.segments(wal) if segment > first)
        (wal / gone).unlink()
        with pytest.raises(BackupInvalid, match=f"lacks segment {gone}"):
            backup.restore(disaster.base, wal, plant, durable=False, password=disaster.password)
    assert not plant.exists()
    with pytest.raises(EngineFailed, match="needs an offset"):
        backup.restore(disaster.base, disaster.wal, plant, at=datetime(2026, 5, 4, 12), durable=False)
    assert not plant.exists()


@pytest.mark.rule("OPS-48")
def test_nothing_that_exists_is_overwritten(folder: Path, disaster: Disaster) -> None:
    plant = folder / "taken"
    (plant / "postgres").mkdir(parents=True)
    (plant / "postgres" / "mine").write_text("mine")
    (plant / "note").write_text("mine")
    with pytest.raises(EngineFailed, match="exists already; restore into a new folder, nothing was changed"):
        backup.restore(disaster.base, disaster.wal, plant, durable=False, password=disaster.password)
    assert sorted(path.name for path in plant.rglob("*")) == ["mine", "note", "postgres"]
    shutil.rmtree(plant / "postgres")
    future = datetime.now(UTC) + timedelta(days=1)
    with pytest.raises(BackupInvalid, match="the archive ends before"):
        backup.restore(disaster.base, disaster.wal, plant, at=future, durable=False, password=disaster.password)
    assert [path.name for path in plant.rglob("*")] == ["note"]  # what it had made is gone again
    with pytest.raises(EngineFailed, match="exists already; a backup overwrites nothing"):
        backup.base_backup("postgresql://postgres@127.0.0.1:1/postgres", disaster.base)
    assert backup.verify(disaster.base)


def test_a_server_that_is_away_is_said(folder: Path) -> None:
    away = "postgresql://postgres:x@127.0.0.1:1/postgres"
    with pytest.raises(EngineFailed, match=r"the base backup failed: .*refused"):
        backup.base_backup(away, folder / "nothing")
    assert not (folder / "nothing").exists()
    with pytest.raises(EngineFailed, match="the database does not answer"), Archive(folder / "nowhere") as receiver:
        receiver.follow(away)
    assert not (folder / "nowhere").exists()


def test_a_store_belongs_to_one_plant(folder: Path, disaster: Disaster) -> None:
    with pytest.raises(EngineFailed, match="another plant"):
        archive.claim(disaster.store, Origin("1", disaster.origin.timeline))
    archive.claim(disaster.store, disaster.origin)
    other = folder / "photos"
    other.mkdir()
    (other / "photo").touch()
    with pytest.raises(EngineFailed, match="something else"):
        archive.claim(other, disaster.origin)


@pytest.mark.parametrize(
    ("held", "first", "missing"),
    [
        (["01", "02", "03.partial"], "01", ""),
        (["01", "02", "03.partial"], "02", ""),
        (["01", "03"], "01", "02"),
        (["02", "03"], "01", "01"),
        ([], "01", ""),
        (["02", "02.partial"], "02", ""),
    ],
)
def test_a_hole_in_the_archive_is_found(tmp_path: Path, held: list[str], first: str, missing: str) -> None:
    for name in held:
        (tmp_path / f"0000000100000000000000{name}").touch()
    (tmp_path / "00000002.history").touch()
    (tmp_path / "archive.log").touch()
    long = f"0000000100000000000000{first}"
    found = archive.hole(archive.segments(tmp_path), long, 16 * 1024 * 1024)
    assert found == (f"0000000100000000000000{missing}" if missing else "")


def test_segments_go_on_over_the_end_of_a_log(tmp_path: Path) -> None:
    for name in ("0000000100000000000000FF", "000000010000000100000000", "000000010000000100000002"):
        (tmp_path / name).touch()
    names = archive.segments(tmp_path)
    assert archive.hole(names, "0000000100000000000000FF", 16 * 1024 * 1024) == "000000010000000100000001"
