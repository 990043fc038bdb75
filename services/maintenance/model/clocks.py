"""What the end of an order, or a new revision, does to the ledger and to the clocks of policies."""

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import select

from services.chassis.unit import Unit
from services.maintenance.model import generation
from services.maintenance.model import occurrence as ledger
from services.maintenance.model.meter import Meter, Reading
from services.maintenance.model.meter import State as ReadingState
from services.maintenance.model.occurrence import Occurrence
from services.maintenance.model.policy import Assignment, Kind, Policy, Revision
from services.maintenance.model.work_order import WorkOrder
from services.maintenance.rules import due as kernel


async def after_completion(unit: Unit, order: WorkOrder) -> None:
    """Satisfy the occurrences of an order and move floating clocks on; what was not done is due (MNT-84, 127, 154)."""
    for row in await _occurrences(unit, order):
        if order.satisfies:
            row.move(ledger.State.SATISFIED)
            row.satisfy_time = order.actual_finish_time
        else:
            row.move(ledger.State.DUE)
            row.reason = f"{order.name} ended as {order.outcome}"
    if order.satisfies and order.occurrence:
        await _floating(unit, order)


async def after_reopening(unit: Unit, order: WorkOrder) -> None:
    """The occurrences are unsatisfied again; none is made anew (MNT-155)."""
    for row in await _occurrences(unit, order):
        if row.state in (ledger.State.SATISFIED, ledger.State.DUE):
            row.move(ledger.State.GENERATED)
            row.satisfy_time, row.reason = None, ""


async def after_cancelling(unit: Unit, order: WorkOrder) -> None:
    """Cancelled without replacement: it stays in the compliance denominator (MNT-127)."""
    for row in await _occurrences(unit, order):
        row.move(ledger.State.CANCELLED)
        row.reason = f"{order.name} was cancelled"


async def _occurrences(unit: Unit, order: WorkOrder) -> Sequence[Occurrence]:
    return await unit.all(
        select(Occurrence)
        .where(Occurrence.work_order == order.name)  # type: ignore[arg-type]
        .order_by(Occurrence.name)
        .with_for_update()
    )


async def _floating(unit: Unit, order: WorkOrder) -> None:
    """Usage since the finish counts from here; where it has run out already, the next order is made (MNT-122)."""
    occurrence = await unit.get(Occurrence, order.occurrence)
    assignment = await unit.get(Assignment, occurrence.assignment)
    policy = await unit.get(Policy, assignment.policy, lock=False)
    revision = await unit.get(Revision, policy.active_revision or occurrence.revision, lock=False)
    if revision.kind is not Kind.METER_FLOATING or assignment.meter is None or order.actual_finish_time is None:
        return
    at_finish: Decimal | None = await unit.first(
        select(Reading.usage)  # type: ignore[call-overload]
        .where(
            Reading.meter == assignment.meter,
            Reading.state == ReadingState.ACCEPTED,
            Reading.measure_time <= order.actual_finish_time,
        )
        .order_by(Reading.measure_time.desc(), Reading.name.desc())  # type: ignore[attr-defined]
        .limit(1)
    )
    interval = revision.usage_interval or Decimal(0)
    assignment.next_usage = kernel.meter_floating_next(at_finish or Decimal(0), interval)
    usage = (await unit.get(Meter, assignment.meter, lock=False)).usage
    generation.tell(unit, await generation.evaluate(unit, assignment, usage=usage))


async def after_activation(unit: Unit, policy: Policy, revision: Revision) -> None:
    """Let the assignments go on under the new revision, and evaluate the meter ones (MNT-122)."""
    rows: Sequence[Assignment] = await unit.all(
        select(Assignment)
        .where(Assignment.policy == policy.name)  # type: ignore[arg-type]
        .order_by(Assignment.name)
        .with_for_update()
    )
    before = await unit.get_many(Revision, {row.revision for row in rows}, lock=False)
    meters = await unit.get_many(Meter, {row.meter for row in rows if row.meter}, lock=False)
    for row in rows:
        row.go_on(before[row.revision], revision)
        if row.meter is not None:
            generation.tell(unit, await generation.evaluate(unit, row, usage=meters[row.meter].usage))
