"""Taking a report back brings back what it made, not what it used."""

from typing import Any

from services.materials.api import production
from tests.planted.planting import replace

RULE = "MAT-125"


def plant() -> None:
    class Half:
        def __getattr__(self, name: str) -> Any:
            return getattr(before, name)

        @staticmethod
        async def move(unit: Any, site: str, postings: Any, told: Any = None) -> None:
            await before.move(unit, site, list(postings)[:1], told)

    before = production.stock
    replace(production, "stock", Half())
