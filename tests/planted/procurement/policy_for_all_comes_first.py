"""The policy for all sites stands before the site's own."""

from typing import Any

from services.procurement.model import policy
from tests.planted.planting import replace

RULE = "PRC-92"


def plant() -> None:
    original = policy.in_force

    async def shared(unit: Any, kind: Any, site: str) -> Any:
        return await original(unit, kind, "") or await original(unit, kind, site)

    replace(policy, "in_force", shared)
