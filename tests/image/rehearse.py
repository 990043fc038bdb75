"""`python -m tests.image.rehearse [--twice]`: the build stage of the Dockerfile, step by step, without Docker.

The steps are those of the file; only /opt/plantops and /build lie below a temporary folder, and the Python of the
development environment takes the place of the base image. `--twice` compares two builds file by file (OPS-13).
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

from tests.image.dockerfile import ROOT, Stage, parse

ENVIRONMENT = "/opt/plantops"
SECONDS = 1200


def build(stage: Stage, folder: Path) -> Path:
    """Run a build stage below a folder; gives the environment that the image takes."""
    work, target = folder / "build", folder / "opt" / "plantops"
    work.mkdir(parents=True)
    base = folder / "base" / "bin" / "python"
    subprocess.run([_python(), "-m", "venv", str(folder / "base")], check=True, timeout=SECONDS)
    variables = dict(os.environ)
    for item in stage.instructions:
        if item.word == "ENV":
            variables.update(pair.split("=", 1) for pair in item.rest.split())
        elif item.word == "COPY":
            *sources, place = item.rest.split()
            for source in sources:
                copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copyfile
                copy(ROOT / source, work / (source if place == "./" else place))
        elif item.word == "RUN":
            words = [word.replace(ENVIRONMENT, str(target)) for word in item.arguments or []]
            words[0] = str(base) if words[0] == "python" else words[0]
            print("  " + " ".join((item.arguments or [])[:6]), flush=True)
            subprocess.run(words, cwd=work, env=variables, check=True, stdout=subprocess.DEVNULL, timeout=SECONDS)
    return target


def _python() -> str:
    return str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info[1]}")


def hashes(environment: Path) -> dict[str, str]:
    """File -> hash of its content; links by where they lead."""
    return {
        str(path.relative_to(environment)): (
            os.readlink(path) if path.is_symlink() else sha256(path.read_bytes()).hexdigest()
        )
        for path in environment.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def main() -> int:
    """0 when the stage can be built, and twice alike when asked."""
    parser = argparse.ArgumentParser(prog="python -m tests.image.rehearse", description=__doc__)
    parser.add_argument("--twice", action="store_true")
    options = parser.parse_args()
    _, stages = parse((ROOT / "Dockerfile").read_text())
    found: list[dict[str, str]] = []
    for _ in range(2 if options.twice else 1):
        with tempfile.TemporaryDirectory(prefix="plantops-rehearsal-") as folder:
            fixed = Path(tempfile.gettempdir()) / f"plantops-rehearsal-{os.getpid()}"  # paths are part of files
            fixed.symlink_to(folder)
            try:
                environment = build(stages[0], fixed)
                found.append(hashes(environment))
                size = sum(path.lstat().st_size for path in environment.rglob("*"))
                subprocess.run([environment / "bin" / "plantops", "--help"], check=True, stdout=subprocess.DEVNULL)
            finally:
                fixed.unlink()
        print(f"built: {len(found[-1])} files, {size / 1e6:.0f} MB")
    different = [name for name in found[0].keys() | found[-1].keys() if found[0].get(name) != found[-1].get(name)]
    for name in sorted(different)[:20]:
        print(f"differs: {name}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
