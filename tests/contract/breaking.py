"""Whether the contract still keeps what was released: `python -m tests.contract.breaking` (REL-84).

`protos/RELEASED` names the commit whose contract must not break, or says `none`. The protos of that commit are
compiled beside the present ones and buf compares the two descriptor images.
"""

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from protos.build import compile_all

ROOT = Path(__file__).parents[2]


def released(root: Path) -> str:
    """The commit that protos/RELEASED names; "" when nothing is released."""
    lines = [line.partition("#")[0].strip() for line in (root / "protos" / "RELEASED").read_text().splitlines()]
    words = [line for line in lines if line]
    if not words or words == ["none"]:
        return ""
    if len(words) > 1:
        raise SystemExit("protos/RELEASED names more than one commit")
    return words[0]


def image_of(root: Path, commit: str, folder: Path) -> Path | None:
    """The descriptor image of a commit's protos, compiled in a folder; None when git does not know the commit."""
    try:
        done = subprocess.run(["git", "-C", str(root), "archive", commit, "protos"], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    if done.returncode:
        return None
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return compile_all(folder) / "plantops" / "plantops.binpb"


def main(root: Path = ROOT) -> int:
    """0 when nothing broke, nothing is released or there is no history here; 1 with buf's words otherwise."""
    commit = released(root)
    if not commit:
        print("breaking: nothing is released yet (protos/RELEASED says none)")
        return 0
    with tempfile.TemporaryDirectory(prefix="plantops-released-") as folder:
        before = image_of(root, commit, Path(folder))
        if before is None:
            print(f"breaking: SKIPPED, NOTHING WAS COMPARED: no git history here with the released commit {commit}")
            return 0
        now = root / "gen" / "plantops" / "plantops.binpb"
        done = subprocess.run([_buf(), "breaking", str(now), "--against", str(before)], cwd=root, check=False)
    print(f"breaking: {'the contract broke' if done.returncode else 'nothing broke'} since {commit}")
    return 1 if done.returncode else 0


def _buf() -> str:
    beside = Path(sys.executable).parent / "buf"
    return str(beside) if beside.exists() else shutil.which("buf") or "buf"


if __name__ == "__main__":
    sys.exit(main())
