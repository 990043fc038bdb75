"""Which goods of a transfer are meant: by line, by handling unit, by serial, by item and lot, or all of them."""

from collections.abc import Iterable, Sequence
from typing import Any

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import canonical, decimal_of
from services.materials.model import handling_unit, second_quantity
from services.materials.model.item import Item
from services.materials.model.lot import named
from services.materials.model.transfer import NotUnderWay, Part, SerialNotUnderWay, Transfer, TransferLine
from services.materials.rules import under_way


async def chosen(unit: Unit, row: Transfer, entries: Sequence[Any]) -> list[Part]:
    """What of which line; no line twice. FieldInvalid, NotUnderWay or SerialNotUnderWay for what is not under way."""
    if not entries:
        return [_all(one, one.outer_handling_unit) for one in row.open_lines]
    items = await unit.get_many(Item, {one.item for one in row.lines}, lock=False)
    units = await handling_unit.paths(unit, (entry.to_handling_unit for entry in entries))
    come_in = _units(row, entries)
    parts: list[Part] = []
    missing: set[int] = set()
    for number, entry in sorted(enumerate(entries), key=lambda one: bool(one[1].handling_unit)):
        field = f"goods[{number}]"
        if entry.to_handling_unit and (
            not row.between_sites
            or entry.to_handling_unit not in units
            or not entry.to_handling_unit.startswith(f"{row.to_site}/")
        ):
            rule = "must be a handling unit of the receiving site, for goods of another one"
            raise FieldInvalid(field=f"{field}.to_handling_unit", rule=rule, value=entry.to_handling_unit)
        if _nothing_of(row, entry, come_in, field):
            missing.add(entry.line)
            continue
        found = _parts(row, entry, items, field)
        if entry.handling_unit in come_in:
            apart = missing | {part.line.line for part in parts}
            found = [part for part in found if part.line.line not in apart]
        for part in found:
            part.location, part.to_handling_unit = entry.location, entry.to_handling_unit
            _come_in(part, entry, come_in, field)
            if any(part.line is other.line for other in parts):
                rule = f"names line {part.line.line} once more"
                raise FieldInvalid(field=field, rule=rule, value=part.line.line)
            parts.append(part)
    return parts


def _units(row: Transfer, entries: Sequence[Any]) -> dict[str, str]:
    """Outermost units that come to another site with what is in them -> place as their entry says."""
    if not row.between_sites:
        return {}
    return {
        entry.handling_unit: entry.location for entry in entries if entry.handling_unit and not entry.to_handling_unit
    }


def _nothing_of(row: Transfer, entry: Any, come_in: dict[str, str], field: str) -> bool:
    """Whether an entry says that a unit comes without a line."""
    return (
        any(one.line == entry.line and one.outer_handling_unit in come_in for one in row.lines)
        and entry.HasField("quantity")
        and decimal_of(entry.quantity.value, f"{field}.quantity.value") == 0
    )


def _come_in(part: Part, entry: Any, come_in: dict[str, str], field: str) -> None:
    """Lines that are named beside their unit say how much came in it; they come where it comes."""
    outer = part.line.outer_handling_unit
    if entry.to_handling_unit:
        part.whole_unit = ""
    elif outer in come_in and not entry.handling_unit:
        if entry.item:
            rule = "must be a line, since the handling unit is named too"
            raise FieldInvalid(field=f"{field}.item", rule=rule, value=entry.item)
        if entry.location not in ("", come_in[outer]):
            raise FieldInvalid(field=f"{field}.location", rule="must be that of its unit", value=entry.location)
        part.whole_unit, part.location = outer, come_in[outer]


def _all(one: TransferLine, whole_unit: str = "") -> Part:
    return Part(one, one.open_quantity, one.second_open, one.open_serials, whole_unit=whole_unit)


def _parts(row: Transfer, entry: Any, items: dict[str, Item], field: str) -> list[Part]:
    given = [bool(entry.line), bool(entry.handling_unit), bool(entry.item)]
    if sum(given) > 1 or (not any(given) and not entry.serials):
        raise FieldInvalid(field=field, rule="names a line, a handling unit, an item or serials, one of them")
    if entry.handling_unit:
        return _of_unit(row, entry, field)
    if entry.serials and not entry.HasField("quantity"):
        return _of_serials(row, entry, field)
    lines = _lines(row, entry, field)
    if not entry.HasField("quantity"):
        return [_all(one) for one in lines if one.open_quantity > 0]
    item = items[lines[0].item]
    amount, _ = item.stated(entry.quantity, f"{field}.quantity")
    if amount <= 0:
        raise FieldInvalid(field=f"{field}.quantity.value", rule="must be more than 0", value=entry.quantity.value)
    if named(item, entry.serials, amount, f"{field}.serials"):
        return _of_serials(row, entry, field)
    second = None
    if entry.HasField("second_quantity"):
        second, _ = second_quantity.stated(item, entry, amount, confirmed=True, prefix=f"{field}.")
    if item.catch is not None and len(lines) > 1:
        raise FieldInvalid(field=f"{field}.line", rule="is required: the item has a second quantity in several lines")
    spread = under_way.spread([one.open_quantity for one in lines], amount)
    if sum(spread) < amount:
        raise NotUnderWay(
            transfer=row.name, open=canonical(sum((one.open_quantity for one in lines), amount * 0)),
            unit_code=item.base_unit_code, item=item.name, asked=canonical(amount),
        )  # fmt: skip
    return [Part(one, part, second, []) for one, part in zip(lines, spread, strict=True) if part > 0]


def _lines(row: Transfer, entry: Any, field: str) -> list[TransferLine]:
    """Lines that an entry means, loose goods first."""
    if entry.line:
        found = [one for one in row.lines if one.line == entry.line]
        rule = "must be a line of the transfer"
    else:
        found = [one for one in row.lines if (one.item, one.lot) == (entry.item, entry.lot)]
        rule = "must be an item and lot of the transfer"
    if not found:
        name = "line" if entry.line else "item"
        raise FieldInvalid(field=f"{field}.{name}", rule=rule, value=entry.line or entry.item)
    return sorted(found, key=lambda one: (bool(one.handling_unit), one.line))


def _of_unit(row: Transfer, entry: Any, field: str) -> list[Part]:
    if entry.serials or entry.HasField("quantity"):
        raise FieldInvalid(field=f"{field}.handling_unit", rule="stands for all that is under way in it")
    found = [one for one in row.open_lines if one.outer_handling_unit == entry.handling_unit]
    if not found:
        rule = "must be the outermost of a unit that is under way with the transfer"
        raise FieldInvalid(field=f"{field}.handling_unit", rule=rule, value=entry.handling_unit)
    return [_all(one, entry.handling_unit) for one in found]


def _of_serials(row: Transfer, entry: Any, field: str) -> list[Part]:
    by_line = {serial: one for one in row.lines for serial in one.open_serials}
    for serial in entry.serials:
        one = by_line.get(serial)
        if one is None:
            raise SerialNotUnderWay(serial=serial, transfer=row.name)
        if entry.line and one.line != entry.line:
            raise FieldInvalid(field=f"{field}.serials", rule=f"must be of line {entry.line}", value=serial)
    if len(set(entry.serials)) != len(entry.serials):
        raise FieldInvalid(field=f"{field}.serials", rule="names each serial once", value=list(entry.serials))
    lines: Iterable[TransferLine] = {id(one): one for one in (by_line[serial] for serial in entry.serials)}.values()
    return [_some(one, [serial for serial in entry.serials if by_line[serial] is one]) for one in lines]


def _some(one: TransferLine, serials: Sequence[str]) -> Part:
    second = one.second_open if len(serials) == len(one.open_serials) else None
    return Part(one, under_way.ONE * len(serials), second, sorted(serials))
