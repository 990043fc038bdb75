"""Components of an order: brought to the line, handed out, brought back, destroyed (MAT-120, MAT-123, MAT-128)."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from plantops.materials.v1 import production_pb2
from sqlalchemy import select, union

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import canonical, quantity
from services.materials.api.production_planning import required
from services.materials.model import in_process, ledger, production, returning, second_quantity, stock, wip_levels
from services.materials.model import location as locations
from services.materials.model.item import Item, site_fact
from services.materials.model.ledger import Line, NotEnoughStock, Posting
from services.materials.model.location import Kind, Location
from services.materials.model.movement import MovementKind
from services.materials.model.production import (
    ProductionComponent,
    ProductionOperation,
    ProductionOrder,
    ProductionOutput,
    WeightRequired,
    WipLimitReached,
)
from services.materials.rules import backflush
from services.materials.rules.backflush import Part, Source

ZERO = Decimal(0)


async def take_up(unit: Unit, names: Sequence[str], *, etag: str = "") -> dict[str, ProductionOrder]:
    """Orders, locked behind the stock of all items that they speak of; a constant number of statements."""
    wanted = sorted(set(names))
    items = await unit.all(
        union(
            select(ProductionComponent.item).where(ProductionComponent.production_order.in_(wanted)),  # type: ignore[call-overload, attr-defined]
            select(ProductionOutput.item).where(ProductionOutput.production_order.in_(wanted)),  # type: ignore[call-overload, attr-defined]
            select(ProductionOrder.item).where(ProductionOrder.name.in_(wanted)),  # type: ignore[call-overload, attr-defined]
        )  # type: ignore[arg-type]
    )
    if items:
        await ledger.hold(unit, wanted[0].split("/")[1], items)
    if len(wanted) == 1:
        return {wanted[0]: await unit.get(ProductionOrder, wanted[0], etag=etag)}
    return await unit.get_many(ProductionOrder, wanted)


async def one(unit: Unit, name: str, *, etag: str = "") -> ProductionOrder:
    """One order, locked behind the stock of its items."""
    return (await take_up(unit, [name], etag=etag))[name]


def component_of(order: ProductionOrder, line: int, field: str) -> ProductionComponent:
    """The order's component of a line."""
    found = next((row for row in order.components if row.line == line), None)
    if found is None:
        raise FieldInvalid(field=field, rule="must be a line of the order's components", value=line)
    return found


def picked(
    sources: Iterable[Source], asked: Any, component: ProductionComponent, amount: Decimal, today: date | None
) -> list[Part]:
    """Parts of the stock that a request names, all of the amount; NotEnoughStock with what there is.

    Stock that is named by lot or serial is that one, whatever else lies there. What is in handling units is taken
    where the unit is named.
    """
    fitting = [
        source
        for source in sources
        if source.item == component.item
        and asked.location in ("", source.location)
        and asked.lot in ("", source.lot)
        and asked.handling_unit == source.handling_unit
        and (not asked.serials or source.serial in asked.serials)
    ]
    there = sum((source.left for source in fitting), ZERO)
    parts = backflush.draw(fitting, amount, component.operation, today)
    if backflush.total(parts) < amount:
        give_back(parts)
        raise NotEnoughStock(
            available=canonical(min(there, backflush.total(parts))), unit_code=component.unit_code,
            item=component.item, lot=asked.lot, location=asked.location or "any place", status="UNRESTRICTED",
            asked=canonical(amount),
        )  # fmt: skip
    return [Part(part.source, part.quantity) for part in parts] if asked.lot else parts


def all_of(source: Source) -> Part:
    """All that lies there, in both quantities."""
    return Part(source, source.left, second=source.second_left if source.second_unit_code else None)


def give_back(parts: Iterable[Part]) -> None:
    """Undo what was planned to be taken."""
    parts = list(parts)
    backflush.unweigh(parts)
    for part in parts:
        part.source.left += part.quantity


def weighed(
    item: Item, parts: Sequence[Part], component: ProductionComponent, asked: Any = None, field: str = ""
) -> list[Part]:
    """Parts with their second quantities, as stated or all that lies there; else WeightRequired (MAT-9)."""
    second = None
    if asked is not None and (item.catch is None or asked.HasField("second_quantity")):
        second, _ = second_quantity.stated(item, asked, backflush.total(parts), prefix=f"{field}.")
    found = backflush.weighed(parts, second)
    if found is not None and all(part.second is None or part.second > 0 for part in found):
        return found
    if found is not None:
        backflush.unweigh(found)
    give_back(parts)
    raise WeightRequired(item=item.name, component=component.line, quantity=canonical(backflush.total(parts)))


def stated(item: Item, asked: Any, field: str) -> Decimal:
    """Quantity of a request in the base unit, more than 0; as many as there are serials, where they are named."""
    amount, _ = item.stated(asked.quantity, f"{field}.quantity")
    if amount <= 0:
        raise FieldInvalid(field=f"{field}.quantity.value", rule="must be more than 0", value=asked.quantity.value)
    if asked.serials and len(set(asked.serials)) != amount:
        raise FieldInvalid(field=f"{field}.serials", rule="names each unit once", value=list(asked.serials))
    return amount


async def _today(unit: Unit, order: ProductionOrder) -> date:
    return (await site_fact(unit, order.site or "", field="name")).day(unit.now)


async def _named_parts(
    unit: Unit, order: ProductionOrder, stocks: Sequence[Any], sources: Sequence[Source], *, fresh: bool = True
) -> list[tuple[ProductionComponent, Part]]:
    """Parts of what a request names, in its order; of stock of the order itself first."""
    items = await unit.get_many(Item, {row.item for row in order.components}, lock=False)
    today = await _today(unit, order) if fresh else None
    found = []
    for index, asked in enumerate(stocks):
        field = f"stocks[{index}]"
        component = component_of(order, asked.component, f"{field}.component")
        amount = stated(items[component.item], asked, field)
        mine = [source for source in sources if source.project]
        parts = []
        first = min(sum((s.left for s in mine if _fits(s, asked, component)), ZERO), amount)
        if first > 0:
            parts += picked(mine, asked, component, first, today)
        if first < amount:
            parts += picked([s for s in sources if not s.project], asked, component, amount - first, today)
        found += [(component, part) for part in weighed(items[component.item], parts, component, asked, field)]
    return found


def _fits(source: Source, asked: Any, component: ProductionComponent) -> bool:
    return (
        source.item == component.item and asked.location in ("", source.location) and asked.lot in ("", source.lot)
        and asked.handling_unit == source.handling_unit and (not asked.serials or source.serial in asked.serials)
    )  # fmt: skip


async def stage(request: Any, unit: Unit) -> production_pb2.ProductionMovement:
    """Bring what some units need to the line; all of it or nothing."""
    order = (await one(unit, request.name)).working()
    site = order.site or ""
    place = await unit.find(Location, request.location or order.line_location, lock=False)
    into = in_process.at_line(place, site, request.location or order.line_location, "location")
    main = await unit.get(Item, order.item, lock=False)
    units, _ = main.stated(request.quantity, "quantity")
    if units <= 0:
        raise FieldInvalid(field="quantity.value", rule="must be more than 0", value=request.quantity.value)
    steps = [row for row in order.operations if request.operation in (0, row.operation)]
    if not steps:
        raise FieldInvalid(field="operation", rule="must be one of the order", value=request.operation)
    await refuse_above_limit(unit, order, steps)
    wanted = [row for row in order.components if any(row.operation == step.operation for step in steps)]
    sources = await in_process.free(unit, site, {row.item for row in wanted})
    if request.stocks:
        parts = await _named_parts(unit, order, request.stocks, sources)
    else:
        parts = await _missing_parts(unit, order, wanted, steps, units, in_process.free_of_units(sources))
    lines = [in_process.line(part, row.unit_code, into, project=order.name) for row, part in parts]
    for step in steps:
        step.staged_units += units
        step.wip_since = step.wip_since or unit.now
    order.places = sorted({*order.places, into.name})
    order.touch()
    moved = await _moved(unit, order, MovementKind.MOVE, lines, parts)
    await wip_levels.judge(unit, [order])
    return moved


async def _missing_parts(
    unit: Unit,
    order: ProductionOrder,
    wanted: Sequence[ProductionComponent],
    steps: Sequence[ProductionOperation],
    units: Decimal,
    sources: Sequence[Source],
) -> list[tuple[ProductionComponent, Part]]:
    """What the units need beyond what was used and what the order has; by expiry, then age."""
    items = await unit.get_many(Item, {row.item for row in wanted}, lock=False)
    there: dict[str, Decimal] = {}
    for source in await in_process.own(unit, [order]):
        there[source.item] = there.get(source.item, ZERO) + source.left
    staged = {step.operation: step.staged_units + units for step in steps}
    today = await _today(unit, order)
    found = []
    for row in wanted:
        need = required(row, items[row.item], staged[row.operation]) - row.consumed
        covered = min(there.get(row.item, ZERO), max(need, ZERO))
        there[row.item] = there.get(row.item, ZERO) - covered
        if need - covered > 0:
            asked = production_pb2.ComponentStock(component=row.line)
            parts = picked(sources, asked, row, need - covered, today)
            found += [(row, part) for part in weighed(items[row.item], parts, row)]
    return found


async def refuse_above_limit(unit: Unit, order: ProductionOrder, steps: Sequence[ProductionOperation]) -> None:
    """WipLimitReached while as many units are in process as the limit says (CONWIP, MAT-128)."""
    limited = [step for step in steps if step.wip_limit is not None]
    if not limited:
        return
    await production.hold_lines(unit, (step.asset or step.location for step in limited))
    known = await production.at_assets(unit, order.site or "", (step.asset for step in limited))
    for step in limited:
        units = line_units(order, step, known)
        if step.wip_limit is not None and units >= step.wip_limit:
            raise WipLimitReached(
                production_order=order.name, operation=step.operation, units=canonical(units),
                unit_code=step.unit_code, limit=canonical(step.wip_limit), asset=step.asset,
            )  # fmt: skip


def line_units(order: ProductionOrder, step: ProductionOperation, known: Sequence[ProductionOrder]) -> Decimal:
    """Units in process at an operation: of all open orders at its asset, or of the order alone without one."""
    if not step.asset:
        return order.in_process(step.operation)
    return sum(
        (other.in_process(row.operation) for other in known for row in other.operations if row.asset == step.asset),
        ZERO,
    )


async def issue(request: Any, unit: Unit) -> production_pb2.ProductionMovement:
    """Hand components out into their operations: what was staged for the order first, then free stock."""
    order = (await one(unit, request.name)).working()
    at_the_line = [source for source in await in_process.own(unit, [order]) if source.kind != Kind.WIP]
    loose = await in_process.free(unit, order.site or "", {row.item for row in order.components})
    parts = await _named_parts(unit, order, request.stocks, [*at_the_line, *loose])
    places = await locations.named(unit, {row.location for row in order.operations})
    into = {row.operation: places[row.location] for row in order.operations}
    lines = [in_process.line(part, row.unit_code, into[row.operation], project=order.name) for row, part in parts]
    for step in order.operations:
        if any(row.operation == step.operation for row, _ in parts):
            step.wip_since = step.wip_since or unit.now
    order.start()
    return await _moved(unit, order, MovementKind.ISSUE, lines, parts)


async def bring_back(request: Any, unit: Unit) -> production_pb2.ProductionMovement:
    """Components that are not used go back to a place; whoever waits for them is served."""
    order = await one(unit, request.name)
    place = await unit.find(Location, request.location, lock=False)
    into = in_process.at_line(place, order.site or "", request.location, "location", staging=False)
    parts = await _named_parts(unit, order, request.stocks, await in_process.own(unit, [order]), fresh=False)
    lines = [in_process.line(part, row.unit_code, into) for row, part in parts]
    order.touch()
    moved = await _moved(unit, order, MovementKind.RETURN_TO_STOCK, lines, parts)
    await stock.serve(unit, order.site or "", {line.item for line in lines})
    return moved


async def scrap(request: Any, unit: Unit) -> production_pb2.ProductionMovement:
    """Components in process that are destroyed; the order bears what they were worth."""
    order = (await one(unit, request.name)).working()
    into = await locations.virtual(unit, order.site or "", Kind.SCRAP)
    sources = [source for source in await in_process.own(unit, [order]) if source.kind == Kind.WIP]
    parts = await _named_parts(unit, order, request.stocks, sources, fresh=False)
    lines = [in_process.line(part, row.unit_code, into) for row, part in parts]
    moved = await _moved(unit, order, MovementKind.SCRAP, lines, parts, reason=request.reason_code)
    worth = sum((line.cost or ZERO for line in lines), ZERO)
    order.consumed_value += worth
    order.carried_value += worth
    order.start()
    return moved


async def free_surplus(unit: Unit, order: ProductionOrder) -> None:
    """What is left at the line is nobody's again, and a task brings back what no claim takes there (MAT-124)."""
    site = order.site or ""
    left = [source for source in await in_process.own(unit, [order]) if source.kind != Kind.WIP]
    if not left:
        return
    codes = {row.item: row.unit_code for row in order.components}
    places = await locations.named(unit, {source.location for source in left})
    lines = [in_process.line(all_of(source), codes[source.item], places[source.location]) for source in left]
    posting = Posting.new(unit, site, MovementKind.MOVE, *lines, source=order.name, correlation=order.chain)
    await stock.move(unit, site, [posting])
    await stock.serve(unit, site, codes)
    await unit.flush()
    await returning.bring_back_surplus(unit, site, lines, f"{order.number} is complete", order.chain)


async def _moved(
    unit: Unit,
    order: ProductionOrder,
    kind: MovementKind,
    lines: Sequence[Line],
    parts: Sequence[tuple[ProductionComponent, Part]],
    *,
    reason: str = "",
) -> production_pb2.ProductionMovement:
    """Post the lines as one movement of the order, and say what was moved."""
    answer = production_pb2.ProductionMovement()
    if lines:
        site = order.site or ""
        posting = Posting.new(unit, site, kind, *lines, source=order.name, correlation=order.chain, reason_code=reason)
        await stock.move(unit, site, [posting])
        answer.movement = posting.name
    for row, part in parts:
        source = part.source
        answer.stocks.add(
            component=row.line, quantity=quantity(part.quantity, row.unit_code), location=source.location,
            lot=source.lot, handling_unit=source.handling_unit, serials=[source.serial] if source.serial else [],
        )  # fmt: skip
    return answer
