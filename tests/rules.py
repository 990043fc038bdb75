"""Which rules of docs/specification are proved: collected by the test run, listed by `make rules` (PROOF-1).

As a pytest plugin it notes the rules of tests that passed; `python -m tests.rules` compares them with the rules
that the specification names and fails when one has no proof.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SPECIFICATION = ROOT / "docs" / "specification"
FOLDER = ROOT / ".pytest_cache" / "rules"

_RULE = re.compile(r"^- \*\*([A-Z]+-\d+)\*\*", re.MULTILINE)
_proved: dict[str, set[str]] = {}


def specified() -> dict[str, list[str]]:
    """File name -> rules in its order."""
    return {path.name: _RULE.findall(path.read_text()) for path in sorted(SPECIFICATION.glob("*.md"))}


def marks(item: Any) -> Iterator[str]:
    """Rules that a test's marks name."""
    for mark in item.iter_markers("rule"):
        yield from mark.args


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    if report.when == "call" and report.passed:
        for rule in marks(item):
            _proved.setdefault(rule, set()).add(item.nodeid)


def pytest_sessionfinish(session: Any) -> None:
    worker = getattr(session.config, "workerinput", {}).get("workerid", "main")
    FOLDER.mkdir(parents=True, exist_ok=True)
    if worker == "main" and session.config.pluginmanager.has_plugin("dsession"):
        return
    content = {rule: sorted(tests) for rule, tests in sorted(_proved.items())}
    (FOLDER / f"{worker}.json").write_text(json.dumps(content))


def main() -> int:
    """Print rule -> number of tests by section; 1 when a rule has no proof."""
    proved: dict[str, set[str]] = {}
    for path in FOLDER.glob("*.json"):
        for rule, tests in json.loads(path.read_text()).items():
            proved.setdefault(rule, set()).update(tests)
    missing = 0
    for name, rules in specified().items():
        open_rules = [rule for rule in rules if rule not in proved]
        missing += len(open_rules)
        print(f"{name}: {len(rules)} rules, {len(rules) - len(open_rules)} proved")
        for rule in open_rules:
            print(f"  without proof: {rule}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
