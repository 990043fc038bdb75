"""A policy with reviews is asked whenever somebody looks."""

from typing import Any

from services.materials.model import replenishing
from tests.planted.planting import replace

RULE = "MAT-165"


def plant() -> None:
    async def all_of_them(unit: Any, site: str, revisions: Any, *more: Any, note: bool) -> Any:
        return dict(revisions)

    replace(replenishing, "_due", all_of_them)
