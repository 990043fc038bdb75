"""A file that says another bill than the revision of that day is taken for the same."""

from typing import Any

from services.materials.api import sheets_structures
from tests.planted.planting import replace

RULE = "MAT-321"


def plant() -> None:
    def nothing(row: Any) -> dict[str, Any]:
        return {}

    replace(sheets_structures, "content", nothing)
