"""A posted movement leaves no event."""

from typing import Any

from services.materials.model import ledger
from tests.planted.planting import replace

RULE = "MAT-42"


def plant() -> None:
    def audited(unit: Any, postings: Any) -> None:
        for item in postings:
            if item.fault is None:
                unit.audit(item.name, "", None, {"kind": item.kind.value, "quantity": item.quantity}, 1)

    replace(ledger, "tell", audited)
