"""Goods to bring to their place, with the claims on them."""

from decimal import Decimal
from typing import Any

from sqlalchemy import exists, select, text
from sqlalchemy.orm.exc import StaleDataError

from services.chassis.faults import FieldInvalid, ResourceNotFound
from services.chassis.query import Page
from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.materials.model import allocating, content, exceptions, holding, picking, stock
from services.materials.model.handling_unit import HandlingUnitElsewhere
from services.materials.model.inspection import InspectionLot
from services.materials.model.ledger import ONE, ZERO, Line, NotEnoughStock, Posting, by_serial
from services.materials.model.location import Location
from services.materials.model.movement import Balance, MovementKind, Status
from services.materials.model.reservation import Allocation, Reservation
from services.materials.model.task import OPEN, Kind, Task, TaskState


class PutAwayService:
    """Goods to bring to their place."""

    async def get_put_away_task(self, request: Any, unit: Unit) -> Any:
        return shown(_put_away(await unit.get(Task, request.name)))

    async def list_put_away_tasks(self, request: Any, unit: Unit) -> Any:
        page = await unit.list(Task, request, Task.kind == Kind.PUT_AWAY)
        return Page([shown(task) for task in page.rows], page.next_page_token)

    async def confirm_put_away(self, request: Any, unit: Unit) -> Any:
        around = await unit.first(select(Task.handling_unit).where(Task.name == request.name))  # type: ignore[call-overload]
        taken_up = await content.take_up_around(unit, around) if around else None
        task = _put_away(await stock.take_up(unit, Task, request.name))
        if task.handling_unit != around:
            raise StaleDataError(f"{task.name} was packed meanwhile")
        task.free_for(unit.caller.name, unit.caller.device, unit.now)
        place = await unit.find(Location, request.location, lock=False)
        if place is None or place.site != task.site or place.virtual:
            raise FieldInvalid(field="location", rule="must be a place of the site", value=request.location)
        place.usable().confirmed(request.check_code, "check_code")
        return shown(await put(unit, task, place, taken_up))


async def put(
    unit: Unit, task: Task, place: Location, taken_up: content.TakenUp | None, *, field: str = "location"
) -> Task:
    """Goods are at a place: moved with the claims on them, and with the inspection that waits for them."""
    if task.state not in (TaskState.READY, TaskState.LEASED, TaskState.STARTED):
        task.move(TaskState.STARTED)
    task.move(TaskState.COMPLETED)
    if place.name == task.from_location:
        raise FieldInvalid(field=field, rule="must differ from where the goods are", value=place.name)
    task.to_location, task.done_quantity = place.name, task.quantity
    await exceptions.settle(unit, task)
    if taken_up is not None:
        await put_unit(unit, task, place, taken_up)
    else:
        await _put_loose(unit, task, place)
    await holding.brought(unit, task.site or "", [place.name])
    return task


async def _put_loose(unit: Unit, task: Task, place: Location) -> None:
    taken = await _allocations(unit, task)
    line = Line(
        item=task.item, lot=task.lot, quantity=task.quantity, unit_code=task.unit_code,
        from_location=task.from_location, to_location=place.name, from_status=task.status, to_status=task.status,
        allocated=sum((amount for _, amount in taken), Decimal(0)),
        second_quantity=await _weight_there(unit, task), second_unit_code=task.second_quantity_unit_code,
        from_owner=task.owner, to_owner=task.owner,
    )  # fmt: skip
    lines = by_serial(line, task.serials)
    if task.serials:
        claimed = {allocation.serial for allocation, _ in taken}
        for one in lines:
            one.allocated = ONE if one.serial in claimed else ZERO
    posting = Posting.new(unit, task.site or "", MovementKind.MOVE, *lines, source=task.name, correlation=task.chain)
    await stock.move(unit, task.site or "", [posting])
    holders = await _carry(unit, line, taken)
    await picking.follow_anew(unit, task.site or "", holders, f"the goods went to {place.name}")
    await _move_inspection(unit, task, place)
    task.movement = posting.name


class _Shown:
    """A put-away as its first service tells it: what somebody is at is still to be done."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    @property
    def state(self) -> TaskState:
        ended = self._task.state in (TaskState.COMPLETED, TaskState.CANCELLED)
        return self._task.state if ended else TaskState.READY


def shown(task: Task) -> Any:
    """A put-away as a source of its first message."""
    return _Shown(task)


def _put_away(task: Task) -> Task:
    if task.kind is not Kind.PUT_AWAY:
        raise ResourceNotFound(resource=task.name)
    return task


async def _weight_there(unit: Unit, task: Task) -> Decimal | None:
    """Second quantity that moves: all that is there when all goods go, since weight may have gone since (MAT-9)."""
    if task.second_quantity is None:
        return None
    there = (
        await unit.execute(
            select(Balance.on_hand, Balance.second_on_hand).where(  # type: ignore[call-overload]
                Balance.item == task.item, Balance.location == task.from_location, Balance.lot == task.lot,
                Balance.status == task.status, Balance.serial == "", Balance.handling_unit == "",
                Balance.owner == task.owner, Balance.project == "",
            )
        )
    ).first()  # fmt: skip
    if there is None or there.second_on_hand is None or there.on_hand != task.quantity:
        return task.second_quantity
    weight: Decimal = there.second_on_hand
    return weight


async def put_unit(unit: Unit, task: Task, place: Location, taken_up: content.TakenUp) -> None:
    """Goods in a unit go with the outermost one around it; all of its tasks of the kind are done by that."""
    there = sum(
        (
            balance.on_hand
            for balance in taken_up.inside
            if (balance.handling_unit, balance.item, balance.lot, balance.status)
            == (task.handling_unit, task.item, task.lot, task.status)
        ),
        Decimal(0),
    )
    if taken_up.place != task.from_location:
        raise HandlingUnitElsewhere(handling_unit=taken_up.row.name, location=task.from_location)
    if there < task.quantity:
        raise NotEnoughStock(
            available=canonical(there), unit_code=task.unit_code, item=task.item, lot=task.lot,
            location=task.handling_unit, status=task.status.value, asked=canonical(task.quantity),
        )  # fmt: skip
    task.movement, _ = await content.move(
        unit, taken_up, place, source=task.name, correlation=task.chain, doing=task.kind.value
    )


async def _allocations(unit: Unit, task: Task) -> list[tuple[Allocation, Decimal]]:
    """Allocations of what is moved, which have to go along with it; free stock stays behind last.

    What is being picked there stays as long as other goods do.
    """
    if task.status is not Status.UNRESTRICTED or task.owner:
        return []
    picked = exists().where(
        Task.site == task.site,  # type: ignore[arg-type]
        Task.kind == Kind.PICK,  # type: ignore[arg-type]
        Task.reservation == Reservation.name,  # type: ignore[arg-type]
        Task.from_location == task.from_location,  # type: ignore[arg-type]
        Task.state.in_(OPEN),  # type: ignore[attr-defined]
    )
    rows = (
        await unit.execute(
            select(Allocation, Reservation)
            .join(Reservation, Reservation.name == Allocation.reservation)  # type: ignore[arg-type]
            .join(Balance, Balance.name == Allocation.balance)  # type: ignore[arg-type]
            .where(
                Balance.handling_unit == "",  # type: ignore[arg-type]
                Allocation.location == task.from_location,  # type: ignore[arg-type]
                Allocation.lot == task.lot,  # type: ignore[arg-type]
                Reservation.item == task.item,  # type: ignore[arg-type]
                Allocation.serial.in_(task.serials or [""]),  # type: ignore[attr-defined]
            )
            .order_by(Reservation.name != task.reservation, picked, Reservation.name)  # type: ignore[arg-type]
            .with_for_update(of=[Allocation, Reservation])
        )
    ).all()
    found: list[tuple[Allocation, Decimal]] = []
    left = task.quantity
    for allocation in (row[0] for row in rows):
        amount = min(left, allocation.quantity)
        if amount > 0:
            found.append((allocation, amount))
            left -= amount
    return found


_ARRIVED = text("""
    select name, serial from balance
    where item = :item and location = :location and lot = :lot and status = 'UNRESTRICTED'
      and serial = any(cast(:serials as text[])) and handling_unit = '' and owner = '' and project = ''
""")


async def _carry(unit: Unit, line: Line, taken: list[tuple[Allocation, Decimal]]) -> list[Reservation]:
    """Claims go on where the goods are now; gives whose they are."""
    if not taken:
        return []
    serials = sorted({allocation.serial for allocation, _ in taken})
    where = {"item": line.item, "location": line.to_location, "lot": line.lot, "serials": serials}
    balances = {row.serial: row.name for row in await unit.execute(_ARRIVED, where)}
    amounts: dict[str, Decimal] = {}
    for allocation, amount in taken:
        balance = balances[allocation.serial]
        amounts[balance] = amounts.get(balance, ZERO) + amount
    await allocating.take(unit, amounts)
    rows = await unit.get_many(Reservation, [allocation.reservation for allocation, _ in taken])
    for allocation, amount in taken:
        row, serial = rows[allocation.reservation], allocation.serial
        row.gave(next(known for known in row.allocations if known.balance == allocation.balance), amount)
        row.took(balances[serial], line.to_location, line.lot, amount, serial)
    return list(rows.values())


async def _move_inspection(unit: Unit, task: Task, place: Location) -> None:
    if task.status is not Status.INSPECTION:
        return
    lot = await unit.first(
        select(InspectionLot)
        .where(
            InspectionLot.receipt == task.receipt,  # type: ignore[arg-type]
            InspectionLot.receipt_line == task.receipt_line,  # type: ignore[arg-type]
        )
        .with_for_update()
    )
    if lot is not None:
        lot.location = place.name
