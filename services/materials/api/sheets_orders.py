"""Files of production orders: each row is one, known by the other system and its id there (MAT-130, MAT-321)."""

from collections.abc import Mapping, Sequence
from typing import Any

from plantops.materials.v1 import production_pb2
from sqlalchemy import or_, select, tuple_

from services.chassis.faults import Fault, FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import fill, python_of
from services.materials.api import sheets_items, sheets_places
from services.materials.api.production_planning import Planning
from services.materials.api.sheets_columns import Column, Parts, same
from services.materials.api.sheets_documents import DocumentSheet, item_of, last, place_of
from services.materials.model import exchange
from services.materials.model.exchange import Given, Kind, Outcome
from services.materials.model.production import OPEN, OrderState, ProductionOrder

_TO_COME = frozenset({OrderState.PLANNED, *OPEN})
"""States in which the times of an order may still move."""


class ProductionOrderSheet(DocumentSheet):
    """Production orders. A file makes them, releases them and moves their times; the rest does not change."""

    kind, message, prefix = Kind.PRODUCTION_ORDERS, production_pb2.ProductionOrder, "production_order."
    columns = (
        *same("source_system", "external_id"), Column("id"), Column("number"), Column("item", "item"),
        Column("quantity", "quantity.value"), Column("unit", "quantity.unit_code"), Column("state"),
        *same("structure_revision"), Column("base_quantity", "base_quantity.value"),
        Column("base_quantity_unit", "base_quantity.unit_code"), Parts("components", "components", "component"),
        Parts("outputs", "outputs", "output"), *same("operations", "line_location", "output_location"),
        *same("lot_rule", "asset", "start_time", "due_time"),
    )  # fmt: skip
    required = ("item", "quantity", "unit", "output_location")
    permissions = ("materials.productionOrders.create", "materials.productionOrders.release")

    def keys(self, cells: Mapping[str, str]) -> list[str]:
        ours = [f"external {cells['source_system']}\x1f{cells['external_id']}"] if cells.get("external_id") else []
        return [*ours, *([f"id {cells['id']}"] if cells.get("id") else [])]

    async def enter(self, unit: Unit, site: str, asked: Sequence[tuple[Given, Any]]) -> None:
        items = await sheets_items.named(unit, [word for _, given in asked for word in _items_of(given)])
        words = [word for _, given in asked for word in (given.line_location, given.output_location)]
        places = await sheets_places.named(unit, site, words)
        by_id, by_external = await _there(unit, site, asked)
        wanted = []
        for row, given in asked:
            try:
                self._name(given, items, places)
                wanted.append((row, self.checked(given)))
            except Fault as fault:
                self.refuse(row, fault)
        planning = await Planning.of(unit, site, [given for _, given in wanted])
        made: list[ProductionOrder] = []
        changed: list[ProductionOrder] = []
        for row, given in wanted:
            try:
                there = by_external.get((given.source_system, given.external_id)) if given.external_id else None
                there = self._known(row, there, by_id.get(row.cells.get("id", "")))
                if there is None:
                    made.append(self._new(row, given, planning))
                elif self._changed(unit, row, given, there, planning):
                    changed.append(there)
            except Fault as fault:
                self.refuse(row, fault)
        for order, number in zip(made, await unit.next_numbers("PO", len(made)), strict=True):
            order.number = number
            planning.add(order)
        await unit.flush()
        await exchange.put(unit, ProductionOrder, changed)

    def _name(self, given: Any, items: Any, places: Any) -> None:
        """Names in place of the words of the file."""
        given.item = item_of(items, given.item, "item")
        for field in ("components", "outputs"):
            for number, entry in enumerate(getattr(given, field)):
                part = entry.component if field == "components" else entry.output
                part.item = item_of(items, part.item, f"{field}[{number}].item")
        for field in ("line_location", "output_location"):
            setattr(given, field, place_of(places, getattr(given, field), field))

    def _known(
        self, row: Given, there: ProductionOrder | None, by_id: ProductionOrder | None
    ) -> ProductionOrder | None:  # fmt: skip
        """The order that a row is about; FieldInvalid where its id and the other system's say different things."""
        if by_id is not None and there is not None and by_id is not there:
            raise FieldInvalid(field="external_id", rule=f"belongs to {there.name}", value=row.external_id)
        return there if there is not None else by_id

    def _new(self, row: Given, given: Any, planning: Planning) -> ProductionOrder:
        if not given.external_id or not given.source_system:
            rule = "and source_system are required for an order that is not here"
            raise FieldInvalid(field="external_id", rule=rule, value=given.external_id)
        if (state := row.cells.get("state", "")) not in ("", OrderState.PLANNED, OrderState.RELEASED):
            raise FieldInvalid(field="state", rule="must be PLANNED or RELEASED for a new order", value=state)
        order = planning.order(given)
        if state == OrderState.RELEASED:
            order.move(OrderState.RELEASED)
        row.done(Outcome.CREATED, order.name)
        return order

    def _changed(self, unit: Unit, row: Given, given: Any, there: ProductionOrder, planning: Planning) -> bool:
        """Whether a row changes a known order: its times, and that it is released."""
        if not given.components and not given.structure_revision and there.structure_revision:
            given.structure_revision = there.structure_revision
        after = _content(planning.order(given), row, given)
        before = {name: value for name, value in _content(there, row, given).items() if name in after}
        self.same(row, there.name, before, after)
        times = {name: python_of(getattr(given, name)) for name in ("start_time", "due_time") if given.HasField(name)}
        moved = {name: value for name, value in times.items() if getattr(there, name) != value}
        state = row.cells.get("state", "")
        released = state == OrderState.RELEASED and there.state is OrderState.PLANNED
        if state not in ("", OrderState.PLANNED, OrderState.RELEASED, there.state):
            raise FieldInvalid(field="state", rule=f"is {there.state} and changes by what is done", value=state)
        if released and there.supply_request:
            rule = f"is set by ReleaseOrder: the order carries {there.supply_request}"
            raise FieldInvalid(field="state", rule=rule, value=state)
        if moved and there.state not in _TO_COME:
            raise FieldInvalid(field=next(iter(moved)), rule=f"does not move: the order is {there.state}")
        if not moved and not released:
            return False
        unit.session.expunge(there)  # it is put with the others
        for name, value in moved.items():
            setattr(there, name, value)
        if released:
            there.move(OrderState.RELEASED)
        row.done(Outcome.UPDATED, there.name)
        return True

    async def order(self, unit: Unit, site: str) -> list[str]:
        columns: Any = ProductionOrder
        return list(await unit.all(select(columns.name).where(columns.site == site).order_by(columns.number)))

    async def pages(self, unit: Unit, site: str, names: Sequence[str]) -> list[dict[str, str]]:
        rows = await unit.get_many(ProductionOrder, names, lock=False)
        numbers = await sheets_items.numbers(unit, [row.item for row in rows.values()])
        found = []
        for name in names:
            row = rows[name]
            message = fill(production_pb2.ProductionOrder(), row)
            if row.structure_revision:
                message.ClearField("components")
                message.ClearField("outputs")
            for step in message.operations:
                for field in ("location", "staged_units", "good", "scrapped", "reworked"):
                    step.ClearField(field)
            message.item = numbers[row.item]
            message.line_location, message.output_location = last(row.line_location), last(row.output_location)
            cells = self.cells(message)
            found.append(cells | {"id": row.id, "number": row.number, "state": row.state.value})
        return found


def _items_of(given: Any) -> list[str]:
    return [given.item, *(row.component.item for row in given.components), *(row.output.item for row in given.outputs)]


async def _there(
    unit: Unit, site: str, asked: Sequence[tuple[Given, Any]]
) -> tuple[dict[str, ProductionOrder], dict[tuple[str, str], ProductionOrder]]:
    """Orders that rows are about: by id, and by system and id there; locked."""
    columns: Any = ProductionOrder
    home = f"sites/{site}/{ProductionOrder.COLLECTION}/"
    names = sorted({home + row.cells["id"] for row, _ in asked if row.cells.get("id")})
    externals = sorted({(given.source_system, given.external_id) for _, given in asked if given.external_id})
    keys = tuple_(columns.source_system, columns.external_id)
    rows = await unit.all(
        select(ProductionOrder)
        .where(columns.site == site, or_(columns.name.in_(names), keys.in_(externals)))
        .order_by(columns.name)
        .with_for_update(of=ProductionOrder)
    )
    return {row.id: row for row in rows}, {(row.source_system, row.external_id): row for row in rows}


def _content(row: ProductionOrder, given: Given, said: Any) -> dict[str, Any]:
    """What a file's columns say of an order and what does not change, in base units."""
    found: dict[str, Any] = {
        "item": row.item, "quantity": row.quantity, "source_system": row.source_system,
        "external_id": row.external_id, "line_location": row.line_location, "output_location": row.output_location,
        "lot_rule": row.lot_rule, "asset": row.asset,
    }  # fmt: skip
    if "structure_revision" in given.cells:
        found["structure_revision"] = row.structure_revision
    if said.components:
        found["components"] = [
            (part.item, part.operation, part.numerator, part.denominator, part.scrap_percent, part.over_percent,
             part.under_percent, part.manual)
            for part in row.components
        ]  # fmt: skip
    if said.outputs:
        found["outputs"] = [
            (part.item, part.kind, part.numerator, part.denominator, part.cost_percent, part.unit_value)
            for part in row.outputs
        ]
    if said.operations:
        found["operations"] = [
            (step.operation, step.title, step.asset, step.wip_limit, step.min_units, step.max_units,
             step.unit_duration)
            for step in row.operations
        ]  # fmt: skip
    if not given.cells.get("lot_rule"):
        del found["lot_rule"]
    return {name: value for name, value in found.items() if name in given.cells or name in ("item", "quantity")}
