"""Runbooks: every command, statement, expression and link that they name really exists (OPS-45)."""

import argparse
import re
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path

import psycopg
import pytest
import yaml

from cli.__main__ import _parser
from cli.engines import Engines
from gateway.routes import Table, contract
from tests.k8s import promql
from tests.k8s.test_alerts import recorded
from tests.plant import superuser

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
PAGES = sorted((K8S / "runbooks").glob("*.md"))
SECTIONS = ["Meaning", "First look", "Repair", "Proof"]
KUBECTL = {"get", "describe", "logs", "scale", "rollout", "delete", "cordon", "top", "cnpg"}
OF_OPERATORS = {"nats-0", "nats", "cnpg.io/cluster", "app.kubernetes.io/name=nats"}
"""Names that the broker's chart and CloudNativePG give."""

_BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:plantops|kubectl) [^`]+)`")


def blocks(page: Path, kind: str) -> list[str]:
    return [text for found, text in _BLOCK.findall(page.read_text()) if found == kind]


def commands(page: Path, tool: str) -> list[list[str]]:
    """Calls of a tool in the blocks and within lines."""
    lines = [line.strip() for text in blocks(page, "sh") for line in text.splitlines()]
    lines += _INLINE.findall(page.read_text())
    return [shlex.split(line) for line in lines if line.split(" ")[0] == tool]


@pytest.mark.rule("OPS-45")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_has_its_four_parts_and_its_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    assert text.startswith(f"# {page.stem}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (page.parent / link).is_file(), link
    first_look = text.split("## First look")[1].split("## Repair")[0]
    assert _BLOCK.search(first_look), "the first look has no command"


@pytest.mark.rule("OPS-45")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_expressions_read_what_exists(page: Path) -> None:
    for text in blocks(page, "promql"):
        assert not list(promql.wrong(text, recorded())), text


@pytest.mark.rule("OPS-45")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_plantops_commands_are_those_of_the_command_line(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser: argparse.ArgumentParser = _parser()
    for _, *arguments in commands(page, "plantops"):
        try:
            parser.parse_args(arguments)
        except SystemExit:
            pytest.fail(f"plantops {shlex.join(arguments)}: {capsys.readouterr().err.splitlines()[-1]}")


@cache
def _made() -> frozenset[str]:
    """Names and labels of what the base makes."""
    found = set(OF_OPERATORS)
    for path in (K8S / "base").rglob("*.yaml"):
        for document in yaml.safe_load_all(path.read_text()):
            if isinstance(document, dict) and "metadata" in document:
                found.add(str(document["metadata"].get("name", "")))
                found |= {f"{key}={value}" for key, value in document["metadata"].get("labels", {}).items()}
    return frozenset(found)


@pytest.mark.rule("OPS-45")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_kubectl_commands_name_what_the_manifests_make(page: Path) -> None:
    made = _made()
    for _, *words in commands(page, "kubectl"):
        words = words[2:] if words[0] == "-n" else words
        assert words[0] in KUBECTL, words
        for kind, name in (word.split("/", 1) for word in words if re.match(r"(deployment|job)/", word)):
            plain = re.sub(r"-\d+-\d+-\d+$", "", name) if kind == "job" else name
            assert plain in made, f"{kind}/{name}"
        for number, word in enumerate(words):
            if words[number - 1] == "-l" and not word.startswith("cnpg.io/"):
                assert word in made, word


@pytest.mark.rule("OPS-45")
def test_their_statements_run_on_the_services_databases(templates: Engines) -> None:
    with superuser(templates, "materials") as connection:
        for page in PAGES:
            for text in blocks(page, "sql"):
                for statement in filter(None, map(str.strip, text.split(";"))):
                    try:
                        connection.execute(f"explain {statement}".encode())
                    except psycopg.Error as error:
                        pytest.fail(f"{page.name}: {statement}: {error}")


@pytest.mark.rule("OPS-45")
def test_the_guide_to_alerts_names_operations_that_exist() -> None:
    text = (ROOT / "docs" / "how-to" / "answer-an-alert.md").read_text()
    named = re.findall(r"`(GET|POST) (/v1/[^`]+)`", text)
    assert named
    known = {(route.verb, route.template) for route in Table(contract()).routes}
    for verb, path in named:
        assert (verb, path) in known, path
    for name in re.findall(r"\(\.\./\.\./k8s/runbooks/(\w+)\.md\)", text):
        assert (K8S / "runbooks" / f"{name}.md").is_file()


def test_promtool_reads_every_expression_of_the_runbooks(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on the PATH: names were checked, no expression was parsed")
    expressions = [text for page in PAGES for text in blocks(page, "promql")]
    rules = [{"record": f"runbook:expression:{number}", "expr": text} for number, text in enumerate(expressions)]
    place = tmp_path / "runbooks.yaml"
    place.write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": rules}]}))
    ended = subprocess.run([promtool, "check", "rules", str(place)], capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
