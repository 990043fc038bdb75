"""Exception tasks: what happened, for a person to solve."""

from sqlalchemy import text

from services.chassis.unit import Unit
from services.materials.model import task as tasks
from services.materials.model.task import Kind, Task, TaskState, audit_all

_SETTLED = text("""
    update put_away_task set state = 'COMPLETED', note = :note, version = version + 1, update_time = now()
    where receipt = :receipt and kind = 'EXCEPTION_TASK' and predecessor = :task
      and state in ('READY', 'LEASED', 'STARTED', 'WAITING') returning name, version
""")


def raise_for(unit: Unit, task: Task, note: str) -> Task:
    """A task that cannot be done as it is; a person has to look."""
    return unit.add(
        tasks.new(
            unit, task.name.split("/")[1], Kind.EXCEPTION_TASK, item=task.item, lot=task.lot,
            from_location=task.from_location, unit_code=task.unit_code, receipt=task.receipt,
            receipt_line=task.receipt_line, predecessor=task.task_name, priority=task.priority, note=note,
            correlation=task.correlation,
        )
    )  # fmt: skip


async def settle(unit: Unit, task: Task) -> None:
    """Goods that found no place have one now: the exception is over."""
    if not task.no_place_reason or task.state is not TaskState.COMPLETED:
        return
    values = {"receipt": task.receipt, "task": task.task_name, "note": f"the goods are at {task.to_location}"}
    audit_all(unit, await unit.execute(_SETTLED, values), {"state": "COMPLETED"})
