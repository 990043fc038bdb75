"""Files of what stock is worth, as it was at an instant, as known at another; they go out alone (MAT-187, MAT-322)."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.materials.api import sheets_items, values
from services.materials.api.sheets import PAGE
from services.materials.model.exchange import Kind
from services.materials.model.item import site_fact

KIND = Kind.STOCK_VALUE
NAMES = ("site", "item", "quantity", "unit", "value", "currency", "unit_cost", "effective_time", "known_time")
_SHOWN = Decimal("0.000001")


async def export(unit: Unit, site: str, request: Any) -> AsyncIterator[list[dict[str, str]]]:
    """All items with a quantity or a value, a page at a time; the last columns say what was asked."""
    currency = (await site_fact(unit, site)).currency_code
    times = ("effective_time", "known_time")
    asked = {name: getattr(request, name).ToJsonString() if request.HasField(name) else "" for name in times}
    known = values.as_asked(site, request)
    after = ""
    while True:
        rows = (await unit.execute(values.VALUES, {**known, "after": after, "size": PAGE})).all()
        if not rows:
            return
        after = rows[-1].item
        items = await sheets_items.numbers(unit, [row.item for row in rows])
        yield [
            {
                "site": site, "item": items[row.item], "quantity": canonical(row.quantity),
                "unit": row.quantity_unit_code, "value": canonical(row.value), "currency": currency,
                "unit_cost": canonical((row.value / row.quantity).quantize(_SHOWN)) if row.quantity else "", **asked,
            }
            for row in rows
        ]  # fmt: skip
