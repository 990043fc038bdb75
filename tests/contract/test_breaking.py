"""A released contract cannot be broken unseen."""

import subprocess
from pathlib import Path

import pytest

from protos.build import compile_all
from tests.contract import breaking

BUF = (breaking.ROOT / "buf.yaml").read_text()
CONTRACT = """
syntax = "proto3";
package plantops.demo.v1;
message Pump {
  string name = 1;
  string title = 2;
}
"""


def git(root: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@example.com", *words],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose first commit is released."""
    (tmp_path / "buf.yaml").write_text(BUF)
    write(tmp_path, CONTRACT)
    (tmp_path / "protos" / "RELEASED").write_text("none\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    (tmp_path / "protos" / "RELEASED").write_text(f"# released\n{git(tmp_path, 'rev-parse', 'HEAD')}\n")
    return tmp_path


def write(root: Path, text: str) -> None:
    path = root / "protos" / "plantops" / "demo" / "v1" / "demo.proto"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.rule("REL-84")
def test_a_removed_field_breaks_the_released_contract(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(project, CONTRACT.replace("  string title = 2;\n", ""))
    compile_all(project)
    assert breaking.main(project) == 1
    told = capfd.readouterr().out
    assert 'field "2" with name "title"' in told
    assert "the contract broke" in told


@pytest.mark.rule("REL-84")
def test_a_changed_type_breaks_and_an_added_field_does_not(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(project, CONTRACT.replace("string title = 2;", "string title = 2;\n  string state = 3;"))
    compile_all(project)
    assert breaking.main(project) == 0
    assert "nothing broke" in capfd.readouterr().out
    write(project, CONTRACT.replace("string title", "int32 title"))
    compile_all(project)
    assert breaking.main(project) == 1


def test_what_cannot_be_compared_is_said_loudly(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    released = project / "protos" / "RELEASED"
    released.write_text("0123456789012345678901234567890123456789\n")
    assert breaking.main(project) == 0
    assert "SKIPPED, NOTHING WAS COMPARED" in capsys.readouterr().out
    for nothing in ("# nobody uses it\nnone\n", ""):
        released.write_text(nothing)
        assert breaking.main(project) == 0
        assert "nothing is released yet" in capsys.readouterr().out


def test_this_contract_keeps_what_was_released() -> None:
    assert breaking.main() == 0
