"""The chain of work and what a code stands for."""

from typing import Any

from plantops.maintenance.v1 import chain_pb2
from sqlalchemy import or_, select

from services.chassis import chain
from services.chassis.unit import Unit
from services.maintenance.model import asset as assets
from services.maintenance.model.asset import Asset
from services.maintenance.model.work_order import WorkOrder


class MaintenanceChainService:
    """The part of a chain of work that maintenance owns."""

    async def list_maintenance_chain(self, request: Any, unit: Unit) -> Any:
        return await chain.page(unit, request, chain_pb2.ListMaintenanceChainResponse())


class MaintenanceLookupService:
    """What a code stands for in maintenance."""

    async def lookup_maintenance_code(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[-1]
        code = request.code.strip()
        answer = chain_pb2.LookupMaintenanceCodeResponse()
        asset_rows = await unit.all(
            select(Asset)
            .where(
                Asset.site == site,  # type: ignore[arg-type]
                or_(Asset.tag == code, Asset.number == code, Asset.name == f"{request.parent}/assets/{code.lower()}"),  # type: ignore[arg-type]
            )
            .limit(20)
        )
        for row in asset_rows:
            match = answer.matches.add(kind="asset", resource=row.name, title=row.title, state=row.state.value)
            if row.state is assets.State.IN_SERVICE:
                match.actions.add(
                    verb="report", rpc="plantops.maintenance.v1.WorkOrderService/CreateWorkOrder", resource=row.name
                )
        order_rows = await unit.all(
            select(WorkOrder)
            .where(WorkOrder.site == site, or_(WorkOrder.number == code, WorkOrder.name == code))  # type: ignore[arg-type]
            .limit(20)
        )
        for order in order_rows:
            match = answer.matches.add(
                kind="work_order", resource=order.name, title=order.title, state=order.state.value
            )
            for command in order.allowed_commands():
                if command in _VERBS:
                    rpc = f"plantops.maintenance.v1.WorkOrderService/{command}"
                    match.actions.add(verb=_VERBS[command], rpc=rpc, resource=order.name)
        return answer


_VERBS = {
    "ApproveWorkOrder": "approve",
    "StartWorkOrder": "start",
    "PauseWorkOrder": "pause",
    "ResumeWorkOrder": "resume",
    "CompleteWorkOrder": "complete",
    "CloseWorkOrder": "close",
    "CancelWorkOrder": "cancel",
}
"""What a scan offers; the other commands need more than a button."""
