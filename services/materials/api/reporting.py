"""Reports of production: planned in memory one after the other, posted together (MAT-122 .. MAT-127).

What a batch speaks of is read and locked once. Each report is planned on what those before it left. All consumption is
posted by one call, then all output by another, since its value is what was consumed. A refusal there takes its report
out and the rest is planned again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from plantops.materials.v1 import production_pb2
from sqlalchemy import text

from services.chassis.faults import Fault, FieldInvalid, TimeInFuture
from services.chassis.unit import Unit
from services.chassis.wire import canonical, fill, json_of, python_of, quantity
from services.materials.api import report_outputs, report_rows
from services.materials.api.postings import BackdateTooFar
from services.materials.api.production_planning import required
from services.materials.api.production_stock import component_of, give_back, picked, stated, take_up, weighed
from services.materials.api.report_outputs import Making, Output
from services.materials.model import (
    in_process,
    item_settings,
    late_facts,
    production_report,
    settings,
    stock,
    true_up,
    wip_levels,
)
from services.materials.model import location as locations
from services.materials.model.item import Item, SiteFact, Tracking, site_fact
from services.materials.model.item_settings import Shortage
from services.materials.model.ledger import Line, NotEnoughStock, Posting
from services.materials.model.location import Kind, Location
from services.materials.model.movement import MovementKind
from services.materials.model.production import ConsumptionUnusual, ProductionComponent, ProductionOrder
from services.materials.model.production_report import ProductionConsumption, ProductionReport
from services.materials.rules import backflush
from services.materials.rules.backflush import Count, Part, Source
from services.materials.rules.order_cost import Input

ZERO = Decimal(0)
_NUMBERS = text("select nextval('document_number') as n from generate_series(1, :count) order by 1")


@dataclass(slots=True)
class Used:
    """A part of stock that a report uses of a component, with lots that may have been used in its place."""

    component: ProductionComponent
    part: Part
    others: dict[str, str]
    line: Line


@dataclass(slots=True)
class Plan:
    """What one report does."""

    entry: Any
    order: ProductionOrder
    name: str
    number: str
    operation: int
    good: Decimal
    scrap: Decimal
    rework: Decimal
    at: datetime | None
    end: datetime
    counts: dict[int, Count] = field(default_factory=dict)
    out: Decimal = ZERO
    used: list[Used] = field(default_factory=list)
    shortages: list[dict[str, Any]] = field(default_factory=list)
    below: set[str] = field(default_factory=set)
    outputs: list[Output] = field(default_factory=list)
    consume: Posting | None = None
    produce: Posting | None = None
    making: Making | None = None


class Refused(Exception):
    """Entries whose postings were refused: all of the round is undone and planned again without them."""

    def __init__(self, faults: dict[int, Fault]) -> None:
        super().__init__()
        self.faults = faults


@dataclass(slots=True)
class Standing:
    """How an order stands while reports of a batch are planned."""

    counts: dict[int, Count]
    consumed: dict[int, Decimal]
    produced: dict[int, Decimal]
    out: Decimal
    inputs: dict[int, list[Input]]
    carried: Decimal

    @classmethod
    def of(cls, order: ProductionOrder, rows: Sequence[ProductionConsumption]) -> "Standing":
        """As the rows say."""
        inputs: dict[int, list[Input]] = {}
        for row in rows:
            if row.production_order == order.name:
                inputs.setdefault(row.component, []).append(
                    Input(
                        row.key, row.lot or row.serial, row.handling_unit, row.operation, row.remaining,
                        row.remaining_value, row.pooled,
                    )
                )  # fmt: skip
        return cls(
            order.counts, {row.line: row.consumed for row in order.components},
            {row.line: row.produced for row in order.outputs}, order.good, inputs, order.carried_value,
        )  # fmt: skip


@dataclass(slots=True)
class Known:
    """All that the reports of one call speak of."""

    unit: Unit
    site: str
    fact: SiteFact
    orders: dict[str, ProductionOrder]
    items: dict[str, Item]
    rows: Sequence[ProductionConsumption]
    stock: list[Source]
    shortages: dict[str, Shortage]
    production: Location
    backdating: timedelta
    numbers: list[int]
    outputs: report_outputs.Known
    there: list[tuple[Decimal, Decimal | None]] = field(default_factory=list)

    def begin(self) -> None:
        """As it was read, before anything is planned."""
        self.there = self.there or [(source.left, source.second_left) for source in self.stock]
        for source, there in zip(self.stock, self.there, strict=True):
            source.left, source.second_left = there
        self.outputs.begin()

    @classmethod
    async def of(cls, unit: Unit, site: str, requests: Sequence[Any]) -> "Known":
        """Read and locked in a constant number of statements."""
        fact = await site_fact(unit, site)
        mine = {r.production_order for r in requests if r.production_order.startswith(f"sites/{site}/")}
        orders = await take_up(unit, sorted(mine)) if len(mine) > 1 else await _single(unit, mine)
        items = await unit.get_many(
            Item,
            {name for order in orders.values() for name in (order.item, *_items(order))}, lock=False,
        )  # fmt: skip
        found = await unit.execute(_NUMBERS, {"count": len(requests)})
        return cls(
            unit, site, fact, orders, items, await production_report.inputs(unit, orders) if orders else [],
            await in_process.own(unit, list(orders.values())), await item_settings.shortages(unit, site, items),
            await locations.virtual(unit, site, Kind.PRODUCTION),
            timedelta(days=(await settings.site_settings(unit, site, lock=False)).backdating_days),
            [row.n for row in found], await report_outputs.Known.of(unit, fact, orders, items, requests),
        )  # fmt: skip


async def _single(unit: Unit, names: set[str]) -> dict[str, ProductionOrder]:
    """One order, or none where it is not there."""
    items = {name: await unit.find(ProductionOrder, name, lock=False) for name in names}
    return await take_up(unit, sorted(names)) if names and all(items.values()) else {}


def _items(order: ProductionOrder) -> list[str]:
    return [row.item for row in order.components] + [row.item for row in order.outputs]


async def report_all(unit: Unit, site: str, entries: Sequence[Any]) -> None:
    """Report what a batch says; each entry gets its outcome."""
    known = await Known.of(unit, site, [entry.request for entry in entries])
    while any(entry.open for entry in entries):
        try:
            async with unit.attempt():
                await _round(known, [entry for entry in entries if entry.open])
        except Refused as refused:
            for index, fault in refused.faults.items():
                next(entry for entry in entries if entry.index == index).refuse(fault)


async def _round(known: Known, entries: Sequence[Any]) -> None:
    """Plan, post consumption, then output; Refused when a posting is."""
    unit, site = known.unit, known.site
    known.begin()
    standings = {name: Standing.of(order, known.rows) for name, order in known.orders.items()}
    plans, refused = [], []
    for entry, number in zip(entries, known.numbers, strict=False):
        try:
            plans.append(_planned(known, standings, entry, number))
        except Fault as fault:
            refused.append((entry, fault))
    await _post(known, plans, [plan.consume for plan in plans])
    below = {item: plan.order.chain for plan in plans for item in plan.below}
    await true_up.ask(unit, site, below, next(iter(below.values()), ""))
    for plan in plans:
        standing = standings[plan.order.name]
        _take_in(plan, standing)
        plan.making = report_outputs.made(known.outputs, plan, standing, known.production)
        plan.produce = plan.making.posting
    await _post(known, plans, [plan.produce for plan in plans])
    for plan in plans:
        report = report_rows.written(known, plan)
        unit.emit(report.told(plan.order), correlation=plan.order.chain)
        plan.entry.answer(fill(production_pb2.ProductionReport(), report))
    for entry, why in refused:
        entry.refuse(why)
    await unit.flush()
    postings = [posting for plan in plans for posting in (plan.consume, plan.produce) if posting is not None]
    await stock.follow(unit, site, postings)
    await wip_levels.judge(unit, {plan.order.name: plan.order for plan in plans}.values())


async def _post(known: Known, plans: Sequence[Plan], postings: Sequence[Posting | None]) -> None:
    asked = [posting for posting in postings if posting is not None]
    await late_facts.post(known.unit, known.site, asked)
    faults = {
        plan.entry.index: posting.fault
        for plan, posting in zip(plans, postings, strict=True)
        if posting is not None and posting.fault is not None
    }
    if faults:
        raise Refused(faults)


def _planned(known: Known, standings: dict[str, Standing], entry: Any, number: int) -> Plan:
    """What a report does, by how its order stands now; the standing is changed when all is well."""
    request = entry.request
    order = known.orders.get(request.production_order)
    if order is None:
        rule = "must be a production order of the site"
        raise FieldInvalid(field="production_order", rule=rule, value=request.production_order)
    order.working()
    plan = _stated(known, order, entry, number)
    standing = standings[order.name]
    counts = {**standing.counts}
    before = counts[plan.operation]
    for index, asked in enumerate(request.consumptions):
        component_of(order, asked.component, f"consumptions[{index}].component")
    plan.out = standing.out
    counts[plan.operation] = Count(before.good + plan.good, before.scrap + plan.scrap)
    try:
        for component in order.components:
            _use(known, plan, component, backflush.passed(counts, component.operation), standing)
        plan.outputs = report_outputs.planned(known.outputs, order, request, plan, standing.produced)
    except Fault:
        give_back(used.part for used in plan.used)
        raise
    standing.counts = plan.counts = counts
    if plan.operation == order.last_operation:
        standing.out += plan.good
    for used in plan.used:
        standing.consumed[used.component.line] += used.part.quantity
    for output in plan.outputs:
        if output.line:
            standing.produced[output.line] += output.quantity
    if plan.used:
        plan.consume = Posting.new(
            known.unit, known.site, MovementKind.CONSUME, *(used.line for used in plan.used), source=plan.name,
            correlation=order.chain, effective_time=plan.at,
        )  # fmt: skip
    return plan


def _stated(known: Known, order: ProductionOrder, entry: Any, number: int) -> Plan:
    """Units, operation and times of a report; FieldInvalid where they cannot be."""
    request, unit = entry.request, known.unit
    operation = request.operation or order.last_operation
    if all(row.operation != operation for row in order.operations):
        raise FieldInvalid(field="operation", rule="must be one of the order", value=operation)
    main = known.items[order.item]
    units: dict[str, Any] = {}
    for name in ("good", "scrap", "rework"):
        given = request.HasField(name)
        units[name] = main.stated(getattr(request, name), name)[0] if given else ZERO
        if units[name] < 0:
            raise FieldInvalid(field=f"{name}.value", rule="must not be negative", value=units[name])
    if not any(units.values()):
        raise FieldInvalid(field="good.value", rule="must be more than 0, or scrap or rework")
    if units["scrap"] and not request.scrap_reason:
        raise FieldInvalid(field="scrap_reason", rule="is required with scrap")
    at = python_of(request.end_time) if request.HasField("end_time") else None
    end = at or unit.now
    if end > unit.now:
        raise TimeInFuture(field="end_time", value=end.isoformat(), limit=unit.now.isoformat())
    if end < unit.now - known.backdating:
        raise BackdateTooFar(time=end.isoformat(), limit=(unit.now - known.backdating).isoformat())
    if request.HasField("start_time") and python_of(request.start_time) > end:
        raise FieldInvalid(field="start_time", rule="must not be after end_time", value=request.start_time.seconds)
    name = unit.new_name(f"sites/{known.site}", ProductionReport.COLLECTION)
    return Plan(entry, order, name, f"PR-{number:06d}", operation, at=at, end=end, **units)


def _use(known: Known, plan: Plan, component: ProductionComponent, passed: Decimal, standing: Standing) -> None:
    """What a report uses of a component: as counted, else what is required so far less what was used (MAT-122)."""
    item, request = known.items[component.item], plan.entry.request
    need = required(component, item, passed)
    consumed = standing.consumed[component.line]
    today = known.fact.day(plan.end)
    mine = [s for s in known.stock if s.project == plan.order.name and s.item == item.name]
    counted = [
        (index, asked) for index, asked in enumerate(request.consumptions) if asked.component == component.line
    ]  # fmt: skip
    if counted:
        reason = ""
        for index, asked in counted:
            amount = stated(item, asked, f"consumptions[{index}]")
            parts = weighed(
                item, picked(mine, asked, component, amount, today), component, asked, f"consumptions[{index}]"
            )
            consumed += amount
            reason = reason or asked.reason_code
            _note(known, plan, component, parts, {})
        if not reason and backflush.outside(consumed, need, component.over_percent, component.under_percent):
            raise ConsumptionUnusual(
                used=canonical(consumed), required=canonical(need), unit_code=component.unit_code, item=item.name,
                component=component.line,
            )  # fmt: skip
        return
    wanted = ZERO if component.manual else max(need - consumed, ZERO)
    if wanted == 0:
        return
    lots = {s.lot: s.left for s in mine if s.left > 0 and s.lot}
    parts = weighed(item, backflush.draw(mine, wanted, component.operation, today), component)
    booked = {part.source.lot for part in parts}
    others = {lot: canonical(min(left, wanted)) for lot, left in sorted(lots.items()) if lot not in booked}
    _note(known, plan, component, parts, others)
    short = wanted - backflush.total(parts)
    if short > 0:
        if _may_lack(known, item) is Shortage.FORBID:
            raise NotEnoughStock(
                available=canonical(backflush.total(parts)), unit_code=component.unit_code, item=item.name,
                lot="", location=plan.order.name, status="UNRESTRICTED", asked=canonical(wanted),
            )  # fmt: skip
        missing = json_of(quantity(short, component.unit_code))
        plan.shortages.append({"component": component.line, "item": item.name, "quantity": missing})
        if _may_lack(known, item) is Shortage.ALLOW:
            _use_missing(known, plan, component, item, short)


def _may_lack(known: Known, item: Item) -> Shortage:
    """What a report does where too little is there; what is taken all the same has no lot, serial or weight."""
    shortage = known.shortages.get(item.name, Shortage.FORBID)
    plain = item.tracking is Tracking.NONE and item.catch is None
    return Shortage.FORBID if shortage is Shortage.ALLOW and not plain else shortage


def _use_missing(known: Known, plan: Plan, component: ProductionComponent, item: Item, short: Decimal) -> None:
    """What was not staged is taken at the line all the same, which is below zero then (MAT-55)."""
    order = plan.order
    place = order.line_location or next(row.location for row in order.operations if row.operation == plan.operation)
    source = Source("", item.name, place, "", "", "", short, project=order.name, operation=component.operation)
    line = in_process.line(Part(source, short), component.unit_code, known.production)
    line.standard_cost = item.standard(known.fact.currency_code)
    plan.used.append(Used(component, Part(source, short), {}, line))
    plan.below.add(item.name)


def _note(
    known: Known, plan: Plan, component: ProductionComponent, parts: Sequence[Part], others: dict[str, str]
) -> None:
    for part in parts:
        line = in_process.line(part, component.unit_code, known.production)
        plan.used.append(Used(component, part, others if part.pooled else {}, line))


def _take_in(plan: Plan, standing: Standing) -> None:
    """What was used is open until something is made of it, at the value that the posting gave it."""
    for number, used in enumerate(plan.used, 1):
        source = used.part.source
        standing.inputs.setdefault(used.component.line, []).append(
            Input(
                f"{plan.name}#{number}", source.lot or source.serial, source.handling_unit, used.component.operation,
                used.part.quantity, used.line.cost or ZERO, used.part.pooled,
            )
        )  # fmt: skip
