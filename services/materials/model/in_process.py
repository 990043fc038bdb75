"""Stock that production uses: what was staged for an order or handed out to it, and what is free to be (MAT-123).

What belongs to an order bears it as its project, at the line and in process: nobody else takes it, wherever it lies.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.materials.model.genealogy import GenealogyEdge
from services.materials.model.ledger import Line
from services.materials.model.location import Kind, Location
from services.materials.model.production import ProductionOrder
from services.materials.rules.backflush import Part, Source
from services.materials.rules.order_cost import Absorbed

ZERO = Decimal(0)
KITS = "kits"
"""Movements of kits say so in their source."""
SMALLEST = Decimal("0.000001")

_OWN = text("""
    select b.name as balance, b.item, b.location, b.lot, b.serial, b.handling_unit, b.on_hand - b.reserved as left,
           lot.expire_date, lot.first_receipt_time as since, l.path_order, b.project, l.kind,
           coalesce(o.operation, 0) as operation, b.second_on_hand_unit_code as second_unit_code,
           case when b.reserved = 0 then b.second_on_hand end as second_left
    from balance b join location l on l.name = b.location left join lot on lot.name = b.lot
    left join production_operation o on o.production_order = b.project and o.location = b.location
    where b.site = :site and b.item = any(cast(:items as text[])) and b.location = any(cast(:places as text[]))
      and b.project = any(cast(:orders as text[])) and b.status = 'UNRESTRICTED' and b.on_hand > b.reserved
      and b.owner = '' and not b.virtual
      and hold_of(b.site, b.item, b.lot, b.serial, b.handling_unit, b.location) is null
""")
_FREE = text("""
    select b.name as balance, b.item, b.location, b.lot, b.serial, b.handling_unit, b.on_hand - b.reserved as left,
           lot.expire_date, lot.first_receipt_time as since, l.path_order, b.project, l.kind,
           0 as operation, b.second_on_hand_unit_code as second_unit_code,
           case when b.reserved = 0 then b.second_on_hand end as second_left
    from balance b
    join location l on l.name = b.location and not l.blocked and not exists (
      select from location_lock k where k.location = l.name and k.direction <> 'INBOUND')
    left join lot on lot.name = b.lot
    where b.site = :site and b.item = any(cast(:items as text[])) and b.status = 'UNRESTRICTED'
      and b.on_hand > b.reserved and b.owner = '' and b.project = '' and not b.virtual
      and (cast(:place as text) = '' or b.location = :place)
      and hold_of(b.site, b.item, b.lot, b.serial, b.handling_unit, b.location) is null
""")


Absorption = tuple[Absorbed, str, str, Mapping[str, str], bool]
"""An absorbed input with its item, its unit, other lots that lay there, and whether lots could not be told apart."""


async def own(unit: Unit, orders: Sequence[ProductionOrder]) -> list[Source]:
    """What belongs to orders of one site and may be used; one statement."""
    if not orders:
        return []
    where = {
        "site": orders[0].site, "orders": [order.name for order in orders],
        "items": sorted({row.item for order in orders for row in order.components}),
        "places": sorted({place for order in orders for place in order.locations}),
    }  # fmt: skip
    return [Source(**row._mapping) for row in await unit.execute(_OWN, where)]


async def free(unit: Unit, site: str, items: Iterable[str], place: str = "") -> list[Source]:
    """Free stock of items at a site or a place; one statement."""
    where = {"site": site, "items": sorted(set(items)), "place": place}
    return [Source(**row._mapping) for row in await unit.execute(_FREE, where)]


def free_of_units(sources: Iterable[Source]) -> list[Source]:
    """Sources that lie loose."""
    return [source for source in sources if not source.handling_unit]


def at_line(place: Location | None, site: str, name: str, field: str, *, staging: bool = True) -> Location:
    """A place of the site that holds stock; FieldInvalid for another."""
    if place is None or place.site != site or place.virtual or place.kind in (Kind.WIP, Kind.GROUP):
        raise FieldInvalid(field=field, rule="must be a place of the site", value=name)
    if staging and place.kind is not Kind.STAGING:
        raise FieldInvalid(field=field, rule="must be of kind STAGING", value=name)
    return place.usable()


def line(part: Part, unit_code: str, into: Location, *, project: str = "") -> Line:
    """A part of a source to a place; loose there, and of the order or nobody's."""
    source = part.source
    return Line(
        item=source.item, lot=source.lot, serial=source.serial, quantity=part.quantity, unit_code=unit_code,
        from_location=source.location, to_location=into.name, from_handling_unit=source.handling_unit,
        from_project=source.project, to_project=project, to_virtual=into.virtual,
        second_quantity=part.second, second_unit_code=source.second_unit_code if part.second is not None else "",
    )  # fmt: skip


def wip_location(order: ProductionOrder, operation: int) -> Location:
    """The place of what is in process at an operation; it comes with the order (MAT-120)."""
    name = f"sites/{order.name.split('/')[1]}/{Location.COLLECTION}/wip-{order.id}-{operation}"
    return Location(name=name, kind=Kind.WIP, title=f"{order.number} {operation}")


_ON_HAND = text("""
    select b.project, b.item, b.location, b.unit_code, sum(b.on_hand) as on_hand,
           coalesce(sum(v.value * b.on_hand / nullif(v.quantity, 0)), 0) as worth
    from balance b left join value_balance v on v.site = b.site and v.item = b.item
    where b.site = :site and b.item = any(cast(:items as text[])) and b.location = any(cast(:places as text[]))
      and b.project = :order and b.on_hand <> 0 and not b.virtual
    group by 1, 2, 3, 4 order by 3, 2
""")


async def on_hand(unit: Unit, order: ProductionOrder) -> Sequence[Any]:
    """All stock of an order by item and place, whatever its status, with its share of the item's value."""
    where = {
        "site": order.site, "order": order.name, "items": sorted({row.item for row in order.components}),
        "places": order.locations,
    }  # fmt: skip
    return (await unit.execute(_ON_HAND, where)).all()


def edges(
    made: Sequence[str], absorbed: Sequence[Absorption], *, movement: str,
    at: datetime, order: str,
) -> list[GenealogyEdge]:  # fmt: skip
    """Edges from what was used to what was made: a lot, or a serial of an item without lots (MAT-135).

    Each absorbed input comes with its item, its unit, other lots that lay there, and whether it is one of several
    lots whose units cannot be told apart. What several outputs were made of is an edge to each of them; of several
    serials each bears its part.
    """
    share = max(len(made), 1)
    found: dict[tuple[str, str], GenealogyEdge] = {}

    def note(lot: str, output: str, amount: Decimal, certain: bool, row: Absorbed, item: str, unit_code: str) -> None:
        amount = max(amount.quantize(SMALLEST), SMALLEST)
        known = found.get((lot, output))
        if known is None:
            found[lot, output] = GenealogyEdge(
                movement=movement, input_lot=lot, output_lot=output, item=item, quantity=amount, unit_code=unit_code,
                effective_time=at, certain=certain, operation=row.input.operation,
                handling_unit=row.input.handling_unit, production_order=order,
            )  # fmt: skip
            return
        known.quantity += amount
        known.certain = known.certain or certain
        if known.handling_unit != row.input.handling_unit:
            known.handling_unit = ""

    serials = all("/serials/" in output for output in made)
    for output in made:
        for row, item, unit_code, others, mixed in absorbed:
            part = row.quantity / share if serials else row.quantity
            if row.input.lot and row.quantity > 0:
                note(row.input.lot, output, part, not (row.input.pooled or mixed), row, item, unit_code)
            for lot, amount in others.items():
                note(lot, output, min(Decimal(amount), max(part, SMALLEST)), False, row, item, unit_code)
    return list(found.values())
