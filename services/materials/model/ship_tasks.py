"""SHIP tasks: what of a packed shipment has to be brought to where it is loaded (MAT-106)."""

from services.chassis.faults import FailedPrecondition, FieldInvalid, TransitionNotAllowed
from services.chassis.unit import Unit
from services.materials.model import task as tasks
from services.materials.model.loading import Loaded
from services.materials.model.location import Kind as PlaceKind
from services.materials.model.location import Location
from services.materials.model.shipment import Shipment, ShipmentLine, State
from services.materials.model.task import OPEN, Kind, Task, TaskState

LOADED_AT = (PlaceKind.DOCK, PlaceKind.STAGING, PlaceKind.VEHICLE)


class ShipmentNotLoaded(FailedPrecondition):
    """Something of a shipment is still to be brought to where it is loaded (MAT-106)."""

    text = "{shipment} is not loaded: {task} is open."


async def release(unit: Unit, row: Shipment, loaded: Loaded, place: Location | None, name: str) -> None:
    """One task for each unit and line that is not there yet and that no task brings."""
    if row.state is not State.PACKED:
        raise TransitionNotAllowed(resource=row.name, state=row.state.value, allowed="packing", wanted="loading")
    if place is None or place.site != row.site or place.kind not in LOADED_AT:
        rule = "must be a dock, a staging place or a vehicle of the site"
        raise FieldInvalid(field="location", rule=rule, value=name)
    known = await _of(unit, row)
    if row.loading_location not in ("", name) and any(task.state in OPEN for task in known.values()):
        rule = f"must be {row.loading_location}, where it is being loaded"
        raise FieldInvalid(field="location", rule=rule, value=name)
    row.loading_location = place.usable().name
    for line in row.lines:
        at_work = line.ship_task in known and known[line.ship_task].state in OPEN
        here = (loaded.rows[line.handling_unit].location if line.of_unit else line.location) or ""
        if here != name and not at_work:
            line.ship_task = unit.add(_task(unit, row, line, here)).name
    row.touch()


def _task(unit: Unit, row: Shipment, line: ShipmentLine, here: str) -> Task:
    return tasks.new(
        unit, row.site or "", Kind.SHIP, item=line.item, lot=line.lot, serials=list(line.serials), from_location=here,
        handling_unit=line.handling_unit if line.of_unit else "", proposed_location=row.loading_location,
        quantity=line.quantity, unit_code=line.unit_code, second_quantity=line.second_quantity,
        second_quantity_unit_code=line.second_quantity_unit_code, status=line.status, shipment=row.name,
        note=f"for {row.number}", correlation=row.chain,
    )  # fmt: skip


async def _of(unit: Unit, row: Shipment) -> dict[str, Task]:
    """Tasks of the lines as they stand."""
    return await unit.get_many(Task, {line.ship_task for line in row.lines} - {""}, lock=False)


async def brought(unit: Unit, task: Task) -> None:
    """A line is where it is loaded, and leaves from there."""
    row = await unit.get(Shipment, task.shipment)
    for line in row.lines:
        if line.ship_task == task.name and not line.of_unit:
            line.location = task.to_location
    row.touch()


async def done(unit: Unit, row: Shipment) -> None:
    """ShipmentNotLoaded while something is still to be brought."""
    for name, task in sorted((await _of(unit, row)).items()):
        if task.state in OPEN:
            raise ShipmentNotLoaded(shipment=row.name, task=name)


async def stop(unit: Unit, row: Shipment) -> None:
    """It is not loaded after all."""
    for task in (await unit.get_many(Task, {line.ship_task for line in row.lines} - {""})).values():
        task.end(TaskState.CANCELLED)
    row.loading_location = ""
