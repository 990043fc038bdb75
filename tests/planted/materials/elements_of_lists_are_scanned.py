"""A filter by an element of a list is written in a form that no index serves."""

from typing import Any

from sqlalchemy import any_

from services.chassis import filters
from tests.planted.planting import replace

RULE = "PERF-10"


def plant() -> None:
    original = filters._Parser.restriction

    def restriction(self: Any, name: str, operator: str, value: str, *, quoted: bool) -> Any:
        column, _ = filters.column_of(self.model, self.descriptor, name, "filter")
        if operator == ":" and column.type.python_type is list:
            return value == any_(column)
        return original(self, name, operator, value, quoted=quoted)

    replace(filters._Parser, "restriction", restriction)
