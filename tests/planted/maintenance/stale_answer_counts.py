"""An answer to an earlier version of the demands is taken for the present one."""

from typing import Any

from services.maintenance import listeners
from tests.planted.planting import replace

RULE = "MNT-182"


def plant() -> None:
    original = listeners._demand

    async def any_version(unit: Any, work_order: str, key: str, version: int) -> Any:
        return await original(unit, work_order, key, 0)

    replace(listeners, "_demand", any_version)
