"""Occurrences and orders from policies: the kernel's answers become ledger rows, decisions and orders.

Generation is idempotent: an occurrence's key is unique, and the assignment is locked while its series moves on
(MNT-120). Missed occurrences follow the policy's catch-up (MNT-125); a due that meets an open order is merged
into it (MNT-123). Orders are made here and told by `tell`, so that a caller can tell their cause first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.maintenance.model import occurrence as ledger
from services.maintenance.model import work_order as orders
from services.maintenance.model.asset import Asset
from services.maintenance.model.meter import Meter, Reading
from services.maintenance.model.occurrence import Decision, Occurrence
from services.maintenance.model.policy import Assignment, CatchUp, Kind, Policy, Revision
from services.maintenance.model.site import Site
from services.maintenance.model.work_order import WorkOrder
from services.maintenance.rules.due import Due

USAGE_RESPONSE = timedelta(days=7)
"""Required date of a meter policy's order: this long after its threshold was seen, or the lead days if more."""


@dataclass(frozen=True, slots=True)
class Watch:
    """An assignment on a meter with what its policy says now; `pending` = an occurrence has no order."""

    assignment: Assignment
    revision: Revision
    pending: bool

    def ripe(self, usage: Decimal) -> bool:
        """Whether an evaluation could make something."""
        return self.pending or self.assignment.usage_due(self.revision, usage)


Watches = Mapping[str, Sequence[Watch]]


async def watches(unit: Unit, meters: Sequence[str]) -> Watches:
    """Assignments on meters, locked in name order, in a constant number of statements."""
    rows = await unit.execute(
        select(Assignment, Revision)
        .join(Policy, Policy.name == Assignment.policy)  # type: ignore[arg-type]
        .join(Revision, Revision.name == Policy.active_revision)  # type: ignore[arg-type]
        .where(Assignment.meter.in_(meters))  # type: ignore[union-attr]
        .order_by(Assignment.name)
        .with_for_update(of=Assignment)
    )
    found = [(row.Assignment, row.Revision) for row in rows]
    pending = set(
        await unit.all(
            select(Occurrence.assignment).where(  # type: ignore[call-overload]
                Occurrence.assignment.in_([row.name for row, _ in found]),  # type: ignore[attr-defined]
                Occurrence.state == ledger.State.DUE,
            )
        )
        if found
        else ()
    )
    watched: dict[str, list[Watch]] = {}
    for assignment, revision in found:
        watched.setdefault(str(assignment.meter), []).append(Watch(assignment, revision, assignment.name in pending))
    return watched


async def after_reading(unit: Unit, meter: Meter, reading: Reading, watched: Watches) -> list[WorkOrder]:
    """Evaluate the policies of a meter after an accepted reading; gives the orders that it triggered."""
    made: list[WorkOrder] = []
    for watch in watched.get(meter.name, ()):
        if watch.ripe(meter.usage):
            known = {"reading": reading.name, "measure_time": reading.measure_time, "usage": meter.usage}
            made += await evaluate(unit, watch.assignment, usage=meter.usage, inputs=known)
    if made:
        reading.work_orders = [*reading.work_orders, *(order.name for order in made)]
    return made


async def after_return(unit: Unit, asset: Asset) -> None:
    """Evaluate the meter policies of an asset that is in service again (MNT-122); the job does the calendar ones."""
    meters = await unit.all(select(Meter).where(Meter.asset == asset.name).order_by(Meter.name))  # type: ignore[arg-type]
    usages = {meter.name: meter.usage for meter in meters}
    for name, found in (await watches(unit, sorted(usages))).items():
        for watch in found:
            if watch.ripe(usages[name]):
                tell(unit, await evaluate(unit, watch.assignment, usage=usages[name]))


def tell(unit: Unit, made: Iterable[WorkOrder]) -> None:
    """Tell that orders exist, each in its own chain."""
    for order in made:
        unit.emit(order.created(), correlation=order.name)


async def evaluate(
    unit: Unit, assignment: Assignment, *, usage: Decimal | None = None, inputs: dict[str, Any] | None = None
) -> list[WorkOrder]:
    """Ask the kernel what has fallen due for one locked assignment, and make what follows."""
    asset = await unit.get(Asset, assignment.asset, lock=False)
    policy = await unit.get(Policy, assignment.policy, lock=False)
    if not asset.maintained or not policy.active_revision:
        return []
    revision = await unit.get(Revision, policy.active_revision, lock=False)
    site = await unit.get(Site, f"sites/{assignment.site}", lock=False)
    still_open = await _open_order(unit, assignment)
    if revision.kind is Kind.METER_FLOATING and still_open is not None:
        return []
    unmet = [] if still_open is not None else await _unmet(unit, assignment)
    dues = assignment.advance(revision, usage, site.today(unit.now), floating=not unmet)
    if not dues and not unmet:
        return []
    assignment.touch()
    known = inputs or ({"today": site.today(unit.now)} if usage is None else {"usage": usage})
    decision = _decision(unit, assignment, revision, dues, known)
    rows = [*unmet, *(_occurrence(unit, assignment, revision, due, decision, site, unit.now) for due in dues)]
    made: list[WorkOrder] = []
    for index, occurrence in enumerate(rows):
        if revision.catch_up is CatchUp.DROP and len(unmet) <= index < len(rows) - 1:
            occurrence.move(ledger.State.SKIPPED)
            occurrence.reason = "missed; the policy's catch-up leaves it out"
        elif still_open is not None and (revision.catch_up is not CatchUp.ALL or not made):
            occurrence.join(still_open.name)
        else:
            order = await _order(unit, asset, revision, occurrence, decision, site)
            occurrence.move(ledger.State.GENERATED)
            occurrence.work_order, occurrence.decision, occurrence.reason = order.name, decision.name, ""
            made.append(order)
            if revision.catch_up is not CatchUp.ALL:
                still_open = order
    decision.outcome = "CREATED" if made else "MERGED"
    decision.explanation = [
        *decision.explanation,
        *(f"occurrence {row.number} is due again: it was not done" for row in unmet),
        *(f"{order.name} was made" for order in made),
        *(f"occurrence {row.number} joined {row.work_order}" for row in rows if row.state is ledger.State.MERGED),
    ]
    return made


async def _unmet(unit: Unit, assignment: Assignment) -> list[Occurrence]:
    """Occurrences that wait for an order: their work ended as not done (MNT-127)."""
    return list(
        await unit.all(
            select(Occurrence)
            .where(Occurrence.assignment == assignment.name, Occurrence.state == ledger.State.DUE)  # type: ignore[arg-type]
            .order_by(Occurrence.series, Occurrence.number)  # type: ignore[arg-type]
            .with_for_update()
        )
    )


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
        steps.append(
            f"usage {canonical(inputs['usage'])}" + (f" by {inputs['reading']}" if "reading" in inputs else "")
        )
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
    response = max(timedelta(days=revision.lead_days), USAGE_RESPONSE)
    return unit.add(
        Occurrence(
            name=unit.new_name(f"sites/{assignment.site}", Occurrence.COLLECTION),
            assignment=assignment.name,
            asset=assignment.asset,
            policy=assignment.policy,
            revision=revision.name,
            series=assignment.series,
            number=due.number,
            due_usage=due.usage,
            due_date=due.day,
            required_date=due.day or site.today(now) + response,
            decision=decision.name,
        )
    )


async def _order(
    unit: Unit, asset: Asset, revision: Revision, occurrence: Occurrence, decision: Decision, site: Site
) -> WorkOrder:
    """The order of an occurrence: everything of the plan is copied by value (MNT-129, MNT-8)."""
    name = unit.new_name(f"sites/{asset.site}", WorkOrder.COLLECTION)
    required: date = occurrence.required_date or site.today(unit.now)
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
    return order
