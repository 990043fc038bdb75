"""What the Dockerfile does, without Docker: the wheel of the files it copies and the locked libraries, alone."""

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.image.dockerfile import ROOT, parse, sources

UV = Path(sys.executable).parent / "uv"


def checkout(target: Path) -> Path:
    """The tracked files that the Dockerfile copies, as they stand in the work tree."""
    _, stages = parse((ROOT / "Dockerfile").read_text())
    wanted = [source for stage in stages for source in sources(stage)]
    listed = subprocess.run(["git", "ls-files", "-z", "--", *wanted], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
    return target


def wheel(folder: Path) -> Path:
    """Build the wheel of a checkout with the tools of requirements-build.lock."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"],
        cwd=folder, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    (found,) = (folder / "dist").glob("*.whl")
    return found


def content(path: Path) -> dict[str, str]:
    """File name -> hash of everything in a wheel."""
    with zipfile.ZipFile(path) as archive:
        return {name: sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment with the project and its locked libraries, and nothing else."""

    folder: Path

    @property
    def bin(self) -> Path:
        """Where its programs lie."""
        return self.folder / "bin"

    @property
    def site(self) -> Path:
        """Where its packages lie."""
        (found,) = (self.folder / "lib").glob("python3.*/site-packages")
        return found

    def files(self) -> dict[str, int]:
        """Every file with the time it was written, to see whether a process wrote."""
        return {str(path): path.stat().st_mtime_ns for path in self.folder.rglob("*")}

    def environment(self, **given: str) -> dict[str, str]:
        """Variables of a process; compiled modules lie beside the environment, as the image brings its own."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "PYTHONPYCACHEPREFIX": f"{self.folder.parent}/compiled",
            **given,
        }

    def command(self, *words: str, alone: bool = False) -> list[str]:
        """A command line of this environment; `alone` = as process 1, with nothing but /tmp to write to."""
        line = [str(self.bin / words[0]), *words[1:]]
        if not alone:
            return line
        script = (
            f"mount -t tmpfs tmpfs {self.folder.parent}/tmp && mount -o remount,ro,bind / && "
            'for m in /dev/shm /run /var/tmp; do mount -o remount,ro,bind $m 2>/dev/null; done; exec "$@"'
        )
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh", *line]


def isolates() -> bool:
    """Whether this account may make namespaces (root outside a strict container)."""
    tool = shutil.which("unshare")
    if tool is None or os.geteuid() != 0:
        return False
    probe = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", "mount -o remount,ro,bind /"]
    return subprocess.run(probe, capture_output=True, timeout=20).returncode == 0


def install(target: Path, built: Path) -> Installed:
    """The steps of the Dockerfile's build stage, into an empty environment below `target`."""
    folder = target / "plantops"
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info[1]}"
    subprocess.run([str(base), "-m", "venv", "--without-pip", str(folder)], check=True, capture_output=True, timeout=60)
    libraries = ["--require-hashes", "--only-binary", ":all:", "--no-deps", "-r", str(ROOT / "requirements.lock")]
    command = [str(UV), "pip", "install", "-q", "--python", str(folder / "bin" / "python")]
    if subprocess.run([*command, "--offline", *libraries], capture_output=True, timeout=120).returncode:
        subprocess.run([*command, *libraries], check=True, capture_output=True, timeout=300)
    subprocess.run([*command, "--offline", "--no-deps", str(built)], check=True, capture_output=True, timeout=60)
    return Installed(folder)
