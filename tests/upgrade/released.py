"""The release before: the commit that protos/RELEASED names, with its own contract, as a version to run."""

import io
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
from pathlib import Path

from tests.contract.breaking import released
from tests.load import fleet
from tests.load.fleet import ROOT, Version


def schema_of(service: str) -> str | None:
    """The schema file of a service in the release before; None without history or release."""
    commit = released(ROOT)
    content = _git("show", f"{commit}:services/{service}/migrations/schema.sql") if commit else None
    return content.decode() if content is not None else None


def lists_of(service: str) -> dict[str, list[list[str]]] | None:
    """Owner -> lists of the events that a service received in the release before; None without history or release."""
    commit = released(ROOT)
    content = _git("show", f"{commit}:services/streams.toml") if commit else None
    if content is None:
        return None
    sources = tomllib.loads(content.decode())["consumers"].get(service, {})
    return {source: fleet.lists_of(declared) for source, declared in sources.items()}


def checked_out(folder: Path) -> Version | None:
    """The release before in a folder, its protos compiled; None where there is no history or no release.

    Its processes run on the interpreter without the environment's own paths, so that nothing of the present source
    is found beside it.
    """
    commit = released(ROOT)
    content = _git("archive", commit) if commit else None
    if content is None:
        return None
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder, filter="data")
    done = subprocess.run([sys.executable, str(folder / "protos" / "build.py")], cwd=folder, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    base = getattr(sys, "_base_executable", sys.executable)
    libraries = sysconfig.get_paths()["purelib"]
    return Version(f"release {commit[:7]}", folder, base, (str(folder), str(folder / "gen"), libraries))


def _git(*arguments: str) -> bytes | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
