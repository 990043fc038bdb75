"""AND binds more tightly than OR in a filter."""

from typing import Any

from sqlalchemy import and_, or_

from services.chassis.filters import _Parser
from tests.planted.planting import replace

RULE = "API-5"


def plant() -> None:
    def conjunction(self: Any) -> Any:
        found = [disjunction(self)]
        while self.word("OR"):
            found.append(disjunction(self))
        return or_(*found)

    def disjunction(self: Any) -> Any:
        found = [self.term()]
        while self.word("AND"):
            found.append(self.term())
        return and_(*found)

    replace(_Parser, "conjunction", conjunction)
