"""Two policies may hold for the same."""

from typing import Any

from services.materials.model import allocation_policy
from tests.planted.planting import replace

RULE = "MAT-160"


def plant() -> None:
    async def nothing(unit: Any, policy: Any) -> None:
        return None

    replace(allocation_policy, "refuse_twin", nothing)
