"""A unit that comes to another site is closed before all that left in it has come."""

from typing import Any

from services.materials.model.transfer import Transfer
from tests.planted.planting import replace

RULE = "MAT-111"


def plant() -> None:
    def whole(self: Any, parts: Any) -> set[str]:
        return {part.whole_unit for part in parts if part.whole_unit}

    replace(Transfer, "whole", whole)
