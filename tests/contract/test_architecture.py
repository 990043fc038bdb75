"""The shape of the house: same files in every service, who may import whom, who alone publishes."""

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.databases import SERVICES
from services.chassis.gaps import subject_of
from tests.contract.contract import ROOT

WHERE_NEEDED = {"maintenance": {"numpy", "scipy"}, "procurement": {"numpy"}}
"""Libraries that rules/ of a service may use beside the standard library."""
SHAPE = ("__init__.py", "__main__.py", "listeners.py", "jobs.py")
FOLDERS = ("model", "rules", "api", "migrations")


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Full names that a file imports, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{item.name}" for item in node.names)


def ours(name: str) -> str:
    """services.materials.model.item.Item -> services.materials.model; other names as they are."""
    return ".".join(name.split(".")[:3]) if name.startswith("services.") else name.split(".")[0]


@pytest.mark.rule("API-12")
@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_same_shape(service: str) -> None:
    folder = ROOT / "services" / service
    known = {*SHAPE, *FOLDERS, "__pycache__"}
    have = {path.name for path in folder.iterdir()}
    assert known - have - {"__pycache__"} == set()
    assert have - known <= {"measures.py"}
    package = importlib.import_module(f"services.{service}")
    charter = package.__doc__ or ""
    for word in ("Owns", "ells", "istens"):
        assert word in charter, f"services/{service}/__init__.py says what it owns, tells and listens to"
    main = (folder / "__main__.py").read_text()
    assert f'main("{service}")' in main
    assert len(main.splitlines()) <= 10
    assert (folder / "migrations" / "env.py").exists()
    assert list((folder / "migrations" / "versions").glob("*.py"))


@pytest.mark.rule("API-12")
@pytest.mark.parametrize("service", SERVICES)
def test_rules_are_pure(service: str) -> None:
    allowed = sys.stdlib_module_names | WHERE_NEEDED.get(service, set())
    for path in sources(f"services/{service}/rules"):
        for name in imports(path):
            assert ours(name) in allowed or name.startswith(f"services.{service}.rules"), f"{path}: {name}"
            assert name.split(".")[0] not in {"asyncio", "socket", "subprocess", "urllib", "time", "os"}, (
                f"{path}: {name} is input or output"
            )


@pytest.mark.rule("API-12")
@pytest.mark.parametrize("service", SERVICES)
def test_models_know_rules_and_the_chassis_alone(service: str) -> None:
    mine = {f"services.{service}.model", f"services.{service}.rules"}
    for path in sources(f"services/{service}/model"):
        for name in imports(path):
            if name.startswith("services.") and not name.startswith("services.chassis"):
                assert ours(name) in mine, f"{path}: {name}"


@pytest.mark.rule("API-12")
@pytest.mark.parametrize("service", SERVICES)
def test_nobody_imports_another_service(service: str) -> None:
    others = [f"services.{name}" for name in SERVICES if name != service]
    for path in sources(f"services/{service}"):
        for name in imports(path):
            assert not name.startswith((*others, "gateway", "cli", "tests")), f"{path}: {name}"


def test_the_chassis_imports_no_service_and_says_no_word_of_the_plant() -> None:
    allowed = ("services.chassis",)
    words = re.compile(r"\b(work.?orders?|assets?|lots?|purchase|suppliers?|reservations?|receipts?)\b", re.IGNORECASE)
    for path in sources("services/chassis"):
        for name in imports(path):
            if name.startswith(("services.", "gateway", "cli", "tests")):
                assert name.startswith(allowed), f"{path}: {name}"
            if name.startswith("plantops."):
                assert name.startswith("plantops.type."), f"{path}: {name}"
        code = ast.unparse(_without_docstrings(ast.parse(path.read_text())))
        assert not words.search(code), f"{path}: {words.search(code)}"


@pytest.mark.rule("API-12")
def test_the_gateway_imports_no_service() -> None:
    for path in sources("gateway"):
        for name in imports(path):
            if name.startswith("services."):
                assert name.startswith("services.chassis"), f"{path}: {name}"
            assert not name.startswith(("cli", "tests")), f"{path}: {name}"


def test_the_command_line_talks_to_services_by_their_contract() -> None:
    for path in sources("cli"):
        for name in imports(path):
            if name.startswith("services."):
                assert name.startswith("services.chassis"), f"{path}: {name}"
            assert not name.startswith("tests"), f"{path}: {name}"


@pytest.mark.rule("REL-1")
def test_only_the_relay_publishes() -> None:
    found = set()
    for path in sources("services", "gateway", "cli"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            publishes = node.func.attr in ("publish", "publish_async", "publish_msg")
            if publishes and not _through_publisher(node.func.value):
                found.add(str(path.relative_to(ROOT)))
            if node.func.attr == "request" and not _asks_the_broker(node) and _on_broker(node.func.value):
                found.add(str(path.relative_to(ROOT)))
    asking = (ROOT / "services/chassis/pull.py").read_text()  # asks for messages, with the consumer's own subject
    assert re.findall(r"\.publish\((\S+),", asking) == ["self._subject"]
    assert re.findall(r"self\._subject = f?(\S+)", asking) == ['"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"']
    asking = (ROOT / "services/chassis/gaps.py").read_text()  # asks the owner, outside of all streams
    assert re.findall(r"nc\.(?:request|publish)\(\s*(\w+)\(", asking) == ["subject_of"]
    assert subject_of("x") == "plantops.x.replay"
    assert found - {"services/chassis/pull.py", "services/chassis/gaps.py"} == {"services/chassis/publisher.py"}
    assert set(_importers("services.chassis.publisher")) == {"services/chassis/relay.py", "services/chassis/replay.py"}


def _through_publisher(receiver: ast.expr) -> bool:
    return ast.unparse(receiver).rpartition(".")[2] == "publisher"


def _importers(module: str) -> list[str]:
    return [
        str(path.relative_to(ROOT))
        for path in sources("services", "gateway", "cli")
        if any(name.startswith(f"{module}.") for name in imports(path))
    ]


@pytest.mark.rule("REL-15")
def test_nobody_uses_listen_or_notify() -> None:
    statement = re.compile(r"^\s*(listen|notify|unlisten)\s+\w+\s*(,|;|$)|pg_notify", re.IGNORECASE | re.MULTILINE)
    for path in sources("services", "gateway", "cli"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not statement.search(node.value), f"{path}:{node.lineno}"
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("add_listener", "notifies"), f"{path}:{node.lineno}"
    for file in (ROOT / "services").rglob("*.sql"):
        assert not statement.search(file.read_text()), str(file)


@pytest.mark.rule("SEC-19")
def test_statements_are_never_put_together_from_text() -> None:
    for path in sources("services"):
        if "migrations" in path.parts or path.name in ("schema.py", "migrate.py"):
            continue  # names of roles and tables, known when the code is written
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "text":
                made = [item for item in ast.walk(node) if isinstance(item, (ast.JoinedStr, ast.BinOp))]
                assert not made, f"{path}:{node.lineno}"
                assert not any(getattr(item, "attr", "") == "format" for item in ast.walk(node)), path


def _asks_the_broker(node: ast.Call) -> bool:
    first = node.args[0] if node.args else None
    start = first.values[0] if isinstance(first, ast.JoinedStr) else first
    return isinstance(start, ast.Constant) and str(start.value).startswith("$JS.API.")


def _on_broker(node: ast.expr) -> bool:
    return getattr(node, "id", getattr(node, "attr", "")) in {"nc", "client", "js"}


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # type: ignore[attr-defined]
                item
                for item in body
                if not (isinstance(item, ast.Expr) and isinstance(getattr(item, "value", None), ast.Constant))
            ] or [ast.Pass()]
    return tree
