"""What materials does by itself, on time."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from services.chassis.jobs import job
from services.materials.model import stock

_POLICIES = text("select site, item from materials_policy where active_revision <> '' order by name")


@job(every=timedelta(seconds=30))
async def ask_policies(open_unit: Any) -> None:
    """Every policy in force looks at its position; each in a unit of its own (MAT-164)."""
    async with open_unit() as unit:
        places = list(await unit.execute(_POLICIES))
    for site, item in places:
        async with open_unit() as unit:
            await stock.ask(unit, site, item)
