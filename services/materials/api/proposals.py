"""Proposals for parameters of policies: computed, kept nowhere; an approved revision puts them in force (MAT-165)."""

from decimal import Decimal
from typing import Any

from plantops.materials.v1 import policies_pb2

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import decimal_of, quantity
from services.materials.model.item import Item
from services.materials.rules import safety_stock
from services.materials.rules.decisions import plain
from services.materials.rules.safety_stock import Demand


async def reorder_point(request: Any, unit: Unit) -> Any:
    """Reorder point and safety stock by demand, lead time and their spread."""
    item = await unit.get(Item, request.item, lock=False)
    demand = Demand(
        positive(request, "mean_demand"), positive(request, "mean_lead_time"),
        positive(request, "demand_deviation"), positive(request, "lead_time_deviation"),
    )  # fmt: skip
    factor = positive(request, "safety_factor")
    safety = safety_stock.up(safety_stock.safety_stock(demand, factor), item.base_step)
    point = safety_stock.up(safety_stock.reorder_point(demand, factor), item.base_step)
    answer = policies_pb2.ProposeReorderPointResponse(
        reorder_point=quantity(point, item.base_unit_code), safety_stock=quantity(safety, item.base_unit_code)
    )
    d, lead, sd, sl = (
        plain(row) for row in (demand.mean, demand.lead_time, demand.deviation, demand.lead_time_deviation)
    )
    answer.explanation.append(f"all times in {request.time_unit_code}")
    answer.explanation.append(
        f"safety stock {plain(factor)} * sqrt({lead} * {sd}^2 + {d}^2 * {sl}^2), up: {plain(safety)}"
    )
    answer.explanation.append(f"reorder point {d} * {lead} + safety stock, up: {plain(point)}")
    return answer


def positive(request: Any, field: str) -> Decimal:
    """A decimal field that is not negative; 0 where it is unset."""
    value = decimal_of(getattr(request, field).value, f"{field}.value") if request.HasField(field) else Decimal(0)
    if value < 0:
        raise FieldInvalid(field=field, rule="must not be negative", value=value)
    return value
