"""Supply requests: what a policy asked for, until an order brings it (MAT-167, MAT-169)."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from google.protobuf import json_format
from plantops.materials.v1.events_pb2 import ReplenishmentNeeded
from sqlalchemy import ARRAY, CheckConstraint, Index, Numeric, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.chassis.resource import enum_text
from services.chassis.wire import canonical, date_message, quantity
from services.materials.model.base import Resource, listed
from services.materials.rules.replenishment import Counted


class RequestState(StrEnum):
    OPEN = "OPEN"
    CARRIED = "CARRIED"
    SATISFIED = "SATISFIED"
    CANCELLED = "CANCELLED"


LISTED = 100
"""Supply is told of up to so many rows."""
COMING = (RequestState.OPEN, RequestState.CARRIED)


class SupplyRequest(Resource, table=True):
    """What a policy asked for; one open request for each item and site."""

    __tablename__ = "supply_request"
    COLLECTION: ClassVar[str] = "supplyRequests"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset(
        {
            (RequestState.OPEN, RequestState.CARRIED),
            (RequestState.CARRIED, RequestState.OPEN),
            (RequestState.CARRIED, RequestState.SATISFIED),
            (RequestState.OPEN, RequestState.CANCELLED),
            (RequestState.CARRIED, RequestState.CANCELLED),
        }
    )
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"item", "state", "need_date"})
    __table_args__ = (
        Index("ix_supply_request_site", "site", "name"),
        *listed("supply_request", "item", "state", "need_date"),
        Index(
            "uq_supply_request_open", "site", "item", unique=True,
            postgresql_where=text("state in ('OPEN', 'CARRIED')"),
        ),
        CheckConstraint("quantity > 0", name="quantity"),
    )  # fmt: skip

    item: str = Field(sa_type=Text)
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    unit_code: str = Field(sa_type=Text)
    need_date: date
    policy_revision: str = Field(sa_type=Text)
    explanation: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))  # type: ignore[call-overload]
    carried_by: str = Field(default="", sa_type=Text, nullable=False)
    state: RequestState = Field(default=RequestState.OPEN, sa_type=enum_text(RequestState), nullable=False)
    outcome: str = Field(default="BUY", sa_type=Text, nullable=False)
    source_site: str = Field(default="", sa_type=Text, nullable=False)
    decision: str = Field(default="", sa_type=Text, nullable=False)
    supplies: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB, nullable=False)

    def carry(self, by: str) -> None:
        """A requisition or order has it now."""
        if self.state is not RequestState.CARRIED:
            self.move(RequestState.CARRIED)
        self.carried_by = by

    def reopen(self) -> None:
        """What carried it will not bring it (MAT-169)."""
        if self.state is RequestState.CARRIED:
            self.move(RequestState.OPEN)
            self.carried_by = ""

    def count(self, rows: Sequence[Counted]) -> None:
        """Note the supply that was counted, what is late first."""
        self.supplies = [
            {
                "kind": str(row.supply.kind), "resource": row.supply.resource, "expedite": row.late,
                "quantity": {"value": canonical(row.supply.quantity), "unit_code": self.unit_code},
                **({"expected_date": _day(row.expected)} if row.expected is not None else {}),
            }
            for row in sorted(rows, key=lambda row: not row.late)[:LISTED]
        ]  # fmt: skip

    def told(self) -> ReplenishmentNeeded:
        """The new total that is needed."""
        message = ReplenishmentNeeded(
            item=self.item, site=f"sites/{self.site}", quantity=quantity(self.quantity, self.unit_code),
            need_date=date_message(self.need_date), outcome=self.outcome, policy_revision=self.policy_revision,
            decision=self.decision, source_site=self.source_site,
        )  # fmt: skip
        for row in self.supplies:
            json_format.ParseDict(row, message.supplies.add())
        return self.event(message)


def _day(value: date) -> dict[str, int]:
    return {"year": value.year, "month": value.month, "day": value.day}
