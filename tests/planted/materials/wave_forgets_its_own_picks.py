"""Picks of one wave do not count for each other at their staging."""

from collections.abc import Sequence
from typing import Any

from services.materials.model import placing
from tests.planted.planting import replace

RULE = "MAT-110"


def plant() -> None:
    async def alone(unit: Any, site: str, wanted: Sequence[Any]) -> list[Any]:
        return [fault for one in wanted for fault in await original(unit, site, [one])]

    original = replace(placing, "room", alone)
