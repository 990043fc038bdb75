"""PostgreSQL's own load generator, from the wheel that brings the server: a function called by so many connections."""

import asyncio
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.engines import account, postgres
from tests.load.measure import percentile


@dataclass(frozen=True, slots=True)
class Found:
    """What a run found: transactions done, how many a second, each one's milliseconds, and those refused."""

    count: int
    per_second: float
    times: list[float]
    refused: int = 0

    def at(self, percent: int) -> float:
        """A percentile of the times."""
        return percentile(self.times, percent)


class PgbenchFailed(Exception):
    """It ended otherwise than it should, or some of its transactions did."""


async def drive(
    url: str, script: str, *, callers: int, seconds: int, variables: Mapping[str, object] | None = None
) -> Found:
    """Let so many connections run a script with prepared statements for so many seconds."""
    with tempfile.TemporaryDirectory(prefix="plantops-pgbench-") as name:
        folder = Path(name)
        (folder / "script").write_text(script)
        command = [str(postgres.programs(account.account()) / "pgbench"), "-n", "-M", "prepared"]
        command += ["-c", str(callers), "-j", "1" if callers == 1 else "2", "-T", str(seconds)]
        command += ["-f", "script", "-l", "--log-prefix=log"]
        for key, value in (variables or {}).items():
            command += ["-D", f"{key}={value}"]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        process = await asyncio.create_subprocess_exec(
            *command, url, cwd=folder, env=clean, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        said, wrong = (text.decode() for text in await process.communicate())
        count = re.search(r"transactions actually processed: (\d+)", said)
        rate = re.search(r"tps = ([\d.]+)", said)
        failed = re.search(r"failed transactions: (\d+)", said)
        if process.returncode or count is None or rate is None or (failed is not None and int(failed[1])):
            raise PgbenchFailed(f"pgbench ended with {process.returncode}: {said[-400:]} {wrong[-400:]}")
        return Found(int(count[1]), float(rate[1]), _times(folder))


def _times(folder: Path) -> list[float]:
    lines = [line for log in folder.glob("log.*") for line in log.read_text().splitlines()]
    return [int(line.split()[2]) / 1000 for line in lines]
