"""Statements of a service by transaction: what runs beside a call, such as jobs, is not counted with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event


class Statements:
    """Statements of an engine's connections, by transaction."""

    def __init__(self) -> None:
        self.open: dict[int, list[str]] = {}
        self.done: list[list[str]] = []
        self.sent: list[list[tuple[str, Any]]] = []
        """The same as the driver gets them, with their values."""
        self._sending: dict[int, list[tuple[str, Any]]] = {}

    def begin(self, connection: Any) -> None:
        """A transaction begins."""
        self.open[id(connection)] = []

    def execute(self, connection: Any, cursor: Any, statement: str, values: Any, *more: Any) -> None:
        """It executes a statement."""
        self._sending.setdefault(id(connection), []).append((statement, values))
        self.open.setdefault(id(connection), []).append(" ".join(statement.split()))

    def end(self, connection: Any) -> None:
        """It is committed or rolled back."""
        self.done.append(self.open.pop(id(connection), []))
        self.sent.append(self._sending.pop(id(connection), []))

    def with_part(self, part: str) -> list[str]:
        """The statements of the last transaction in which one has this part."""
        return next(found for found in reversed(self.done) if any(part in statement for statement in found))


@contextmanager
def statements_of(engine: Any) -> Iterator[Statements]:
    """What a service's engine executes inside."""
    found = Statements()
    listeners = (
        ("begin", found.begin), ("before_cursor_execute", found.execute), ("commit", found.end),
        ("rollback", found.end),
    )  # fmt: skip
    for name, listener in listeners:
        event.listen(engine.sync_engine, name, listener)
    try:
        yield found
    finally:
        for name, listener in listeners:
            event.remove(engine.sync_engine, name, listener)
