"""A factor is divided by instead of multiplied with."""

from typing import Any

from services.materials.rules import units
from tests.planted.planting import replace

RULE = "MAT-3"


def plant() -> None:
    original = units.to_base

    def turned(quantity: Any, unit_code: str, base_unit: str, factors: Any, *more: Any) -> Any:
        return original(quantity, unit_code, base_unit, {code: 1 / factor for code, factor in factors.items()}, *more)

    replace(units, "to_base", turned)
