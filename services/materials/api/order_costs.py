"""What an order has cost, and the variance that closing it books (MAT-121)."""

from decimal import Decimal
from typing import Any

from plantops.materials.v1 import production_pb2
from sqlalchemy import text

from services.chassis.unit import Unit
from services.chassis.wire import money, quantity
from services.materials.api.production_planning import required
from services.materials.model import revaluing
from services.materials.model.item import Item
from services.materials.model.production import ProductionOrder
from services.materials.model.revaluing import Revalue
from services.materials.rules import backflush, valuation

ZERO = Decimal(0)

_BOOKED = text("""
    select case coalesce(o.kind, m.kind) when 'PRODUCE' then 'PRODUCE' else 'CONSUME' end as kind, e.item,
           e.unit_code, sum(e.quantity) as quantity,
           sum(coalesce(e.value, 0)) as value
    from movement m join movement_entry e on e.movement = m.name
    join location l on l.name = e.location and l.kind in ('PRODUCTION', 'SCRAP')
    left join movement o on o.name = m.reverses and m.reverses <> ''
    where m.site = :site and m.source <> '' and m.source in (
      select :order union all select name from production_report where production_order = :order)
    group by 1, 2, 3 having sum(e.quantity) <> 0 or sum(coalesce(e.value, 0)) <> 0 order by 1, 2
""")
_USED = text("""
    select c.component, sum(c.quantity) as quantity, sum(c.value) as value
    from production_consumption c join production_report r on r.name = c.production_report and r.state = 'POSTED'
    where c.production_order = :order group by 1 order by 1
""")
_VALUED = text("""
    select v.item from value_balance v where v.site = :site and v.item = any(cast(:items as text[]))
    order by array_position(cast(:items as text[]), v.item) limit 1
""")


async def book_variance(unit: Unit, order: ProductionOrder, reason: str) -> None:
    """What the order used less what it made is its variance: a movement of value, out of production (MAT-121).

    It stands with the item of the order, or, where that never came into stock, with the first that was used.
    """
    order.variance_value = order.consumed_value - order.output_value
    if order.variance_value == 0:
        return
    items = [order.item, *(row.item for row in order.components)]
    item = (await unit.execute(_VALUED, {"site": order.site, "items": items})).scalar_one()
    row = Revalue(
        item, ZERO, order.variance_value, order.currency_code, reason_code=reason, source=order.name,
        correlation=order.chain,
    )  # fmt: skip
    await revaluing.post(unit, order.site or "", [row])
    order.variance_movement = row.movement


async def cost_of(unit: Unit, name: str) -> Any:
    """What an order used and made, by item, from the ledger, and used beyond what it takes."""
    order = await unit.get(ProductionOrder, name, lock=False)
    answer = production_pb2.OrderCost(production_order=order.name, variance_movement=order.variance_movement)
    for row in await unit.execute(_BOOKED, {"order": order.name, "site": order.site}):
        sign, rows = (-1, answer.produced) if row.kind == "PRODUCE" else (1, answer.consumed)
        rows.add(
            item=row.item, quantity=quantity(sign * row.quantity, row.unit_code),
            value=money(sign * row.value, order.currency_code),
        )  # fmt: skip
    items = await unit.get_many(Item, {row.item for row in order.components}, lock=False)
    components = {row.line: row for row in order.components}
    for row in await unit.execute(_USED, {"order": order.name}):
        part = components[row.component]
        standard = required(part, items[part.item], backflush.passed(order.counts, part.operation))
        cost = valuation.part(row.value, row.quantity - standard, row.quantity, valuation.places(order.currency_code))
        answer.variances.add(
            component=part.line, item=part.item, actual=quantity(row.quantity, part.unit_code),
            standard=quantity(standard, part.unit_code), value=money(cost, order.currency_code),
        )  # fmt: skip
    answer.consumed_value.CopyFrom(money(order.consumed_value, order.currency_code))
    answer.output_value.CopyFrom(money(order.output_value, order.currency_code))
    left = order.consumed_value - order.output_value if order.variance_value is None else ZERO
    answer.in_process_value.CopyFrom(money(left, order.currency_code))
    if order.variance_value is not None:
        answer.variance_value.CopyFrom(money(order.variance_value, order.currency_code))
    return answer
