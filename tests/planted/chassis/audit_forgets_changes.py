"""A changed row leaves no audit record, only a new one does."""

from typing import Any

from services.chassis.unit import Unit
from tests.planted.planting import replace

RULE = "SEC-51"


def plant() -> None:
    original = vars(Unit)["audit"]

    def only_new(self: Any, name: str, action: str, before: Any, after: Any, version: int = 0) -> None:
        if before is None:
            original(self, name, action, before, after, version)

    replace(Unit, "audit", only_new)
