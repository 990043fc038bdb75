"""A snapshot is taken for true without a look at the ledger."""

from collections.abc import Mapping
from typing import Any

from services.chassis.unit import Unit
from services.materials.model import period
from tests.planted.planting import replace

RULE = "MAT-196"


def plant() -> None:
    async def differences(unit: Unit, bounds: Mapping[str, Any]) -> list[str]:
        return []

    replace(period, "_differences", differences)
