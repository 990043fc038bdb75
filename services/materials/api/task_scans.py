"""What was scanned when a task was done, compared with what it says (MAT-106)."""

from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from plantops.materials.v1 import tasks_pb2

from services.chassis.access import denied
from services.chassis.faults import FailedPrecondition, FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.materials.model import direct_line, handling_unit, second_quantity
from services.materials.model import location as locations
from services.materials.model.direct_line import DirectLine
from services.materials.model.item import Item
from services.materials.model.ledger import Entered
from services.materials.model.location import Kind as PlaceKind
from services.materials.model.location import Location
from services.materials.model.lot import named
from services.materials.model.task import WITHOUT_GOODS, Kind, Task
from services.materials.rules.bin_check import Rest

SKIP = "materials.tasks.skipScan"
SOURCE, GOODS, DESTINATION = "SOURCE", "GOODS", "DESTINATION"
NEEDED = {Kind.COUNT: (SOURCE,), Kind.EXCEPTION_TASK: ()}
"""Scans that a task needs; those of all other kinds need all three."""
CARRIERS = (PlaceKind.CART, PlaceKind.VEHICLE)


class ScanMismatch(FailedPrecondition):
    """Something else was scanned than the task says (MAT-106)."""

    text = "{task} is about {expected}, but {scanned} was scanned ({field})."


@dataclass(slots=True)
class Seen:
    """What a person did, as far as it fits the task; quantities in the base unit."""

    quantity: Decimal = Decimal(0)
    entered: Entered | None = None
    serials: list[str] = field(default_factory=list)
    second: Decimal | None = None
    second_unit_code: str = ""
    place: Location | None = None
    handling_unit: str = ""
    rest: Rest | None = None

    @property
    def to(self) -> Location:
        """Where goods were brought."""
        assert self.place is not None
        return self.place


async def read(unit: Unit, task: Task, scan: Any, *, short: bool = False) -> Seen:
    """What the scans of a confirmation say; FieldInvalid, ScanMismatch, or a refusal of what may not be skipped.

    With `short` the quantity is what was found, between nothing and less than all.
    """
    skipped = {tasks_pb2.TaskScan.Part.Name(part) for part in scan.skipped} - {"PART_UNSPECIFIED"}
    if skipped and not unit.caller.may(SKIP, task.site or ""):
        raise denied(SKIP)
    task.skipped_scans = sorted(skipped)
    seen = Seen()
    needed = NEEDED.get(task.kind, (SOURCE, GOODS, DESTINATION))
    there = {scan.from_location, scan.to_location, task.from_location} - {""}
    places = await locations.named(unit, there)
    if SOURCE in needed:
        _source(task, scan, skipped, places)
    whole = task.handling_unit != "" and not task.item
    row = await direct_line.of_task(unit, task) if GOODS in needed and not task.item and not whole else None
    if GOODS in needed:
        _goods(task, scan, skipped, row)
    if row is not None:
        _direct(task, scan, seen)
    elif task.kind is not Kind.EXCEPTION_TASK and not whole:
        await _quantity(unit, task, scan, seen, short=short)
    if DESTINATION in needed and (seen.quantity > 0 or not short):
        await _destination(unit, task, scan, seen, skipped, places)
    if scan.rest:
        seen.rest = Rest(tasks_pb2.TaskScan.Rest.Name(scan.rest))
    return seen


def _source(task: Task, scan: Any, skipped: Collection[str], places: dict[str, Location]) -> None:
    if SOURCE in skipped:
        return
    if not scan.from_location:
        raise FieldInvalid(field="scan.from_location", rule="is required: the source has to be scanned")
    if scan.from_location != task.from_location:
        raise ScanMismatch(
            task=task.task_name, expected=task.from_location, scanned=scan.from_location, field="scan.from_location"
        )
    place = places.get(task.from_location)
    if place is not None:
        place.confirmed(scan.from_check_code, "scan.from_check_code")


def _goods(task: Task, scan: Any, skipped: Collection[str], row: DirectLine | None) -> None:
    if GOODS in skipped:
        return
    if not scan.goods:
        rule = "is required: item, lot, serial, handling unit or label has to be scanned"
        raise FieldInvalid(field="scan.goods", rule=rule)
    if row is not None:
        if scan.goods not in (row.label_code, row.name):
            raise ScanMismatch(
                task=task.task_name, expected=row.label_code, scanned=scan.goods, field="scan.goods"
            )  # fmt: skip
        return
    if scan.goods not in {task.item, task.lot, task.handling_unit, *task.serials}:
        expected = task.handling_unit or task.lot or task.item
        raise ScanMismatch(task=task.task_name, expected=expected, scanned=scan.goods, field="scan.goods")


def _direct(task: Task, scan: Any, seen: Seen) -> None:
    """What is no stock is brought as a whole, in the unit of its order (MAT-102)."""
    given = (scan.quantity.value, scan.quantity.unit_code)
    if given != (canonical(task.quantity), task.unit_code):
        rule = f"must be {canonical(task.quantity)} {task.unit_code}"
        raise FieldInvalid(field="scan.quantity", rule=rule, value=" ".join(given))
    seen.quantity = task.quantity


async def _quantity(unit: Unit, task: Task, scan: Any, seen: Seen, *, short: bool) -> None:
    if not scan.HasField("quantity"):
        raise FieldInvalid(field="scan.quantity", rule="is required")
    item = await unit.get(Item, task.item, lock=False)
    seen.quantity, seen.entered = item.stated(scan.quantity, "scan.quantity")
    if seen.quantity < 0:
        raise FieldInvalid(field="scan.quantity.value", rule="must not be negative", value=seen.quantity)
    if task.kind in WITHOUT_GOODS:
        return
    all_of_it = canonical(task.quantity)
    if short and seen.quantity >= task.quantity:
        rule = f"must be less than {all_of_it}: all of it is confirmed by ConfirmTask"
        raise FieldInvalid(field="scan.quantity.value", rule=rule, value=canonical(seen.quantity))
    if not short and seen.quantity != task.quantity:
        rule = f"must be {all_of_it}: less is told by ShortTask"
        raise FieldInvalid(field="scan.quantity.value", rule=rule, value=canonical(seen.quantity))
    seen.serials = named(item, list(scan.serials), seen.quantity, "scan.serials")
    if not set(seen.serials) <= set(task.serials):
        other = sorted(set(seen.serials) - set(task.serials))
        raise ScanMismatch(
            task=task.task_name, expected=task.serials, scanned=", ".join(other), field="scan.serials"
        )  # fmt: skip
    if seen.quantity > 0 and task.kind is Kind.PICK:
        seen.second, seen.second_unit_code = second_quantity.stated(item, scan, seen.quantity, prefix="scan.")


async def _destination(
    unit: Unit, task: Task, scan: Any, seen: Seen, skipped: Collection[str], places: dict[str, Location]
) -> None:
    name = scan.to_location
    if scan.to_handling_unit or (task.to_handling_unit and task.kind is Kind.PICK):
        name = await _into(unit, task, scan, seen, skipped) or name
        places |= await locations.named(unit, [name])
    elif DESTINATION in skipped and not name:
        name = task.proposed_location
        places |= await locations.named(unit, [name])
    if not name:
        raise FieldInvalid(field="scan.to_location", rule="is required: the destination has to be scanned")
    place = places.get(name)
    if place is None or place.site != task.site or place.virtual:
        raise FieldInvalid(field="scan.to_location", rule="must be a place of the site", value=name)
    if task.kind is Kind.PICK and place.kind not in CARRIERS and name != task.proposed_location:
        rule = "must be a cart, a vehicle or the staging of the pick"
        raise FieldInvalid(field="scan.to_location", rule=rule, value=name)
    if task.kind in (Kind.STAGE, Kind.SHIP) and name != task.proposed_location:
        raise ScanMismatch(
            task=task.task_name, expected=task.proposed_location, scanned=name, field="scan.to_location"
        )  # fmt: skip
    place.usable()
    if DESTINATION not in skipped and not seen.handling_unit:
        place.confirmed(scan.to_check_code, "scan.to_check_code")
    seen.place = place


async def _into(unit: Unit, task: Task, scan: Any, seen: Seen, skipped: Collection[str]) -> str:
    """The handling unit that picked goods are in now, and where it stands; in a cluster that of the order."""
    into = scan.to_handling_unit or (task.to_handling_unit if DESTINATION in skipped else "")
    if not into:
        rule = "is required: the order's handling unit has to be scanned"
        raise FieldInvalid(field="scan.to_handling_unit", rule=rule)
    if task.kind is not Kind.PICK:
        rule = "must be empty: only a pick goes into a unit"
        raise FieldInvalid(field="scan.to_handling_unit", rule=rule, value=into)
    if task.to_handling_unit and into != task.to_handling_unit:
        raise ScanMismatch(
            task=task.task_name, expected=task.to_handling_unit, scanned=into, field="scan.to_handling_unit"
        )
    path = (await handling_unit.paths(unit, [into])).get(into)
    if path is None or not into.startswith(f"sites/{task.site}/"):
        raise FieldInvalid(field="scan.to_handling_unit", rule="must be a handling unit of the site", value=into)
    seen.handling_unit = into
    return path.opened().place
