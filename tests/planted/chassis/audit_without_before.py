"""An audit record does not say what was there before."""

from typing import Any

from services.chassis import audit
from tests.planted.planting import replace

RULE = "SEC-47"


def plant() -> None:
    original = audit.changes

    def after_only(row: Any) -> Any:
        before, after = original(row)
        return (None if before is None else {}), after

    replace(audit, "changes", after_only)
