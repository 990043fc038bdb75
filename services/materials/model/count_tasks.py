"""Tasks that asked for a count are done when their place is counted, whoever had them (MAT-107, MAT-108)."""

from collections.abc import Sequence

from sqlalchemy import select, text, tuple_

from services.chassis.unit import Unit
from services.materials.model import stock
from services.materials.model.count import CountLine
from services.materials.model.task import AT_WORK, Kind, Task, TaskState

_UNLOCK = text("delete from bin_lock where task = any(cast(:tasks as text[])) returning item")


async def done(unit: Unit, site: str, lines: Sequence[CountLine]) -> None:
    """Complete the open tasks of posted lines; bins that they locked give out stock again. The items are held."""
    places = sorted({(line.location, line.item) for line in lines})
    tasks = await unit.all(
        select(Task)
        .where(
            Task.site == site,  # type: ignore[arg-type]
            Task.kind == Kind.COUNT,  # type: ignore[arg-type]
            Task.state.in_([state for state in AT_WORK if state is not TaskState.PLANNED]),  # type: ignore[attr-defined]
            tuple_(Task.from_location, Task.item).in_(places),  # type: ignore[arg-type]
        )
        .order_by(Task.name)
        .with_for_update(of=Task)
    )
    for task in tasks:
        task.move(TaskState.COMPLETED)
        task.note = f"counted by {next(line.name for line in lines if line.location == task.from_location)}"
    if tasks:
        await unit.flush()
        unlocked = {row.item for row in await unit.execute(_UNLOCK, {"tasks": [task.name for task in tasks]})}
        await stock.serve(unit, site, unlocked)
