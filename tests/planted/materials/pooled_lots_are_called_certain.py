"""Where lots lay together the one that was booked is said to have gone in for certain."""

from typing import Any

from services.materials.model import in_process
from tests.planted.planting import replace

RULE = "MAT-135"


def plant() -> None:
    before = in_process.edges

    def edges(*given: Any, **more: Any) -> Any:
        found = before(*given, **more)
        for edge in found:
            edge.certain = True
        return found

    replace(in_process, "edges", edges)
