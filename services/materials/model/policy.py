"""Replenishment policies and what they asked for (MAT-160 .. MAT-169)."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from plantops.materials.v1.events_pb2 import PolicyActivated, ReplenishmentNeeded
from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Numeric, Text, text
from sqlmodel import Field

from services.chassis.faults import FieldInvalid
from services.chassis.resource import enum_text
from services.chassis.revisions import RevisionColumns
from services.chassis.wire import date_message, quantity
from services.materials.model.base import Resource, Table, listed


class Kind(StrEnum):
    REORDER_POINT = "REORDER_POINT"
    MIN_MAX = "MIN_MAX"


class Policy(Resource, table=True):
    """A rule set for one item at one site."""

    __tablename__ = "materials_policy"
    COLLECTION: ClassVar[str] = "materialsPolicies"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"item", "title"})
    __table_args__ = (Index("uq_materials_policy", "item", "site", unique=True),)

    title: str = Field(sa_type=Text)
    item: str = Field(sa_type=Text, sa_column_args=[ForeignKey("item.name")])
    active_revision: str = Field(default="", sa_type=Text, nullable=False)


class Revision(RevisionColumns, Table, table=True):
    """One version of a policy."""

    __tablename__ = "materials_revision"
    COLLECTION: ClassVar[str] = "revisions"
    CONTENT: ClassVar[tuple[str, ...]] = ("kind", "reorder_point", "order_quantity", "maximum", "lead_days")
    __table_args__ = (
        Index("uq_materials_revision_active", "policy", unique=True, postgresql_where=text("state = 'ACTIVE'")),
        *listed("materials_revision", "state", under="policy"),
    )

    kind: Kind = Field(sa_type=enum_text(Kind))
    reorder_point: Decimal = Field(sa_type=Numeric(20, 6))
    order_quantity: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    maximum: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    lead_days: int = Field(default=0, nullable=False)

    def checked(self) -> "Revision":
        """FieldInvalid where the parameters of the kind are missing."""
        where = "materials_revision."
        if self.reorder_point < 0:
            raise FieldInvalid(field=where + "reorder_point", rule="must not be negative", value=self.reorder_point)
        if self.kind is Kind.REORDER_POINT and (self.order_quantity or 0) <= 0:
            raise FieldInvalid(field=where + "order_quantity", rule="must be more than 0 for REORDER_POINT")
        if self.kind is Kind.MIN_MAX and (self.maximum or 0) <= self.reorder_point:
            raise FieldInvalid(field=where + "maximum", rule="must be more than reorder_point for MIN_MAX")
        return self

    def told(self, replaced: str, selector: str) -> PolicyActivated:
        """The revision is in force."""
        return PolicyActivated(
            policy=self.policy, kind=self.kind.value, revision=self.name, replaced_revision=replaced, selector=selector
        )


class RequestState(StrEnum):
    OPEN = "OPEN"
    CARRIED = "CARRIED"
    SATISFIED = "SATISFIED"
    CANCELLED = "CANCELLED"


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

    def carry(self, by: str) -> None:
        """A requisition or order has it now."""
        if self.state is not RequestState.CARRIED:
            self.move(RequestState.CARRIED)
        self.carried_by = by

    def told(self) -> ReplenishmentNeeded:
        """The new total that is needed."""
        return self.event(
            ReplenishmentNeeded(
                item=self.item,
                site=f"sites/{self.site}",
                quantity=quantity(self.quantity, self.unit_code),
                need_date=date_message(self.need_date),
                outcome="BUY",
                policy_revision=self.policy_revision,
            )
        )
