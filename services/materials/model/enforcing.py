"""Putting revisions of replenishment policies in force, by a person or at their time (MAT-161)."""

from collections.abc import Sequence

from sqlalchemy import select

from services.chassis import revisions
from services.chassis.revisions import State
from services.chassis.unit import Unit
from services.materials.model import replenishing, stock
from services.materials.model.policy import Policy, Revision


async def put_in_force(unit: Unit, name: str, etag: str = "") -> Revision:
    """An approved revision is in force; its policy is asked at once where it is of one item at a site.

    The others are asked by the job. RevisionNotDue before its start.
    """
    policy = await _taken_up(unit, name.rpartition(f"/{Revision.COLLECTION}/")[0])
    revision = (await unit.get(Revision, name, etag=etag)).due(unit.now)
    replaced = await revisions.activate(unit, revision, policy)
    unit.emit(policy.event(revision.told(replaced, str(policy.selector))))
    await unit.flush()
    if policy.item and policy.site:
        await replenishing.ask(unit, policy.site, policy.item)
    return revision


async def _taken_up(unit: Unit, name: str) -> Policy:
    """A policy, locked behind the stock of its item where it has one."""
    found = await unit.find(Policy, name, lock=False)
    if found is not None and found.item and found.site:
        return await stock.take_up(unit, Policy, name)
    return await unit.get(Policy, name)


async def due(unit: Unit) -> Sequence[str]:
    """Approved revisions whose start has come."""
    found: Sequence[str] = await unit.all(
        select(Revision.name)  # type: ignore[call-overload]
        .where(Revision.state == State.APPROVED, Revision.start_time <= unit.now)  # type: ignore[operator]
        .order_by(Revision.start_time, Revision.name)
    )
    return found
