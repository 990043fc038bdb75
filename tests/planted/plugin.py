"""Pytest plugin of a run with a planted bug: `-p tests.planted.plugin` with PLANTOPS_PLANTED=<service>.<module>.

Python objects are replaced when the plugin is loaded, before any test module; database objects when the templates
of the databases have been migrated. What the run found goes to the file that PLANTOPS_PLANTED_REPORT names.
"""

import json
import os
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cli import databases
from tests.planted import planting
from tests.planted.ground import Ground
from tests.planted.planting import Bug

_NAME = os.environ.get("PLANTOPS_PLANTED", "")
_REPORT = os.environ.get("PLANTOPS_PLANTED_REPORT", "")
_SHARED = os.environ.get("PLANTOPS_TEST_ENGINES", "")
_outcomes: dict[str, list[str]] = {"passed": [], "failed": [], "broken": []}
_why: dict[str, str] = {}

if _NAME:
    Bug(_NAME, "", "").plant()


def pytest_configure() -> None:
    """What this run proves is no proof of a rule."""
    from tests import rules

    rules.FOLDER = Path(tempfile.mkdtemp(prefix="plantops-planted-"))


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
    """Clear shared engines; change database objects as soon as the databases that others are cloned from are there."""
    found = yield
    if fixturedef.argname == "engines" and _SHARED:
        Ground(found).clear()
    elif fixturedef.argname == "templates":
        for service in databases.SERVICES:
            _execute(service, databases.urls(found.postgres_url, service, _passwords()).migrator)
    elif fixturedef.argname == "sample_urls":
        _execute("sample", found.migrator)
    return found


def _passwords() -> Any:
    from tests.plant import PASSWORDS

    return PASSWORDS


def _execute(service: str, url: str) -> None:
    wanted = [statement.sql for statement in planting.statements if statement.service == service]
    if wanted:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"set role {service}_owner".encode())
            for sql in wanted:
                connection.execute(sql.encode())


def pytest_runtest_logreport(report: Any) -> None:
    """A test that fails in its body has noticed the bug; one that cannot begin says nothing about it."""
    if report.when == "call" and report.passed:
        _outcomes["passed"].append(report.nodeid)
    elif report.failed:
        _outcomes["failed" if report.when == "call" else "broken"].append(report.nodeid)
        crash = getattr(report.longrepr, "reprcrash", None)
        _why[report.nodeid] = (crash.message if crash is not None else str(report.longrepr)).partition("\n")[0][:200]


def pytest_sessionfinish() -> None:
    """Write what was found."""
    if _REPORT:
        Path(_REPORT).write_text(json.dumps(_outcomes | {"why": _why}))
