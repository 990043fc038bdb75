"""Whom the engines run as, and folders that this account can reach.

PostgreSQL refuses to run as root. Then it runs as an unprivileged account; what lies behind a folder that is
closed to this account goes to a folder of its own below /var/tmp. No folder of the user changes its rights.
"""

import hashlib
import os
import pwd
import shutil
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

SHELTER = Path("/var/tmp")


@dataclass(frozen=True, slots=True)
class Account:
    """User and group that a server process runs as; None = as we are."""

    uid: int | None
    gid: int | None

    @property
    def other(self) -> bool:
        """Whether it is another account than ours."""
        return self.uid is not None

    def own(self, folder: Path) -> None:
        """Make a folder that we just made belong to the account."""
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)

    def popen(self) -> dict[str, object]:
        """Keyword arguments for subprocess that drop to this account."""
        if not self.other:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def account() -> Account:
    """The account for server processes: ours, or `nobody` when we are root."""
    if os.geteuid() != 0:
        return Account(None, None)
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def reachable(path: Path, who: Account) -> bool:
    """Whether the account may pass through every folder above the path."""
    if not who.other:
        return True
    above = [folder for folder in path.resolve().parents if folder.exists()]
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in above)


def data_folder(wanted: Path, who: Account) -> Path:
    """Where an engine's data lie: the wanted folder if the account can reach it, else one below /var/tmp.

    The substitute's name is made from the wanted path, so that the next run finds the same data.
    """
    wanted = wanted.resolve()
    if reachable(wanted, who):
        wanted.parent.mkdir(parents=True, exist_ok=True)
        return wanted
    mark = hashlib.sha256(str(wanted).encode()).hexdigest()[:12]
    folder = SHELTER / f"plantops-data-{os.geteuid()}-{mark}"
    folder.mkdir(mode=0o711, exist_ok=True)
    _ours(folder)
    print(f"engines: {wanted.parent} is closed to the servers' account; data lie in {folder}", file=sys.stderr)
    return folder / wanted.name


def program_folder(wanted: Path, who: Account, libraries: Path | None = None) -> Path:
    """A folder of programs that the account can execute: the wanted one, or a copy below /var/tmp.

    `libraries` is a folder two levels up beside the programs' package, where they look for shared libraries; it
    is copied to the same place of the copy.
    """
    wanted = wanted.resolve()
    if reachable(wanted / "bin", who) and (not who.other or wanted.stat().st_mode & stat.S_IXOTH):
        return wanted
    info = wanted.stat()
    mark = hashlib.sha256(f"{wanted}:{info.st_mtime_ns}".encode()).hexdigest()[:12]
    folder = SHELTER / f"plantops-programs-{os.geteuid()}-{mark}"
    if not folder.exists():
        fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
        shutil.copytree(wanted, fresh / wanted.parent.name / wanted.name, symlinks=True)
        if libraries is not None and libraries.exists():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        try:
            fresh.rename(folder)
        except OSError:  # another process was first
            shutil.rmtree(fresh)
        print(f"engines: programs are closed to the servers' account; a copy lies in {folder}", file=sys.stderr)
    _ours(folder)
    return folder / wanted.parent.name / wanted.name


def _ours(folder: Path) -> None:
    """Refuse a folder below /var/tmp that somebody else put there."""
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to somebody else; remove it and start again")
