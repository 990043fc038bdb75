"""Whatever is killed in the middle of a chain of work, the chain ends as if nothing had happened."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PLANTOPS = [sys.executable, "-m", "cli"]
READY_SECONDS = 120.0


def environment() -> dict[str, str]:
    """Without settings of the plant that the test run itself may have."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PLANTOPS_")}


@pytest.fixture(scope="module")
def running() -> Iterator[Path]:
    """The folder of a whole plant as `plantops run` starts it, with the sample data."""
    with contextlib.ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="plantops-run-", ignore_cleanup_errors=True))
        )
        folder.chmod(0o711)
        log = stack.enter_context((folder / "run.log").open("w+"))
        process = subprocess.Popen(
            [*PLANTOPS, "--data", str(folder / "plant"), "run", "--free-ports"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(),
            start_new_session=True,
        )
        try:
            until = time.monotonic() + READY_SECONDS
            while "Plantops runs" not in (folder / "run.log").read_text():
                assert process.poll() is None, (folder / "run.log").read_text()
                assert time.monotonic() < until, (folder / "run.log").read_text()
                time.sleep(0.1)
            yield folder / "plant"
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(90) == 0, (folder / "run.log").read_text()
        assert "stopped" in (folder / "run.log").read_text()


def demo(folder: Path, *, kill: str = "", after_step: int = 0) -> str:
    """Run the demonstration; kill a process of the plant when a step is printed. Gives what it printed."""
    process = subprocess.Popen(
        [*PLANTOPS, "--data", str(folder), "demo", "--pause", "0.05"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    printed: list[str] = []
    with process.stdout:
        for line in process.stdout:
            printed.append(line)
            if kill and line.startswith(f"[{after_step:2}]"):
                os.kill(json.loads((folder / "plant.json").read_text())["pids"][kill], signal.SIGKILL)
    assert process.wait(120) == 0, "".join(printed)
    return "".join(printed)


def test_the_demonstration_closes_the_loop_and_the_books_agree(running: Path) -> None:
    printed = demo(running)
    assert "every effect after its cause" in printed
    assert "no difference" in printed


@pytest.mark.rule("REL-1")
@pytest.mark.parametrize(
    ("victim", "after_step"),
    [("maintenance", 4), ("materials", 12), ("procurement", 7), ("gateway", 2), ("nats", 5), ("postgres", 9)],
)
def test_a_killed_process_loses_and_doubles_nothing(running: Path, victim: str, after_step: int) -> None:
    before = json.loads((running / "plant.json").read_text())["pids"][victim]
    printed = demo(running, kill=victim, after_step=after_step)
    assert "every effect after its cause" in printed
    assert "no difference" in printed
    assert json.loads((running / "plant.json").read_text())["pids"][victim] != before
