"""Sourcing and approval policies, the chain and the lookup of codes."""

from typing import Any

from plantops.procurement.v1 import chain_pb2
from sqlalchemy import select

from services.chassis import chain, revisions
from services.chassis.unit import Unit
from services.chassis.wire import values_for
from services.procurement.model import duties, facts
from services.procurement.model import purchase_order as orders
from services.procurement.model.policy import Policy, Revision
from services.procurement.model.purchase_order import PurchaseOrder
from services.procurement.model.requisition import Requisition


class ProcurementPolicyService:
    """Sourcing and approval policies with revisions."""

    async def get_procurement_policy(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Policy, request.name)

    async def list_procurement_policies(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Policy, request)

    async def create_procurement_policy(self, request: Any, unit: Unit) -> Any:
        values = values_for(Policy, request.procurement_policy)
        await facts.known_site(unit, values["site"], "procurement_policy.site")
        values["site"] = values["site"] or None
        name = unit.new_name("", Policy.COLLECTION, request.procurement_policy_id)
        return unit.add(Policy(name=name, **values))

    async def get_procurement_revision(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Revision, request.name)

    async def list_procurement_revisions(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Revision, request, parent_column=Revision.policy)

    async def create_procurement_revision(self, request: Any, unit: Unit) -> Any:
        policy = await unit.get(Policy, request.parent)
        known = await unit.all(select(Revision.name).where(Revision.policy == policy.name))  # type: ignore[call-overload]
        name = unit.new_name(policy.name, Revision.COLLECTION, revisions.next_id(known))
        values = values_for(Revision, request.procurement_revision)
        revision = Revision(name=name, policy=policy.name, author=unit.caller.name, **values)
        return unit.add(revision.checked(policy.kind))

    async def submit_procurement_revision(self, request: Any, unit: Unit) -> Any:
        return (await unit.get(Revision, request.name, etag=request.etag)).submit()

    async def return_procurement_revision(self, request: Any, unit: Unit) -> Any:
        return (await unit.get(Revision, request.name)).send_back()

    async def approve_procurement_revision(self, request: Any, unit: Unit) -> Any:
        revision = await unit.get(Revision, request.name)
        duties.keep_apart("author and approver of a revision", [revision.author], duties.persons(unit.caller))
        return revision.approve(unit.caller.name, request.content_hash, unit.now)

    async def activate_procurement_revision(self, request: Any, unit: Unit) -> Any:
        revision = await unit.get(Revision, request.name, etag=request.etag)
        policy = await unit.get(Policy, revision.policy)
        replaced = await revisions.activate(unit, revision, policy)
        unit.emit(policy.event(revision.told(policy.kind.value, policy.site or "", replaced)))
        return revision

    async def retire_procurement_revision(self, request: Any, unit: Unit) -> Any:
        revision = await unit.get(Revision, request.name)
        policy = await unit.get(Policy, revision.policy)
        if policy.active_revision == revision.name:
            policy.active_revision = ""
        return revision.retire()


class ProcurementChainService:
    """The part of a chain of work that procurement owns."""

    async def list_procurement_chain(self, request: Any, unit: Unit) -> Any:
        return await chain.page(unit, request, chain_pb2.ListProcurementChainResponse())


class ProcurementLookupService:
    """What a code stands for in procurement."""

    async def lookup_procurement_code(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[-1]
        code = request.code.strip().upper()
        answer = chain_pb2.LookupProcurementCodeResponse()
        found = await unit.all(
            select(PurchaseOrder).where(PurchaseOrder.site == site, PurchaseOrder.number == code).limit(20)  # type: ignore[arg-type]
        )
        for order in found:
            match = answer.matches.add(
                kind="purchase_order", resource=order.name, title=order.supplier, state=order.state.value
            )
            if order.state is orders.State.ISSUED:
                match.actions.add(
                    verb="receive", rpc="plantops.materials.v1.ReceiptService/StartReceipt", resource=order.name
                )
        needs = await unit.all(
            select(Requisition).where(Requisition.site == site, Requisition.number == code).limit(20)  # type: ignore[arg-type]
        )
        for need in needs:
            answer.matches.add(kind="requisition", resource=need.name, title=need.item, state=need.state.value)
        return answer
