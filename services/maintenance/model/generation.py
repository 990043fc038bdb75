"""Occurrences and orders from policies: the kernel's answers become ledger rows, decisions and orders.

Generation is idempotent: an occurrence's key is unique, and the assignment is locked while its series moves on
(MNT-120). Missed occurrences follow the policy's catch-up (MNT-125); a due that meets an open order is merged
into it (MNT-123).
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.maintenance.model import meter as meters
from services.maintenance.model import occurrence as ledger
from services.maintenance.model import work_order as orders
from services.maintenance.model.asset import Asset
from services.maintenance.model.occurrence import Decision, Occurrence
from services.maintenance.model.policy import Assignment, CatchUp, Kind, Policy, Revision
from services.maintenance.model.site import Site
from services.maintenance.model.work_order import WorkOrder
from services.maintenance.rules import due as kernel
from services.maintenance.rules.due import Due


async def after_reading(unit: Unit, meter: meters.Meter, reading: meters.Reading) -> list[WorkOrder]:
    """Evaluate the policies of a meter after a reading; gives the orders that it triggered."""
    assignments: Sequence[Assignment] = await unit.all(
        select(Assignment)
        .where(Assignment.meter == meter.name)  # type: ignore[arg-type]
        .order_by(Assignment.name)
        .with_for_update()
    )
    made: list[WorkOrder] = []
    for assignment in assignments:
        known = {"reading": reading.name, "measure_time": reading.measure_time, "usage": meter.usage}
        made += await evaluate(unit, assignment, usage=meter.usage, inputs=known)
    reading.work_orders = [*reading.work_orders, *(order.name for order in made)]
    return made


async def evaluate(
    unit: Unit, assignment: Assignment, *, usage: Decimal | None = None, inputs: dict[str, Any] | None = None
) -> list[WorkOrder]:
    """Ask the kernel what has fallen due for one assignment, and make what follows."""
    asset = await unit.get(Asset, assignment.asset)
    policy = await unit.get(Policy, assignment.policy, lock=False)
    if not asset.maintained or not policy.active_revision:
        return []
    revision = await unit.get(Revision, policy.active_revision, lock=False)
    site = await unit.get(Site, f"sites/{assignment.site}", lock=False)
    still_open = await _open_order(unit, assignment)
    if revision.kind is Kind.METER_FLOATING and still_open is not None:
        return []
    dues = _dues(assignment, revision, usage, site.today(unit.now))
    if not dues:
        return []
    assignment.touch()
    decision = _decision(unit, assignment, revision, dues, inputs or {"today": site.today(unit.now)})
    made: list[WorkOrder] = []
    for index, item in enumerate(dues):
        occurrence = _occurrence(unit, assignment, revision, item, decision, site, unit.now)
        if revision.catch_up is CatchUp.DROP and index < len(dues) - 1:
            occurrence.move(ledger.State.SKIPPED)
            occurrence.reason = "missed; the policy's catch-up leaves it out"
        elif still_open is not None and (revision.catch_up is not CatchUp.ALL or not made):
            occurrence.move(ledger.State.MERGED)
            occurrence.work_order = still_open.name
            occurrence.reason = f"{still_open.name} is open for the same policy"
        else:
            order = await _order(unit, asset, revision, occurrence, decision, site)
            occurrence.move(ledger.State.GENERATED)
            occurrence.work_order = order.name
            made.append(order)
            if revision.catch_up is not CatchUp.ALL:
                still_open = order
    decision.outcome = "CREATED" if made else "MERGED"
    decision.explanation = [*decision.explanation, *(f"{order.name} was made" for order in made)]
    return made


def _dues(assignment: Assignment, revision: Revision, usage: Decimal | None, today: date) -> list[Due]:
    """What has fallen due, with the series moved on."""
    number = assignment.next_number
    if revision.kind is Kind.FIXED:
        if assignment.anchor_date is None:
            return []
        grid: dict[str, Any] = {
            "months": revision.interval_months,
            "days": revision.interval_days,
            "rule": revision.month_rule.value,
        }
        found, following = kernel.calendar_crossed(
            assignment.anchor_date, number, today, lead_days=revision.lead_days, **grid
        )
        day = None
        while day is None and following < number + 2000:
            day = kernel.calendar_due(assignment.anchor_date, following, **grid)
            following += 0 if day is not None else 1
        assignment.next_number, assignment.next_date = following, day
        return found
    interval, lead = revision.usage_interval or Decimal(0), revision.usage_lead or Decimal(0)
    if usage is None or assignment.next_usage is None or interval <= 0:
        return []
    if revision.kind is Kind.METER_FLOATING:
        if assignment.next_usage - lead > usage:
            return []
        assignment.next_number = number + 1
        return [Due(number, usage=assignment.next_usage)]
    anchor = assignment.anchor_usage or Decimal(0)
    found, following = kernel.meter_crossed(anchor, interval, number, usage, lead)
    assignment.next_number = following
    assignment.next_usage = kernel.threshold(anchor, interval, following)
    return found


async def _open_order(unit: Unit, assignment: Assignment) -> WorkOrder | None:
    order: WorkOrder | None = await unit.first(
        select(WorkOrder)
        .join(Occurrence, Occurrence.work_order == WorkOrder.name)  # type: ignore[arg-type]
        .where(
            Occurrence.assignment == assignment.name,  # type: ignore[arg-type]
            WorkOrder.state.in_(orders.OPEN),  # type: ignore[attr-defined]
        )
        .order_by(WorkOrder.name)
        .limit(1)
    )
    return order


def _decision(
    unit: Unit, assignment: Assignment, revision: Revision, dues: Sequence[Due], inputs: dict[str, Any]
) -> Decision:
    steps = [f"policy revision {revision.name}, kind {revision.kind}"]
    if "usage" in inputs:
        steps.append(f"usage {canonical(inputs['usage'])} by {inputs['reading']}")
    for item in dues:
        what = f"usage {canonical(item.usage)}" if item.usage is not None else f"{item.day}"
        steps.append(f"occurrence {item.number} fell due at {what}")
    return unit.add(
        Decision(
            name=unit.new_name(f"sites/{assignment.site}", Decision.COLLECTION),
            revision=revision.name,
            assignment=assignment.name,
            asset=assignment.asset,
            inputs=inputs,
            outcome="CREATED",
            explanation=steps,
        )
    )


def _occurrence(
    unit: Unit, assignment: Assignment, revision: Revision, due: Due, decision: Decision, site: Site, now: datetime
) -> Occurrence:
    return unit.add(
        Occurrence(
            name=unit.new_name(f"sites/{assignment.site}", Occurrence.COLLECTION),
            assignment=assignment.name,
            asset=assignment.asset,
            policy=assignment.policy,
            revision=revision.name,
            number=due.number,
            due_usage=due.usage,
            due_date=due.day,
            required_date=due.day or site.today(now) + timedelta(days=max(revision.lead_days, 7)),
            decision=decision.name,
        )
    )


async def _order(
    unit: Unit, asset: Asset, revision: Revision, occurrence: Occurrence, decision: Decision, site: Site
) -> WorkOrder:
    """The order of an occurrence: everything of the plan is copied by value (MNT-129, MNT-8)."""
    name = unit.new_name(f"sites/{asset.site}", WorkOrder.COLLECTION)
    required = occurrence.required_date or site.today(unit.now)
    order = WorkOrder(
        name=name,
        number=await unit.next_number("WO"),
        asset=asset.name,
        kind=orders.Kind.PREVENTIVE,
        origin=orders.Origin.POLICY,
        title=revision.order_title,
        priority=revision.order_priority,
        required_date=required,
        planned_start_time=datetime.combine(required, time(7), tzinfo=site.zone),
        estimated_hours=revision.estimated_hours,
        cost_centre=asset.cost_centre,
        reporter=unit.caller.name,
        occurrence=occurrence.name,
        decision=decision.name,
        policy_revision=revision.name,
        currency_code=site.currency_code,
        correlation=name,
    )
    for step in revision.steps:
        order.step(step["text"], mandatory=step.get("mandatory", False))
    for part in revision.part_demands:
        order.demand(
            part["item"],
            Decimal(part["quantity"]["value"]),
            part["quantity"]["unit_code"],
            mandatory=part.get("mandatory", False),
            delivery_location=asset.delivery_location,
        )
    unit.add(order)
    order.note(unit.now, unit.caller.name, f"made by {revision.name}")
    unit.emit(order.created(), correlation=name)
    return order


async def after_completion(unit: Unit, order: WorkOrder) -> None:
    """Satisfy the occurrences of an order and move floating clocks on (MNT-84, MNT-154)."""
    satisfied = order.outcome in (orders.Outcome.DONE, orders.Outcome.NO_FAULT_FOUND)
    for row in await _occurrences(unit, order):
        if satisfied:
            row.move(ledger.State.SATISFIED)
            row.satisfy_time = order.actual_finish_time
            await _floating(unit, row, order)
        elif order.outcome is orders.Outcome.NOT_DONE:
            row.move(ledger.State.DUE)
            row.reason = f"{order.name} ended as NOT_DONE"


async def after_reopening(unit: Unit, order: WorkOrder) -> None:
    """The occurrence is unsatisfied again (MNT-155)."""
    for row in await _occurrences(unit, order):
        if row.state is ledger.State.SATISFIED:
            row.move(ledger.State.GENERATED)
            row.satisfy_time = None


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


async def _floating(unit: Unit, occurrence: Occurrence, order: WorkOrder) -> None:
    revision = await unit.get(Revision, occurrence.revision, lock=False)
    if revision.kind is not Kind.METER_FLOATING or revision.usage_interval is None:
        return
    assignment = await unit.get(Assignment, occurrence.assignment)
    if assignment.meter is None or order.actual_finish_time is None:
        return
    at_finish: Decimal | None = await unit.first(
        select(meters.Reading.usage)  # type: ignore[call-overload]
        .where(
            meters.Reading.meter == assignment.meter,
            meters.Reading.state == meters.State.ACCEPTED,
            meters.Reading.measure_time <= order.actual_finish_time,
        )
        .order_by(meters.Reading.measure_time.desc())  # type: ignore[attr-defined]
        .limit(1)
    )
    assignment.next_usage = kernel.meter_floating_next(at_finish or Decimal(0), revision.usage_interval)
