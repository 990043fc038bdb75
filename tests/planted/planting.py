"""What a planted bug is made of: one Python object replaced, or one database object changed by its owner (PROOF-2).

A bug is a module in `tests/planted/<service>/` that says which RULE it breaks and has a function `plant()`, which
calls `replace`, `execute` or `edit_function`. Sources are never patched as text.
"""

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import TextClause, text

HERE = Path(__file__).parent
SERVICES = ("chassis", "maintenance", "materials", "procurement", "gateway")
"""Folders of planted bugs."""


class PlantingFailed(Exception):
    """What the bug replaces is not there any more."""


@dataclass(frozen=True, slots=True)
class Bug:
    """A planted bug: its name `<service>.<module>`, the rule that it breaks, and what it does in one line."""

    name: str
    rule: str
    title: str

    @property
    def service(self) -> str:
        """Folder that the bug lies in."""
        return self.name.partition(".")[0]

    def plant(self) -> None:
        """Put it in place; PlantingFailed when its target is gone."""
        import_module(f"tests.planted.{self.name}").plant()


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL that the owner of a service's database executes after the migrations."""

    service: str
    sql: str


statements: list[Statement] = []
"""Database objects of the bug that was planted in this process."""
_rehearsed: list[str] | None = None


def bugs(service: str = "") -> list[Bug]:
    """All planted bugs, or those of one service, read without importing them."""
    found = []
    for folder in [service] if service else SERVICES:
        for path in sorted((HERE / folder).glob("*.py")):
            tree = ast.parse(path.read_text())
            rule = next(
                node.value.value
                for node in tree.body
                if isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name)
                and node.targets[0].id == "RULE"
                and isinstance(node.value, ast.Constant)
            )
            title = (ast.get_docstring(tree) or "").partition("\n")[0]
            found.append(Bug(f"{folder}.{path.stem}", str(rule), title))
    return found


def replace(owner: Any, name: str, new: Any, *, everywhere: bool = True) -> Any:
    """Put `new` in place of an attribute of a module or class; gives the original.

    Modules that have imported the original under its name get the new one too, unless `everywhere` is false.
    """
    if name not in vars(owner):
        raise PlantingFailed(f"{owner.__name__} has no {name}")
    original = vars(owner)[name]
    if _rehearsed is not None:
        _rehearsed.append(f"{owner.__name__}.{name}")
        return original
    setattr(owner, name, new)
    if everywhere and isinstance(owner, ModuleType):
        for module in [module for key, module in sys.modules.items() if key.startswith(("services.", "gateway."))]:
            if vars(module).get(name) is original:
                setattr(module, name, new)
    return original


def execute(service: str, sql: str) -> None:
    """Change a database object of a service, as its owner, after the migrations."""
    statements.append(Statement(service, sql))
    if _rehearsed is not None:
        _rehearsed.append(sql)


def edit_function(service: str, name: str, old: str, new: str) -> None:
    """Replace a database function by itself with another piece of its body."""
    quoted_old, quoted_new = (part.replace("'", "''") for part in (old, new))
    execute(
        service,
        f"""
        do $plant$
        declare
          before text := pg_get_functiondef('{name}'::regproc);
          after text := replace(before, '{quoted_old}', '{quoted_new}');
        begin
          if before = after then raise exception '{name} has no such piece any more'; end if;
          execute after;
        end $plant$
        """,
    )


def without(statement: TextClause | str, part: str, other: str = "") -> Any:
    """The same SQL statement with one piece left out or changed; PlantingFailed when the piece is gone."""
    known = statement.text if isinstance(statement, TextClause) else statement
    if part not in known:
        raise PlantingFailed(f"the statement has no {part!r}")
    changed = known.replace(part, other)
    return text(changed) if isinstance(statement, TextClause) else changed


@contextmanager
def rehearsal() -> Iterator[list[str]]:
    """Within it planting changes nothing; gives what would be changed."""
    global _rehearsed
    kept = list(statements)
    _rehearsed = []
    try:
        yield _rehearsed
    finally:
        _rehearsed = None
        statements[:] = kept
