"""The ledger: movements with their entries, and balances and values that follow (MAT-40 .. 58, 180, 181).

All of it is written by the posting function alone (ledger.py).
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar, Optional

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Numeric, Text, or_, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, Relationship

from services.chassis.faults import FailedPrecondition
from services.chassis.resource import enum_text, instant
from services.materials.model.base import Resource, Table, listed, unusual


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
    PRODUCE = "PRODUCE"
    CONSUME = "CONSUME"
    REPACK = "REPACK"
    TRANSFER_SHIP = "TRANSFER_SHIP"
    TRANSFER_RECEIVE = "TRANSFER_RECEIVE"
    SHIP = "SHIP"
    RETURN_FROM_CUSTOMER = "RETURN_FROM_CUSTOMER"
    RETURN_TO_SUPPLIER = "RETURN_TO_SUPPLIER"
    OWNER_CHANGE = "OWNER_CHANGE"
    REVALUE = "REVALUE"
    PICK = "PICK"


class Status(StrEnum):
    UNRESTRICTED = "UNRESTRICTED"
    INSPECTION = "INSPECTION"
    BLOCKED = "BLOCKED"
    REWORK = "REWORK"
    SUPPLIER_RETURN = "SUPPLIER_RETURN"
    CUSTOMER_RETURN = "CUSTOMER_RETURN"


class ValuationMethod(StrEnum):
    """How an item's stock at a site is valued (MAT-181, MAT-183)."""

    MOVING_AVERAGE = "MOVING_AVERAGE"
    FIFO = "FIFO"


class AlreadyReversed(FailedPrecondition):
    """A movement is reversed at most once, and a reversal not at all (MAT-46)."""

    text = "{movement} cannot be reversed: {why}."


class PeriodClosed(FailedPrecondition):
    """It happened in a period that is closed (MAT-197)."""

    text = "The ledger of {site} is closed for that time; the first open day is {first_open_date}."


class BelongsToDocument(FailedPrecondition):
    """A document's movement is taken back through the document, so that both say the same (MAT-99)."""

    text = "{movement} belongs to {document} and is taken back through it."


class StockMovedOn(FailedPrecondition):
    """What came in was decided on, claimed or moved away already (MAT-47, MAT-99)."""

    text = "{resource} cannot be reversed: {why}."


class Entry(Table, table=True):
    """What a line of a movement takes from one balance (odd sides) or brings to another (even sides).

    `item_sequence` numbers the entries of an item at a site without a hole; with the effective time it is the order
    of replay (MAT-42, MAT-49). `value` is what crosses the border of what the company owns, else None.
    """

    __tablename__ = "movement_entry"
    __table_args__ = (
        Index("ix_movement_entry_balance", "balance", "effective_time", "item_sequence"),
        Index("uq_movement_entry_sequence", "site", "item", "item_sequence", unique=True),
        Index("ix_movement_entry_serial", "serial", "item_sequence", postgresql_where=text("serial <> ''")),
        CheckConstraint("quantity <> 0 or coalesce(second_quantity, 0) <> 0", name="quantity"),
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
    site: str = Field(default="", sa_type=Text, nullable=False)
    balance: str = Field(default="", sa_type=Text, nullable=False)
    serial: str = Field(default="", sa_type=Text, nullable=False)
    handling_unit: str = Field(default="", sa_type=Text, nullable=False)
    owner: str = Field(default="", sa_type=Text, nullable=False)
    project: str = Field(default="", sa_type=Text, nullable=False)
    second_quantity: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    second_quantity_unit_code: str = Field(default="", sa_type=Text, nullable=False)
    entered_quantity: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    entered_quantity_unit_code: str = Field(default="", sa_type=Text, nullable=False)
    factor_numerator: int = Field(default=1, sa_type=BigInteger, nullable=False)
    factor_denominator: int = Field(default=1, sa_type=BigInteger, nullable=False)
    value: Decimal | None = Field(default=None, sa_type=Numeric(24, 9))
    returns: str = Field(default="", sa_type=Text, nullable=False)
    item_sequence: int = Field(default=0, sa_type=BigInteger, nullable=False)
    posted: "Movement" = Relationship(sa_relationship_kwargs={"viewonly": True})

    @property
    def value_currency_code(self) -> str:
        """Currency of the value: its movement's."""
        return self.posted.cost_currency_code


class Movement(Resource, table=True):
    """A posted fact; item, places and quantity are those of a movement of one line, empty for one of several."""

    COLLECTION: ClassVar[str] = "movements"
    USUAL: ClassVar[dict[str, str]] = {
        "lot": "", "source": "", "from_status": "UNRESTRICTED", "to_status": "UNRESTRICTED"
    }  # fmt: skip
    """What nearly all movements hold is found in the order of names, and its index costs a posting nothing (PERF-7)."""
    FILTERABLE: ClassVar[frozenset[str]] = frozenset(
        {
            "kind", "item", "lot", "from_location", "to_location", "from_status", "to_status", "source",
            "effective_time", "record_time", "actor",
        }
    )  # fmt: skip
    __table_args__ = (
        Index("ix_movement_site", "site", "name"),
        *listed("movement", "kind", "item", "from_location", "to_location", "effective_time", "record_time", "actor"),
        *(unusual("movement", column, usual) for column, usual in USUAL.items()),
        Index("ix_movement_xid", "site", "xid"),
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

    serial: str = Field(default="", sa_type=Text, nullable=False)
    device: str = Field(default="", sa_type=Text, nullable=False)
    xid: int | None = Field(default=None, sa_type=BigInteger)
    seal: Optional["Seal"] = Relationship(
        sa_relationship_kwargs={"lazy": "selectin", "viewonly": True, "uselist": False}
    )
    entries: list[Entry] = Relationship(
        sa_relationship_kwargs={"lazy": "selectin", "order_by": "Entry.side", "viewonly": True}
    )

    @property
    def second_quantity(self) -> Decimal | None:
        """Second quantity of a movement of one line."""
        return self.entries[1].second_quantity if len(self.entries) == 2 else None

    @property
    def second_quantity_unit_code(self) -> str:
        """Its unit."""
        return self.entries[1].second_quantity_unit_code if len(self.entries) == 2 else ""

    @property
    def from_handling_unit(self) -> str:
        """Unit that the stock of a movement of one line came out of."""
        return self.entries[0].handling_unit if len(self.entries) == 2 else ""

    @property
    def to_handling_unit(self) -> str:
        """Unit that the stock of a movement of one line went into."""
        return self.entries[1].handling_unit if len(self.entries) == 2 else ""

    @property
    def owner(self) -> str:
        """Owner of the stock of a movement of one line, who is so on both sides."""
        return self.entries[0].owner if len(self.entries) == 2 else ""

    @property
    def returns(self) -> str:
        """The loss that it brings back."""
        return self.entries[0].returns if self.entries else ""

    @property
    def ledger_number(self) -> int:
        """Its number in the ledger of the site; 0 until it is sealed, some seconds after it was posted."""
        return self.seal.ledger_number if self.seal is not None else 0

    @property
    def hash(self) -> str:
        """SHA-256 over it and all before, as hexadecimal digits; empty until it is sealed."""
        return self.seal.hash.hex() if self.seal is not None else ""

    @property
    def lines(self) -> Sequence["Pair"]:
        """Both sides of each line."""
        return [Pair(*self.entries[at : at + 2]) for at in range(0, len(self.entries), 2)]


class Seal(Table, table=True):
    """Place of a movement in its site's ledger: a number without a hole, and a hash over all before (MAT-43)."""

    __tablename__ = "ledger_seal"
    __table_args__ = (
        Index("uq_ledger_seal_movement", "movement", unique=True),
        Index("ix_ledger_seal_seal_time", "site", "seal_time"),
    )

    site: str = Field(sa_type=Text, primary_key=True)
    ledger_number: int = Field(sa_type=BigInteger, primary_key=True)
    movement: str = Field(sa_type=Text, sa_column_args=[ForeignKey("movement.name")])
    form: int
    hash: bytes
    seal_time: datetime = Field(sa_type=instant())


class Head(Table, table=True):
    """How far a site's ledger is sealed: up to transactions before the horizon; its row is the sealer's lock."""

    __tablename__ = "ledger_head"

    site: str = Field(sa_type=Text, primary_key=True)
    horizon: int = Field(sa_type=BigInteger)


class Pair:
    """What leaves and what comes of one line."""

    def __init__(self, out: Entry, into: Entry) -> None:
        self.out = out
        self.into = into


class Balance(Table, table=True):
    """Stock of one item, lot, serial, place, handling unit, status, owner and project (MAT-44).

    Changed by the posting function, and its reserved part by allocation. The name is made of what it stands for.
    """

    COLLECTION: ClassVar[str] = "balances"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset(
        {"item", "location", "lot", "status", "handling_unit", "on_hand", "reserved"}
    )
    __table_args__ = (
        CheckConstraint(
            "virtual or ((negative_allowed or on_hand >= 0) and coalesce(second_on_hand, 0) >= 0)", name="on_hand"
        ),
        CheckConstraint(
            "virtual or (reserved >= 0 and (reserved <= on_hand or (negative_allowed and reserved = 0)))",
            name="reserved",
        ),
        Index(
            "uq_balance_dimensions",
            "item",
            "location",
            "lot",
            "status",
            "serial",
            "handling_unit",
            "owner",
            "project",
            unique=True,
        ),
        Index("ix_balance_site", "site", "name"),
        *listed("balance", "item", "location", "lot", "status", "handling_unit"),
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
    serial: str = Field(default="", sa_type=Text, nullable=False)
    handling_unit: str = Field(default="", sa_type=Text, nullable=False)
    owner: str = Field(default="", sa_type=Text, nullable=False)
    project: str = Field(default="", sa_type=Text, nullable=False)
    second_on_hand: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    second_on_hand_unit_code: str = Field(default="", sa_type=Text, nullable=False)
    negative_allowed: bool = Field(default=False, nullable=False)


THERE = or_(Balance.on_hand != 0, Balance.second_on_hand != 0)  # type: ignore[arg-type]
"""Something is there, be it weight alone (MAT-9)."""


class ValueBalance(Table, table=True):
    """Quantity and value of an item at a site; its row is also the lock of the item's stock.

    `sequence` is the number of the item's last entry there; `variance` is what movements at a value of their own left
    without quantity to carry it. Quantity and value are below 0 only while a place of the item is (MAT-55).
    """

    __tablename__ = "value_balance"
    __table_args__ = (
        CheckConstraint("negative_allowed or quantity >= 0", name="quantity"),
        CheckConstraint(
            "(quantity > 0 and value >= 0) or (quantity = 0 and value = 0) or (quantity < 0 and value <= 0)",
            name="value",
        ),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    site: str = Field(sa_type=Text, primary_key=True)
    item: str = Field(sa_type=Text, primary_key=True)
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    value: Decimal = Field(sa_type=Numeric(24, 9))
    variance: Decimal = Field(sa_type=Numeric(24, 9))
    currency_code: str = Field(sa_type=Text)
    sequence: int = Field(default=0, sa_type=BigInteger, nullable=False)
    valuation_method: ValuationMethod = Field(
        default=ValuationMethod.MOVING_AVERAGE, sa_type=enum_text(ValuationMethod), nullable=False
    )
    negative_allowed: bool = Field(default=False, nullable=False)


class Revaluation(Table, table=True):
    """A movement of kind REVALUE: so much more value of the stock, so much more variance, the rest from outside.

    It is effective when it is posted. `since` is the instant that its cause was effective, `issues` are the movements
    whose value would be another one.
    """

    __tablename__ = "revaluation"
    __table_args__ = (Index("ix_revaluation_item", "site", "item", "effective_time"),)

    movement: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("movement.name")])
    site: str = Field(sa_type=Text)
    item: str = Field(sa_type=Text)
    cause: str = Field(sa_type=Text)
    effective_time: datetime = Field(sa_type=instant())
    record_time: datetime = Field(sa_type=instant())
    since: datetime = Field(sa_type=instant())
    value: Decimal = Field(sa_type=Numeric(24, 9))
    variance: Decimal = Field(sa_type=Numeric(24, 9))
    currency_code: str = Field(sa_type=Text)
    issues: list[str] = Field(sa_type=ARRAY(Text))  # type: ignore[call-overload]


class ValueVariance(Table, table=True):
    """What an entry at a given value left without quantity to carry it; written by the posting function alone."""

    __tablename__ = "value_variance"

    site: str = Field(sa_type=Text, primary_key=True)
    item: str = Field(sa_type=Text, primary_key=True)
    sequence: int = Field(sa_type=BigInteger, primary_key=True)
    amount: Decimal = Field(sa_type=Numeric(24, 9))
