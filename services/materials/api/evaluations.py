"""What a policy of replenishment would ask for now; changes nothing (MAT-162)."""

from typing import Any

from plantops.materials.v1 import policies_pb2

from services.chassis.db import json_text
from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import date_message, quantity
from services.materials.model import filling, kanban, replenishing
from services.materials.model.item import site_fact
from services.materials.model.policy import Kind, Policy, Revision
from services.materials.model.replenishing import Asked
from services.materials.rules import replenishment


async def evaluated(request: Any, unit: Unit) -> Any:
    """The evaluation of a policy's revision for an item at a site or a place."""
    policy = await unit.get(Policy, request.name, lock=False)
    item = one(policy.item or "", request.item, "item")
    home = policy.location.split("/")[1] if policy.location else policy.site or ""
    site = one(home, request.site, "site")
    await site_fact(unit, site, field="site")
    row = await _asked(unit, policy, await _revision(unit, policy, request.revision), site, item)
    found, given = row.found, row.given
    return policies_pb2.EvaluateMaterialsPolicyResponse(
        revision=row.revision.name, position=quantity(found.position, given.unit_code),
        quantity=quantity(found.quantity, given.unit_code), need_date=date_message(found.need_date),
        outcome=given.outcome, inputs=json_text(replenishment.record(given, row.facts)),
        explanation=replenishment.words(given, found),
    )  # fmt: skip


async def _asked(unit: Unit, policy: Policy, revision: Revision, site: str, item: str) -> Asked:
    if revision.kind is Kind.KANBAN:
        return await kanban.judged(unit, site, revision, item)
    if policy.location:
        return await filling.judged(unit, site, revision, item, policy.location)
    rows = await replenishing.asked(unit, site, {item: revision}, note=False, always=True)
    if not rows:
        raise FieldInvalid(field="item", rule="must be an item", value=item)
    return rows[0]


async def _revision(unit: Unit, policy: Policy, named: str) -> Revision:
    name = named or policy.active_revision
    if not name:
        raise FieldInvalid(field="revision", rule="must be named: none is in force")
    revision = await unit.find(Revision, name, lock=False)
    if revision is None or revision.policy != policy.name:
        raise FieldInvalid(field="revision", rule="must be a revision of the policy", value=name)
    return revision


def one(fixed: str, given: str, field: str) -> str:
    """What the policy names, else what is given; FieldInvalid for neither, or for another one."""
    if not (fixed or given):
        raise FieldInvalid(field=field, rule="is required: the policy names none")
    if fixed and given not in ("", fixed):
        raise FieldInvalid(field=field, rule="must be that of the policy", value=given)
    return fixed or given
