"""Replenishment policies: where they hold and what their revisions say (MAT-160, MAT-161, MAT-165)."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from plantops.materials.v1.events_pb2 import PolicyActivated
from sqlalchemy import ForeignKey, Index, Numeric, Text, text
from sqlmodel import Field

from services.chassis.faults import FailedPrecondition, FieldInvalid
from services.chassis.resource import enum_text, instant
from services.materials.model.base import Resource, Table, listed
from services.materials.model.item import Item
from services.materials.model.revising import EditedRevision
from services.materials.rules.replenishment import Method, Parameters
from services.materials.rules.selectors import Selector

ZERO = Decimal(0)
SELECTOR = ("item", "item_class", "site", "location")
WHERE = "materials_revision."
Kind = Method
AT_PLACES = (Kind.PICK_FACE, Kind.KANBAN)


class Outcome(StrEnum):
    """Who supplies what is asked for."""

    BUY = "BUY"
    TRANSFER = "TRANSFER"
    PRODUCE = "PRODUCE"
    MOVE = "MOVE"


class Overdue(StrEnum):
    """How supply counts that is late."""

    COUNT = "COUNT"
    EXCLUDE = "EXCLUDE"


class RevisionNotDue(FailedPrecondition):
    """A revision comes into force at its start (MAT-161)."""

    text = "{revision} may be in force from {start_time} on."


class Policy(Resource, table=True):
    """When stock is asked for: of one item, a class or all; at a place, a site or everywhere."""

    __tablename__ = "materials_policy"
    COLLECTION: ClassVar[str] = "materialsPolicies"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"item", "title"})
    __table_args__ = (Index("uq_materials_policy", "item", "site", unique=True),)

    title: str = Field(sa_type=Text)
    item: str | None = Field(default=None, sa_type=Text, sa_column_args=[ForeignKey("item.name")])
    item_class: str = Field(default="", sa_type=Text, nullable=False)
    location: str = Field(default="", sa_type=Text, nullable=False)
    active_revision: str = Field(default="", sa_type=Text, nullable=False)

    @property
    def selector(self) -> Selector:
        """Where it holds."""
        return Selector(self.item or "", self.item_class, self.site or "", self.location)

    def checked(self) -> "Policy":
        """FieldInvalid for a selector that says two things; of a place it keeps no site beside it."""
        if self.item and self.item_class:
            rule = "is left empty where an item is named"
            raise FieldInvalid(field="materials_policy.item_class", rule=rule, value=self.item_class)
        if self.location:
            if not self.item:
                raise FieldInvalid(field="materials_policy.item", rule="must be named for a place")
            of = self.location.split("/")[1]
            if self.site not in (None, "", of):
                raise FieldInvalid(field="materials_policy.site", rule="must be that of the place", value=self.site)
            self.site = None
        self.item, self.site = self.item or None, self.site or None
        return self


class Revision(EditedRevision, Table, table=True):
    """One version of a policy."""

    __tablename__ = "materials_revision"
    COLLECTION: ClassVar[str] = "revisions"
    CONTENT: ClassVar[tuple[str, ...]] = ("kind", "reorder_point", "order_quantity", "maximum", "lead_days")
    ADDED: ClassVar[tuple[str, ...]] = (
        "multiple", "cap_at_max", "horizon_days", "overdue", "delay_days", "review_days", "outcome", "source_site",
        "card_count", "start_time",
    )  # fmt: skip
    __table_args__ = (
        Index("uq_materials_revision_active", "policy", unique=True, postgresql_where=text("state = 'ACTIVE'")),
        Index("ix_materials_revision_start_time", "start_time", postgresql_where=text("state = 'APPROVED'")),
        *listed("materials_revision", "state", under="policy"),
    )

    kind: Kind = Field(sa_type=enum_text(Kind))
    reorder_point: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6))
    order_quantity: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    maximum: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    lead_days: int = Field(default=0, nullable=False)
    multiple: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    cap_at_max: bool = Field(default=False, nullable=False)
    horizon_days: int | None = None
    overdue: Overdue = Field(default=Overdue.COUNT, sa_type=enum_text(Overdue), nullable=False)
    delay_days: int = Field(default=0, nullable=False)
    review_days: int = Field(default=0, nullable=False)
    outcome: Outcome = Field(default=Outcome.BUY, sa_type=enum_text(Outcome), nullable=False)
    source_site: str = Field(default="", sa_type=Text, nullable=False)
    card_count: int = Field(default=0, nullable=False)
    start_time: datetime | None = Field(default=None, sa_type=instant())

    def checked(self) -> "Revision":
        """FieldInvalid where the parameters of the kind are missing or contradict each other."""
        self.outcome = self.outcome if isinstance(self.outcome, Outcome) else Outcome.BUY
        self.overdue = self.overdue if isinstance(self.overdue, Overdue) else Overdue.COUNT
        self.reorder_point = self.reorder_point or ZERO
        if not isinstance(self.kind, Kind):
            raise FieldInvalid(field=WHERE + "kind", rule="must be set")
        if self.reorder_point < 0:
            raise FieldInvalid(field=WHERE + "reorder_point", rule="must not be negative", value=self.reorder_point)
        if self.kind in (Kind.REORDER_POINT, Kind.KANBAN) and (self.order_quantity or 0) <= 0:
            raise FieldInvalid(field=WHERE + "order_quantity", rule=f"must be more than 0 for {self.kind}")
        if self.kind in (Kind.MIN_MAX, Kind.PICK_FACE) and (self.maximum or 0) <= self.reorder_point:
            raise FieldInvalid(field=WHERE + "maximum", rule=f"must be more than reorder_point for {self.kind}")
        if self.kind is Kind.PERIODIC and (self.maximum or 0) <= 0:
            raise FieldInvalid(field=WHERE + "maximum", rule="must be more than 0 for PERIODIC")
        if (self.kind is Kind.KANBAN) is not (self.card_count > 0):
            raise FieldInvalid(field=WHERE + "card_count", rule="is more than 0 for KANBAN, and for it alone")
        if (self.kind is Kind.PERIODIC) is not (self.review_days > 0):
            raise FieldInvalid(field=WHERE + "review_days", rule="is more than 0 for PERIODIC, and for it alone")
        if self.multiple is not None and self.multiple <= 0:
            raise FieldInvalid(field=WHERE + "multiple", rule="must be more than 0", value=self.multiple)
        if self.kind is Kind.KANBAN and self.multiple is not None:
            raise FieldInvalid(field=WHERE + "multiple", rule="is not for KANBAN, which asks for containers")
        if self.cap_at_max and (self.multiple is None or self.kind is Kind.REORDER_POINT):
            raise FieldInvalid(field=WHERE + "cap_at_max", rule="goes with a multiple and a maximum")
        if (self.outcome is Outcome.TRANSFER) is not bool(self.source_site):
            raise FieldInvalid(field=WHERE + "source_site", rule="is set for TRANSFER, and for it alone")
        return self

    def due(self, now: datetime) -> "Revision":
        """RevisionNotDue before its start."""
        if self.start_time is not None and self.start_time > now:
            raise RevisionNotDue(revision=self.name, start_time=self.start_time.isoformat())
        return self

    def fits(self, policy: Policy) -> "Revision":
        """FieldInvalid for a kind or an outcome that is not for where the policy holds."""
        if policy.location and self.kind not in AT_PLACES:
            raise FieldInvalid(field=WHERE + "kind", rule="must be PICK_FACE or KANBAN for a place", value=self.kind)
        if self.kind is Kind.PICK_FACE and not policy.location:
            raise FieldInvalid(field=WHERE + "kind", rule="is for a policy of a place", value=self.kind)
        if self.kind is Kind.KANBAN and not (policy.location or (policy.item and policy.site)):
            raise FieldInvalid(field=WHERE + "kind", rule="is for one item at a site or a place", value=self.kind)
        if (self.outcome is Outcome.MOVE) is not bool(policy.location):
            rule = "is MOVE for a policy of a place, and for it alone"
            raise FieldInvalid(field=WHERE + "outcome", rule=rule, value=self.outcome)
        return self

    def on_grid(self, item: Item) -> "Revision":
        """QuantityNotOnGrid for what is no quantity of the item."""
        for field in ("order_quantity", "maximum", "multiple"):
            if (amount := getattr(self, field)) is not None:
                item.exactly(amount, WHERE + field)
        return self

    def parameters(self, item: Item) -> Parameters:
        """What it says for an item."""
        return Parameters(
            self.name, self.kind.value, self.reorder_point, self.order_quantity or ZERO, self.maximum or ZERO,
            self.multiple or ZERO, self.cap_at_max, self.lead_days, self.horizon_days,
            self.overdue is Overdue.EXCLUDE, self.delay_days, self.outcome.value, self.source_site, item.base_step,
            item.base_unit_code,
        )  # fmt: skip

    def told(self, replaced: str, selector: str) -> PolicyActivated:
        """The revision is in force."""
        return PolicyActivated(
            policy=self.policy, kind=self.kind.value, revision=self.name, replaced_revision=replaced, selector=selector
        )


class PolicyReview(Table, table=True):
    """The last day on which a revision with reviews was asked for an item of a site."""

    __tablename__ = "policy_review"

    revision: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("materials_revision.name")])
    site: str = Field(sa_type=Text, primary_key=True)
    item: str = Field(sa_type=Text, primary_key=True)
    review_date: date
