"""A decision keeps no places that were passed over."""

from typing import Any

from services.materials.rules import put_away
from tests.planted.planting import replace

RULE = "MAT-100"


def plant() -> None:
    original: Any

    def outcome(found: Any) -> dict[str, Any]:
        return {**original(found), "passed_over": []}

    original = replace(put_away, "outcome", outcome)
