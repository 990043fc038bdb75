"""The ledger: movements posted by one database function, balances and values that follow (MAT-40 .. 58, 180, 181)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from plantops.materials.v1.events_pb2 import MovementPosted
from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, Text, text
from sqlmodel import Field

from services.chassis.db import json_text
from services.chassis.faults import FailedPrecondition
from services.chassis.resource import enum_text, instant
from services.chassis.unit import Unit
from services.chassis.wire import canonical, quantity
from services.materials.model.base import Resource, Table, listed
from services.materials.model.location import LocationLocked


class MovementKind(StrEnum):
    RECEIPT = "RECEIPT"
    MOVE = "MOVE"
    STATUS_CHANGE = "STATUS_CHANGE"
    ISSUE = "ISSUE"
    RETURN_TO_STOCK = "RETURN_TO_STOCK"
    SCRAP = "SCRAP"
    ADJUST = "ADJUST"
    OPENING = "OPENING"
    REVERSAL = "REVERSAL"


class Status(StrEnum):
    UNRESTRICTED = "UNRESTRICTED"
    INSPECTION = "INSPECTION"
    BLOCKED = "BLOCKED"


class NotEnoughStock(FailedPrecondition):
    """Less is available than was asked (MAT-70)."""

    text = "Only {available} {unit_code} of {item} are available at {location}; {asked} were asked."


class NegativeInPast(FailedPrecondition):
    """A backdated posting would make a later balance negative (MAT-56)."""

    text = "At {location} there were only {available} {unit_code} of {item} since then; {asked} were asked."


class AlreadyReversed(FailedPrecondition):
    """A movement is reversed at most once, and a reversal not at all (MAT-46)."""

    text = "{movement} cannot be reversed: {why}."


class BelongsToDocument(FailedPrecondition):
    """A document's movement is taken back through the document, so that both say the same (MAT-99)."""

    text = "{movement} belongs to {document} and is taken back through it."


class StockMovedOn(FailedPrecondition):
    """What came in was decided on, claimed or moved away already (MAT-47, MAT-99)."""

    text = "{resource} cannot be reversed: {why}."


class Entry(Table, table=True):
    """One side of a movement."""

    __tablename__ = "movement_entry"
    __table_args__ = (
        Index("ix_movement_entry_key", "item", "location", "lot", "status", "effective_time"),
        CheckConstraint("quantity <> 0", name="quantity"),
    )

    movement: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("movement.name")])
    side: int = Field(primary_key=True)
    item: str = Field(sa_type=Text)
    lot: str = Field(default="", sa_type=Text, nullable=False)
    location: str = Field(sa_type=Text)
    status: Status = Field(sa_type=enum_text(Status))
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    unit_code: str = Field(sa_type=Text)
    effective_time: datetime = Field(sa_type=instant())


class Movement(Resource, table=True):
    """A posted fact."""

    COLLECTION: ClassVar[str] = "movements"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset(
        {
            "kind", "item", "lot", "from_location", "to_location", "from_status", "to_status", "source",
            "effective_time", "record_time", "actor",
        }
    )  # fmt: skip
    __table_args__ = (
        Index("ix_movement_site", "site", "name"),
        *listed(
            "movement", "kind", "item", "lot", "from_location", "to_location", "from_status", "to_status",
            "effective_time", "record_time", "actor",
        ),
        Index("ix_movement_source", "source", "name"),
        Index("uq_movement_reverses", "reverses", unique=True, postgresql_where=text("reverses <> ''")),
    )  # fmt: skip

    kind: MovementKind = Field(sa_type=enum_text(MovementKind))
    item: str = Field(sa_type=Text)
    lot: str = Field(default="", sa_type=Text, nullable=False)
    from_location: str = Field(sa_type=Text)
    to_location: str = Field(sa_type=Text)
    from_status: Status = Field(sa_type=enum_text(Status))
    to_status: Status = Field(sa_type=enum_text(Status))
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    unit_code: str = Field(sa_type=Text)
    effective_time: datetime = Field(sa_type=instant())
    record_time: datetime = Field(sa_type=instant())
    reason_code: str = Field(default="", sa_type=Text, nullable=False)
    source: str = Field(default="", sa_type=Text, nullable=False)
    actor: str = Field(sa_type=Text)
    reverses: str = Field(default="", sa_type=Text, nullable=False)
    cost: Decimal | None = Field(default=None, sa_type=Numeric(24, 9))
    cost_currency_code: str = Field(default="", sa_type=Text, nullable=False)

    @property
    def entries(self) -> list["Side"]:
        """Both sides, as the posting function wrote them: what leaves and what comes, summing to zero."""
        sides = ((self.from_location, self.from_status, -1), (self.to_location, self.to_status, 1))
        return [
            Side(self.item, self.lot, location, status, self.quantity * sign, self.unit_code)
            for location, status, sign in sides
        ]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a movement; negative = it leaves."""

    item: str
    lot: str
    location: str
    status: Status
    quantity: Decimal
    unit_code: str


class Balance(Table, table=True):
    """Stock of one item, lot, place and status; changed by the posting function and by allocation only."""

    COLLECTION: ClassVar[str] = "balances"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"item", "location", "lot", "status", "on_hand", "reserved"})
    __table_args__ = (
        CheckConstraint("virtual or on_hand >= 0", name="on_hand"),
        CheckConstraint("virtual or (reserved >= 0 and reserved <= on_hand)", name="reserved"),
        Index("uq_balance_key", "item", "location", "lot", "status", unique=True),
        Index("ix_balance_site", "site", "name"),
        *listed("balance", "item", "location", "lot", "status"),
        # room for changed rows beside the old ones, and no index on what postings change (PERF-7)
        {"postgresql_with": {"fillfactor": "70"}},
    )

    name: str = Field(sa_type=Text, primary_key=True)
    site: str = Field(sa_type=Text)
    item: str = Field(sa_type=Text)
    lot: str = Field(sa_type=Text)
    location: str = Field(sa_type=Text)
    status: Status = Field(sa_type=enum_text(Status))
    virtual: bool
    on_hand: Decimal = Field(sa_type=Numeric(20, 6))
    reserved: Decimal = Field(sa_type=Numeric(20, 6))
    unit_code: str = Field(sa_type=Text)
    update_time: datetime = Field(sa_type=instant())


class ValueBalance(Table, table=True):
    """Quantity and value of an item at a site, by moving average; its row is also the lock of the item's stock.

    `variance` is what reversals at original cost left without quantity to carry it.
    """

    __tablename__ = "value_balance"
    __table_args__ = (
        CheckConstraint("quantity >= 0", name="quantity"),
        CheckConstraint("value >= 0 and (quantity > 0 or value = 0)", name="value"),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    site: str = Field(sa_type=Text, primary_key=True)
    item: str = Field(sa_type=Text, primary_key=True)
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    value: Decimal = Field(sa_type=Numeric(24, 9))
    variance: Decimal = Field(sa_type=Numeric(24, 9))
    currency_code: str = Field(sa_type=Text)


@dataclass(slots=True)
class Posting:
    """One movement to post; `allocated` takes stock that is reserved for whoever posts it.

    `cost` is a given value, `standard_cost` that of one base unit; without them the stock's average counts. After
    posting `cost`, `currency_code` and `effective_time` say what was written, or `fault` why nothing was.
    """

    name: str
    kind: MovementKind
    item: str
    from_location: str
    to_location: str
    quantity: Decimal
    unit_code: str
    lot: str = ""
    from_status: Status = Status.UNRESTRICTED
    to_status: Status = Status.UNRESTRICTED
    from_virtual: bool = False
    to_virtual: bool = False
    allocated: Decimal = Decimal(0)
    effective_time: datetime | None = None
    reason_code: str = ""
    source: str = ""
    reverses: str = ""
    correlation: str = ""
    cost: Decimal | None = None
    standard_cost: Decimal | None = None
    currency_code: str = ""
    fault: FailedPrecondition | None = field(default=None, compare=False)

    @property
    def adds_free_stock(self) -> bool:
        """Whether it makes stock available that was not."""
        was_free = not self.from_virtual and self.from_status is Status.UNRESTRICTED
        return not self.to_virtual and self.to_status is Status.UNRESTRICTED and not was_free

    @property
    def loses_stock(self) -> bool:
        """Whether stock is gone that no demand had asked for."""
        return self.to_virtual and not self.from_virtual and self.kind is not MovementKind.ISSUE


_HOLD = text("select hold_items(:site, cast(:items as text[]))")
_POST = text("select * from post_movements(:site, :actor, cast(:postings as jsonb))")


async def hold(unit: Unit, site: str, items: Iterable[str]) -> None:
    """Take the lock of items' stock at a site, in one order, before documents and balances (MAT-74, PERF-4)."""
    wanted = sorted(set(items))
    if wanted:
        await unit.execute(_HOLD, {"site": site, "items": wanted})


async def post(unit: Unit, site: str, postings: Sequence[Posting]) -> None:
    """Post movements with one statement, whatever their number; each sees those before it (MAT-50, PERF-1, PERF-3).

    What is refused gets its fault, the others are in the ledger. `tell` has to follow.
    """
    if not postings:
        return
    await unit.flush()
    rows = await unit.execute(
        _POST,
        {
            "site": site,
            "actor": unit.caller.name,
            "postings": json_text(list(map(_row, range(len(postings)), postings))),
        },
    )
    for item, row in zip(postings, rows, strict=True):
        if row.outcome == "POSTED":
            item.effective_time = row.effective
            item.cost, item.currency_code = row.worth, row.currency
        else:
            item.fault = _fault(item, row)


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
            unit.emit(_told(item), correlation=item.correlation)
            unit.audit(item.name, "", None, {"kind": item.kind.value, "quantity": item.quantity}, 1)


def _fault(item: Posting, row: Any) -> FailedPrecondition:
    if row.outcome == "LOCATION_LOCKED":
        return LocationLocked(location=row.place, why="blocked")
    if row.outcome == "ALREADY_REVERSED":
        return AlreadyReversed(movement=item.reverses, why="it was reversed before")
    kind = NegativeInPast if row.outcome == "NEGATIVE_IN_PAST" else NotEnoughStock
    return kind(
        available=canonical(max(row.available, Decimal(0))), unit_code=item.unit_code, item=item.item, lot=item.lot,
        location=item.from_location, status=item.from_status.value, asked=canonical(item.quantity),
    )  # fmt: skip


def _row(number: int, item: Posting) -> dict[str, Any]:
    return {
        "n": number, "name": item.name, "kind": item.kind, "item": item.item, "lot": item.lot,
        "from_location": item.from_location, "to_location": item.to_location,
        "from_status": item.from_status, "to_status": item.to_status,
        "from_virtual": item.from_virtual, "to_virtual": item.to_virtual,
        "quantity": item.quantity, "allocated": item.allocated, "unit_code": item.unit_code,
        "effective_time": item.effective_time, "reason_code": item.reason_code, "source": item.source,
        "reverses": item.reverses, "correlation": item.correlation, "cost": item.cost,
        "standard_cost": item.standard_cost,
    }  # fmt: skip


def _told(item: Posting) -> MovementPosted:
    message = MovementPosted(movement=item.name, kind=item.kind.value, source=item.source, reverses=item.reverses)
    if item.effective_time is not None:
        message.effective_time.FromDatetime(item.effective_time)
    for location, status, sign in (
        (item.from_location, item.from_status, -1),
        (item.to_location, item.to_status, 1),
    ):
        message.entries.add(
            item=item.item, lot=item.lot, location=location, status=status.value,
            quantity=quantity(item.quantity * sign, item.unit_code),
        )  # fmt: skip
    return message
