"""Reservations: claims on stock that cannot over-allocate or drift (MAT-70 .. MAT-79)."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from plantops.materials.v1 import events_pb2 as events
from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, Numeric, Text, text
from sqlmodel import Field, Relationship

from services.chassis.faults import FailedPrecondition
from services.chassis.resource import enum_text, instant
from services.chassis.wire import date_message, money, quantity
from services.materials.model.base import Resource, Table, listed
from services.materials.model.item import SiteFact
from services.materials.model.ledger import Posting
from services.materials.rules import valuation
from services.materials.rules.allocation import Demand, Rules

ZERO = Decimal(0)


class State(StrEnum):
    PENDING = "PENDING"
    ALLOCATED = "ALLOCATED"
    SHORT = "SHORT"
    ISSUED = "ISSUED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


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
        (State.PENDING, State.EXPIRED),
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
    """A claim of a demand: of a work order, or of another system's order.

    What is missing is `pending` as long as it is soft and can be promised, `supply_covered` when a receipt that is
    expected brings it, else `short`. It is soft, and holds no stock, until `hard_time`. What `alternates` cover is
    `substituted`; each of these is a reservation of the alternate that `substitutes` this one.
    """

    COLLECTION: ClassVar[str] = "reservations"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = PAIRS
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"work_order", "item", "state", "cover", "need_time", "priority"})
    __table_args__ = (
        Index("uq_reservation_demand", "work_order", "demand", unique=True),
        Index("ix_reservation_site", "site", "name"),
        Index("ix_reservation_update_time", "site", "update_time"),
        *listed("reservation", "item", "state", "cover", "need_time", "priority"),
        Index("ix_reservation_waiting", "site", "item", postgresql_where=text("state in ('PENDING', 'SHORT')")),
        CheckConstraint(
            "requested = issued + allocated + supply_covered + pending + short + released + substituted",
            name="adds_up",
        ),
        CheckConstraint(
            "substitute_issued >= 0 and substituted >= substitute_issued and covers >= 0", name="substitutes"
        ),
        CheckConstraint("issued >= 0 and allocated >= 0 and short >= 0 and released >= 0", name="parts"),
        CheckConstraint("supply_covered >= 0 and pending >= 0 and over_issued >= 0", name="covers"),
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
    pending: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    supply_covered: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    over_issued: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    hard_time: datetime | None = Field(default=None, sa_type=instant())
    expire_time: datetime | None = Field(default=None, sa_type=instant())
    demand_kind: str = Field(default="WORK_ORDER", sa_type=Text, nullable=False)
    source_system: str = Field(default="", sa_type=Text, nullable=False)
    external_id: str = Field(default="", sa_type=Text, nullable=False)
    lot: str = Field(default="", sa_type=Text, nullable=False)
    owner: str = Field(default="", sa_type=Text, nullable=False)
    minimum_remaining_life_days: int | None = None
    decision: str = Field(default="", sa_type=Text, nullable=False)
    allow_alternates: bool = Field(default=False, nullable=False)
    substitutes: str = Field(default="", sa_type=Text, nullable=False)
    substituted: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    substitute_issued: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    covers: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    numerator: int = Field(default=1, sa_type=BigInteger, nullable=False)
    denominator: int = Field(default=1, sa_type=BigInteger, nullable=False)
    alternates: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), nullable=False)  # type: ignore[call-overload]
    allocations: list[Allocation] = Relationship(
        sa_relationship_kwargs={
            "lazy": "selectin", "order_by": "Allocation.location", "cascade": "all, delete-orphan",
        }
    )  # fmt: skip

    def needed_on(self, fact: SiteFact, now: datetime) -> date:
        """The plant's day on which it is needed; today for what is overdue or has no date."""
        return fact.day(max(now, self.need_time) if self.need_time is not None else now)

    def soft(self, now: datetime) -> bool:
        """Whether it holds no stock yet (MAT-76)."""
        return self.hard_time is not None and self.hard_time > now

    def schedule(self, rules: Rules, now: datetime) -> None:
        """Soft until the policy's window before the need, and for how long; hard at once without one (MAT-76)."""
        self.hard_time = self.expire_time = None
        if rules.window_hours is None or self.need_time is None:
            return
        hard_time = self.need_time - timedelta(hours=rules.window_hours)
        if hard_time > now:
            self.hard_time = hard_time
            if rules.soft_life_hours is not None and not self.substituted:  # alternates hold stock for it
                self.expire_time = (self.create_time or now) + timedelta(hours=rules.soft_life_hours)

    def demand_on(self, fact: SiteFact, now: datetime, rules: Rules, path: int | None = None) -> Demand:
        """What it needs as the rules of allocation see it."""
        life = self.minimum_remaining_life_days
        return Demand(
            reservation=self.name, needed=self.missing, unit_code=self.unit_code, day=self.needed_on(fact, now),
            life_days=rules.minimum_lives.get(self.demand_kind) if life is None else life, lot=self.lot,
            owner=self.owner, path=path,
        )  # fmt: skip

    @property
    def missing(self) -> Decimal:
        """What is neither issued, allocated, covered by alternates nor given back."""
        return self.requested - self.issued - self.allocated - self.released - self.substituted

    @property
    def done(self) -> bool:
        """Whether all that was not given back is handed out, by alternates too."""
        return self.issued + self.substitute_issued + self.released >= self.requested

    def share(self, *, pending: Decimal = ZERO, supply_covered: Decimal = ZERO) -> None:
        """Say what is missing anew: promised, covered by what is expected, and the rest short (MAT-71)."""
        rest = self.missing
        self.pending = min(pending, rest)
        self.supply_covered = min(supply_covered, rest - self.pending)
        self.short = rest - self.pending - self.supply_covered

    def cover_by(self, cover: Cover | None, supply: str = "", expected_date: date | None = None) -> None:
        """Say what covers what is missing."""
        self.cover, self.supply, self.expected_date = cover, supply, expected_date
        self.share(pending=self.pending, supply_covered=self.missing if cover is Cover.COVERED_BY_SUPPLY else ZERO)

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
        self.share(pending=self.pending, supply_covered=self.supply_covered)
        self.touch()

    def gave(self, row: Allocation, amount: Decimal) -> None:
        """Note stock that was given up or handed out of an allocation."""
        if amount >= row.quantity:
            self.allocations.remove(row)
        else:
            row.quantity -= amount
        self.allocated -= amount
        self.share(pending=self.pending, supply_covered=self.supply_covered)
        self.touch()

    def judge(self) -> bool:
        """Move to ALLOCATED, SHORT, or PENDING where it is promised, by what is missing; whether the state changed."""
        self.share(pending=self.pending, supply_covered=self.supply_covered)
        wanted = State.ALLOCATED if self.missing <= 0 else State.SHORT
        if 0 < self.missing == self.pending:
            wanted = State.PENDING
        if self.state is wanted:
            return False
        if (self.state, wanted) not in PAIRS:
            self.move(State.PENDING)
        if self.state is not wanted:
            self.move(wanted)
        if wanted is not State.SHORT:
            self.cover, self.supply, self.expected_date, self.cause = None, "", None, ""
        return True

    def told_allocated(self) -> events.ReservationAllocated:
        """Fully covered by stock."""
        message = events.ReservationAllocated(
            work_order=self.work_order, demand=self.demand, demand_version=self.demand_version, item=self.item,
            quantity=quantity(self.allocated + self.substituted - self.substitute_issued, self.unit_code),
            alternates=self.alternates,
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
            site=f"sites/{self.site}", cause=self.cause,
            short_quantity=quantity(self.short + self.supply_covered, self.unit_code),
            cover=self.cover.value if self.cover else "", supply=self.supply, priority=self.priority,
            delivery_location=self.delivery_location,
        )  # fmt: skip
        if self.need_time is not None:
            message.need_time.FromDatetime(self.need_time)
        if self.expected_date is not None:
            message.expected_date.CopyFrom(date_message(self.expected_date))
        return self.event(message)

    def issue(
        self, taken: Sequence[tuple[Allocation, Decimal]], posting: Posting, extra: Decimal = ZERO
    ) -> events.ReservationIssued:
        """Handed out of allocations by a movement, and so much beyond; ISSUED when all is."""
        self.requested += extra
        self.over_issued += extra
        self.issued += extra
        for row, amount in taken:
            self.issued += amount
            self.gave(row, amount)
        self.issued_value += posting.worth
        if self.done:
            self.move(State.ISSUED)
        return self.told_issued(posting, 1)

    def worth(self, amount: Decimal, digits: int) -> Decimal:
        """Value of a part of what was handed out (MAT-46)."""
        return valuation.share(self.issued_value, amount, self.issued, digits)

    def bring_back(self, posting: Posting) -> events.ReservationIssued:
        """Brought back by a movement, at the value it was handed out with; the demand needs it no more."""
        amount = sum((line.quantity for line in posting.lines), ZERO)
        self.issued -= amount
        self.issued_value -= posting.worth
        self.released += amount
        return self.told_issued(posting, -1)

    def told_issued(self, posting: Posting, sign: int) -> events.ReservationIssued:
        """Handed out, or brought back, by a movement."""
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
        return self._released(State.RELEASED, reason, by)

    def expire(self, by: str) -> events.ReservationReleased:
        """A soft claim has reached the end of its life (MAT-76)."""
        state = State.EXPIRED if self.state is State.PENDING else State.RELEASED
        return self._released(state, "it has expired", by)

    def _released(self, state: State, reason: str, by: str) -> events.ReservationReleased:
        rest = self.missing
        self.released += rest
        self.share()
        self.move(state)
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
