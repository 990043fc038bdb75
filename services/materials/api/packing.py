"""Making, showing, packing and unpacking handling units."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from plantops.materials.v1 import handling_units_pb2, movements_pb2
from sqlalchemy import select

from services.chassis.faults import Fault, FieldInvalid, ResourceNotFound
from services.chassis.unit import Unit
from services.chassis.wire import fill, quantity, values_for
from services.materials.api.postings import InspectionOpen, Known
from services.materials.model import claims, content, handling_unit, ledger, sscc_range, stock
from services.materials.model.handling_unit import HandlingUnit, HandlingUnitType, Path, SsccExists
from services.materials.model.ledger import Line, Posting
from services.materials.model.location import Location
from services.materials.model.movement import Balance, MovementKind, Status
from services.materials.model.options import options
from services.materials.rules import sscc, units, weights

# --- making -------------------------------------------------------------------------------------------------


async def made(unit: Unit, request: Any, entries: Sequence[Any]) -> None:
    """New units, each with its outcome, in a constant number of statements: numbers are taken together."""
    given = [entry.request.handling_unit for entry in entries]
    kinds = await unit.get_many(HandlingUnitType, {row.handling_unit_type for row in given}, lock=False)
    places = await unit.get_many(Location, {row.location for row in given}, lock=False)
    taken = await sscc_range.known(unit, {row.sscc for row in given if row.sscc})
    numbered = await _numbers(unit, request.parent, given)
    good: list[Any] = []
    for entry in entries:
        try:
            if entry.request.parent != request.parent:
                raise FieldInvalid(field="parent", rule="must be that of the batch", value=entry.request.parent)
            _check(entry.request.handling_unit, request.parent, kinds, places, taken, numbered)
            good.append(entry)
            taken.add(entry.request.handling_unit.sscc)
            numbered.add(entry.request.handling_unit.number)
        except Fault as fault:
            entry.refuse(fault)
    without = [entry for entry in good if not entry.request.handling_unit.sscc]
    codes: dict[int, str] = {}
    try:
        prefix = options(unit).company_prefix
        new = await sscc_range.take(unit, prefix, request.extension_digit, len(without)) if without else []
        codes = {entry.index: code for entry, code in zip(without, new, strict=True)}
    except Fault as fault:
        for entry in without:
            entry.refuse(fault)
    unnumbered = [entry for entry in good if entry.open and not entry.request.handling_unit.number]
    numbers = iter(await sscc_range.numbers(unit, len(unnumbered)) if unnumbered else [])
    for entry in good:
        if entry.open:
            values = values_for(HandlingUnit, entry.request.handling_unit)
            values["sscc"] = values["sscc"] or codes[entry.index]
            values["number"] = values["number"] or next(numbers)
            values["parent_handling_unit"] = None
            name = unit.new_name(request.parent, HandlingUnit.COLLECTION)
            entry.answer(unit.add(HandlingUnit(name=name, **values)))


async def _numbers(unit: Unit, parent: str, given: Sequence[Any]) -> set[str]:
    wanted = sorted({row.number for row in given if row.number})
    if not wanted:
        return set()
    site = parent.split("/")[1]
    return set(
        await unit.all(
            select(HandlingUnit.number).where(HandlingUnit.site == site, HandlingUnit.number.in_(wanted))  # type: ignore[attr-defined, call-overload]
        )
    )


def _check(
    given: Any, parent: str, kinds: dict[str, Any], places: dict[str, Location], taken: set[str], numbered: set[str]
) -> None:
    if given.handling_unit_type not in kinds:
        rule = "must be a type of handling units"
        raise FieldInvalid(field="handling_unit.handling_unit_type", rule=rule, value=given.handling_unit_type)
    place = places.get(given.location)
    if place is None or f"sites/{place.site}" != parent or place.virtual:
        rule = "must be a place of the site"
        raise FieldInvalid(field="handling_unit.location", rule=rule, value=given.location)
    place.usable()
    if given.sscc and not sscc.valid(given.sscc):
        rule = "must be 18 digits with the right check digit"
        raise FieldInvalid(field="handling_unit.sscc", rule=rule, value=given.sscc)
    if given.sscc and given.sscc in taken:
        raise SsccExists(constraint=given.sscc)
    if given.number and given.number in numbered:
        rule = "belongs to another unit of the site"
        raise FieldInvalid(field="handling_unit.number", rule=rule, value=given.number)


# --- showing ------------------------------------------------------------------------------------------------


async def shown(unit: Unit, row: HandlingUnit) -> Any:
    """A unit with what is in it, the units inside, where the outermost stands, and what all weighs."""
    message = fill(handling_units_pb2.HandlingUnit(), row)
    path = (await handling_unit.paths(unit, [row.name]))[row.name]
    message.standing_location = path.place
    below = await handling_unit.inside(unit, row.name)
    nested = await unit.get_many(HandlingUnit, set(below) - {row.name}, lock=False)
    stock_inside = await content.content(unit, row.site or "", below, path.place)
    kinds = await unit.get_many(
        HandlingUnitType, {row.handling_unit_type, *(one.handling_unit_type for one in nested.values())}, lock=False
    )
    for balance in stock_inside:
        fill(message.contents.add(), balance)
    for name in sorted(nested, key=lambda name: (below[name], name)):
        fill(message.nested_units.add(), nested[name])
    weight = _weight(row, list(nested.values()), stock_inside, kinds)
    if weight is not None:
        message.total_weight.CopyFrom(quantity(units.decimal(weight), "KGM"))
    return message


def _weight(
    row: HandlingUnit, nested: Sequence[HandlingUnit], inside: Sequence[Balance], kinds: dict[str, HandlingUnitType]
) -> Fraction | None:
    kind = kinds[row.handling_unit_type]
    parts = [_stock_weight(balance) for balance in inside if balance.handling_unit == row.name]
    parts += [_weight(one, nested, inside, kinds) for one in nested if one.parent_handling_unit == row.name]
    return weights.heaviest(
        (row.gross_weight, row.gross_weight_unit_code), (kind.tare_weight, kind.tare_weight_unit_code), parts
    )


def _stock_weight(balance: Balance) -> Fraction | None:
    known = weights.kilograms(balance.on_hand, balance.unit_code)
    return known if known is not None else weights.kilograms(balance.second_on_hand, balance.second_on_hand_unit_code)


# --- packing ------------------------------------------------------------------------------------------------


async def packed(unit: Unit, request: Any) -> tuple[str, list[str]]:
    """Stock from its place, or from another unit there, into the unit, in one movement."""
    found = await _standing(unit, request.name, request.from_handling_unit)
    place = found[request.name].opened().place
    if request.from_handling_unit == request.name:
        raise FieldInvalid(field="from_handling_unit", rule="must be another unit", value=request.name)
    if not request.contents:
        raise FieldInvalid(field="contents", rule="is required")
    lines = await _lines(unit, request, place, request.from_handling_unit, request.name)
    return await _repack(unit, request, place, lines, request.from_handling_unit, request.name)


async def unpacked(unit: Unit, request: Any) -> tuple[str, list[str]]:
    """Stock out of the unit to the place where it stands; without contents all that is directly in it."""
    place = (await _standing(unit, request.name))[request.name].opened().place
    if request.contents:
        lines = await _lines(unit, request, place, request.name, "")
    else:
        taken_up = await content.take_up(unit, request.name)
        lines = [
            replace(content.line(balance, place), to_handling_unit="")
            for balance in taken_up.inside
            if balance.handling_unit == request.name
        ]
        await _refuse_inspected(unit, place, lines)
        if not lines:
            raise FieldInvalid(field="name", rule="the unit has nothing in it", value=request.name)
    return await _repack(unit, request, place, lines, request.name, "")


async def _standing(unit: Unit, name: str, other: str = "") -> dict[str, Path]:
    found = await handling_unit.paths(unit, [name, other])
    if name not in found:
        raise ResourceNotFound(resource=name)
    if other and (other not in found or other.split("/")[:2] != name.split("/")[:2]):
        raise FieldInvalid(field="from_handling_unit", rule="must be a handling unit of the site", value=other)
    return found


async def _lines(unit: Unit, request: Any, place: str, out: str, into: str) -> list[Line]:
    """Contents as lines that were checked like movements by hand."""
    site = request.name.split("/")[1]
    asked = []
    for row in request.contents:
        message = movements_pb2.Movement(
            kind="MOVE", item=row.item, lot=row.lot, quantity=row.quantity, confirm_weight=row.confirm_weight,
            from_status=row.status, from_location=place, to_location=place, from_handling_unit=out,
            to_handling_unit=into,
        )  # fmt: skip
        if row.HasField("second_quantity"):
            message.second_quantity.CopyFrom(row.second_quantity)
        asked.append(movements_pb2.CreateMovementRequest(movement=message, serials=row.serials))
    known = await Known.of(unit, site, asked)
    lines: list[Line] = []
    for number, one in enumerate(asked):
        try:
            lines += known.posting(unit, one).lines
        except FieldInvalid as fault:
            field = fault.metadata["field"].replace("movement.", f"contents[{number}].")
            raise FieldInvalid(field=field, rule=fault.metadata["rule"], value=fault.metadata["value"]) from None
    stocks = [(line.item, line.lot, line.serial, line.from_status) for line in lines]
    if len(set(stocks)) != len(stocks):
        raise FieldInvalid(field="contents", rule="names each stock once")
    return lines


async def _refuse_inspected(unit: Unit, place: str, lines: Sequence[Line]) -> None:
    waiting = [line for line in lines if line.from_status is Status.INSPECTION]
    if waiting:
        site = place.split("/")[1]
        known = await Known.of(
            unit,
            site,
            (
                movements_pb2.CreateMovementRequest(
                    movement=movements_pb2.Movement(item=line.item, lot=line.lot, from_status="INSPECTION")
                )
                for line in waiting
            ),
        )
        for line in waiting:
            if (lot := known.inspected.get((line.item, line.lot, place))) is not None:
                raise InspectionOpen(item=line.item, location=place, inspection_lot=lot)


async def _repack(
    unit: Unit, request: Any, place: str, lines: Sequence[Line], out: str, into: str
) -> tuple[str, list[str]]:
    site = request.name.split("/")[1]
    items = {line.item for line in lines}
    await ledger.hold(unit, site, items)
    await handling_unit.hold(unit, [out, into], alone=False)
    taken = await claims.attach(unit, site, lines)
    posting = Posting.new(unit, site, MovementKind.REPACK, *lines)
    await stock.move(unit, site, [posting])
    reservations = await claims.carry(unit, taken)
    await content.regroup(unit, site, place, out, into, items)
    return posting.name, reservations
