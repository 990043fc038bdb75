"""Allocation policies with revisions."""

from typing import Any

from sqlalchemy import select

from services.chassis import revisions
from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import values_for
from services.materials.model import allocation_policy
from services.materials.model.allocation_policy import AllocationPolicy, AllocationRevision
from services.materials.model.item import Item, SiteFact


class AllocationPolicyService:
    """Allocation policies with revisions."""

    async def get_allocation_policy(self, request: Any, unit: Unit) -> Any:
        return await unit.get(AllocationPolicy, request.name)

    async def list_allocation_policies(self, request: Any, unit: Unit) -> Any:
        return await unit.list(AllocationPolicy, request)

    async def create_allocation_policy(self, request: Any, unit: Unit) -> Any:
        values = values_for(AllocationPolicy, request.allocation_policy)
        name = unit.new_name("", AllocationPolicy.COLLECTION, request.allocation_policy_id)
        policy = AllocationPolicy(name=name, **values).checked()
        if policy.item and await unit.find(Item, policy.item, lock=False) is None:
            raise FieldInvalid(field="allocation_policy.item", rule="must be an item", value=policy.item)
        known = select(SiteFact.name).where(SiteFact.name == policy.at_site)  # type: ignore[call-overload]
        if policy.at_site and await unit.first(known) is None:
            rule = "must be a site that is known here"
            raise FieldInvalid(field="allocation_policy.at_site", rule=rule, value=policy.at_site)
        return unit.add(policy)

    async def get_allocation_revision(self, request: Any, unit: Unit) -> Any:
        return await unit.get(AllocationRevision, request.name)

    async def list_allocation_revisions(self, request: Any, unit: Unit) -> Any:
        return await unit.list(AllocationRevision, request, parent_column=AllocationRevision.policy)

    async def create_allocation_revision(self, request: Any, unit: Unit) -> Any:
        policy = await unit.get(AllocationPolicy, request.parent)
        known = await unit.all(
            select(AllocationRevision.name).where(AllocationRevision.policy == policy.name)  # type: ignore[call-overload]
        )
        name = unit.new_name(policy.name, AllocationRevision.COLLECTION, revisions.next_id(known))
        values = values_for(AllocationRevision, request.allocation_revision)
        return unit.add(AllocationRevision(name=name, policy=policy.name, author=unit.caller.name, **values).checked())

    async def update_allocation_revision(self, request: Any, unit: Unit) -> Any:
        given = request.allocation_revision
        revision = (await unit.get(AllocationRevision, given.name, etag=given.etag)).edited(unit.caller.name)
        return unit.update(revision, given, request.update_mask).checked()

    async def submit_allocation_revision(self, request: Any, unit: Unit) -> Any:
        policy = await unit.get(AllocationPolicy, _policy(request.name), lock=False)
        await allocation_policy.refuse_twin(unit, policy)
        return (await unit.get(AllocationRevision, request.name, etag=request.etag)).submit()

    async def return_allocation_revision(self, request: Any, unit: Unit) -> Any:
        return (await unit.get(AllocationRevision, request.name)).send_back()

    async def approve_allocation_revision(self, request: Any, unit: Unit) -> Any:
        revision = await unit.get(AllocationRevision, request.name)
        return revision.approve(unit.caller.name, request.content_hash, unit.now)

    async def activate_allocation_revision(self, request: Any, unit: Unit) -> Any:
        policy = await unit.get(AllocationPolicy, _policy(request.name))
        revision = await unit.get(AllocationRevision, request.name, etag=request.etag)
        replaced = await revisions.activate(unit, revision, policy)
        unit.emit(policy.event(revision.told(replaced, str(policy.selector))))
        return revision

    async def retire_allocation_revision(self, request: Any, unit: Unit) -> Any:
        policy = await unit.get(AllocationPolicy, _policy(request.name))
        revision = await unit.get(AllocationRevision, request.name)
        if policy.active_revision == revision.name:
            policy.active_revision = ""
        return revision.retire()


def _policy(name: str) -> str:
    return name.rpartition(f"/{AllocationRevision.COLLECTION}/")[0]
