"""Goods to bring to their place, with the claims on them."""

from decimal import Decimal
from typing import Any

from sqlalchemy import select, text

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.materials.model import stock
from services.materials.model.ledger import Movement, MovementKind, Posting, Status
from services.materials.model.location import Location
from services.materials.model.receipt import InspectionLot, PutAwayTask, TaskState
from services.materials.model.reservation import Allocation, Reservation


class PutAwayService:
    """Goods to bring to their place."""

    async def get_put_away_task(self, request: Any, unit: Unit) -> Any:
        return await unit.get(PutAwayTask, request.name)

    async def list_put_away_tasks(self, request: Any, unit: Unit) -> Any:
        return await unit.list(PutAwayTask, request)

    async def confirm_put_away(self, request: Any, unit: Unit) -> Any:
        task = await stock.take_up(unit, PutAwayTask, request.name)
        place = await unit.find(Location, request.location, lock=False)
        if place is None or place.site != task.site or place.virtual:
            raise FieldInvalid(field="location", rule="must be a place of the site", value=request.location)
        place.usable()
        if place.check_code and request.check_code != place.check_code:
            raise FieldInvalid(
                field="check_code", rule="is not the code on that place's label", value=request.check_code
            )
        task.move(TaskState.COMPLETED)
        if place.name == task.from_location:
            raise FieldInvalid(field="location", rule="must differ from where the goods are", value=place.name)
        task.to_location = place.name
        taken = await _allocations(unit, task)
        posting = Posting(
            name=unit.new_name(f"sites/{task.site}", Movement.COLLECTION), kind=MovementKind.MOVE, item=task.item,
            lot=task.lot, quantity=task.quantity, unit_code=task.unit_code, from_location=task.from_location,
            to_location=place.name, from_status=task.status, to_status=task.status,
            allocated=sum((amount for _, amount in taken), Decimal(0)), source=task.name, correlation=task.chain,
        )  # fmt: skip
        await stock.move(unit, task.site or "", [posting])
        await _carry(unit, posting, taken)
        await _move_inspection(unit, task, place)
        task.movement = posting.name
        return task


async def _allocations(unit: Unit, task: PutAwayTask) -> list[tuple[Allocation, Decimal]]:
    """Allocations of what is moved, which have to go along with it; free stock stays behind last."""
    if task.status is not Status.UNRESTRICTED:
        return []
    rows = (
        await unit.execute(
            select(Allocation, Reservation)
            .join(Reservation, Reservation.name == Allocation.reservation)  # type: ignore[arg-type]
            .where(
                Allocation.location == task.from_location,  # type: ignore[arg-type]
                Allocation.lot == task.lot,  # type: ignore[arg-type]
                Reservation.item == task.item,  # type: ignore[arg-type]
            )
            .order_by(Reservation.name)
            .with_for_update()
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


_RESERVE = text("""
    update balance set reserved = reserved + :amount
    where item = :item and location = :location and lot = :lot and status = 'UNRESTRICTED' returning name
""")


async def _carry(unit: Unit, posting: Posting, taken: list[tuple[Allocation, Decimal]]) -> None:
    for allocation, amount in taken:
        row = await unit.get(Reservation, allocation.reservation)
        where = {"amount": amount, "item": posting.item, "location": posting.to_location, "lot": posting.lot}
        balance = (await unit.execute(_RESERVE, where)).scalar_one()
        row.gave(next(known for known in row.allocations if known.balance == allocation.balance), amount)
        row.took(balance, posting.to_location, posting.lot, amount)


async def _move_inspection(unit: Unit, task: PutAwayTask, place: Location) -> None:
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
