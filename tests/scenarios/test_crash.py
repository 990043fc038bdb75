"""Whatever is killed in the middle of a chain of work, the chain ends as if nothing had happened."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
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


def demo(
    folder: Path, *, kill: str = "", after_step: int = 0, do: Callable[[dict[str, int]], None] | None = None
) -> str:
    """Run the demonstration; kill a process, or do something worse, when a step is printed. Gives what it printed."""

    def strike(pids: dict[str, int]) -> None:
        if do is not None:
            do(pids)
        elif kill:
            os.kill(pids[kill], signal.SIGKILL)

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
            if line.startswith(f"[{after_step:2}]"):
                strike(json.loads((folder / "plant.json").read_text())["pids"])
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


def plantops(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of a command on the running plant."""
    done = subprocess.run(
        [*PLANTOPS, "--data", str(folder), *arguments],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.rule("REL-89")
@pytest.mark.parametrize("after_step", [3, 10])
def test_a_lost_volume_of_the_broker_loses_no_event(running: Path, after_step: int) -> None:
    def lose_the_volume(pids: dict[str, int]) -> None:
        os.kill(pids["nats"], signal.SIGSTOP)  # else it would write while its folder goes
        shutil.rmtree(running / "nats")
        os.kill(pids["nats"], signal.SIGKILL)

    before = (running.parent / "run.log").read_text().count("settings changed")
    printed = demo(running, after_step=after_step, do=lose_the_volume)
    assert "every effect after its cause" in printed
    assert "no difference" in printed
    code, text = plantops(running, "reconcile")
    assert (code, text.splitlines()[-1]) == (0, "difference 0"), text
    said = (running.parent / "run.log").read_text().count("settings changed")
    assert said > before


@pytest.mark.rule("REL-90")
@pytest.mark.rule("REL-44")
def test_events_are_compared_told_again_and_decided_by_command(running: Path) -> None:
    code, text = plantops(running, "reconcile", "--dry-run")
    assert (code, text.splitlines()[-1]) == (0, "difference 0"), text
    assert text.count(" -> ") == 6
    code, text = plantops(
        running, "outbox", "replay", "materials", "--since", "2020-01-01T00:00:00Z", "--reason", "drill"
    )
    assert code == 0
    assert "events told again" in text
    assert plantops(running, "check")[0] == 0
    assert plantops(running, "dead-letters", "list") == (0, "no dead letter\n")
    unknown = ["materials-maintenance", "01a21578-0000-7000-8000-000000000000"]
    code, text = plantops(running, "dead-letters", "discard", *unknown, "--reason", "drill")
    assert code == 1
    assert "DEAD_LETTER_NOT_FOUND" in text
    code, text = plantops(running, "reconcile", "--rewind")
    assert (code, text) == (2, "plantops: --rewind needs a --reason\n")
    code, text = plantops(running, "outbox", "replay", "materials", "--since", "2020-01-01", "--reason", "drill")
    assert code == 2
    assert "needs an offset" in text
