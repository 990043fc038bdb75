"""Runs of pytest with a bug planted, each in a process of its own: a copy of one that has imported everything.

To import the libraries takes longer than most tests that notice a bug.
"""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from tests.planted.ground import Ground

ROOT = Path(__file__).parents[2]
SECONDS = 300
"""A run with a bug that lasts longer is ended and proves nothing."""
_processes = get_context("forkserver")
_processes.set_forkserver_preload(["tests.planted.preloaded"])


@dataclass(slots=True)
class Run:
    """Outcome of one pytest process."""

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    why: dict[str, str] = field(default_factory=dict)
    seconds: float = 0
    output: str = ""


def run(ground: Ground, tests: Sequence[str], bug: str = "", *options: str, seconds: float = SECONDS) -> Run:
    """Run tests, with a bug planted; those that use the ground's engines find it cleared."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="plantops-planted-") as folder:
        report, said = Path(folder) / "report.json", Path(folder) / "said"
        settings = {
            "PLANTOPS_TEST_PROFILE": "noticing",
            "PLANTOPS_PLANTED": bug,
            "PLANTOPS_PLANTED_REPORT": str(report),
            "PLANTOPS_TEST_ENGINES": json.dumps(
                [ground.engines.postgres_url, ground.engines.nats_url, ground.engines.nats_monitor_url]
            ),
        }
        process = _processes.Process(target=_pytest, args=([*options, *tests], settings, str(said)))
        process.start()
        assert process.pid
        process.join(seconds)
        if process.is_alive():
            os.kill(process.pid, signal.SIGINT)  # pytest ends what its tests have started
            process.join(30)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join()
        found = Run(**json.loads(report.read_text())) if report.exists() else Run()
        found.output = said.read_text(errors="replace") if said.exists() else ""
    found.seconds = round(time.monotonic() - began, 1)
    return found


def _pytest(arguments: Sequence[str], settings: dict[str, str], said: str) -> None:
    """What the process does: a session of its own, so that what tests leave behind is ended with it."""
    os.setsid()
    with open(said, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(ROOT)
    os.environ.update(settings)
    import pytest

    loaded = "ignore::pytest.PytestAssertRewriteWarning"  # libraries that are pytest plugins are there already
    code = pytest.main(["-q", "-W", loaded, "-p", "tests.planted.plugin", "-p", "no:cacheprovider", *arguments])
    sys.exit(int(code))
