"""Inspection lots: goods that wait for a usage decision, and what is decided on them (MAT-202)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from plantops.materials.v1 import events_pb2 as events
from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from services.chassis.faults import FieldInvalid
from services.chassis.resource import enum_text
from services.chassis.wire import canonical, quantity
from services.materials.model.base import Resource, listed
from services.materials.model.ledger import Entered

ZERO = Decimal(0)


class LotState(StrEnum):
    CREATED = "CREATED"
    PARTLY_DECIDED = "PARTLY_DECIDED"
    DECIDED = "DECIDED"
    CANCELLED = "CANCELLED"


OPEN_LOTS = (LotState.CREATED, LotState.PARTLY_DECIDED)


class Outcome(StrEnum):
    UNRESTRICTED = "UNRESTRICTED"
    BLOCKED = "BLOCKED"
    SCRAP = "SCRAP"
    REWORK = "REWORK"
    SUPPLIER_RETURN = "SUPPLIER_RETURN"


@dataclass(frozen=True, slots=True)
class Part:
    """What is decided on a part of an inspection lot; `second` is its second quantity, None without catch weight."""

    outcome: Outcome
    quantity: Decimal
    note: str
    entered: Entered
    second: Decimal | None = None
    serials: Sequence[str] = ()


class InspectionLot(Resource, table=True):
    """Goods that wait for a usage decision."""

    __tablename__ = "inspection_lot"
    COLLECTION: ClassVar[str] = "inspectionLots"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset(
        {
            (LotState.CREATED, LotState.PARTLY_DECIDED),
            (LotState.CREATED, LotState.DECIDED),
            (LotState.PARTLY_DECIDED, LotState.DECIDED),
            (LotState.CREATED, LotState.CANCELLED),
        }
    )
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"item", "supplier", "state", "receipt", "purchase_order"})
    __table_args__ = (
        Index("ix_inspection_lot_site", "site", "name"),
        *listed("inspection_lot", "item", "supplier", "state", "purchase_order"),
        CheckConstraint("decided >= 0 and decided <= quantity", name="decided"),
    )

    item: str = Field(sa_type=Text)
    lot: str = Field(default="", sa_type=Text, nullable=False)
    location: str = Field(sa_type=Text)
    receipt: str = Field(sa_type=Text, sa_column_args=[ForeignKey("receipt.name")], index=True)
    receipt_line: int
    purchase_order: str = Field(default="", sa_type=Text, nullable=False)
    order_line: int = Field(default=0, nullable=False)
    supplier: str = Field(sa_type=Text)
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    decided: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    unit_code: str = Field(sa_type=Text)
    second_quantity: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    second_quantity_unit_code: str = Field(default="", sa_type=Text, nullable=False)
    second_decided: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    second_decided_unit_code: str = Field(default="", sa_type=Text, nullable=False)
    state: LotState = Field(default=LotState.CREATED, sa_type=enum_text(LotState), nullable=False)
    splits: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    serials: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), nullable=False)  # type: ignore[call-overload]
    handling_unit: str = Field(default="", sa_type=Text, nullable=False)
    owner: str = Field(default="", sa_type=Text, nullable=False)

    @property
    def undecided(self) -> set[str]:
        """Serials that wait."""
        return set(self.serials) - {serial for split in self.splits for serial in split.get("serials", ())}

    def decide(self, parts: Sequence[Part], by: str, at: datetime) -> events.InspectionDecided:
        """Decide on parts; the sum may not pass the lot's quantity and closes it (MAT-202).

        Of catch weight both quantities are split, and the last part takes what is left of both (MAT-9).
        """
        if self.state not in OPEN_LOTS:
            self.move(LotState.DECIDED)
        total = sum((part.quantity for part in parts), ZERO)
        if any(part.quantity <= 0 for part in parts):
            raise FieldInvalid(field="splits.quantity.value", rule="must be more than 0")
        decided = [serial for part in parts for serial in part.serials]
        if not set(decided) <= self.undecided or len(set(decided)) != len(decided):
            raise FieldInvalid(
                field="splits.serials", rule="name serials of the lot that wait, each once", value=decided
            )
        if self.decided + total > self.quantity:
            left = canonical(self.quantity - self.decided)
            raise FieldInvalid(field="splits", rule=f"sum to more than the {left} left", value=canonical(total))
        self._weigh(parts, last=self.decided + total == self.quantity)
        self.decided += total
        wanted = LotState.DECIDED if self.decided == self.quantity else LotState.PARTLY_DECIDED
        if self.state is not wanted:
            self.move(wanted)
        message = events.InspectionDecided(
            item=self.item, lot=self.lot, receipt=self.receipt, receipt_line=self.receipt_line,
            purchase_order=self.purchase_order, order_line=self.order_line, supplier=self.supplier,
        )  # fmt: skip
        added = []
        for part in parts:
            message.splits.add(
                outcome=part.outcome.value, quantity=quantity(part.quantity, self.unit_code), serials=part.serials
            )
            kept: dict[str, Any] = {
                "outcome": part.outcome.value, "note": part.note, "person": by,
                "quantity": {"value": canonical(part.quantity), "unit_code": self.unit_code},
                "decide_time": at.isoformat().replace("+00:00", "Z"),
            }  # fmt: skip
            if part.serials:
                kept["serials"] = list(part.serials)
            if part.second is not None:
                unit_code = self.second_quantity_unit_code
                kept["second_quantity"] = {"value": canonical(part.second), "unit_code": unit_code}
            added.append(kept)
        self.splits = [*self.splits, *added]
        return self.event(message)

    def _weigh(self, parts: Sequence[Part], last: bool) -> None:
        """Count the second quantities of parts."""
        if self.second_quantity is None:
            return
        total = sum((part.second or ZERO for part in parts), ZERO)
        left = self.second_quantity - (self.second_decided or ZERO)
        if total > left or (last and total != left):
            rule = f"sum to another second quantity than the {canonical(left)} {self.second_quantity_unit_code} left"
            raise FieldInvalid(field="splits", rule=rule, value=canonical(total))
        self.second_decided = (self.second_decided or ZERO) + total
