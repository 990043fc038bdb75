"""Rows of a report: what it used and made, and the order as it stands after it."""

from decimal import Decimal
from typing import TYPE_CHECKING

from services.chassis.wire import python_of
from services.materials.api.report_outputs import edges_of
from services.materials.model.production import ProductionOrder
from services.materials.model.production_report import ProductionConsumption, ProductionReport

if TYPE_CHECKING:
    from services.materials.api.reporting import Known, Plan

ZERO = Decimal(0)


def written(known: "Known", plan: "Plan") -> ProductionReport:
    """The report with what it used and made, and the order as it stands after it."""
    unit, order, request, making = known.unit, plan.order, plan.entry.request, plan.making
    assert making is not None
    report = ProductionReport(
        name=plan.name, site=known.site, number=plan.number, production_order=order.name, operation=plan.operation,
        unit_code=order.unit_code, good=plan.good, scrap=plan.scrap, rework=plan.rework,
        scrap_reason=request.scrap_reason, asset=request.asset or order.asset, shift=request.shift,
        start_time=python_of(request.start_time) if request.HasField("start_time") else None, end_time=plan.end,
        lot=making.lot, serials=making.serials, outputs=making.shown, shortages=plan.shortages,
        absorbed=making.absorbed, carried_value=making.carried, currency_code=order.currency_code,
        consume_movement=plan.consume.name if plan.consume is not None else "",
        produce_movement=plan.produce.name if plan.produce is not None else "", correlation=order.chain,
    )  # fmt: skip
    report.consumptions = [
        ProductionConsumption(
            production_report=plan.name, line=number, production_order=order.name, component=used.component.line,
            operation=used.component.operation, item=used.component.item, lot=used.part.source.lot,
            serial=used.part.source.serial, handling_unit=used.part.source.handling_unit,
            movement=report.consume_movement, quantity=used.part.quantity, unit_code=used.component.unit_code,
            value=used.line.cost or ZERO, currency_code=order.currency_code, remaining=used.part.quantity,
            remaining_value=used.line.cost or ZERO, pooled=used.part.pooled, others=used.others,
        )
        for number, used in enumerate(plan.used, 1)
    ]  # fmt: skip
    unit.add(report)
    known.rows = [*known.rows, *report.consumptions]
    by_key = {row.key: row for row in known.rows}
    for row in making.absorbed:
        by_key[row["input"]].remaining -= Decimal(row["quantity"])
        by_key[row["input"]].remaining_value -= Decimal(row["value"])
    for edge in edges_of(making, by_key, order.name, plan.end):
        unit.session.add(edge)
    count(order, report, sign=1, made=making.value)
    order.start()
    return report


def count(order: ProductionOrder, report: ProductionReport, *, sign: int, made: Decimal) -> None:
    """Count a report in, or out again when it is taken back."""
    step = next(row for row in order.operations if row.operation == report.operation)
    step.good += sign * report.good
    step.scrapped += sign * report.scrap
    step.reworked += sign * report.rework
    order.scrapped += sign * report.scrap
    order.reworked += sign * report.rework
    if report.operation == order.last_operation:
        order.good += sign * report.good
    for row in report.consumptions:
        component = next(part for part in order.components if part.line == row.component)
        component.consumed += sign * row.quantity
        order.consumed_value += sign * row.value
    for output in order.outputs:
        for shown_row in report.outputs:
            if shown_row.get("line") == output.line:
                output.produced += sign * Decimal(shown_row["quantity"]["value"])
    order.output_value += sign * made
    order.carried_value += sign * report.carried_value
    for other in order.operations:
        if order.in_process(other.operation) == 0 and order.waiting(other.operation) == 0:
            other.wip_since = None
