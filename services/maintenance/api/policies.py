"""Maintenance policies, revisions, assignments, occurrences and decisions."""

from datetime import date, timedelta
from typing import Any

from plantops.maintenance.v1 import occurrences_pb2
from sqlalchemy import select

from services.chassis import revisions
from services.chassis.faults import FailedPrecondition, FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import decimal_of, python_of, values_for
from services.maintenance.model import clocks, generation
from services.maintenance.model.asset import Asset
from services.maintenance.model.meter import Meter
from services.maintenance.model.occurrence import Decision, Occurrence
from services.maintenance.model.policy import Assignment, Kind, Policy, Revision
from services.maintenance.model.work_order import WorkOrder

FARTHEST_ANCHOR = timedelta(days=36525)


class NotInForce(FailedPrecondition):
    """A policy without revision in force decides nothing."""

    text = "{policy} has no revision in force."


class MaintenancePolicyService:
    """Policies, their revisions and assignments."""

    async def get_maintenance_policy(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Policy, request.name)

    async def list_maintenance_policies(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Policy, request)

    async def create_maintenance_policy(self, request: Any, unit: Unit) -> Any:
        name = unit.new_name("", Policy.COLLECTION, request.maintenance_policy_id)
        return unit.add(Policy(name=name, **values_for(Policy, request.maintenance_policy)))

    async def get_maintenance_revision(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Revision, request.name)

    async def list_maintenance_revisions(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Revision, request, parent_column=Revision.policy)

    async def create_maintenance_revision(self, request: Any, unit: Unit) -> Any:
        policy = await unit.get(Policy, request.parent)
        known = await unit.all(select(Revision.name).where(Revision.policy == policy.name))  # type: ignore[call-overload]
        name = unit.new_name(policy.name, Revision.COLLECTION, revisions.next_id(known))
        values = values_for(Revision, request.maintenance_revision)
        revision = Revision(name=name, policy=policy.name, author=unit.caller.name, **values)
        return unit.add(revision.checked(policy.statutory))

    async def submit_maintenance_revision(self, request: Any, unit: Unit) -> Any:
        return (await unit.get(Revision, request.name, etag=request.etag)).submit()

    async def return_maintenance_revision(self, request: Any, unit: Unit) -> Any:
        return (await unit.get(Revision, request.name)).send_back()

    async def approve_maintenance_revision(self, request: Any, unit: Unit) -> Any:
        revision = await unit.get(Revision, request.name)
        return revision.approve(unit.caller.name, request.content_hash, unit.now)

    async def activate_maintenance_revision(self, request: Any, unit: Unit) -> Any:
        revision = await unit.get(Revision, request.name, etag=request.etag)
        policy = await unit.get(Policy, revision.policy)
        replaced = await revisions.activate(unit, revision, policy)
        await unit.flush()
        unit.emit(policy.event(revision.told(replaced)))
        await clocks.after_activation(unit, policy, revision)
        return revision

    async def retire_maintenance_revision(self, request: Any, unit: Unit) -> Any:
        revision = await unit.get(Revision, request.name)
        policy = await unit.get(Policy, revision.policy)
        if policy.active_revision == revision.name:
            policy.active_revision = ""
        return revision.retire()

    async def assign_maintenance_policy(self, request: Any, unit: Unit) -> Any:
        asset = await unit.get(Asset, request.parent, lock=False)
        asset.workable("an assignment")
        policy = await unit.get(Policy, request.policy, lock=False)
        if not policy.active_revision:
            raise NotInForce(policy=policy.name)
        revision = await unit.get(Revision, policy.active_revision, lock=False)
        assignment = Assignment(
            name=unit.new_name(asset.name, Assignment.COLLECTION, policy.id),
            asset=asset.name,
            policy=policy.name,
            revision=revision.name,
        )
        if revision.by_meter:
            if not request.meter:
                raise FieldInvalid(field="meter", rule=f"is required for a policy of kind {revision.kind}")
            meter = await unit.get(Meter, request.meter, lock=False)
            if meter.asset != asset.name:
                raise FieldInvalid(field="meter", rule="must be a meter of the asset", value=request.meter)
            given = request.HasField("anchor_usage")
            anchor = decimal_of(request.anchor_usage.value, "anchor_usage.value") if given else meter.usage
            assignment.begin_usage(revision, meter.name, anchor)
        else:
            if not request.HasField("anchor_date"):
                raise FieldInvalid(field="anchor_date", rule=f"is required for a policy of kind {revision.kind}")
            anchor_day: date = python_of(request.anchor_date)
            if anchor_day > unit.now.date() + FARTHEST_ANCHOR:
                raise FieldInvalid(field="anchor_date", rule="must lie within the next 100 years", value=anchor_day)
            assignment.begin_calendar(revision, anchor_day)
        unit.add(assignment)
        await unit.flush()
        if revision.kind is Kind.FIXED:
            generation.tell(unit, await generation.evaluate(unit, assignment))
        return assignment

    async def get_policy_assignment(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Assignment, request.name)

    async def list_policy_assignments(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Assignment, request, parent_column=Assignment.asset)


class OccurrenceService:
    """The ledger of what fell due and why."""

    async def get_occurrence(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Occurrence, request.name)

    async def list_occurrences(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Occurrence, request)

    async def get_maintenance_decision(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Decision, request.name)

    async def list_maintenance_decisions(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Decision, request)

    async def explain_work_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(WorkOrder, request.name)
        steps: list[str] = [f"made by {order.reporter or 'an import'}"]
        if order.decision:
            steps = (await unit.get(Decision, order.decision)).explanation
        for row in order.part_demands:
            if row.mandatory and not row.covered:
                expected = f", expected on {row.expected_date}" if row.expected_date else ""
                steps = [*steps, f"waits for {row.item} (demand {row.demand}, {row.state}{expected})"]
        return occurrences_pb2.ExplainWorkOrderResponse(
            work_order=order.name, decision=order.decision, revision=order.policy_revision, explanation=steps,
            wait_reasons=order.wait_reasons,
        )  # fmt: skip
