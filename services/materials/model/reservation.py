"""Reservations: claims on stock that cannot over-allocate or drift (MAT-70 .. MAT-79)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from plantops.materials.v1 import events_pb2 as events
from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, Text, select, text
from sqlmodel import Field, Relationship

from services.chassis.faults import FailedPrecondition
from services.chassis.resource import enum_text, instant
from services.chassis.unit import Unit
from services.chassis.wire import date_message, money, quantity
from services.materials.model.base import Resource, Table, listed
from services.materials.model.item import SiteFact
from services.materials.model.ledger import Posting
from services.materials.rules import allocation as rule
from services.materials.rules import valuation
from services.materials.rules.allocation import Candidate

ZERO = Decimal(0)


class State(StrEnum):
    PENDING = "PENDING"
    ALLOCATED = "ALLOCATED"
    SHORT = "SHORT"
    ISSUED = "ISSUED"
    RELEASED = "RELEASED"


class Cover(StrEnum):
    UNCOVERED = "UNCOVERED"
    COVERED_BY_POLICY = "COVERED_BY_POLICY"
    COVERED_BY_SUPPLY = "COVERED_BY_SUPPLY"


class NotAllocated(FailedPrecondition):
    """More is asked than is allocated there (MAT-79)."""

    reason = "TOLERANCE_EXCEEDED"
    text = "{reservation} has {allocated} {unit_code} allocated at {location}; {asked} were asked."


class NothingIssued(FailedPrecondition):
    """More comes back than was handed out (MAT-48)."""

    reason = "TOLERANCE_EXCEEDED"
    text = "{reservation} has {issued} {unit_code} of lot {lot} handed out; {asked} cannot come back."


class SerialNotIssued(FailedPrecondition):
    """A serial that was not handed out for the reservation, or came back already, does not come back (MAT-16)."""

    text = "{serial} was not handed out for {reservation}."


class LotExpired(FailedPrecondition):
    """The last usable day of the lot has passed (MAT-86)."""

    text = "{lot} was usable until {expire_date}."


PAIRS = frozenset(
    {
        (State.PENDING, State.ALLOCATED),
        (State.PENDING, State.SHORT),
        (State.PENDING, State.RELEASED),
        (State.SHORT, State.PENDING),
        (State.SHORT, State.ALLOCATED),
        (State.SHORT, State.RELEASED),
        (State.ALLOCATED, State.PENDING),
        (State.ALLOCATED, State.SHORT),
        (State.ALLOCATED, State.ISSUED),
        (State.ALLOCATED, State.RELEASED),
        (State.ISSUED, State.PENDING),
    }
)

WAITING = (State.PENDING, State.SHORT)
OPEN = (State.PENDING, State.SHORT, State.ALLOCATED)


class Allocation(Table, table=True):
    """Stock that is taken for a reservation; Σ of a balance's allocations = its reserved (MAT-70)."""

    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        Index("ix_allocation_balance", "balance"),
        Index("ix_allocation_lot", "lot", postgresql_where=text("lot <> ''")),
    )

    reservation: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("reservation.name")])
    balance: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("balance.name")])
    location: str = Field(sa_type=Text)
    lot: str = Field(default="", sa_type=Text, nullable=False)
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    unit_code: str = Field(sa_type=Text)
    serial: str = Field(default="", sa_type=Text, nullable=False)


class Reservation(Resource, table=True):
    """A claim of a work order's demand."""

    COLLECTION: ClassVar[str] = "reservations"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = PAIRS
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"work_order", "item", "state", "cover", "need_time", "priority"})
    __table_args__ = (
        Index("uq_reservation_demand", "work_order", "demand", unique=True),
        Index("ix_reservation_site", "site", "name"),
        *listed("reservation", "item", "state", "cover", "need_time", "priority"),
        Index("ix_reservation_waiting", "site", "item", postgresql_where=text("state in ('PENDING', 'SHORT')")),
        CheckConstraint("requested = issued + allocated + short + released", name="sum"),
        CheckConstraint("issued >= 0 and allocated >= 0 and short >= 0 and released >= 0", name="parts"),
    )

    work_order: str = Field(sa_type=Text)
    demand: str = Field(sa_type=Text)
    demand_version: int
    item: str = Field(sa_type=Text)
    unit_code: str = Field(sa_type=Text)
    requested: Decimal = Field(sa_type=Numeric(20, 6))
    allocated: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    issued: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    short: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    released: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    issued_value: Decimal = Field(default=ZERO, sa_type=Numeric(24, 9), nullable=False)
    need_time: datetime | None = Field(default=None, sa_type=instant())
    delivery_location: str = Field(default="", sa_type=Text, nullable=False)
    priority: int = Field(default=3, nullable=False)
    state: State = Field(default=State.PENDING, sa_type=enum_text(State), nullable=False)
    cover: Cover | None = Field(default=None, sa_type=enum_text(Cover))
    supply: str = Field(default="", sa_type=Text, nullable=False)
    expected_date: date | None = None
    cause: str = Field(default="", sa_type=Text, nullable=False)
    asset: str = Field(default="", sa_type=Text, nullable=False)
    started: bool = Field(default=False, nullable=False)
    allocations: list[Allocation] = Relationship(
        sa_relationship_kwargs={
            "lazy": "selectin", "order_by": "Allocation.location", "cascade": "all, delete-orphan",
        }
    )  # fmt: skip

    def needed_on(self, fact: SiteFact, now: datetime) -> date:
        """The plant's day on which it is needed; today for what is overdue or has no date."""
        return fact.day(max(now, self.need_time) if self.need_time is not None else now)

    @property
    def missing(self) -> Decimal:
        """What is neither issued, allocated nor given back."""
        return self.requested - self.issued - self.allocated - self.released

    def took(self, balance: str, location: str, lot: str, amount: Decimal, serial: str = "") -> None:
        """Note stock that was taken in the balance."""
        row = next((row for row in self.allocations if row.balance == balance), None)
        if row is None:
            self.allocations.append(
                Allocation(
                    reservation=self.name,
                    balance=balance,
                    location=location,
                    lot=lot,
                    quantity=amount,
                    unit_code=self.unit_code,
                    serial=serial,
                )
            )
        else:
            row.quantity += amount
        self.allocated += amount
        self.short = self.missing
        self.touch()

    def gave(self, row: Allocation, amount: Decimal) -> None:
        """Note stock that was given up or handed out of an allocation."""
        if amount >= row.quantity:
            self.allocations.remove(row)
        else:
            row.quantity -= amount
        self.allocated -= amount
        self.short = self.missing
        self.touch()

    def judge(self) -> bool:
        """Move to ALLOCATED, SHORT or ISSUED by what is missing; whether the state changed."""
        self.short = self.missing
        wanted = State.SHORT if self.short > 0 else State.ALLOCATED
        if self.state is wanted:
            return False
        if (self.state, wanted) not in PAIRS:
            self.move(State.PENDING)
        self.move(wanted)
        if wanted is State.ALLOCATED:
            self.cover, self.supply, self.expected_date, self.cause = None, "", None, ""
        return True

    def told_allocated(self) -> events.ReservationAllocated:
        """Fully covered by stock."""
        message = events.ReservationAllocated(
            work_order=self.work_order, demand=self.demand, demand_version=self.demand_version, item=self.item,
            quantity=quantity(self.allocated, self.unit_code),
        )  # fmt: skip
        for row in self.allocations:
            message.allocations.add(
                location=row.location, lot=row.lot, quantity=quantity(row.quantity, self.unit_code), serial=row.serial
            )
        return self.event(message)

    def told_short(self) -> events.ReservationShort:
        """Cover is missing; says what covers the rest."""
        message = events.ReservationShort(
            work_order=self.work_order, demand=self.demand, demand_version=self.demand_version, item=self.item,
            site=f"sites/{self.site}", short_quantity=quantity(self.short, self.unit_code), cause=self.cause,
            cover=self.cover.value if self.cover else "", supply=self.supply, priority=self.priority,
            delivery_location=self.delivery_location,
        )  # fmt: skip
        if self.need_time is not None:
            message.need_time.FromDatetime(self.need_time)
        if self.expected_date is not None:
            message.expected_date.CopyFrom(date_message(self.expected_date))
        return self.event(message)

    def issue(self, taken: Sequence[tuple[Allocation, Decimal]], posting: Posting) -> events.ReservationIssued:
        """Handed out of allocations by a movement; ISSUED when all is."""
        for row, amount in taken:
            self.issued += amount
            self.gave(row, amount)
        self.issued_value += posting.worth
        if self.issued + self.released >= self.requested:
            self.move(State.ISSUED)
        return self._issued(posting, 1)

    def worth(self, amount: Decimal, digits: int) -> Decimal:
        """Value of a part of what was handed out (MAT-46)."""
        return valuation.share(self.issued_value, amount, self.issued, digits)

    def bring_back(self, posting: Posting) -> events.ReservationIssued:
        """Brought back by a movement, at the value it was handed out with; the demand needs it no more."""
        amount = sum((line.quantity for line in posting.lines), ZERO)
        self.issued -= amount
        self.issued_value -= posting.worth
        self.released += amount
        return self._issued(posting, -1)

    def _issued(self, posting: Posting, sign: int) -> events.ReservationIssued:
        amount = sum((line.quantity for line in posting.lines), ZERO) * sign
        message = events.ReservationIssued(
            work_order=self.work_order, demand=self.demand, demand_version=self.demand_version, item=self.item,
            quantity=quantity(amount, self.unit_code), movement=posting.name, lot=posting.lines[0].lot,
            serials=[line.serial for line in posting.lines if line.serial],
        )  # fmt: skip
        if posting.currency_code and all(line.cost is not None for line in posting.lines):
            message.cost.CopyFrom(money(posting.worth * sign, posting.currency_code))
        return self.event(message)

    def release(self, reason: str, by: str) -> events.ReservationReleased:
        """Give the rest back; the caller has given back the allocations."""
        rest = self.missing
        self.released += rest
        self.short = ZERO
        self.move(State.RELEASED)
        return self.event(
            events.ReservationReleased(
                work_order=self.work_order,
                demand=self.demand,
                demand_version=self.demand_version,
                item=self.item,
                quantity=quantity(rest, self.unit_code),
                reason=reason,
                requested_by=by,
            )
        )


_CANDIDATES = text("""
    select b.item, b.name, b.location, b.lot, b.on_hand - b.reserved as free, b.unit_code, lot.expire_date,
           lot.first_receipt_time, l.path_order,
           coalesce(s.minimum_remaining_life_days, i.minimum_remaining_life_days) as life_days, b.serial
    from balance b
    join location l on l.name = b.location and not l.blocked and l.kind <> 'TRANSIT' and not exists (
      select from location_lock k where k.location = l.name and k.direction <> 'INBOUND')
      and not exists (select from bin_lock k where k.location = b.location and k.item = b.item)
    join item i on i.name = b.item
    left join item_settings s on s.site = b.site and s.item = b.item
    left join lot on lot.name = b.lot
    where b.site = :site and b.item = any(cast(:items as text[])) and b.status = 'UNRESTRICTED' and not b.virtual
      and b.on_hand > b.reserved and b.owner = '' and b.project = ''
      and hold_of(b.site, b.item, b.lot, b.serial, b.handling_unit, b.location) is null
""")
_LIFE_DAYS = text("""
    select i.name, coalesce(s.minimum_remaining_life_days, i.minimum_remaining_life_days) as life_days
    from item i left join item_settings s on s.site = :site and s.item = i.name
    where i.name = any(cast(:items as text[]))
""")
_TAKE = text("""
    update balance b set reserved = b.reserved + t.amount, update_time = now()
    from unnest(cast(:names as text[]), cast(:amounts as numeric[])) as t(name, amount)
    where b.name = t.name and b.on_hand - b.reserved >= t.amount returning b.name
""")
_GIVE = text("""
    update balance b set reserved = b.reserved - t.amount, update_time = now()
    from unnest(cast(:names as text[]), cast(:amounts as numeric[])) as t(name, amount)
    where b.name = t.name
""")


async def candidates(unit: Unit, site: str, items: Iterable[str]) -> dict[str, list[Candidate]]:
    """Free unrestricted stock by item, at places that let it out; in one statement."""
    found: dict[str, list[Candidate]] = {}
    for row in await unit.execute(_CANDIDATES, {"site": site, "items": sorted(set(items))}):
        found.setdefault(row.item, []).append(
            Candidate(
                row.name, row.location, row.lot, row.free, row.unit_code, row.expire_date, row.first_receipt_time,
                row.path_order, row.life_days, row.serial,
            )
        )  # fmt: skip
    return found


async def life_days(unit: Unit, site: str, items: Iterable[str]) -> dict[str, int]:
    """Days that a lot of an item must still be usable after the need at a site (MAT-87)."""
    rows = await unit.execute(_LIFE_DAYS, {"site": site, "items": sorted(set(items))})
    return {row.name: row.life_days for row in rows}


async def allocate_all(
    unit: Unit, rows: Sequence[Reservation], free: Mapping[str, list[Candidate]], fact: SiteFact
) -> None:
    """Take free stock for reservations in their order, each balance guarded (MAT-70), with one statement.

    The caller holds the items, so that what is free stays free; `free` keeps what is left of it.
    """
    wanted: list[tuple[Reservation, Candidate, Decimal]] = []
    for row in rows:
        fitting = [found for found in free.get(row.item, []) if found.unit_code == row.unit_code]
        for candidate, amount in rule.plan(fitting, row.missing, row.needed_on(fact, unit.now)):
            candidate.free -= amount
            wanted.append((row, candidate, amount))
    amounts: dict[str, Decimal] = {}
    for _, candidate, amount in wanted:
        amounts[candidate.balance] = amounts.get(candidate.balance, ZERO) + amount
    taken = await take(unit, amounts)
    for row, candidate, amount in wanted:
        if candidate.balance in taken:
            row.took(candidate.balance, candidate.location, candidate.lot, amount, candidate.serial)


async def take(unit: Unit, amounts: Mapping[str, Decimal]) -> set[str]:
    """Raise what is reserved of balances; gives those that had so much free (MAT-70)."""
    if not amounts:
        return set()
    names = sorted(amounts)
    rows = await unit.execute(_TAKE, {"names": names, "amounts": [amounts[name] for name in names]})
    return {row.name for row in rows}


async def give(unit: Unit, amounts: Mapping[str, Decimal]) -> None:
    """Lower what is reserved of balances."""
    names = sorted(amounts)
    if names:
        await unit.execute(_GIVE, {"names": names, "amounts": [amounts[name] for name in names]})


async def give_back(unit: Unit, row: Reservation) -> None:
    """Give all allocations back to their balances."""
    rows = list(row.allocations)
    await give(unit, {allocation.balance: allocation.quantity for allocation in rows})
    for allocation in rows:
        row.gave(allocation, allocation.quantity)


def turn(row: Reservation) -> tuple[int, bool, float, datetime, str]:
    """Whose claim comes first: priority, need, age, name (MAT-78)."""
    need = row.need_time.timestamp() if row.need_time is not None else 0.0
    return row.priority, row.need_time is None, need, row.create_time, row.name


async def waiting(unit: Unit, site: str, items: Iterable[str]) -> list[Reservation]:
    """Reservations that wait for items, by item in the order of their claim (MAT-78); locked."""
    return list(
        await unit.all(
            select(Reservation)
            .where(
                Reservation.site == site,  # type: ignore[arg-type]
                Reservation.item.in_(sorted(set(items))),  # type: ignore[attr-defined]
                Reservation.state.in_(WAITING),  # type: ignore[attr-defined]
            )
            .order_by(
                Reservation.item,
                Reservation.priority,  # type: ignore[arg-type]
                Reservation.need_time.nulls_last(),  # type: ignore[union-attr]
                Reservation.create_time,  # type: ignore[arg-type]
                Reservation.name,
            )
            .with_for_update(of=Reservation)
        )
    )
