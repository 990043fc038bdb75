"""Posting: what is to be written to the ledger, by one call of the database's function whatever its size (MAT-50)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from plantops.materials.v1.events_pb2 import MovementPosted
from sqlalchemy import text

from services.chassis.db import json_text
from services.chassis.faults import AlreadyExists, FailedPrecondition, Fault
from services.chassis.unit import Unit
from services.chassis.wire import canonical, money, quantity
from services.materials.model import capacity
from services.materials.model import handling_unit as handling_units
from services.materials.model.handling_unit import HandlingUnitClosed, HandlingUnitElsewhere
from services.materials.model.hold import LotOnHold
from services.materials.model.location import Location
from services.materials.model.movement import AlreadyReversed, Movement, MovementKind, Pair, PeriodClosed, Status
from services.materials.rules import valuation

ZERO, ONE = Decimal(0), Decimal(1)


class NotEnoughStock(FailedPrecondition):
    """Less is available than was asked (MAT-70)."""

    text = "Only {available} {unit_code} of {item} are available at {location}; {asked} were asked."


class WeightNegativeInPast(FailedPrecondition):
    """A backdated posting would make a later second quantity negative (MAT-9, MAT-56)."""

    reason = "NEGATIVE_IN_PAST"
    text = "At {location} there was not always as much as {asked} {unit_code} of {item} since then."


class NegativeInPast(FailedPrecondition):
    """A backdated posting would make a later balance negative (MAT-56)."""

    text = "At {location} there were only {available} {unit_code} of {item} since then; {asked} were asked."


class SerialExists(AlreadyExists):
    """A serial number is somewhere already, or left and does not come back by a movement that says how (MAT-16)."""

    text = "{serial} cannot come in: {why}."

    @classmethod
    def of(cls, serial: str, location: str, left_by: str, handling_unit: str = "") -> "SerialExists":
        """For one that is at a place, else left by a movement."""
        if location:
            return cls(serial=serial, why=f"it is at {location}", in_the_way=location, handling_unit=handling_unit)
        why = f"it left by {left_by}; only a movement that names it brings it back"
        return cls(serial=serial, why=why, in_the_way=left_by)


@dataclass(frozen=True, slots=True)
class Entered:
    """A quantity as somebody stated it, and the factor that made it base units at that time (MAT-2)."""

    quantity: Decimal
    unit_code: str
    numerator: int = 1
    denominator: int = 1


@dataclass(slots=True)
class Line:
    """What goes from one balance to another; the quantity is in the base unit.

    `allocated` takes stock that is reserved for whoever posts it. `cost` is a given value, `standard_cost` that of one
    base unit; without them the stock's average counts. `returns` is the movement by which the same had left. After
    posting `cost` says what was written.
    """

    item: str
    quantity: Decimal
    unit_code: str
    from_location: str
    to_location: str
    lot: str = ""
    serial: str = ""
    from_status: Status = Status.UNRESTRICTED
    to_status: Status = Status.UNRESTRICTED
    from_handling_unit: str = ""
    to_handling_unit: str = ""
    from_owner: str = ""
    to_owner: str = ""
    from_project: str = ""
    to_project: str = ""
    from_virtual: bool = False
    to_virtual: bool = False
    second_quantity: Decimal | None = None
    second_unit_code: str = ""
    entered: Entered | None = None
    allocated: Decimal = ZERO
    cost: Decimal | None = None
    standard_cost: Decimal | None = None
    returns: str = ""
    from_transit: bool = False

    @property
    def adds_free_stock(self) -> bool:
        """Whether it makes stock available that was not: nothing is claimed that is under way."""
        others = self.from_virtual or self.from_transit or self.from_owner
        was_free = not others and self.from_status is Status.UNRESTRICTED
        return not (self.to_virtual or self.to_owner) and self.to_status is Status.UNRESTRICTED and not was_free

    @property
    def leaves(self) -> bool:
        """Whether it takes stock out of the plant's places."""
        return self.to_virtual and not self.from_virtual

    def negated(self) -> "Line":
        """The exact opposite, at the value that was written (MAT-46)."""
        return Line(
            item=self.item, quantity=self.quantity, unit_code=self.unit_code, from_location=self.to_location,
            to_location=self.from_location, lot=self.lot, serial=self.serial, from_status=self.to_status,
            to_status=self.from_status, from_handling_unit=self.to_handling_unit,
            to_handling_unit=self.from_handling_unit, from_owner=self.to_owner, to_owner=self.from_owner,
            from_project=self.to_project, to_project=self.from_project, from_virtual=self.to_virtual,
            to_virtual=self.from_virtual, second_quantity=self.second_quantity,
            second_unit_code=self.second_unit_code, entered=self.entered, cost=self.cost,
        )  # fmt: skip


def by_serial(line: Line, serials: Sequence[str], digits: int = 2) -> list[Line]:
    """The line, or one of a single unit for each serial; a given value is divided exactly (MAT-16)."""
    if not serials:
        return [line]
    costs: Sequence[Decimal | None] = [None] * len(serials)
    if line.cost is not None:
        costs = valuation.parts(line.cost, [ONE] * len(serials), digits)
    return [
        replace(line, serial=serial, quantity=ONE, cost=cost, entered=None)
        for serial, cost in zip(serials, costs, strict=True)
    ]


def line_of(pair: Pair, places: Mapping[str, Location]) -> Line:
    """The line that two entries came from."""
    out, into = pair.out, pair.into
    return Line(
        item=into.item, quantity=into.quantity, unit_code=into.unit_code, from_location=out.location,
        to_location=into.location, lot=into.lot, serial=into.serial, from_status=out.status, to_status=into.status,
        from_handling_unit=out.handling_unit, to_handling_unit=into.handling_unit, from_owner=out.owner,
        to_owner=into.owner, from_project=out.project, to_project=into.project,
        from_virtual=places[out.location].virtual, to_virtual=places[into.location].virtual,
        second_quantity=into.second_quantity, second_unit_code=into.second_quantity_unit_code,
        cost=into.value, entered=None if into.entered_quantity is None else Entered(
            into.entered_quantity, into.entered_quantity_unit_code, into.factor_numerator, into.factor_denominator
        ),
    )  # fmt: skip


@dataclass(slots=True)
class Posting:
    """One movement to post, whole or not at all.

    After posting its lines' `cost`, its `currency_code` and `effective_time` say what was written, or `fault` why
    nothing was.
    """

    name: str
    kind: MovementKind
    lines: Sequence[Line]
    effective_time: datetime | None = None
    reason_code: str = ""
    source: str = ""
    reverses: str = ""
    correlation: str = ""
    device: str = ""
    currency_code: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    fault: Fault | None = field(default=None, compare=False)

    @classmethod
    def new(cls, unit: Unit, site: str, kind: MovementKind, *lines: Line, **more: Any) -> "Posting":
        """A movement under a new name."""
        return cls(unit.new_name(f"sites/{site}", Movement.COLLECTION), kind, lines, **more)

    @property
    def line(self) -> Line:
        """The line of a movement that has one."""
        (line,) = self.lines
        return line

    @property
    def worth(self) -> Decimal:
        """Sum of its lines' values."""
        return sum((line.cost or ZERO for line in self.lines), ZERO)

    @property
    def loses_stock(self) -> list[str]:
        """Items of which stock is gone that no demand had asked for."""
        return [line.item for line in self.lines if line.leaves and self.kind is not MovementKind.ISSUE]


_SERIALS = text("select 1 from serial where name = any(cast(:names as text[])) order by name for update")
_STANDS = text("select name, location, handling_unit from balance where name = any(cast(:names as text[]))")
_HOLD = text("select hold_items(:site, cast(:items as text[]))")
_POST = text("select * from post_to_ledger(:site, :actor, cast(:postings as jsonb))")
_POST_COMMANDS = text("select * from post_commands(:site, cast(:postings as jsonb))")
APART = "APART"


async def in_turn(unit: Unit, site: str, items: Iterable[str]) -> None:
    """Wait until it is the unit's turn for items' stock at a site, before their locks are taken (PERF-2)."""
    await unit.in_turn(f"{site}/{item}" for item in items)


async def hold(unit: Unit, site: str, items: Iterable[str]) -> None:
    """Take the lock of items' stock at a site, in one order, before documents and balances (MAT-74, PERF-4)."""
    wanted = sorted(set(items))
    if wanted:
        await in_turn(unit, site, wanted)
        await unit.execute(_HOLD, {"site": site, "items": wanted})


async def post(unit: Unit, site: str, postings: Sequence[Posting]) -> None:
    """Post movements with one statement, whatever their number; each sees those before it (MAT-50, PERF-1, PERF-3).

    What is refused gets its fault, the others are in the ledger. `tell` has to follow.
    """
    if not postings:
        return
    await in_turn(unit, site, (line.item for item in postings for line in item.lines))
    await unit.flush()
    await _hold_handling_units(unit, site, [line for item in postings for line in item.lines])
    serials = sorted({line.serial for item in postings for line in item.lines if line.serial})
    if serials:  # of all sites, so that two of them do not wait for each other
        await hold(unit, site, [line.item for item in postings for line in item.lines])
        await unit.execute(_SERIALS, {"names": serials})
    content = json_text([_row(number, item) for number, item in enumerate(postings)])
    rows = (await unit.execute(_POST, {"site": site, "actor": unit.caller.name, "postings": content})).all()
    stands = await _stands(unit, rows)
    for item, row in zip(postings, rows, strict=True):
        _take(item, row, stands)


async def post_commands(unit: Unit, site: str, postings: Sequence[tuple[str, Posting]]) -> set[str]:
    """Post movements of several people, given with who posts each, by one statement (PERF-1, PERF-3).

    Gives the names of those that were left out: somebody waits for the stock that they free, or a policy has to be
    asked about what they lose, so that each needs a unit. They name neither serials nor handling units.
    """
    content = [
        {
            "actor": actor, "gains": [line.item for line in item.lines if line.adds_free_stock],
            "losses": item.loses_stock, **_row(number, item),
        }
        for number, (actor, item) in enumerate(postings)
    ]  # fmt: skip
    rows = await unit.execute(_POST_COMMANDS, {"site": site, "postings": json_text(content)})
    found = {row.posting: row for row in rows}
    apart = {name for name, row in found.items() if row.outcome == APART}
    for _, item in postings:
        if item.name not in apart:
            _take(item, found[item.name], {})
    return apart


def _take(item: Posting, row: Any, stands: Mapping[str, Any]) -> None:
    """What the database made of a posting."""
    if row.outcome == "POSTED":
        item.effective_time, item.currency_code = row.effective, row.currency
        for line, worth in zip(item.lines, row.worths, strict=True):
            line.cost = worth
    else:
        item.fault = _fault(item, row, stands)


async def _stands(unit: Unit, rows: Iterable[Any]) -> dict[str, Any]:
    """Where the serials are that could not come in."""
    names = sorted({row.subject for row in rows if row.outcome == "SERIAL_EXISTS" and "/balances/" in row.subject})
    return {row.name: row for row in await unit.execute(_STANDS, {"names": names})} if names else {}


async def _hold_handling_units(unit: Unit, site: str, lines: Sequence[Line]) -> None:
    """Units that lines name are locked behind the items and before balances (MAT-74)."""
    named = {name for line in lines for name in (line.from_handling_unit, line.to_handling_unit) if name}
    if named:
        await hold(unit, site, (line.item for line in lines))
        await handling_units.hold(unit, named, alone=False)


async def post_all(unit: Unit, site: str, postings: Sequence[Posting]) -> None:
    """Post movements of one document: all, or the first fault is raised."""
    await post(unit, site, postings)
    for item in postings:
        if item.fault is not None:
            raise item.fault


def tell(unit: Unit, postings: Iterable[Posting]) -> None:
    """Tell and audit what was posted."""
    for item in postings:
        if item.fault is None:
            unit.emit(told(item), correlation=item.correlation)
            unit.audit(item.name, "", None, audited(item), 1)


def audited(item: Posting) -> dict[str, Any]:
    """What the audit keeps of a movement."""
    return {"kind": item.kind.value, "lines": [_audited(line) for line in item.lines]}


def _audited(line: Line) -> dict[str, Any]:
    return {
        "item": line.item, "lot": line.lot, "serial": line.serial, "from": line.from_location, "to": line.to_location,
        "from_unit": line.from_handling_unit, "to_unit": line.to_handling_unit, "quantity": line.quantity,
        "second_quantity": line.second_quantity,
    }  # fmt: skip


def _fault(item: Posting, row: Any, stands: Mapping[str, Any]) -> Fault:
    by_place = capacity.refused(row.outcome, row.subject)
    if by_place is not None:
        return by_place
    if row.outcome == "ALREADY_REVERSED":
        return AlreadyReversed(movement=item.reverses, why="it was reversed before")
    if row.outcome == "PERIOD_CLOSED":
        return PeriodClosed(site="/".join(item.name.split("/")[:2]), first_open_date=row.subject)
    line = item.lines[row.line - 1]
    if row.outcome == "LOT_ON_HOLD":
        return LotOnHold(
            what=line.serial or line.lot or line.item, hold=row.subject, item=line.item, lot=line.lot,
            location=line.from_location,
        )  # fmt: skip
    if row.outcome == "HANDLING_UNIT_CLOSED":
        return HandlingUnitClosed(handling_unit=row.subject)
    if row.outcome == "HANDLING_UNIT_ELSEWHERE":
        place = line.from_location if row.subject == line.from_handling_unit else line.to_location
        return HandlingUnitElsewhere(handling_unit=row.subject, location=place)
    if row.outcome == "SERIAL_EXISTS":
        here = stands.get(row.subject)
        if here is None:
            return SerialExists.of(line.serial, "", row.subject)
        return SerialExists.of(line.serial, here.location, "", here.handling_unit)
    if row.outcome == "NEGATIVE_IN_PAST" and line.second_quantity is not None and row.available >= line.quantity:
        return WeightNegativeInPast(
            item=line.item, lot=line.lot, location=line.from_location, status=line.from_status.value,
            asked=canonical(line.second_quantity), unit_code=line.second_unit_code,
        )  # fmt: skip
    kind = NegativeInPast if row.outcome == "NEGATIVE_IN_PAST" else NotEnoughStock
    second = row.outcome == "NOT_ENOUGH_SECOND"
    return kind(
        available=canonical(max(row.available, ZERO)), unit_code=line.second_unit_code if second else line.unit_code,
        item=line.item, lot=line.lot, location=line.from_location, status=line.from_status.value,
        asked=canonical((second and line.second_quantity) or line.quantity),
    )  # fmt: skip


def _row(number: int, item: Posting) -> dict[str, Any]:
    return {
        "n": number, "name": item.name, "kind": item.kind, "effective_time": item.effective_time,
        "reason_code": item.reason_code, "source": item.source, "reverses": item.reverses,
        "correlation": item.correlation, "device": item.device, "lines": [_line(line) for line in item.lines],
    }  # fmt: skip


def content_of(lines: Iterable[Line]) -> str:
    """Lines as the database's functions read them."""
    return json_text([_line(line) for line in lines])


def _line(line: Line) -> dict[str, Any]:
    entered = line.entered or Entered(line.quantity, line.unit_code)
    return {
        "item": line.item, "lot": line.lot, "serial": line.serial, "quantity": line.quantity,
        "unit_code": line.unit_code, "second_quantity": line.second_quantity,
        "second_unit_code": line.second_unit_code, "entered_quantity": entered.quantity,
        "entered_unit_code": entered.unit_code, "factor_numerator": entered.numerator,
        "factor_denominator": entered.denominator, "from_location": line.from_location,
        "to_location": line.to_location, "from_status": line.from_status, "to_status": line.to_status,
        "from_handling_unit": line.from_handling_unit, "to_handling_unit": line.to_handling_unit,
        "from_owner": line.from_owner, "to_owner": line.to_owner, "from_project": line.from_project,
        "to_project": line.to_project, "from_virtual": line.from_virtual, "to_virtual": line.to_virtual,
        "allocated": line.allocated, "cost": line.cost, "standard_cost": line.standard_cost, "returns": line.returns,
    }  # fmt: skip


def told(item: Posting) -> MovementPosted:
    """What is told of a movement; before it is posted, without what only the database knows."""
    message = MovementPosted(movement=item.name, kind=item.kind, source=item.source, **item.about)
    message.reverses = item.reverses
    if item.effective_time is not None:
        message.effective_time.FromDatetime(item.effective_time)
    for line in item.lines:
        for sign, location, status, handling_unit, owner, project in (
            (-1, line.from_location, line.from_status, line.from_handling_unit, line.from_owner, line.from_project),
            (1, line.to_location, line.to_status, line.to_handling_unit, line.to_owner, line.to_project),
        ):
            entry = message.entries.add(
                item=line.item, lot=line.lot, location=location, status=status,
                quantity=quantity(line.quantity * sign, line.unit_code), serial=line.serial,
                handling_unit=handling_unit, owner=owner, project=project,
            )  # fmt: skip
            if line.second_quantity is not None:
                entry.second_quantity.CopyFrom(quantity(line.second_quantity * sign, line.second_unit_code))
            if line.cost is not None and item.currency_code:
                entry.value.CopyFrom(money(line.cost * sign, item.currency_code))
    return message
