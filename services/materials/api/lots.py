"""Lots: their dates, and several that become one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from plantops.materials.v1 import lots_pb2
from sqlalchemy import select

from services.chassis.faults import FailedPrecondition, FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import enum_name, fill, to_date, values_for
from services.materials.model import allocating, genealogy, holding, item_settings, ledger, picking, stock
from services.materials.model import location as locations
from services.materials.model.genealogy import GenealogyEdge
from services.materials.model.item import Item, site_fact
from services.materials.model.ledger import Line, Posting
from services.materials.model.location import Kind, Location
from services.materials.model.lot import Lot
from services.materials.model.movement import Balance, MovementKind, Status, ValueBalance
from services.materials.model.reservation import Allocation, Reservation
from services.materials.model.task import OPEN, Task
from services.materials.rules import lot_numbers, valuation
from services.materials.rules.lots import Dates, lasting, merged

DATES = ("manufacture_date", "best_before_date", "expire_date")


class LotMergeForbidden(FailedPrecondition):
    """Lots stay apart: the item says so, or something still speaks of one of them (MAT-14)."""

    text = "Lots of {item} are not merged: {why}."


@dataclass(frozen=True, slots=True)
class _There:
    """How much there is of a lot at a place, with its second quantity."""

    quantity: Decimal
    second: Decimal | None


class LotService:
    """Lots of items."""

    async def get_lot(self, request: Any, unit: Unit) -> Any:
        return await _shown(unit, await unit.get(Lot, request.name))

    async def list_lots(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Lot, request, parent_column=Lot.item)

    async def create_lot(self, request: Any, unit: Unit) -> Any:
        item = await unit.get(Item, request.parent, lock=False)
        name = unit.new_name(item.name, Lot.COLLECTION, request.lot_id)
        lot = Lot(name=name, item=item.name, **values_for(Lot, request.lot))
        lot.number = lot_numbers.normal(lot.number)
        return unit.add(lot.dated(lasting(lot.dates, item.shelf_life_days), "lot."))

    async def update_lot(self, request: Any, unit: Unit) -> Any:
        lot = await unit.get(Lot, request.lot.name, etag=request.lot.etag)
        return unit.update(lot, request.lot, request.update_mask, only=("supplier", "supplier_lot"))

    async def change_lot_dates(self, request: Any, unit: Unit) -> Any:
        known = await unit.get(Lot, request.name, lock=False)
        sites = await unit.all(
            select(ValueBalance.site).where(ValueBalance.item == known.item).order_by(ValueBalance.site)  # type: ignore[call-overload, arg-type]
        )
        for site in sites:
            await ledger.hold(unit, site, [known.item])
        lot = await unit.get(Lot, request.name, etag=request.etag)
        lot.dated(Dates(**{name: _wanted(request, lot, name) for name in DATES}))
        unit.emit(lot.told(request.reason))
        await unit.flush()
        for site in sites:
            await _serve_anew(unit, site, lot)
        return lot

    async def merge_lots(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[1]
        lots = await _of_one_item(unit, request.lots)
        await ledger.hold(unit, site, [lots[0].item])
        item = await unit.get(Item, lots[0].item, lock=False)
        place = await _place(unit, site, request.location)
        status = Status(enum_name(request, "status")) if request.status else Status.UNRESTRICTED
        await _mergeable(unit, item, lots, place)
        await _numbered(unit, site, item, request.number)
        amounts = await _on_hand(unit, lots, place, status)
        new = unit.add(_new_lot(unit, request, item, lots))
        posting = await _merge(unit, site, item, place, status, amounts, new)
        await unit.flush()
        await stock.move(unit, site, [posting])
        for lot, there in amounts.items():
            assert posting.effective_time is not None
            unit.session.add(
                GenealogyEdge(
                    movement=posting.name, input_lot=lot, output_lot=new.name, item=item.name, quantity=there.quantity,
                    unit_code=item.base_unit_code, effective_time=posting.effective_time, certain=True,
                )
            )  # fmt: skip
        await unit.flush()
        return await _shown(unit, new)


async def _shown(unit: Unit, lot: Lot) -> lots_pb2.Lot:
    message = fill(lots_pb2.Lot(), lot)
    message.merged_from.extend(await genealogy.sources(unit, lot.name))
    message.holds.extend(await holding.on(unit, lot.name))
    return message


def _wanted(request: Any, lot: Lot, name: str) -> date | None:
    """A date as it shall be: given, taken away, or as it is."""
    if request.HasField(name):
        if name in request.cleared_dates:
            raise FieldInvalid(field="cleared_dates", rule="names no date that is given", value=name)
        return to_date(getattr(request, name))
    known: date | None = getattr(lot, name)
    return None if name in request.cleared_dates else known


async def _serve_anew(unit: Unit, site: str, lot: Lot) -> None:
    """Claims on a lot that expires before they need it are given back; then those are served who wait for the item."""
    rows: Sequence[Reservation] = await unit.all(
        select(Reservation)
        .where(
            Reservation.site == site,  # type: ignore[arg-type]
            Reservation.name.in_(select(Allocation.reservation).where(Allocation.lot == lot.name)),  # type: ignore[attr-defined, call-overload]
        )
        .order_by(Reservation.name)
        .with_for_update(of=Reservation)
    )
    fact = await site_fact(unit, site)
    life = timedelta(days=(await allocating.life_days(unit, site, [lot.item])).get(lot.item, 0))
    until = lot.expire_date
    late = [row for row in rows if until is not None and until < row.needed_on(fact, unit.now) + life]
    await stock.claim_anew(unit, site, late, f"{lot.name} expires before it is needed")
    await picking.follow_anew(unit, site, late, f"{lot.name} expires before it is needed")
    await stock.serve(unit, site, {lot.item})


async def _of_one_item(unit: Unit, names: Sequence[str]) -> list[Lot]:
    found = await unit.get_many(Lot, names, lock=False)
    if len(found) < len(names):
        raise FieldInvalid(field="lots", rule="must be lots, each named once", value=sorted(set(names) - set(found)))
    items = {lot.item for lot in found.values()}
    if len(items) > 1:
        raise FieldInvalid(field="lots", rule="must be of one item", value=sorted(items))
    return list(found.values())


async def _place(unit: Unit, site: str, name: str) -> Location:
    place = await unit.find(Location, name, lock=False)
    if place is None or place.site != site or place.virtual:
        raise FieldInvalid(field="location", rule="must be a place of the site", value=name)
    return place.usable()


async def _mergeable(unit: Unit, item: Item, lots: Sequence[Lot], place: Location) -> None:
    """LotMergeForbidden when the item or something open says that its lots stay apart."""
    if not item.lot_merge_allowed:
        raise LotMergeForbidden(item=item.name, why="the item forbids it")
    if item.tracking.by_serial:
        raise LotMergeForbidden(item=item.name, why="a serial stays in its lot")
    task = await unit.first(
        select(Task.name)  # type: ignore[call-overload]
        .where(
            Task.state.in_(OPEN),  # type: ignore[attr-defined]
            Task.from_location == place.name,
            Task.lot.in_([lot.name for lot in lots]),  # type: ignore[attr-defined]
        )
        .order_by(Task.name)
        .limit(1)
    )
    if task is not None:
        raise LotMergeForbidden(item=item.name, why=f"{task} still brings one away", in_the_way=task)


async def _numbered(unit: Unit, site: str, item: Item, number: str) -> None:
    """FieldInvalid for a number that the site does not want for lots of the item."""
    rules = (await item_settings.number_rules(unit, site, [item.name])).get(item.name)
    if rules is not None and (refusal := rules.lots.refusal(lot_numbers.normal(number))):
        raise FieldInvalid(field="number", rule=refusal, value=number)


async def _on_hand(unit: Unit, lots: Sequence[Lot], place: Location, status: Status) -> dict[str, _There]:
    """All of each lot there; FieldInvalid for one of which nothing is."""
    rows = await unit.execute(
        select(Balance.lot, Balance.on_hand, Balance.second_on_hand).where(  # type: ignore[call-overload]
            Balance.item == lots[0].item, Balance.location == place.name, Balance.status == status,
            Balance.lot.in_([lot.name for lot in lots]), Balance.on_hand > 0,  # type: ignore[attr-defined]
            Balance.serial == "", Balance.handling_unit == "", Balance.owner == "", Balance.project == "",
        )
    )  # fmt: skip
    found = {row.lot: _There(row.on_hand, row.second_on_hand) for row in rows}
    missing = sorted({lot.name for lot in lots} - set(found))
    if missing:
        raise FieldInvalid(field="lots", rule=f"must all be {status} at {place.name}", value=missing)
    return dict(sorted(found.items()))


def _new_lot(unit: Unit, request: Any, item: Item, lots: Sequence[Lot]) -> Lot:
    """The lot that they become: the earliest of their dates, the age of the oldest."""
    suppliers = {lot.supplier for lot in lots}
    new = Lot(
        name=unit.new_name(item.name, Lot.COLLECTION, request.lot_id), item=item.name,
        number=lot_numbers.normal(request.number), supplier=suppliers.pop() if len(suppliers) == 1 else "",
        first_receipt_time=min((at for lot in lots if (at := lot.first_receipt_time) is not None), default=unit.now),
    )  # fmt: skip
    return new.dated(merged(lot.dates for lot in lots))


async def _merge(
    unit: Unit, site: str, item: Item, place: Location, status: Status, amounts: dict[str, _There], new: Lot
) -> Posting:
    """The new lot out of production, the old ones into it, at one value: the site's stock keeps its worth (MAT-14)."""
    production = await locations.virtual(unit, site, Kind.PRODUCTION)
    fact = await site_fact(unit, site)
    value: ValueBalance = await unit.first(
        select(ValueBalance).where(ValueBalance.site == site, ValueBalance.item == item.name)  # type: ignore[arg-type]
    )
    digits = valuation.places(fact.currency_code)
    total = sum((there.quantity for there in amounts.values()), Decimal(0))
    weights = [there.second for there in amounts.values() if there.second is not None]
    weighed = item.catch.unit_code if item.catch is not None else ""
    whole = valuation.share(value.value, total, value.quantity, digits)
    costs = valuation.parts(whole, [there.quantity for there in amounts.values()], digits)
    made = Line(
        item=item.name, lot=new.name, quantity=total, unit_code=item.base_unit_code,
        from_location=production.name, to_location=place.name, from_virtual=True, from_status=status,
        to_status=status, cost=whole, second_quantity=sum(weights, Decimal(0)) if weighed else None,
        second_unit_code=weighed,
    )  # fmt: skip
    used = [
        Line(
            item=item.name, lot=lot, quantity=there.quantity, unit_code=item.base_unit_code, from_location=place.name,
            to_location=production.name, to_virtual=True, from_status=status, to_status=status, cost=cost,
            second_quantity=there.second, second_unit_code=weighed,
        )
        for (lot, there), cost in zip(amounts.items(), costs, strict=True)
    ]  # fmt: skip
    # the new lot first: at no moment is the item's stock empty and its value lost
    return Posting.new(unit, site, MovementKind.PRODUCE, made, *used, source=new.name)
