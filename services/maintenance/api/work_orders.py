"""Work orders through their states."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from google.protobuf.message import Message

from services.chassis.access import denied
from services.chassis.faults import ResourceNotFound
from services.chassis.unit import Unit
from services.chassis.wire import decimal_of, enum_name, python_of, values_for
from services.maintenance.model import clocks
from services.maintenance.model.asset import Asset
from services.maintenance.model.site import Site
from services.maintenance.model.work_order import Outcome, WorkOrder

OVERRIDE = "maintenance.workOrders.override"


class WorkOrderService:
    """Work orders through their states."""

    async def get_work_order(self, request: Any, unit: Unit) -> Any:
        return await unit.get(WorkOrder, request.name)

    async def list_work_orders(self, request: Any, unit: Unit) -> Any:
        return await unit.list(WorkOrder, request)

    async def create_work_order(self, request: Any, unit: Unit) -> Any:
        site = await unit.get(Site, request.parent, lock=False)
        message = request.work_order
        asset = await unit.find(Asset, message.asset, lock=False)
        if asset is None or asset.site != site.id:
            raise ResourceNotFound(resource=message.asset)
        asset.workable("a new work order")
        name = unit.new_name(request.parent, WorkOrder.COLLECTION)
        order = WorkOrder(
            name=name,
            number=await unit.next_number("WO"),
            currency_code=site.currency_code,
            cost_centre=asset.cost_centre,
            reporter=unit.caller.name,
            correlation=name,
            **values_for(WorkOrder, message) | {"priority": message.priority or 3},
        )
        order.plan(order.planned_start_time, order.planned_finish_time)
        order.replace_demands(_demands(message.part_demands, asset))
        for step in message.steps:
            order.step(step.text, mandatory=step.mandatory)
        unit.add(order)
        order.note(unit.now, unit.caller.name, "created")
        unit.emit(order.created(), correlation=name)
        return order

    async def approve_work_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(WorkOrder, request.name, etag=request.etag)
        unit.emit(order.approve(unit.caller.name, unit.now))
        await unit.flush()  # the database sees each move by itself (REL-68)
        order.judge(unit.now)
        return order

    async def revise_work_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(WorkOrder, request.name, etag=request.etag)
        order.revise(unit.caller.name, unit.now, request.reason)
        asset = await unit.get(Asset, order.asset, lock=False)
        order.replace_demands(_demands(request.part_demands, asset))
        return order

    async def reschedule_work_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(WorkOrder, request.name, etag=request.etag)
        start, finish = python_of(request.planned_start_time), python_of(request.planned_finish_time)
        unit.emit(order.reschedule(start, finish, request.reason, unit.caller.name, unit.now))
        return order

    async def start_work_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(WorkOrder, request.name, etag=request.etag)
        if request.override_reason and not unit.caller.may(OVERRIDE, order.site or ""):
            raise denied(OVERRIDE)
        begin = _time(request, "start_time") or unit.now
        unit.emit(order.start(unit.caller.name, unit.now, begin, request.override_reason))
        return order

    async def pause_work_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(WorkOrder, request.name, etag=request.etag)
        order.pause(unit.caller.name, unit.now, request.reason)
        return order

    async def resume_work_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(WorkOrder, request.name, etag=request.etag)
        order.resume(unit.caller.name, unit.now)
        return order

    async def record_step(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(WorkOrder, request.name)
        order.record_step(request.step, request.result, unit.caller.name, unit.now)
        return order

    async def complete_work_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(WorkOrder, request.name, etag=request.etag)
        event = order.complete(
            Outcome(enum_name(request, "outcome")),
            unit.caller.name,
            unit.now,
            start=_time(request, "start_time"),
            finish=_time(request, "finish_time") or unit.now,
            labor_hours=_decimal(request, "labor_hours"),
            down_hours=_decimal(request, "down_hours"),
            finding=request.finding,
            failure_mode=request.failure_mode,
            keep_reservations=request.keep_reservations,
        )
        unit.emit(event)
        await clocks.after_completion(unit, order)
        return order

    async def reopen_work_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(WorkOrder, request.name, etag=request.etag)
        unit.emit(order.reopen(unit.caller.name, unit.now, request.reason))
        await clocks.after_reopening(unit, order)
        return order

    async def close_work_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(WorkOrder, request.name, etag=request.etag)
        unit.emit(order.close(unit.caller.name, unit.now))
        return order

    async def cancel_work_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(WorkOrder, request.name, etag=request.etag)
        unit.emit(order.cancel(unit.caller.name, unit.now, request.reason))
        await clocks.after_cancelling(unit, order)
        return order


def _demands(demands: Any, asset: Asset) -> list[dict[str, Any]]:
    return [
        {
            "demand": row.demand,
            "item": row.item,
            "quantity": decimal_of(row.quantity.value, "part_demands.quantity.value"),
            "unit_code": row.quantity.unit_code,
            "mandatory": row.mandatory,
            "need_time": python_of(row.need_time) if row.HasField("need_time") else None,
            "delivery_location": row.delivery_location or asset.delivery_location,
        }
        for row in demands
    ]


def _time(request: Message, field: str) -> datetime | None:
    return python_of(getattr(request, field)) if request.HasField(field) else None  # type: ignore[arg-type]


def _decimal(request: Message, field: str) -> Decimal | None:
    return decimal_of(getattr(request, field).value, field) if request.HasField(field) else None  # type: ignore[arg-type]
