"""Items: units, packs, alternates, states, and what a quantity is in another unit."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from plantops.materials.v1 import items_pb2
from sqlalchemy import select, text

from services.chassis.faults import Cycle, FailedPrecondition, FieldInvalid, QuantityNotOnGrid, UnitIncompatible
from services.chassis.unit import Unit
from services.chassis.wire import canonical, decimal_of, enum_name, values_for
from services.chassis.wire import quantity as quantity_message
from services.materials.model.item import LARGEST, Item, State
from services.materials.rules import alternates, units


class HasMoved(FailedPrecondition):
    """What stock is kept in is fixed once there is any, or documents speak of it (MAT-10)."""

    text = "{item} has {what}; its {field} cannot be changed any more."


_GTINS = text("select pg_advisory_xact_lock(hashtext('materials.item.gtins'))")
_ALTERNATES = text("select pg_advisory_xact_lock(hashtext('materials.item.alternates'))")
_HOLD = text("select hold_items(substr(name, 7), cast(:items as text[])) from site_fact order by name")
_IN_USE = text("""
    select what from (values
      ('movements', exists (select 1 from value_balance where item = :item and sequence > 0)),
      ('receipts', exists (select 1 from receipt_line where item = :item)),
      ('expected receipts', exists (select 1 from expected_receipt where item = :item)),
      ('reservations', exists (select 1 from reservation where item = :item)),
      ('a replenishment policy', exists (select 1 from materials_policy where item = :item))) as found (what, there)
    where there limit 1
""")
_REACHED = text("""
    with recursive way (item, path) as (
      select name, array[cast(:item as text), name] from unnest(cast(:firsts as text[])) as name
      union all
      select a ->> 'item', w.path || (a ->> 'item')
      from way w join item i on i.name = w.item, jsonb_array_elements(i.alternates) a
      where w.item <> :item and (a ->> 'item' = :item or not (a ->> 'item') = any(w.path))
    )
    select path from way where item = :item limit 1
""")


class ItemService:
    """What is stored."""

    async def get_item(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Item, request.name)

    async def list_items(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Item, request)

    async def create_item(self, request: Any, unit: Unit) -> Any:
        name = unit.new_name("", Item.COLLECTION, request.item_id)
        item = Item(name=name, **values_for(Item, request.item)).checked().measured()
        await _free_gtins(unit, item)
        await _check_alternates(unit, item)
        unit.emit(unit.add(item).told())
        return item

    async def update_item(self, request: Any, unit: Unit) -> Any:
        item = await unit.get(Item, request.item.name, etag=request.item.etag)
        before, conversions, others = item.kept_in, item.conversions, item.alternates
        weight = item.catch_weight
        unit.update(item, request.item, request.update_mask)
        item.checked()
        changed = [field for field, value in item.kept_in.items() if before[field] != value]
        if changed or item.conversions != conversions or item.catch_weight != weight:
            item.measured()
        if changed:
            await _refuse_in_use(unit, item, changed[0])
        await _free_gtins(unit, item)
        if item.alternates != others:
            await _check_alternates(unit, item)
        unit.emit(item.told())
        return item

    async def block_item(self, request: Any, unit: Unit) -> Any:
        item = await unit.get(Item, request.name, etag=request.etag)
        item.move(State.BLOCKED)
        unit.emit(item.told())
        return item

    async def unblock_item(self, request: Any, unit: Unit) -> Any:
        item = await unit.get(Item, request.name, etag=request.etag)
        item.move(State.ACTIVE)
        unit.emit(item.told())
        return item

    async def supersede_item(self, request: Any, unit: Unit) -> Any:
        rows = await unit.get_many(Item, [request.name, request.superseded_by])
        item = rows.get(request.name) or await unit.get(Item, request.name)
        await unit.get(Item, request.name, etag=request.etag)
        other = rows.get(request.superseded_by)
        if other is None:
            raise FieldInvalid(field="superseded_by", rule="must be an item", value=request.superseded_by)
        item.supersede(other)
        unit.emit(item.told())
        return item

    async def convert_quantity(self, request: Any, unit: Unit) -> Any:
        item = await unit.get(Item, request.name)
        value = decimal_of(request.value.value, "value")
        source = item.unit_named(request.unit, "unit")
        target = item.unit_named(request.to_unit, "to_unit") if request.to_unit else item.base_unit_code
        per = item.factor(source) / item.factor(target)
        if max(per.numerator, per.denominator) > units.LARGEST:
            raise UnitIncompatible(item=item.name, from_unit=source, to_unit=target)
        exact = Fraction(value) * per
        if abs(exact) >= LARGEST:
            rule = f"must be less than {canonical(LARGEST)} {target}"
            raise FieldInvalid(field="value", rule=rule, value=value)
        grid = units.grid(target, item.base_unit_code, item.base_step)
        purpose = enum_name(request, "purpose")
        try:
            found = units.brought(exact, target, grid, item.rounding, purpose)
        except units.OffGrid:
            shown = f"{canonical(value)} {source}"
            raise QuantityNotOnGrid(field="value", value=shown, grid=f"{canonical(grid)} {target}") from None
        rest = units.decimal(Fraction(value) - Fraction(found) / per)
        return items_pb2.ConvertQuantityResponse(
            quantity=quantity_message(found, target), numerator=per.numerator, denominator=per.denominator,
            remainder=quantity_message(rest, source),
        )  # fmt: skip


async def lock_gtins(unit: Unit) -> None:
    """Whoever gives a GTIN waits for the others who do."""
    await unit.execute(_GTINS)


async def lock_alternates(unit: Unit) -> None:
    """Whoever changes alternates waits for the others who do."""
    await unit.execute(_ALTERNATES)


async def lock_stock(unit: Unit, items: Sequence[str]) -> None:
    """Let nothing of the items be posted at any site until the commit."""
    await unit.execute(_HOLD, {"items": sorted(items)})


async def _free_gtins(unit: Unit, item: Item) -> None:
    """A GTIN stands for one item; whoever gives one waits for the others who do."""
    if not item.gtins:
        return
    await lock_gtins(unit)
    other = await unit.first(
        select(Item.name).where(Item.gtins.overlap(item.gtins), Item.name != item.name).limit(1)  # type: ignore[attr-defined, call-overload]
    )
    if other is not None:
        raise FieldInvalid(field="item.gtins", rule=f"belong to {other} already", value=item.gtins)


async def _refuse_in_use(unit: Unit, item: Item, field: str) -> None:
    """HasMoved when stock or documents count in what would change; who posts at once comes before or after."""
    await lock_stock(unit, [item.name])
    what = (await unit.execute(_IN_USE, {"item": item.name})).scalar()
    if what is not None:
        raise HasMoved(item=item.name, what=what, field=field).at(f"item.{field}")


async def _check_alternates(unit: Unit, item: Item) -> None:
    """Alternates are other items, each once, in a chain that does not come back; who changes some waits for others."""
    if not item.alternates:
        return
    broken = alternates.broken(item.name, item.alternates)
    if broken is not None:
        raise FieldInvalid(field=f"item.alternates[{broken[0]}].{broken[1]}", rule=broken[2])
    await lock_alternates(unit)
    names = [row["item"] for row in item.alternates]
    known = await unit.get_many(Item, names, lock=False)
    for index, name in enumerate(names):
        if name not in known:
            raise FieldInvalid(field=f"item.alternates[{index}].item", rule="must be an item", value=name)
    way = (await unit.execute(_REACHED, {"item": item.name, "firsts": names})).scalar()
    if way is not None:
        raise Cycle(path=" -> ".join(way))
