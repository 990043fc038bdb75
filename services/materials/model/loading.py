"""Whole handling units that leave by a document: taken up together, whatever their number (MAT-21, MAT-24)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm.exc import StaleDataError

from services.chassis.faults import FailedPrecondition, FieldInvalid
from services.chassis.unit import Unit
from services.materials.model import handling_unit, ledger
from services.materials.model.handling_unit import HandlingUnit, HandlingUnitGone, HandlingUnitNested, State
from services.materials.model.movement import THERE, Balance

YEAR = timedelta(days=365)
"""How long an SSCC is not used again after its unit was shipped (GS1 General Specifications)."""


class HandlingUnitOpen(FailedPrecondition):
    """A unit leaves the plant closed, so that its papers say what is in it (MAT-22)."""

    text = "{handling_unit} is open; close it before it leaves."


class HandlingUnitBusy(FailedPrecondition):
    """Work is open on what is in a unit."""

    text = "{handling_unit} cannot leave: {task} is open."


class SsccUsedRecently(FailedPrecondition):
    """An SSCC is not used again within a year of shipping (MAT-24)."""

    text = "{sscc} of {handling_unit} left at {ship_time}; it does not leave again before {until}: use another unit."


@dataclass(slots=True)
class Loaded:
    """Units that nobody else changes meanwhile, with all units and stock inside."""

    rows: dict[str, HandlingUnit] = field(default_factory=dict)
    root_of: dict[str, str] = field(default_factory=dict)
    inside: Sequence[Balance] = ()

    def roots(self) -> list[HandlingUnit]:
        """The outermost ones."""
        return [self.rows[name] for name in sorted(set(self.root_of.values()))]

    def content(self, root: str) -> list[Balance]:
        """Stock in a unit and in those inside."""
        return [balance for balance in self.inside if self.root_of[balance.handling_unit] == root]

    def under(self, roots: Collection[str]) -> list[HandlingUnit]:
        """These units and all inside."""
        return [row for name, row in self.rows.items() if self.root_of[name] in roots]


async def look(unit: Unit, site: str, names: Collection[str]) -> tuple[dict[str, str], Sequence[Balance]]:
    """Unit -> that of the names it is in, of all units inside; and the stock in them. Three statements."""
    if not names:
        return {}, ()
    below = await handling_unit.inside(unit, *names)
    around = await handling_unit.paths(unit, below)
    root_of = {
        name: next((outer for outer in reversed(path.around) if outer in names), name) for name, path in around.items()
    }
    inside: Sequence[Balance] = await unit.all(
        select(Balance)
        .where(
            Balance.site == site,  # type: ignore[arg-type]
            Balance.handling_unit.in_(sorted(below)),  # type: ignore[attr-defined]
            Balance.virtual.is_(False),  # type: ignore[attr-defined]
            THERE,
        )
        .order_by(Balance.handling_unit, Balance.name)
        .execution_options(populate_existing=True)
    )
    return root_of, inside


async def take_up(unit: Unit, site: str, names: Iterable[str], items: Iterable[str]) -> Loaded:
    """Items and stock of units, then the units, held in the one order (MAT-74); a constant number of statements.

    When something of another item was packed before the units were held, the whole command begins anew.
    """
    wanted = sorted(set(names))
    _, inside = await look(unit, site, wanted)
    held = {*items, *(balance.item for balance in inside)}
    await ledger.hold(unit, site, held)
    if not wanted:
        return Loaded()
    await handling_unit.hold(unit, wanted)
    root_of, inside = await look(unit, site, wanted)
    if not {balance.item for balance in inside} <= held:
        raise StaleDataError("a handling unit was packed meanwhile")
    return Loaded(await unit.get_many(HandlingUnit, root_of), root_of, inside)


_TASKS = text("""
    select t.handling_unit, t.name from put_away_task t
    where t.site = :site and t.handling_unit = any(cast(:units as text[]))
      and t.state in ('PLANNED', 'READY', 'LEASED', 'STARTED', 'WAITING', 'EXCEPTION')
    union all
    select i.handling_unit, i.name from inspection_lot i
    where i.site = :site and i.state in ('CREATED', 'PARTLY_DECIDED') and i.handling_unit = any(cast(:units as text[]))
    order by 2 limit 1
""")


async def ready(unit: Unit, site: str, loaded: Loaded, *, leaves: bool, at: datetime) -> None:
    """Refuse units that are inside others, gone, empty or busy; those that leave the plant also when open."""
    for row in loaded.roots():
        if row.parent_handling_unit:
            raise HandlingUnitNested(handling_unit=row.name, outer=row.parent_handling_unit)
        if row.state not in (State.OPEN, State.CLOSED):
            raise HandlingUnitGone(handling_unit=row.name, state=row.state.value)
        if leaves and row.state is State.OPEN:
            raise HandlingUnitOpen(handling_unit=row.name)
        if not loaded.content(row.name):
            raise FieldInvalid(field="lines.handling_unit", rule="must not be empty", value=row.name)
    if leaves:
        refuse_recent(loaded.rows, at, await _left_elsewhere(unit, loaded.rows.values()))
    if loaded.rows:
        busy = (await unit.execute(_TASKS, {"site": site, "units": sorted(loaded.rows)})).first()
        if busy is not None:
            raise HandlingUnitBusy(handling_unit=busy.handling_unit, task=busy.name)


def refuse_recent(rows: Mapping[str, HandlingUnit], at: datetime, elsewhere: Mapping[str, datetime]) -> None:
    """SsccUsedRecently for a unit that left less than a year ago, from whatever site, and was opened since (MAT-24).

    `elsewhere` is when what bears an SSCC left last, of all sites.
    """
    for row in rows.values():
        left = elsewhere.get(row.sscc)
        if left is not None and at < left + YEAR and not row.unbroken:
            until = left + YEAR
            raise SsccUsedRecently(
                sscc=row.sscc, handling_unit=row.name, ship_time=left.isoformat(), until=until.isoformat()
            )


async def _left_elsewhere(unit: Unit, rows: Iterable[HandlingUnit]) -> dict[str, datetime]:
    """SSCC -> when what bears it left last, from whatever site."""
    codes = sorted({row.sscc for row in rows})
    if not codes:
        return {}
    columns: Any = HandlingUnit
    found = (
        select(columns.sscc, func.max(columns.ship_time).label("left"))
        .where(columns.sscc.in_(codes))
        .group_by(columns.sscc)
    )
    return {row.sscc: row.left for row in await unit.execute(found) if row.left is not None}


async def ship(unit: Unit, rows: Sequence[HandlingUnit], at: datetime) -> None:
    """The units leave the plant, those inside as well; each stands nowhere from now on."""
    for row in rows:
        if row.state is State.OPEN:
            row.close()
    await unit.flush()  # one that is inside a closed one may be open; it leaves closed
    for row in rows:
        row.leave(at)
