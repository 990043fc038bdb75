"""Movements made by hand: what is written in a request becomes a posting, or a fault that says why not."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from services.chassis.access import denied
from services.chassis.faults import FailedPrecondition, FieldInvalid, TimeInFuture
from services.chassis.unit import Unit
from services.chassis.wire import enum_name, python_of
from services.materials.model import handling_unit, second_quantity, settings
from services.materials.model import location as locations
from services.materials.model.handling_unit import Path
from services.materials.model.inspection import OPEN_LOTS, InspectionLot
from services.materials.model.item import Item, State, site_fact
from services.materials.model.ledger import Line, Posting, by_serial
from services.materials.model.location import Kind, Location
from services.materials.model.lot import Lot, Serial, named
from services.materials.model.movement import Movement, MovementKind, Status

APPROVE = "materials.movements.approve"

_SIDES = {
    MovementKind.MOVE: (None, None),
    MovementKind.STATUS_CHANGE: (None, None),
    MovementKind.SCRAP: (None, Kind.SCRAP),
    MovementKind.ADJUST: (Kind.ADJUSTMENT, Kind.ADJUSTMENT),
    MovementKind.OPENING: (Kind.OPENING, None),
}
_WITH_APPROVAL = frozenset({MovementKind.SCRAP, MovementKind.ADJUST, MovementKind.OPENING})
_WITH_REASON = frozenset({MovementKind.SCRAP, MovementKind.ADJUST})


class BackdateTooFar(FailedPrecondition):
    """It happened longer ago than may still be recorded (MAT-58)."""

    text = "{time} is before {limit}; movements that old are not recorded."


class InspectionOpen(FailedPrecondition):
    """Goods wait for a usage decision, which alone moves them on (MAT-201)."""

    text = "{item} at {location} waits for the decision on {inspection_lot}."


@dataclass(slots=True)
class Known:
    """All that the movements of one call speak of, read in a constant number of statements (MAT-50)."""

    site: str
    currency_code: str
    items: dict[str, Item]
    lots: dict[str, Lot]
    places: dict[str, Location]
    virtual: dict[Kind, Location]
    inspected: dict[tuple[str, str, str], str]
    serials: dict[str, Serial]
    kinds: dict[str, MovementKind]
    units: dict[str, Path]
    backdating: timedelta

    @classmethod
    async def of(cls, unit: Unit, site: str, requests: Iterable[Any]) -> "Known":
        """What the requests name."""
        asked = list(requests)
        rows = [request.movement for request in asked]
        here = f"sites/{site}/{Location.COLLECTION}/"
        named = {name for row in rows for name in (row.from_location, row.to_location) if name.startswith(here)}
        items = {row.item for row in rows}
        waiting = (
            await unit.all(
                select(InspectionLot)
                .where(
                    InspectionLot.site == site,  # type: ignore[arg-type]
                    InspectionLot.item.in_(sorted(items)),  # type: ignore[attr-defined]
                    InspectionLot.state.in_(OPEN_LOTS),  # type: ignore[attr-defined]
                )
                .order_by(InspectionLot.name)
            )
            if any(row.from_status and enum_name(row, "from_status") == Status.INSPECTION for row in rows)
            else ()
        )
        return cls(
            site,
            (await site_fact(unit, site)).currency_code,
            await unit.get_many(Item, items, lock=False),
            await unit.get_many(Lot, {row.lot for row in rows if row.lot}, lock=False),
            await locations.named(unit, named),
            await locations.virtuals(unit, site),
            {(lot.item, lot.lot, lot.location): lot.name for lot in waiting},
            await unit.get_many(Serial, {name for request in asked for name in _serials(request)}, lock=False),
            await _kinds(unit, {row.returns for row in rows if row.returns}),
            await handling_unit.paths(
                unit, (n for row in rows for n in (row.from_handling_unit, row.to_handling_unit))
            ),
            timedelta(days=(await settings.site_settings(unit, site, lock=False)).backdating_days),
        )

    def posting(self, unit: Unit, request: Any) -> Posting:
        """A movement made by hand: kind, places, status, quantity, serials and permission are checked."""
        message = request.movement
        kind = MovementKind(enum_name(message, "kind"))
        if kind not in _SIDES:
            allowed = ", ".join(sorted(_SIDES))
            raise FieldInvalid(field="movement.kind", rule=f"may be {allowed}; others come from documents", value=kind)
        if kind in _WITH_APPROVAL and not unit.caller.may(APPROVE, self.site):
            raise denied(APPROVE)
        if kind in _WITH_REASON and not message.reason_code:
            raise FieldInvalid(field="movement.reason_code", rule=f"is required for {kind}")
        item = self._item(message, kind)
        amount, entered = item.stated(message.quantity, "movement.quantity")
        weight_alone = kind is MovementKind.ADJUST and item.catch is not None
        if amount < 0 or (amount == 0 and not weight_alone):
            rule = "must be more than 0"
            raise FieldInvalid(field="movement.quantity.value", rule=rule, value=message.quantity.value)
        second, second_unit = second_quantity.stated(item, message, amount, prefix="movement.")
        serials = self._named(item, request, amount)
        source, target = self._places(message, kind)
        before, after = self._statuses(unit, message, kind)
        out, into = self._units(message, kind, source, target)
        if (source.name, before, out) == (target.name, after, into):
            rule = "must differ from where the stock is"
            raise FieldInvalid(field="movement.to_location", rule=rule, value=target.name)
        if before is Status.INSPECTION and (lot := self.inspected.get((item.name, message.lot, source.name))):
            raise InspectionOpen(item=item.name, location=source.name, inspection_lot=lot)
        line = Line(
            item=item.name, lot=message.lot, quantity=amount, unit_code=item.base_unit_code,
            from_location=source.name, to_location=target.name, from_status=before, to_status=after,
            from_handling_unit=out, to_handling_unit=into,
            from_virtual=source.virtual, to_virtual=target.virtual, from_transit=source.kind is Kind.TRANSIT,
            standard_cost=item.standard(self.currency_code),
            entered=entered, second_quantity=second, second_unit_code=second_unit,
            from_owner=owner_of(message.owner, "movement.owner"), to_owner=message.owner,
        )  # fmt: skip
        line.returns = self._returns(message, kind, serials)
        return Posting.new(
            unit, self.site, kind, *by_serial(line, serials), effective_time=_effective(unit, message, self.backdating),
            device=message.device, reason_code=message.reason_code,
        )  # fmt: skip

    def _named(self, item: Item, request: Any, amount: Decimal) -> list[str]:
        """The serials that are moved, all of the item and the lot."""
        message = request.movement
        field = "serials" if request.serials else "movement.serial"
        if request.serials and message.serial:
            raise FieldInvalid(field=field, rule="must be empty where movement.serial is given", value=request.serials)
        names = named(item, _serials(request), amount, field)
        for name in names:
            known = self.serials.get(name)
            if known is None or known.item != item.name:
                raise FieldInvalid(field=field, rule="must be serials of the item", value=name)
            if known.lot != message.lot:
                raise FieldInvalid(field=field, rule=f"belongs to {known.lot}, which movement.lot must be", value=name)
        return names

    def _returns(self, message: Any, kind: MovementKind, serials: list[str]) -> str:
        """The loss by which serials left, for a gain that brings them back (MAT-16)."""
        lost: str = message.returns
        if not lost:
            return ""
        field = "movement.returns"
        if kind is not MovementKind.ADJUST or message.from_location or not serials:
            raise FieldInvalid(field=field, rule="is for an ADJUST that brings serials back", value=lost)
        if self.kinds.get(lost) is not MovementKind.ADJUST or any(self.serials[name].left_by == "" for name in serials):
            raise FieldInvalid(field=field, rule="must be the ADJUST by which each of the serials was lost", value=lost)
        return lost

    def _item(self, message: Any, kind: MovementKind) -> Item:
        item = self.items.get(message.item)
        if item is None:
            raise FieldInvalid(field="movement.item", rule="must be an item", value=message.item)
        if item.state is State.BLOCKED and kind is MovementKind.OPENING:
            raise FieldInvalid(field="movement.item", rule="must not be blocked", value=message.item)
        if item.tracking.by_lot != bool(message.lot):
            rule = "is required: the item is tracked by lot" if item.tracking.by_lot else "must be empty"
            raise FieldInvalid(field="movement.lot", rule=rule, value=message.lot)
        if message.lot and (message.lot not in self.lots or self.lots[message.lot].item != item.name):
            raise FieldInvalid(field="movement.lot", rule="must be a lot of the item", value=message.lot)
        return item

    def _places(self, message: Any, kind: MovementKind) -> tuple[Location, Location]:
        out, into = message.from_location, message.to_location
        if kind is MovementKind.STATUS_CHANGE:
            if into not in ("", out):
                rule = "must be empty: the stock stays where it is"
                raise FieldInvalid(field="movement.to_location", rule=rule, value=into)
            into = out
        elif kind is MovementKind.ADJUST and bool(out) == bool(into):
            rule = "either from_location (a loss) or to_location (a gain) has to be given for ADJUST"
            raise FieldInvalid(field="movement.from_location", rule=rule, value=out)
        from_kind, to_kind = _SIDES[kind]
        return (
            self._place(out, from_kind, "from_location", kind),
            self._place(into, to_kind, "to_location", kind),
        )

    def _place(self, name: str, virtual: Kind | None, field: str, kind: MovementKind) -> Location:
        if virtual is not None and not name:
            return self.virtual[virtual]
        found = self.places.get(name)
        if found is None:
            raise FieldInvalid(field=f"movement.{field}", rule="must be a location of the site", value=name)
        if found.virtual or (virtual is not None and kind is not MovementKind.ADJUST):
            rule = f"is chosen by the kind {kind}; leave it empty"
            raise FieldInvalid(field=f"movement.{field}", rule=rule, value=name)
        return found.usable()

    def _units(self, message: Any, kind: MovementKind, source: Location, target: Location) -> tuple[str, str]:
        """Handling units on both sides: of the site, and none in the world outside."""
        out, into = message.from_handling_unit, message.to_handling_unit
        if kind is MovementKind.STATUS_CHANGE:
            if into not in ("", out):
                rule = "must be empty: the stock stays in its unit"
                raise FieldInvalid(field="movement.to_handling_unit", rule=rule, value=into)
            into = out
        for field, name, place in (("from_handling_unit", out, source), ("to_handling_unit", into, target)):
            if name and (name not in self.units or not name.startswith(f"sites/{self.site}/") or place.virtual):
                rule = (
                    "must be empty: there are no units outside"
                    if place.virtual
                    else "must be a handling unit of the site"
                )
                raise FieldInvalid(field=f"movement.{field}", rule=rule, value=name)
        if out and out == into and source is not target:
            rule = "must be another one: a unit moves as a whole, by MoveHandlingUnit"
            raise FieldInvalid(field="movement.to_handling_unit", rule=rule, value=into)
        return out, into

    def _statuses(self, unit: Unit, message: Any, kind: MovementKind) -> tuple[Status, Status]:
        before = Status(enum_name(message, "from_status")) if message.from_status else Status.UNRESTRICTED
        after = Status(enum_name(message, "to_status")) if message.to_status else before
        if kind in (MovementKind.OPENING, MovementKind.ADJUST) and not message.from_location:
            before = after  # what comes from outside has no status of its own
        elif kind is not MovementKind.STATUS_CHANGE and after is not before:
            raise FieldInvalid(
                field="movement.to_status",
                rule="changes by a STATUS_CHANGE alone",
                value=enum_name(message, "to_status"),
            )
        if after is Status.UNRESTRICTED and before is not after and not unit.caller.may(APPROVE, self.site):
            raise denied(APPROVE)
        return before, after


def owner_of(name: str, field: str) -> str:
    """Owner of consigned goods, "" for the company's; FieldInvalid for what is no supplier."""
    if name and not name.startswith("suppliers/"):
        raise FieldInvalid(field=field, rule="must be a supplier, suppliers/*", value=name)
    return name


def _serials(request: Any) -> list[str]:
    return list(request.serials) or [name for name in (request.movement.serial,) if name]


async def _kinds(unit: Unit, names: set[str]) -> dict[str, MovementKind]:
    """Kinds of movements."""
    if not names:
        return {}
    rows = await unit.execute(select(Movement.name, Movement.kind).where(Movement.name.in_(sorted(names))))  # type: ignore[call-overload, attr-defined]
    return {row.name: row.kind for row in rows}


def _effective(unit: Unit, message: Any, backdating: timedelta) -> Any:
    if not message.HasField("effective_time"):
        return None
    at = python_of(message.effective_time)
    if at > unit.now:
        raise TimeInFuture(field="movement.effective_time", value=at.isoformat(), limit=unit.now.isoformat())
    if at < unit.now - backdating:
        raise BackdateTooFar(time=at.isoformat(), limit=(unit.now - backdating).isoformat())
    return at
