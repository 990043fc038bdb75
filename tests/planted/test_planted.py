"""Planted bugs do not rot: each names a rule that is stated and proved, and a target that is there (PROOF-2)."""

import sys
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from cli import databases
from cli.engines import Engines
from services.chassis import schema
from services.chassis.faults import Fault
from tests.chassis.sample import service as sample
from tests.plant import PASSWORDS
from tests.planted import planting
from tests.planted.__main__ import BROKEN, CAUGHT, SURVIVED, confirm, judge, marked, proofs_of
from tests.planted.planting import SERVICES, Bug, PlantingFailed, Statement, bugs
from tests.planted.runs import Run
from tests.rules import specified

BUGS = bugs()
UNSTATED = {"MAT-250", "MAT-253", "REL-75", "SEC-29"}
"""Rules that have tests and stand in no specification yet."""
AT_LEAST = {"chassis": 25, "maintenance": 25, "materials": 25, "procurement": 25, "gateway": 5}


def planted_statements() -> Iterator[tuple[Bug, Statement]]:
    for bug in BUGS:
        with planting.rehearsal():
            before = len(planting.statements)
            bug.plant()
            for statement in planting.statements[before:]:
                yield bug, statement


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_each_bug_breaks_a_stated_rule_that_has_a_test_and_changes_something_that_is_there(bug: Bug) -> None:
    assert bug.title
    stated = {rule for rules in specified().values() for rule in rules}
    assert bug.rule in stated | UNSTATED, f"{bug.rule} is not stated"
    assert proofs_of(bug, marked_once()), f"no test bears the mark of {bug.rule}"
    with planting.rehearsal() as changes:
        bug.plant()
    assert changes


_marked: dict[str, list[str]] = {}


def marked_once() -> dict[str, list[str]]:
    """Tests by rule, read once."""
    _marked.update(_marked or marked())
    return _marked


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_has_its_planted_bugs(service: str) -> None:
    assert len(bugs(service)) >= AT_LEAST[service]


def test_a_rehearsal_changes_nothing() -> None:
    before = (vars(Fault).copy(), list(planting.statements))
    with planting.rehearsal() as changes:
        planting.replace(Fault, "status", None)
        planting.execute("materials", "select 1")
    assert changes == ["Fault.status", "select 1"]
    assert (vars(Fault).copy(), list(planting.statements)) == before


def test_a_target_that_is_gone_is_said() -> None:
    with pytest.raises(PlantingFailed, match="has no nothing"):
        planting.replace(Fault, "nothing", None)
    with pytest.raises(PlantingFailed, match="has no 'x'"):
        planting.without("select 1", "x")


def test_every_database_object_is_there(templates: Engines) -> None:
    """Each statement runs as the owner, and is rolled back."""
    for bug, statement in planted_statements():
        service = statement.service
        urls = databases.urls(templates.postgres_url, service, PASSWORDS)
        with psycopg.connect(urls.migrator) as connection:
            connection.execute(sql.SQL("set role {}").format(sql.Identifier(f"{service}_owner")))
            if service == "sample" and connection.execute("select to_regclass('box')").fetchone() == (None,):
                _sample(connection)
            try:
                connection.execute(statement.sql.encode())
            except psycopg.Error as error:
                pytest.fail(f"{bug.name}: {error}")
            connection.rollback()


def _sample(connection: psycopg.Connection) -> None:
    class Op:
        def execute(self, text: str) -> None:
            connection.execute(text.replace(r"\:", ":").encode())

    schema.create_chassis(Op(), "sample")
    connection.execute("create table box (name text, state text)")
    schema.guard_states(Op(), sample.Box.__tablename__, [("OPEN", "SEALED")])


def test_a_bug_is_caught_by_a_test_that_passes_without_it_alone() -> None:
    def outcome(found: Run, sound: Run) -> str:
        row = judge(Bug("chassis.x", "REL-5", ""), ["a", "b"], found)
        if row.outcome == CAUGHT:
            confirm(row, sound)
        return row.outcome

    assert outcome(Run(passed=["a"], failed=["b"]), Run(passed=["a", "b"])) == CAUGHT
    assert outcome(Run(passed=["a", "b"]), Run(passed=["a"])) == SURVIVED
    assert outcome(Run(failed=["b"]), Run(passed=["a"], failed=["b"])) == BROKEN  # it fails without the bug too
    assert outcome(Run(failed=["b"]), Run()) == BROKEN  # nobody knows
    assert outcome(Run(broken=["a"]), Run(passed=["a"])) == BROKEN  # it could not begin
    assert outcome(Run(), Run(passed=["a"])) == BROKEN  # nothing ran


def test_quick_proofs_come_first_and_stories_last() -> None:
    nodes = ["tests/scenarios/x", "tests/materials/api/x", "tests/maintenance/api/x", "tests/materials/rules/x"]
    found = proofs_of(Bug("materials.x", "MAT-4", ""), {"MAT-4": nodes})
    assert found == [nodes[3], nodes[1], nodes[2], nodes[0]]


def test_files_that_speak_of_the_bug_come_before_others_and_keep_their_order() -> None:
    nodes = [
        "tests/materials/api/test_a.py::test_a_box_is_moved",
        "tests/materials/api/test_b.py::test_a_place_is_looked_at",
        "tests/materials/api/test_b.py::test_a_lot_is_decided_once",
    ]
    bug = Bug("materials.x", "MAT-4", "A lot that is decided may be decided again.")
    assert proofs_of(bug, {"MAT-4": nodes}) == [*nodes[1:], nodes[0]]


def test_who_has_imported_the_original_gets_the_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from services.chassis import command, idempotency, tokens

    known = idempotency.KEPT, idempotency.STORED_CODES, tokens.LEEWAY
    for module in [found for name, found in sys.modules.items() if name.startswith(("services.", "gateway."))]:
        if vars(module).get("STORED_CODES") is known[1]:
            monkeypatch.setattr(module, "STORED_CODES", known[1])  # put back afterwards, wherever it stands
    assert planting.replace(idempotency, "STORED_CODES", frozenset()) == known[1]
    assert command.STORED_CODES == idempotency.STORED_CODES == frozenset()
    monkeypatch.setattr(tokens, "REFRESH_SECONDS", tokens.LEEWAY)
    planting.replace(tokens, "REFRESH_SECONDS", 0)
    assert (0, known[2]) == (tokens.REFRESH_SECONDS, tokens.LEEWAY)  # an equal value is another thing
