"""Processes of the plant: revived when they die, stopped in order."""

import signal
import sys
import time
from pathlib import Path

from cli.processes import Child, Processes

SLEEPS = "import time; print('up', flush=True); time.sleep(60)"


def child(folder: Path, name: str, code: str = SLEEPS) -> Child:
    return Child(name, [sys.executable, "-c", code], {"PATH": ""}, folder / f"{name}.log")


def until(wanted: object, seconds: float = 10) -> None:
    ends = time.monotonic() + seconds
    while not wanted():  # type: ignore[operator]
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_a_killed_process_runs_again_with_another_id(tmp_path: Path) -> None:
    processes = Processes([child(tmp_path, "materials")])
    processes.start()
    try:
        first = processes["materials"].pid
        assert processes.watch() == []
        processes["materials"].send(signal.SIGKILL)
        revived: list[Child] = []
        until(lambda: revived.extend(processes.watch()) or revived)
        assert revived[0].name == "materials"
        assert revived[0].alive
        assert revived[0].pid != first
    finally:
        processes.stop()
    assert not processes["materials"].alive


def test_a_process_that_dies_at_once_is_not_started_in_a_tight_loop(tmp_path: Path) -> None:
    processes = Processes([child(tmp_path, "materials", "raise SystemExit(3)")])
    processes.start()
    ends = time.monotonic() + 1.5
    starts = 0
    while time.monotonic() < ends:
        starts += len(processes.watch())
        time.sleep(0.01)
    processes.stop()
    assert 1 <= starts <= 4
    assert processes["materials"].deaths == starts


def test_the_gateway_stops_before_the_services(tmp_path: Path) -> None:
    note = tmp_path / "order.txt"
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    open({str(note)!r}, 'a').write(sys.argv[1] + ' ')\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('up', flush=True)\n"
        "time.sleep(60)\n"
    )
    processes = Processes([child(tmp_path, name, code) for name in ("materials", "gateway")])
    for one in processes.children:
        one.command = [*one.command, one.name]
    processes.start()
    until(lambda: all("up" in one.tail() for one in processes.children))
    processes.stop()
    assert note.read_text().split() == ["gateway", "materials"]
