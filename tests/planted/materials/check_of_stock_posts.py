"""The dry run of stock is not undone."""

from typing import Any

from services.materials.api import sheets_stock
from tests.planted.planting import replace

RULE = "MAT-320"


def plant() -> None:
    judge = sheets_stock.StockSheet.judge

    async def for_good(self: Any, unit: Any, site: Any, rows: Any, *, dry: bool, earlier: Any) -> None:
        await judge(self, unit, site, rows, dry=False, earlier=earlier)

    replace(sheets_stock.StockSheet, "judge", for_good)
