"""`make bench`: run benchmarks, print a table, write build/bench/<name>.json; docs/how-to/benchmarks.md explains it.

    python -m tests.load [relay|events|command|import|watching|posting|drain|growth ...]

Ends with 1 when a result differs from its baseline's or a bound is not kept.
"""

import argparse
import asyncio
import importlib
import os
import signal
import sys
import time

import structlog

from tests.load import measure
from tests.load.measure import Report, ResultsDiffer
from tests.load.stage import stage

NAMES = ("relay", "events", "command", "import", "watching", "posting", "drain", "growth")
ALONE = ("overload", "rolling", "check", "genealogy")
"""Run only when named: `make overload`, `make rolling`, `make bench-check`, `make bench-genealogy`."""


def main() -> int:
    """Run the benchmarks named, or all."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join((*NAMES, *ALONE)))
    names = parser.parse_args().names or list(NAMES)
    for name in names:
        if name not in (*NAMES, *ALONE):
            parser.error(f"there is no benchmark {name}; there are {', '.join((*NAMES, *ALONE))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started here is ended too
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # its word about each process that is started
    structlog.configure(processors=[_silent], cache_logger_on_first_use=False)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the start")
    every: list[Report] = []
    failed = False
    for name in names:
        began = time.monotonic()
        try:
            reports = _reports(name)
        except ResultsDiffer as error:
            print(f"{name}: the results differ, no time was compared: {error}", flush=True)
            failed = True
            continue
        target = measure.save(name, reports)
        every += reports
        print(f"{name}: {time.monotonic() - began:.0f} s, {target.relative_to(target.parents[2])}", flush=True)
    if every:
        print(measure.table(every))
    return 1 if failed or any(report.holds is False for report in every) else 0


def _reports(name: str) -> list[Report]:
    module = importlib.import_module(f"tests.load.bench_{name}")
    if hasattr(module, "alone"):  # it has engines of its own
        own: list[Report] = module.alone()
        return own
    with stage() as found:
        staged: list[Report] = asyncio.run(module.run(found))
        return staged


def _silent(*_: object) -> str:
    raise structlog.DropEvent


if __name__ == "__main__":
    sys.exit(main())
