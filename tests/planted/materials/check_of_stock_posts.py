"""The dry run of stock is not undone."""

from services.materials.api import sheets_stock
from tests.planted.planting import replace

RULE = "MAT-320"


def plant() -> None:
    judge = sheets_stock.StockSheet.judge

    async def for_good(self: object, unit: object, site: object, rows: object, *, dry: bool, earlier: object) -> None:
        await judge(self, unit, site, rows, dry=False, earlier=earlier)  # type: ignore[arg-type]

    replace(sheets_stock.StockSheet, "judge", for_good)
