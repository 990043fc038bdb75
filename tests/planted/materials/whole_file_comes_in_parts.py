"""all_or_nothing is asked of the check alone: a row that turned bad since then leaves the others in."""

from typing import Any

from services.materials.api import exchange
from services.materials.model import exchange as kept
from services.materials.model.exchange import State
from tests.planted.planting import replace

RULE = "MAT-321"


def plant() -> None:
    async def by_row(unit: Any, found: Any, sheet: Any) -> Any:
        if found.error_count:
            raise exchange.ImportHasErrors(resource=found.name, count=found.error_count)
        found.begin(State.RUNNING, 0)
        await unit.flush()
        rows = await kept.next_rows(unit, found, 0)
        await sheet.judge(unit, found.site, rows, dry=False, earlier=set())
        await kept.keep_outcomes(unit, found, rows)
        found.took(rows)
        return found.move(State.DONE)

    replace(exchange, "_run_whole", by_row)
