"""`make planted`: plant bugs one at a time and run the tests of the rule that each breaks; they must fail (PROOF-2).

    python -m tests.planted [chassis|maintenance|materials|procurement|gateway] [bug ...]

A bug counts as caught when a test that passes without it fails in its body. Two run at a time, each on engines of
its own, on which many runs follow one another. The table also goes to build/planted.json.
"""

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from queue import SimpleQueue
from threading import Lock

from tests.planted.ground import Ground, ground
from tests.planted.planting import SERVICES, Bug, bugs
from tests.planted.runs import ROOT, Run, run

AT_ONCE = 2
CAUGHT, SURVIVED, NO_TEST, BROKEN = "caught", "SURVIVED", "no test", "BROKEN"


@dataclass(slots=True)
class Found:
    """What became of one bug; `by` is the test that noticed it, `why` what it said."""

    bug: str
    rule: str
    tests: int
    outcome: str
    seconds: float
    by: str = ""
    why: str = ""


def marked() -> dict[str, list[str]]:
    """Rule -> node ids of the tests that bear its mark, read from the sources."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        place = path.relative_to(ROOT).as_posix()
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                for rule in _rules(node):
                    found.setdefault(rule, []).append(f"{place}::{node.name}")
    return found


def _rules(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [
        argument.value
        for mark in node.decorator_list
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.rule"
        for argument in mark.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]


def proofs_of(bug: Bug, known: dict[str, list[str]]) -> list[str]:
    """Tests of the bug's rule: those of its own service first, the quick ones before those that need engines, and
    files with a test whose name shares words with the bug's title before others."""
    home = f"tests/{bug.service}/"
    words = _words(bug.title)
    tests = known.get(bug.rule, [])
    shared = {file: max(len(words & _words(test)) for test in found) for file, found in _by_file(tests).items()}

    def place(node: str) -> tuple[bool, bool, bool, int]:
        pure = node.startswith((f"{home}rules/", f"{home}model/"))
        return not pure, not node.startswith(home), node.startswith("tests/scenarios/"), -shared[_file(node)]

    return sorted(tests, key=place)


def _words(said: str) -> set[str]:
    """The words of a sentence or of a test's name, without the small ones."""
    return {word for word in re.split(r"[^a-z]+", said.rpartition("::")[2].lower()) if len(word) > 3}


def _file(node: str) -> str:
    return node.partition("::")[0]


def _by_file(tests: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for test in tests:
        found.setdefault(_file(test), []).append(test)
    return found


def judge(bug: Bug, tests: Sequence[str], found: Run) -> Found:
    """What a run with the bug showed; that the test passes without the bug is looked at afterwards."""
    row = Found(bug.name, bug.rule, len(tests), SURVIVED, found.seconds)
    named = [*found.failed, *found.broken]
    if named or not found.passed:
        row.outcome = CAUGHT if found.failed else BROKEN
        row.by = named[0] if named else ""
        row.why = found.why.get(row.by, "") or (found.output.strip().splitlines() or ["no output"])[-1][:200]
    return row


def confirm(row: Found, sound: Run) -> None:
    """A bug is caught by a test that passes without it alone."""
    if row.by not in set(sound.passed) - set(sound.failed) - set(sound.broken):
        row.outcome = BROKEN
        row.why = f"run alone it fails without the bug too: {sound.why.get(row.by, 'nothing ran')}"


class Field:
    """Plants bugs; runs without a bug are remembered, since several bugs break one rule."""

    def __init__(self, grounds: Sequence[Ground]) -> None:
        self._free: SimpleQueue[Ground] = SimpleQueue()
        for each in grounds:
            self._free.put(each)
        self._sound: dict[tuple[str, ...], Run] = {}
        self._turn = Lock()

    def plant(self, bug: Bug, tests: Sequence[str]) -> Found:
        """Run a bug's tests with it, and when one has noticed it, those of its file without the bug."""
        left, unsound = list(tests), Found(bug.name, bug.rule, 0, NO_TEST, 0)
        row = Found(bug.name, bug.rule, 0, NO_TEST, 0)
        while left:
            row = judge(bug, tests, self._run(left, bug.name, "-x"))
            if row.outcome != CAUGHT:
                row.by, row.why = row.by or unsound.by, row.why or unsound.why
                break
            noticed = row.by.partition("[")[0]
            confirm(row, self._without(tuple(_by_file(left)[_file(noticed)])))
            if row.outcome == CAUGHT:
                break
            left.remove(noticed)  # one that never passes alone says nothing; the others may
            unsound = row
        return row

    def _without(self, tests: tuple[str, ...]) -> Run:
        with self._turn:
            known = self._sound.get(tests)
        found = known or self._run(tests)
        with self._turn:
            self._sound[tests] = found
        return found

    def _run(self, tests: Sequence[str], bug: str = "", *options: str) -> Run:
        free = self._free.get()
        try:
            return run(free, tests, bug, *options)
        finally:
            self._free.put(free)


def line(row: Found) -> str:
    """One line of the table."""
    return f"{row.bug:<52} {row.rule:<8} {row.tests:>5}  {row.outcome:<9} {row.seconds:>6.1f} s"


def main() -> int:
    """Plant, run, print; 1 when a bug was not caught."""
    parser = argparse.ArgumentParser(prog="make planted")
    parser.add_argument("only", nargs="?", default="", choices=["", *SERVICES])
    parser.add_argument("names", nargs="*", help="names of bugs, all without")
    parser.add_argument("--why", action="store_true", help="print which test noticed a bug, and what it said")
    given = parser.parse_args()
    wanted = [bug for bug in bugs(given.only) if not given.names or bug.name.partition(".")[2] in given.names]
    known = marked()
    print(f"{len(wanted)} bugs, {len({bug.rule for bug in wanted})} rules, {AT_ONCE} at a time")
    rows: list[Found] = []
    target = ROOT / "build" / "planted.json"
    target.parent.mkdir(exist_ok=True)
    with ThreadPoolExecutor(AT_ONCE) as pool, ExitStack() as stack:
        field = Field([stack.enter_context(ground()) for _ in range(min(AT_ONCE, len(wanted)))])
        for row in pool.map(lambda bug: field.plant(bug, proofs_of(bug, known)), wanted):
            rows.append(row)
            target.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
            print(line(row), flush=True)
            if row.why and (given.why or row.outcome != CAUGHT):
                print(f"    {row.by}\n    {row.why}", flush=True)
    for row in rows:
        if row.outcome != CAUGHT:
            print(line(row))
    caught = sum(row.outcome == CAUGHT for row in rows)
    print(f"planted bugs caught {caught} of {len(rows)}")
    return 0 if caught == len(rows) and rows else 1


if __name__ == "__main__":
    sys.exit(main())
