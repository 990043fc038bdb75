"""A unit comes in with what was announced, whatever was seen in it."""

from typing import Any

from services.materials.api import expected_deliveries
from tests.planted.planting import replace

RULE = "MAT-95"


def plant() -> None:
    def differing(differences: Any, lines: Any) -> dict[int, Any]:
        return {}

    replace(expected_deliveries, "_differing", differing)
