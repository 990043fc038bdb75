"""The second quantity follows from the first instead of being what was weighed."""

from typing import Any

from services.materials.model import second_quantity
from tests.planted.planting import replace

RULE = "MAT-9"


def plant() -> None:
    original = second_quantity.stated

    def stated(item: Any, request: Any, amount: Any, **more: Any) -> Any:
        second, unit_code = original(item, request, amount, **more)
        return (item.catch.nominal * amount if second is not None and amount else second), unit_code

    replace(second_quantity, "stated", stated)
