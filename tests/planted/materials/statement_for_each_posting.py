"""A batch is posted one by one."""

from typing import Any

from services.materials.model import ledger
from tests.planted.planting import replace

RULE = "MAT-50"


def plant() -> None:
    original = ledger.post

    async def one_by_one(unit: Any, site: str, postings: Any) -> None:
        for item in postings:
            await original(unit, site, [item])

    replace(ledger, "post", one_by_one)
