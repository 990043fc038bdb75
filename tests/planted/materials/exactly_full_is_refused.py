"""What fits exactly is passed over."""

from typing import Any

from services.materials.rules import capacity
from tests.planted.planting import replace

RULE = "MAT-33"


def plant() -> None:
    original = capacity.refusal

    def refusal(limits: Any, content: Any, asked: Any) -> Any:
        found = original(limits, content, asked)
        rows = list(content)
        full = sum((row.weight for row in rows), asked.weight) == limits.max_weight
        return capacity.NotAllowed("max_weight", "") if found is None and full else found

    replace(capacity, "refusal", refusal)
