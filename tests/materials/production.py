"""What tests of production need: structures, orders, stock at the line, reports."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

from google.type.decimal_pb2 import Decimal as Percent
from plantops.materials.v1 import production_pb2, structures_pb2

from tests.materials.builders import SITE, at, day, item, place, q, reason
from tests.world import Plant

PLANNER = "mara"
WORKER = "sam"
LONG_AGO = date(2020, 1, 1)


def percent(value: str | int) -> Percent:
    """A percentage."""
    return Percent(value=str(value))


def component(item_name: str, numerator: int = 1, denominator: int = 1, **given: Any) -> Any:
    """A component of a structure or an order; percentages may be plain."""
    for name in ("scrap_percent", "over_percent", "under_percent"):
        if name in given:
            given[name] = percent(given[name])
    return structures_pb2.StructureComponent(item=item_name, numerator=numerator, denominator=denominator, **given)


def output(item_name: str, kind: str, numerator: int = 1, denominator: int = 1, **given: Any) -> Any:
    """What comes beside."""
    if "cost_percent" in given:
        given["cost_percent"] = percent(given["cost_percent"])
    return structures_pb2.StructureOutput(
        item=item_name, kind=kind, numerator=numerator, denominator=denominator, **given
    )


async def structure(plant: Plant, item_name: str, kind: str = "BILL_OF_MATERIALS") -> str:
    """A structure without revisions; gives its name."""
    made = structures_pb2.Structure(item=item_name, kind=kind)
    return str((await plant(PLANNER, structures_pb2.CreateStructureRequest(structure=made))).name)


def revising(
    name: str, components: Sequence[Any], *, base: Any = None, since: date = LONG_AGO, **given: Any
) -> structures_pb2.CreateStructureRevisionRequest:
    """The request for a revision, for one piece unless said otherwise."""
    revision = structures_pb2.StructureRevision(
        effective_date=day(since), base_quantity=base or q(1), components=components, **given
    )
    return structures_pb2.CreateStructureRevisionRequest(parent=name, structure_revision=revision)


async def revised(plant: Plant, name: str, components: Sequence[Any], **given: Any) -> Any:
    """A revision of a structure."""
    return await plant(PLANNER, revising(name, components, **given))


async def bill(plant: Plant, components: Sequence[Any], *, kind: str = "BILL_OF_MATERIALS", **given: Any) -> str:
    """An item with a structure of one revision; gives the item."""
    tracking = given.pop("tracking", "NONE")
    made = given.pop("item", None) or await item(plant, "made", tracking=tracking)
    await revised(plant, await structure(plant, made, kind), components, **given)
    return str(made)


async def line(plant: Plant, name: str = "line") -> str:
    """A place at the line; gives its name."""
    await place(plant, name, "STAGING")
    return at(name)


def ordering(item_name: str, value: str | int, **given: Any) -> production_pb2.CreateProductionOrderRequest:
    """The request for an order, whose output goes to the shelf."""
    values = {"output_location": at("bin"), "line_location": at("line"), **given}
    order = production_pb2.ProductionOrder(item=item_name, quantity=q(value), **values)
    return production_pb2.CreateProductionOrderRequest(parent=SITE, production_order=order)


async def ordered(plant: Plant, item_name: str, value: str | int, **given: Any) -> Any:
    """A released order."""
    made = await plant(PLANNER, ordering(item_name, value, **given))
    return await plant(PLANNER, production_pb2.ReleaseOrderRequest(name=made.name))


async def read(plant: Plant, name: str) -> Any:
    """An order as it stands."""
    return await plant("vic", production_pb2.GetProductionOrderRequest(name=name))


async def staged(plant: Plant, name: str, value: str | int, **given: Any) -> Any:
    """Bring components for some units to the line."""
    return await plant(WORKER, production_pb2.StageOrderRequest(name=name, quantity=q(value), **given))


def some(line_number: int, value: str | int, **given: Any) -> production_pb2.ComponentStock:
    """So much of a component."""
    return production_pb2.ComponentStock(component=line_number, quantity=q(value), **given)


def report(name: str, good: str | int = 0, **given: Any) -> production_pb2.ReportProductionRequest:
    """A report of good units, of scrap (with a reason) and rework."""
    for kind in ("scrap", "rework"):
        if kind in given:
            given[kind] = q(given[kind])
    if "scrap" in given:
        given.setdefault("scrap_reason", "BROKEN")
    if good:
        given["good"] = q(good)
    return production_pb2.ReportProductionRequest(production_order=name, request_id=str(uuid4()), **given)


async def reports(plant: Plant, *requests: Any, person: str = WORKER) -> list[Any]:
    """Outcomes of reports."""
    asked = production_pb2.BatchReportProductionRequest(parent=SITE, requests=requests)
    return list((await plant(person, asked)).outcomes)


async def reported(plant: Plant, name: str, good: str | int = 0, **given: Any) -> Any:
    """A report that is taken."""
    (outcome,) = await reports(plant, report(name, good, **given))
    assert reason(outcome) == "", outcome.status.message
    return outcome.production_report


def used(made: Any) -> dict[tuple[int, str], Decimal]:
    """(component, last part of the lot) -> what a report used."""
    found: dict[tuple[int, str], Decimal] = {}
    for row in made.consumptions:
        key = (row.component, row.lot.rsplit("/", 1)[-1])
        found[key] = found.get(key, Decimal(0)) + Decimal(row.quantity.value)
    return found


def amount(value: Any) -> Decimal:
    """An amount of money."""
    return Decimal(value.units) + Decimal(value.nanos) / 10**9


async def on_hand(plant: Plant, item_name: str) -> Mapping[tuple[str, str], Decimal]:
    """(last part of the place, of the project) -> on hand of an item at real places."""
    rows = plant.rows(
        "materials",
        "select location, project, sum(on_hand) from balance where item = %s and not virtual and on_hand <> 0"
        " group by 1, 2",
        item_name,
    )
    return {(row[0].rsplit("/", 1)[-1], row[1].rsplit("/", 1)[-1]): row[2] for row in rows}


def edges(plant: Plant, output_name: str) -> dict[str, tuple[Decimal, bool]]:
    """What a lot or serial was made of: last part of the input -> (quantity, certain), reversed ones left out."""
    rows = plant.rows(
        "materials",
        "select e.input_lot, e.quantity, e.certain from genealogy_edge e where e.output_lot = %s and not exists"
        " (select from movement m where m.reverses = e.movement)",
        output_name,
    )
    return {row[0].rsplit("/", 1)[-1]: (row[1], row[2]) for row in rows}
