"""Put-away policies: where goods are put."""

from typing import Any

from sqlalchemy import select

from services.chassis import revisions
from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import values_for
from services.materials.model import put_away_policy
from services.materials.model.item import Item, SiteFact
from services.materials.model.put_away_policy import PutAwayPolicy, PutAwayRevision


class PutAwayPolicyService:
    """Put-away policies with revisions."""

    async def get_put_away_policy(self, request: Any, unit: Unit) -> Any:
        return await unit.get(PutAwayPolicy, request.name)

    async def list_put_away_policies(self, request: Any, unit: Unit) -> Any:
        return await unit.list(PutAwayPolicy, request)

    async def create_put_away_policy(self, request: Any, unit: Unit) -> Any:
        values = values_for(PutAwayPolicy, request.put_away_policy)
        name = unit.new_name("", PutAwayPolicy.COLLECTION, request.put_away_policy_id)
        policy = PutAwayPolicy(name=name, **values).checked()
        if policy.item and await unit.find(Item, policy.item, lock=False) is None:
            raise FieldInvalid(field="put_away_policy.item", rule="must be an item", value=policy.item)
        known = select(SiteFact.name).where(SiteFact.name == policy.at_site)  # type: ignore[call-overload]
        if policy.at_site and await unit.first(known) is None:
            rule = "must be a site that is known here"
            raise FieldInvalid(field="put_away_policy.at_site", rule=rule, value=policy.at_site)
        return unit.add(policy)

    async def get_put_away_revision(self, request: Any, unit: Unit) -> Any:
        return await unit.get(PutAwayRevision, request.name)

    async def list_put_away_revisions(self, request: Any, unit: Unit) -> Any:
        return await unit.list(PutAwayRevision, request, parent_column=PutAwayRevision.policy)

    async def create_put_away_revision(self, request: Any, unit: Unit) -> Any:
        policy = await unit.get(PutAwayPolicy, request.parent)
        known = await unit.all(
            select(PutAwayRevision.name).where(PutAwayRevision.policy == policy.name)  # type: ignore[call-overload]
        )
        name = unit.new_name(policy.name, PutAwayRevision.COLLECTION, revisions.next_id(known))
        values = values_for(PutAwayRevision, request.put_away_revision)
        row = PutAwayRevision(name=name, policy=policy.name, author=unit.caller.name, **values)
        return unit.add(await row.checked(unit))

    async def update_put_away_revision(self, request: Any, unit: Unit) -> Any:
        given = request.put_away_revision
        row = (await unit.get(PutAwayRevision, given.name, etag=given.etag)).edited(unit.caller.name)
        return await unit.update(row, given, request.update_mask).checked(unit)

    async def submit_put_away_revision(self, request: Any, unit: Unit) -> Any:
        policy = await unit.get(PutAwayPolicy, _policy(request.name), lock=False)
        await put_away_policy.refuse_twin(unit, policy)
        return (await unit.get(PutAwayRevision, request.name, etag=request.etag)).submit()

    async def return_put_away_revision(self, request: Any, unit: Unit) -> Any:
        return (await unit.get(PutAwayRevision, request.name)).send_back()

    async def approve_put_away_revision(self, request: Any, unit: Unit) -> Any:
        revision = await unit.get(PutAwayRevision, request.name)
        return revision.approve(unit.caller.name, request.content_hash, unit.now)

    async def activate_put_away_revision(self, request: Any, unit: Unit) -> Any:
        policy = await unit.get(PutAwayPolicy, _policy(request.name))
        revision = await unit.get(PutAwayRevision, request.name, etag=request.etag)
        replaced = await revisions.activate(unit, revision, policy)
        unit.emit(policy.event(revision.told(replaced, str(policy.selector))))
        return revision

    async def retire_put_away_revision(self, request: Any, unit: Unit) -> Any:
        policy = await unit.get(PutAwayPolicy, _policy(request.name))
        revision = await unit.get(PutAwayRevision, request.name)
        if policy.active_revision == revision.name:
            policy.active_revision = ""
        return revision.retire()


def _policy(name: str) -> str:
    return name.rpartition(f"/{PutAwayRevision.COLLECTION}/")[0]
