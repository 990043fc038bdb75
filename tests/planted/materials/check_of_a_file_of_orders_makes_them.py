"""A check of a file of documents leaves them behind."""

from typing import Any

from services.materials.api.sheets_documents import DocumentSheet
from tests.planted.planting import replace

RULE = "MAT-321"


def plant() -> None:
    before = DocumentSheet.judge

    async def judge(self: Any, unit: Any, site: str, rows: Any, *, dry: bool, earlier: set[str]) -> None:
        await before(self, unit, site, rows, dry=False, earlier=earlier)

    replace(DocumentSheet, "judge", judge)
