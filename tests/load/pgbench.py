"""PostgreSQL's own load generator, from the wheel that brings the server: a function called by so many connections."""

import asyncio
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.engines import account, postgres
from tests.load.measure import percentile

SETTLING = 1, 16
"""Seconds in which so many connections plan their statements."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a run found: transactions done, how many a second, each one's milliseconds, and those refused."""

    count: int
    per_second: float
    times: list[float]
    refused: int = 0
    unmeasured: int = 0
    """Done before the counting began."""

    def at(self, percent: int) -> float:
        """A percentile of the times."""
        return percentile(self.times, percent)


class PgbenchFailed(Exception):
    """It ended otherwise than it should, or some of its transactions did."""


async def drive(
    url: str,
    script: str,
    *,
    callers: int,
    seconds: int,
    variables: Mapping[str, object] | None = None,
    settled: Callable[[], None] = lambda: None,
) -> Found:
    """Let so many connections run a script with prepared statements for so many seconds.

    What is done in the first seconds, in which each connection plans its statements, is not counted; `settled` is
    called when they are over.
    """
    settling = SETTLING[0] * max(1, callers // SETTLING[1])
    with tempfile.TemporaryDirectory(prefix="plantops-pgbench-") as name:
        folder = Path(name)
        (folder / "script").write_text(script)
        command = [str(postgres.programs(account.account()) / "pgbench"), "-n", "-M", "prepared"]
        command += ["-c", str(callers), "-j", "1" if callers == 1 else "2", "-T", str(seconds + settling)]
        command += ["-f", "script", "-l", "--log-prefix=log"]
        for key, value in (variables or {}).items():
            command += ["-D", f"{key}={value}"]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        process = await asyncio.create_subprocess_exec(
            *command, url, cwd=folder, env=clean, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        await asyncio.sleep(settling)
        began = time.time()
        settled()
        said, wrong = (text.decode() for text in await process.communicate())
        count = re.search(r"transactions actually processed: (\d+)", said)
        failed = re.search(r"failed transactions: (\d+)", said)
        if process.returncode or count is None or (failed is not None and int(failed[1])):
            raise PgbenchFailed(f"pgbench ended with {process.returncode}: {said[-400:]} {wrong[-400:]}")
        ended = sorted(_ended(folder, began))
        if not ended:
            raise PgbenchFailed(f"pgbench did nothing after its first {settling} s")
        times = [milliseconds for _, milliseconds in ended]
        return Found(len(ended), len(ended) / (ended[-1][0] - began), times, unmeasured=int(count[1]) - len(ended))


def _ended(folder: Path, began: float) -> Iterator[tuple[float, float]]:
    """(when, after how many milliseconds) each transaction ended, from an instant on."""
    for log in folder.glob("log.*"):
        for line in log.read_text().splitlines():
            _, _, took, _, seconds, microseconds = line.split()
            at = int(seconds) + int(microseconds) / 1e6
            if at > began:
                yield at, int(took) / 1000
