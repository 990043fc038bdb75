"""Base backups of a PostgreSQL server, their proof, and the way back to a running one (OPS-48).

    base_backup(url, folder)         a copy of a running server with its manifest, whole or not at all
    verify(folder)                   what `pg_verifybackup` says of it
    restore(base, wal, plant, ...)   a new data folder, brought to the end of the archive or to an instant

A restored server begins a timeline of its own. Nothing that exists is overwritten.
"""

import contextlib
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cli.engines import account, archive
from cli.engines.postgres import Postgres, programs
from cli.engines.process import EngineFailed

MANIFEST = "backup_manifest"
PATIENCE = 6 * 3600.0
"""Seconds that replaying the log may last."""


class BackupInvalid(EngineFailed):
    """A backup is missing, damaged or of another version; the sentence says which."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore reached."""

    last_commit: datetime | None
    """Commit of the last transaction that was replayed; None when none was."""
    lsn: str
    timeline: int
    segments: int


def base_backup(url: str, folder: Path) -> None:
    """Copy a running server into a folder that does not exist yet, with the log that the copy needs.

    EngineFailed when the program or the server refuses; then no folder is left.
    """
    if folder.exists():
        raise EngineFailed(f"{folder} exists already; a backup overwrites nothing")
    options, environment = archive.client(url)
    command = [str(_program("pg_basebackup")), "-D", str(folder), "--format=plain", "--wal-method=stream"]
    command += ["--checkpoint=fast", "--manifest-checksums=SHA256", "--label=plantops", *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd="/", check=False)
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise EngineFailed(f"the base backup failed: {_line(done.stderr)}")


def verify(folder: Path) -> str:
    """What `pg_verifybackup` says of a base backup that it finds whole; BackupInvalid with its finding else."""
    version(folder)
    if not (folder / MANIFEST).is_file():
        raise BackupInvalid(f"{folder} has no {MANIFEST}; what lies there cannot be proved to be whole")
    command = [str(_program("pg_verifybackup")), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    if done.returncode:
        raise BackupInvalid(f"the backup {folder} is damaged: {_line(done.stderr)}")
    return _line(done.stdout)


def version(folder: Path) -> int:
    """Major version of the server that a base backup is of; BackupInvalid when it is none, or not ours."""
    try:
        found = int((folder / "PG_VERSION").read_text())
    except (OSError, ValueError):
        raise BackupInvalid(f"there is no backup in {folder}") from None
    said = subprocess.run([str(_program("postgres")), "--version"], capture_output=True, text=True, check=True)
    ours = int(said.stdout.split()[-1].split(".")[0])
    if found != ours:
        raise BackupInvalid(f"the backup is of PostgreSQL {found}, here runs {ours}; restore it with its own version")
    return found


def first_segment(base: Path) -> tuple[str, str]:
    """(segment, position) from which the log has to be replayed over a base backup."""
    try:
        label = (base / "backup_label").read_text()
        start = next(line for line in label.splitlines() if line.startswith("START WAL LOCATION"))
        position, _, file = start.split(": ", 1)[1].partition(" (file ")
        return file.rstrip(")"), position
    except (OSError, StopIteration, IndexError):
        raise BackupInvalid(f"{base} has no backup_label; it is no base backup") from None


def restore(
    base: Path,
    wal: Path | None,
    plant: Path,
    *,
    at: datetime | None = None,
    lsn: str = "",
    durable: bool = True,
    port: int = 0,
    password: str = "",
) -> Restored:
    """Make a plant's database folder from a base backup and an archive, stopped and ready to start.

    Replays to the end of the archive, or to the last transaction that committed at or before `at`, or to `lsn`.
    The caller chooses a base that was complete at the instant: an earlier one would be passed silently. EngineFailed
    and BackupInvalid say in one line what hinders; then the plant's folder is as it was.
    """
    verify(base)
    who = account.account()
    existed = plant.exists()
    data = account.data_folder(plant / "postgres", who)
    staged = data.with_name("postgres.wal")
    for path in (data, staged, data.with_name(f"{data.name}.new")):
        if path.exists():
            raise EngineFailed(f"{path} exists already; restore into a new folder, nothing was changed")
    word = data.parent / ".postgres.password"
    keeps = {path.name for path in data.parent.iterdir()} if data.parent.exists() else set()
    try:
        first, _ = first_segment(base)
        size = _segment_size(base)
        names = archive.segments(wal, size) if wal is not None and wal.is_dir() else {}
        missing = archive.hole(names, first, size)
        if missing:
            raise BackupInvalid(f"the archive {wal} lacks segment {missing}; nothing behind it can be restored")
        _lay_down(base, data, who)
        staged.mkdir(mode=0o700)
        who.own(staged)
        if wal is not None and names:
            archive.stage(names, wal, first, staged, who)
        if password and not word.exists():
            word.touch(mode=0o600)
            word.write_text(password)
        return _replay(plant, staged, _target(at, lsn), durable=durable, port=port, count=len(names))
    except BaseException:
        _undo(data.parent, keeps, None if existed else plant)
        raise
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _undo(folder: Path, keeps: set[str], plant: Path | None) -> None:
    """Remove what a restore that failed has made: files beside the data, and the plant's folder when it made that."""
    for path in folder.iterdir():
        if path.name not in keeps:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    with contextlib.suppress(OSError):
        if plant is not None:
            plant.rmdir()
    with contextlib.suppress(OSError):
        if folder.parent == account.SHELTER:
            folder.rmdir()


def _lay_down(base: Path, data: Path, who: account.Account) -> None:
    """Copy a base backup to its place, as the server's account wants it."""
    data.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(base, data, symlinks=True)
    (data / MANIFEST).unlink()
    (data / "recovery.signal").touch(mode=0o600)
    data.chmod(0o700)
    for path in (data, *data.rglob("*")):
        who.own(path)


def _replay(plant: Path, staged: Path, target: Mapping[str, str], *, durable: bool, port: int, count: int) -> Restored:
    fetch = f"cp {shlex.quote(str(staged))}/%f %p".replace(str(staged), str(staged).replace("%", "%%"))
    settings = {
        "restore_command": fetch,
        "recovery_target_action": "promote",
        "hot_standby": "off",  # it answers when everything is replayed, not before
        **target,
    }
    server = Postgres(plant, port=port, durable=durable, settings=settings, patience=PATIENCE)
    try:
        with server, archive.connected(server.url) as connection:
            row = connection.execute(
                "select pg_last_xact_replay_timestamp(), pg_last_wal_replay_lsn()::text, pg_is_in_recovery(), "
                "pg_walfile_name(pg_current_wal_lsn())"
            ).fetchone()
            assert row is not None
            assert not row[2], "a server that still recovers"
            return Restored(row[0], str(row[1]), int(row[3][:8], 16), count)
    except EngineFailed:
        log = server.folder.parent / "postgres.log"
        said = log.read_text(errors="replace") if log.exists() else ""  # whole: its end may be about refused callers
        if "before configured recovery target was reached" in said:
            wanted = next(iter(target.values()))
            raise BackupInvalid(f"the archive ends before {wanted}; take an earlier instant, or none") from None
        if "requested recovery stop point is before consistent recovery point" in said:
            wanted = next(iter(target.values()))
            raise BackupInvalid(f"the backup was not complete at {wanted}; take a later instant") from None
        raise


def _target(at: datetime | None, lsn: str) -> dict[str, str]:
    if at is not None:
        if at.tzinfo is None:
            raise EngineFailed("the instant needs an offset, such as 2026-05-04T12:00:00Z")
        return {"recovery_target_time": at.astimezone(UTC).isoformat(" ", "microseconds")}
    return {"recovery_target_lsn": lsn} if lsn else {}


def _segment_size(base: Path) -> int:
    done = subprocess.run(
        [str(_program("pg_controldata")), str(base)], capture_output=True, text=True, check=False, env={"LC_ALL": "C"}
    )
    for line in done.stdout.splitlines():
        if line.startswith("Bytes per WAL segment"):
            return int(line.rpartition(":")[2])
    raise BackupInvalid(f"{base} has no readable control file")


def _program(name: str) -> Path:
    return programs(account.Account(None, None)) / name


def _line(text: str) -> str:
    return " | ".join(line.strip() for line in text.strip().splitlines()[:3]) or "no word"
