"""Production orders, what is in process, and reports of what was made."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from plantops.materials.v1 import production_pb2
from sqlalchemy import select

from services.chassis.unit import Unit
from services.chassis.wire import canonical, fill, money, quantity
from services.materials.api import production_stock, report_rows, reporting
from services.materials.api.order_costs import book_variance, cost_of
from services.materials.api.production_planning import planned
from services.materials.api.production_stock import one
from services.materials.model import in_process, production, stock, supplying, wip_levels
from services.materials.model import location as locations
from services.materials.model.ledger import Line, NotEnoughStock, Posting, line_of
from services.materials.model.location import Kind, Location
from services.materials.model.movement import Movement, MovementKind, StockMovedOn
from services.materials.model.policy import Outcome
from services.materials.model.production import OrderState, ProductionOrder, WipNotEmpty
from services.materials.model.production_report import ProductionConsumption, ProductionReport, ReportState, inputs
from services.materials.rules import valuation

ZERO = Decimal(0)
HOUR = Decimal(3600)


class ProductionService:
    """Orders and what happens for them."""

    async def get_production_order(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(ProductionOrder, request.name)
        message = fill(production_pb2.ProductionOrder(), order)
        wip = {row.location for row in order.operations}
        rows = await in_process.on_hand(unit, order)
        for shown in message.components:
            item = shown.component.item
            unit_code = shown.required.unit_code
            mine = [row for row in rows if row.item == item]
            shown.at_line.CopyFrom(quantity(_sum(r.on_hand for r in mine if r.location not in wip), unit_code))
            shown.in_process.CopyFrom(quantity(_sum(r.on_hand for r in mine if r.location in wip), unit_code))
        return message

    async def list_production_orders(self, request: Any, unit: Unit) -> Any:
        return await unit.list(ProductionOrder, request)

    async def create_production_order(self, request: Any, unit: Unit) -> Any:
        order = await planned(request, unit)
        if order.supply_request:
            where = {"site": order.site or "", "field": "production_order.supply_request"}
            await supplying.carry(unit, order.supply_request, order.name, Outcome.PRODUCE, **where)
        return order

    async def release_order(self, request: Any, unit: Unit) -> Any:
        order = (await unit.get(ProductionOrder, request.name, etag=request.etag)).move(OrderState.RELEASED)
        await supplying.bring(unit, order.supply_request)
        return order

    async def cancel_order(self, request: Any, unit: Unit) -> Any:
        order = await one(unit, request.name, etag=request.etag)
        order.move(OrderState.CANCELLED)
        await _refuse_left(unit, order)
        await supplying.give_up(unit, order.supply_request, order.name)
        await _out_of_use(unit, order)
        return order

    async def stage_order(self, request: Any, unit: Unit) -> Any:
        return await production_stock.stage(request, unit)

    async def issue_components(self, request: Any, unit: Unit) -> Any:
        return await production_stock.issue(request, unit)

    async def return_components(self, request: Any, unit: Unit) -> Any:
        return await production_stock.bring_back(request, unit)

    async def scrap_wip(self, request: Any, unit: Unit) -> Any:
        return await production_stock.scrap(request, unit)

    async def complete_order(self, request: Any, unit: Unit) -> Any:
        order = await one(unit, request.name, etag=request.etag)
        order.move(OrderState.COMPLETED)
        await production_stock.free_surplus(unit, order)
        await wip_levels.judge(unit, [order])
        return order

    async def reopen_order(self, request: Any, unit: Unit) -> Any:
        return (await unit.get(ProductionOrder, request.name, etag=request.etag)).move(OrderState.STARTED)

    async def close_order(self, request: Any, unit: Unit) -> Any:
        order = await one(unit, request.name, etag=request.etag)
        order.move(OrderState.CLOSED)
        if request.variance_reason:
            await _book_left(unit, order, request.variance_reason)
        await _refuse_left(unit, order)
        await book_variance(unit, order, request.variance_reason)
        await _out_of_use(unit, order)
        return order

    async def get_wip(self, request: Any, unit: Unit) -> Any:
        order = await unit.get(ProductionOrder, request.name)
        rows = await in_process.on_hand(unit, order)
        used = await inputs(unit, [order.name], lock=False)
        known = await production.at_assets(unit, order.site or "", (row.asset for row in order.operations))
        answer, total = production_pb2.Wip(), ZERO
        digits = valuation.places(order.currency_code)
        for step in order.operations:
            units = order.in_process(step.operation)
            value = _sum(row.remaining_value for row in used if row.operation == step.operation)
            value += valuation.rounded(_sum(row.worth for row in rows if row.location == step.location), digits)
            total += value
            shown = answer.rows.add(
                operation=step.operation, location=step.location, units=quantity(units, step.unit_code),
                waiting_units=quantity(order.waiting(step.operation), step.unit_code),
                value=money(value, order.currency_code),
                below_minimum=step.min_units is not None and units < step.min_units,
                above_maximum=step.max_units is not None and units > step.max_units,
                line_units=quantity(production_stock.line_units(order, step, known), step.unit_code),
            )  # fmt: skip
            if step.unit_duration is not None:
                hours = units * Decimal(str(step.unit_duration.total_seconds())) / HOUR
                shown.hours.value = canonical(hours.quantize(Decimal("0.000001")))
            if step.wip_since is not None:
                shown.oldest_time.FromDatetime(step.wip_since)
        answer.value.CopyFrom(money(total, order.currency_code))
        return answer

    async def get_order_cost(self, request: Any, unit: Unit) -> Any:
        return await cost_of(unit, request.name)

    async def get_production_report(self, request: Any, unit: Unit) -> Any:
        return await unit.get(ProductionReport, request.name)

    async def list_production_reports(self, request: Any, unit: Unit) -> Any:
        return await unit.list(ProductionReport, request)

    async def batch_report_production(self, request: Any, unit: Unit) -> Any:
        batch = await unit.batch(request.requests)
        if batch.open:
            await reporting.report_all(unit, request.parent.split("/")[1], batch.open)
        return batch.response(production_pb2.BatchReportProductionResponse)

    async def reverse_report(self, request: Any, unit: Unit) -> Any:
        named = await unit.get(ProductionReport, request.name, lock=False)
        order = (await one(unit, named.production_order)).working()
        report = await unit.get(ProductionReport, request.name)
        report.move(ReportState.REVERSED)
        report.reason = request.reason
        await _give_back(unit, report)
        posted = await unit.get_many(Movement, [report.consume_movement, report.produce_movement], lock=False)
        places = await locations.named(unit, {e.location for m in posted.values() for e in m.entries})
        postings = [
            Posting.new(
                unit, order.site or "", MovementKind.REVERSAL,
                *(line_of(pair, places).negated() for pair in reversed(posted[name].lines)), source=report.name,
                reverses=name, correlation=order.chain, reason_code=request.reason,
            )
            for name in (report.produce_movement, report.consume_movement)
            if name
        ]  # fmt: skip
        made = _sum(Decimal(valuation_of(row)) for row in report.outputs)
        report_rows.count(order, report, sign=-1, made=made)
        order.touch()
        event = report.told(order)
        try:
            await stock.move(unit, order.site or "", postings, lambda: unit.emit(event, correlation=order.chain))
        except NotEnoughStock as gone:
            raise StockMovedOn(**gone.metadata | {"resource": report.name, "why": gone.message}) from None
        return report


def valuation_of(row: dict[str, Any]) -> Decimal:
    """Value of an output as a report keeps it."""
    value = row["value"]
    return Decimal(value.get("units", 0)) + Decimal(value.get("nanos", 0)) / 10**9


def _sum(amounts: Any) -> Decimal:
    return sum(amounts, ZERO)


async def _give_back(unit: Unit, report: ProductionReport) -> None:
    """What went into the report's output is open again; StockMovedOn when what it used went into another's."""
    keys = {row["input"].partition("#")[0] for row in report.absorbed}
    rows: Sequence[ProductionConsumption] = await unit.all(
        select(ProductionConsumption)
        .where(ProductionConsumption.production_report.in_(sorted({*keys, report.name})))  # type: ignore[attr-defined]
        .order_by(ProductionConsumption.production_report, ProductionConsumption.line)  # type: ignore[arg-type]
        .with_for_update(of=ProductionConsumption)
    )
    by_key = {row.key: row for row in rows}
    for taken in report.absorbed:
        by_key[taken["input"]].remaining += Decimal(taken["quantity"])
        by_key[taken["input"]].remaining_value += Decimal(taken["value"])
    for row in rows:
        if row.production_report == report.name and row.remaining < row.quantity:
            why = f"{row.item} that it used is in what was reported later"
            raise StockMovedOn(resource=report.name, why=why, in_the_way=row.item)
    for row in rows:
        if row.production_report == report.name:
            row.remaining = row.remaining_value = ZERO


async def _refuse_left(unit: Unit, order: ProductionOrder) -> None:
    """WipNotEmpty while something of the order is at the line or in process (MAT-121)."""
    for row in await in_process.on_hand(unit, order):
        raise WipNotEmpty(
            production_order=order.name, quantity=canonical(row.on_hand), unit_code=row.unit_code, item=row.item,
            location=row.location,
        )  # fmt: skip


async def _book_left(unit: Unit, order: ProductionOrder, reason: str) -> None:
    """What is left in operations is booked to the order as used up, with the reason."""
    into = await locations.virtual(unit, order.site or "", Kind.PRODUCTION)
    codes = {row.item: row.unit_code for row in order.components}
    lines: list[Line] = []
    for source in await in_process.own(unit, [order]):
        if source.kind == Kind.WIP:
            lines.append(in_process.line(production_stock.all_of(source), codes[source.item], into))
    if not lines:
        return
    posting = Posting.new(
        unit, order.site or "", MovementKind.CONSUME, *lines, source=order.name, correlation=order.chain,
        reason_code=reason,
    )  # fmt: skip
    await stock.move(unit, order.site or "", [posting])
    order.consumed_value += posting.worth


async def _out_of_use(unit: Unit, order: ProductionOrder) -> None:
    """The places of its operations end with the order."""
    places = await unit.get_many(Location, {row.location for row in order.operations})
    for place in places.values():
        place.deactivate(f"{order.number} ended", unit.caller.name, unit.now)
