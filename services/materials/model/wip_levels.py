"""Levels of what is in process: too much or too little at an operation is a task for a person (MAT-128)."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from sqlalchemy import select, text

from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.materials.model import task as tasks
from services.materials.model.production import OPEN as WORKING
from services.materials.model.production import ProductionOperation, ProductionOrder
from services.materials.model.task import OPEN, Kind, Task, audit_all
from services.materials.rules import backflush

_SETTLED = text("""
    update put_away_task set state = 'COMPLETED', note = :note, version = version + 1, update_time = now()
    where name = any(cast(:names as text[])) and state in ('READY', 'LEASED', 'STARTED', 'WAITING')
    returning name, version
""")


async def judge(unit: Unit, orders: Iterable[ProductionOrder]) -> None:
    """One task for each operation that is out of its levels and has none; it ends when the level is right again."""
    steps = [
        (order, step)
        for order in orders
        for step in order.operations
        if step.min_units is not None or step.max_units is not None
    ]
    if not steps:
        return
    site = steps[0][1].site
    await unit.flush()
    columns: Any = Task
    asked = await unit.execute(
        select(columns.name, columns.from_location).where(
            columns.site == site, columns.kind == Kind.EXCEPTION_TASK, columns.state.in_(OPEN),
            columns.from_location.in_(sorted({step.location for _, step in steps})),
        )
    )  # fmt: skip
    known: dict[str, list[str]] = {}
    for row in asked:
        known.setdefault(row.from_location, []).append(row.name)
    settled: list[str] = []
    for order, step in steps:
        wrong = why(order, step)
        if wrong and step.location not in known:
            unit.add(
                tasks.new(
                    unit, site, Kind.EXCEPTION_TASK, item=order.item, from_location=step.location,
                    unit_code=step.unit_code, note=wrong, correlation=order.chain,
                )
            )  # fmt: skip
        elif not wrong:
            settled += known.get(step.location, [])
    if settled:
        ended = await unit.execute(_SETTLED, {"names": sorted(settled), "note": "the level is right again"})
        audit_all(unit, ended, {"state": "COMPLETED"})


def why(order: ProductionOrder, step: ProductionOperation) -> str:
    """What is wrong with the level at an operation; too little counts while more of the order is to come there."""
    units = order.in_process(step.operation)
    said = f"{canonical(units)} {step.unit_code} are in process at operation {step.operation} of {order.number}"
    if step.max_units is not None and units > step.max_units:
        return f"{said}, more than {canonical(step.max_units)}"
    if order.state not in WORKING:
        return ""
    to_come = order.quantity - backflush.passed(order.counts, step.operation) - units
    if step.min_units is not None and units < step.min_units and to_come > Decimal(0):
        return f"{said}, less than {canonical(step.min_units)}"
    return ""
