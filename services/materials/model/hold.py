"""Holds: independent prohibitions; what one matches may not be used until the last is released (MAT-62 .. MAT-66)."""

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import Boolean, CheckConstraint, Date, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from services.chassis.access import Caller, denied
from services.chassis.faults import FailedPrecondition, SegregationOfDuties
from services.chassis.resource import enum_text, instant
from services.materials.model.base import Resource, Table, listed


class State(StrEnum):
    ACTIVE = "ACTIVE"
    RELEASED = "RELEASED"


class Scope(StrEnum):
    """What kind of thing a hold names; SUPPLIER is an item as one supplier delivered it."""

    LOT = "LOT"
    SERIAL = "SERIAL"
    HANDLING_UNIT = "HANDLING_UNIT"
    LOCATION = "LOCATION"
    SUPPLIER = "SUPPLIER"


class Move(StrEnum):
    """What may be done with stock on hold (MAT-65)."""

    TO_QUALITY = "TO_QUALITY"
    INSIDE_QUALITY = "INSIDE_QUALITY"
    SUPPLIER_RETURN = "SUPPLIER_RETURN"
    SCRAP = "SCRAP"


class LotOnHold(FailedPrecondition):
    """Stock on hold moves only as the hold allows, and nothing that is claimed comes to where it would be held."""

    text = "{what} is on hold by {hold}."


class Hold(Resource, table=True):
    """A prohibition with its scope, its whitelist, who placed it and who releases it."""

    COLLECTION: ClassVar[str] = "holds"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset({(State.ACTIVE, State.RELEASED)})
    FILTERABLE: ClassVar[frozenset[str]] = frozenset(
        {"state", "scope", "item", "lot", "serial", "handling_unit", "location", "supplier"}
    )
    __table_args__ = (
        Index("ix_hold_site", "site", "name"),
        Index("ix_hold_create_time", "site", "create_time"),
        *listed("hold", "state", "scope", "item", "lot", "serial", "handling_unit", "location", "supplier"),
        CheckConstraint(
            "case scope when 'LOT' then lot when 'SERIAL' then serial when 'HANDLING_UNIT' then handling_unit "
            "when 'LOCATION' then location when 'SUPPLIER' then supplier end <> ''",
            name="scope",
        ),
        CheckConstraint("from_date <= to_date", name="window"),
        CheckConstraint("(state = 'RELEASED') = (release_time is not null) and releaser <> person", name="released"),
    )

    scope: Scope = Field(sa_type=enum_text(Scope))
    item: str = Field(default="", sa_type=Text, nullable=False)
    lot: str = Field(default="", sa_type=Text, nullable=False)
    serial: str = Field(default="", sa_type=Text, nullable=False)
    handling_unit: str = Field(default="", sa_type=Text, nullable=False)
    location: str = Field(default="", sa_type=Text, nullable=False)
    supplier: str = Field(default="", sa_type=Text, nullable=False)
    from_date: date | None = Field(default=None, sa_type=Date)
    to_date: date | None = Field(default=None, sa_type=Date)
    include_descendants: bool = Field(default=False, sa_type=Boolean, nullable=False)
    allowed_moves: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), nullable=False)  # type: ignore[call-overload]
    allowed_locations: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), nullable=False)  # type: ignore[call-overload]
    reason: str = Field(sa_type=Text)
    person: str = Field(sa_type=Text)
    release_permission: str = Field(default="", sa_type=Text, nullable=False)
    inspection_lot: str = Field(default="", sa_type=Text, nullable=False)
    state: State = Field(default=State.ACTIVE, sa_type=enum_text(State), nullable=False)
    releaser: str = Field(default="", sa_type=Text, nullable=False)
    release_reason: str = Field(default="", sa_type=Text, nullable=False)
    release_time: datetime | None = Field(default=None, sa_type=instant())
    broken_count: int = Field(default=0, nullable=False)

    def release(self, by: Caller, reason: str, at: datetime, finders: Iterable[str]) -> None:
        """Lift it: by who has the authority, and neither placed it nor recorded the failure (MAT-66)."""
        if self.release_permission and not by.may(self.release_permission, self.site or ""):
            raise denied(self.release_permission)
        if by.name == self.person:
            raise SegregationOfDuties(duty="placing and releasing a hold", earlier_act=by.name)
        if by.name in set(finders):
            raise SegregationOfDuties(duty="recording a failure and releasing the hold on it", earlier_act=by.name)
        self.move(State.RELEASED)
        self.releaser, self.release_reason, self.release_time = by.name, reason, at


class HoldTarget(Table, table=True):
    """What a hold matches: a lot, a serial, an item without either, a handling unit, a place, or one stock."""

    __tablename__ = "hold_target"
    __table_args__ = (
        Index("ix_hold_target_site", "site", "target", postgresql_where=text("active")),
        Index("ix_hold_target_target", "target", postgresql_where=text("active")),
    )

    hold: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("hold.name")])
    target: str = Field(sa_type=Text, primary_key=True)
    site: str = Field(sa_type=Text)
    active: bool


class HeldLot(Resource, table=True):
    """Whether a lot, or an item without lots, is held at a site by any hold, as it was told last."""

    __tablename__ = "held_lot"
    COLLECTION: ClassVar[str] = "heldLots"
    __table_args__ = (Index("ix_held_lot_held", "site", postgresql_where=text("held")),)

    item: str = Field(sa_type=Text)
    lot: str = Field(default="", sa_type=Text, nullable=False)
    held: bool = Field(default=False, nullable=False)
