"""Count policies with revisions."""

from typing import Any

from sqlalchemy import select

from services.chassis import revisions
from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import values_for
from services.materials.model.count_policy import CountPolicy, CountRevision
from services.materials.model.item import SiteFact


class CountPolicyService:
    """When stock is due for a count, how far a count may be off, and who accepts it."""

    async def get_count_policy(self, request: Any, unit: Unit) -> Any:
        return await unit.get(CountPolicy, request.name)

    async def list_count_policies(self, request: Any, unit: Unit) -> Any:
        return await unit.list(CountPolicy, request)

    async def create_count_policy(self, request: Any, unit: Unit) -> Any:
        values = values_for(CountPolicy, request.count_policy)
        known = select(SiteFact.name).where(SiteFact.name == values["at_site"])  # type: ignore[call-overload]
        if values["at_site"] and await unit.first(known) is None:
            rule = "must be a site that is known here"
            raise FieldInvalid(field="count_policy.at_site", rule=rule, value=values["at_site"])
        name = unit.new_name("", CountPolicy.COLLECTION, request.count_policy_id)
        return unit.add(CountPolicy(name=name, **values))

    async def get_count_revision(self, request: Any, unit: Unit) -> Any:
        return await unit.get(CountRevision, request.name)

    async def list_count_revisions(self, request: Any, unit: Unit) -> Any:
        return await unit.list(CountRevision, request, parent_column=CountRevision.policy)

    async def create_count_revision(self, request: Any, unit: Unit) -> Any:
        policy = await unit.get(CountPolicy, request.parent)
        known = await unit.all(select(CountRevision.name).where(CountRevision.policy == policy.name))  # type: ignore[call-overload]
        name = unit.new_name(policy.name, CountRevision.COLLECTION, revisions.next_id(known))
        values = values_for(CountRevision, request.count_revision)
        return unit.add(CountRevision(name=name, policy=policy.name, author=unit.caller.name, **values).checked())

    async def update_count_revision(self, request: Any, unit: Unit) -> Any:
        given = request.count_revision
        revision = (await unit.get(CountRevision, given.name, etag=given.etag)).edited(unit.caller.name)
        return unit.update(revision, given, request.update_mask).checked()

    async def submit_count_revision(self, request: Any, unit: Unit) -> Any:
        return (await unit.get(CountRevision, request.name, etag=request.etag)).submit()

    async def return_count_revision(self, request: Any, unit: Unit) -> Any:
        return (await unit.get(CountRevision, request.name)).send_back()

    async def approve_count_revision(self, request: Any, unit: Unit) -> Any:
        revision = await unit.get(CountRevision, request.name)
        return revision.approve(unit.caller.name, request.content_hash, unit.now)

    async def activate_count_revision(self, request: Any, unit: Unit) -> Any:
        policy = await unit.get(CountPolicy, _policy(request.name))
        revision = await unit.get(CountRevision, request.name, etag=request.etag)
        replaced = await revisions.activate(unit, revision, policy)
        unit.emit(policy.event(revision.told(replaced, policy.at_site or "all sites")))
        return revision

    async def retire_count_revision(self, request: Any, unit: Unit) -> Any:
        policy = await unit.get(CountPolicy, _policy(request.name))
        revision = await unit.get(CountRevision, request.name)
        if policy.active_revision == revision.name:
            policy.active_revision = ""
        return revision.retire()


def _policy(name: str) -> str:
    return name.rpartition(f"/{CountRevision.COLLECTION}/")[0]
