"""Sourcing and approval policies in revisions (PRC-90 .. PRC-96)."""

from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from plantops.procurement.v1.events_pb2 import PolicyActivated
from sqlalchemy import Index, Numeric, Text, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.chassis.faults import FieldInvalid
from services.chassis.resource import enum_text
from services.chassis.revisions import RevisionColumns
from services.chassis.unit import Unit
from services.procurement.model.base import Resource, Table
from services.procurement.rules.approve import Tier

TIERS = ("requisition_tiers", "order_tiers")


class Kind(StrEnum):
    SOURCE = "SOURCE"
    APPROVE = "APPROVE"


class Choice(StrEnum):
    CHOICE_UNSPECIFIED = "CHOICE_UNSPECIFIED"
    RANK = "RANK"
    CHEAPEST = "CHEAPEST"


class Policy(Resource, table=True):
    """A rule set of one kind, for a site or for all."""

    __tablename__ = "procurement_policy"
    COLLECTION: ClassVar[str] = "procurementPolicies"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"kind", "title"})
    __table_args__ = (Index("uq_procurement_policy", "kind", "site", unique=True, postgresql_nulls_not_distinct=True),)

    title: str = Field(sa_type=Text)
    kind: Kind = Field(sa_type=enum_text(Kind))
    active_revision: str = Field(default="", sa_type=Text, nullable=False)


class Revision(RevisionColumns, Table, table=True):
    """One version of a policy."""

    __tablename__ = "procurement_revision"
    COLLECTION: ClassVar[str] = "revisions"
    CONTENT: ClassVar[tuple[str, ...]] = (
        "choice", "requisition_tiers", "order_tiers", "ceiling", "ceiling_currency_code",
    )  # fmt: skip
    __table_args__ = (
        Index("uq_procurement_revision_active", "policy", unique=True, postgresql_where=text("state = 'ACTIVE'")),
    )

    choice: Choice = Field(default=Choice.RANK, sa_type=enum_text(Choice), nullable=False)
    requisition_tiers: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    order_tiers: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    ceiling: Decimal | None = Field(default=None, sa_type=Numeric(24, 9))
    ceiling_currency_code: str = Field(default="", sa_type=Text, nullable=False)

    def checked(self, kind: Kind) -> "Revision":
        """FieldInvalid for tiers that are no limits, several currencies, or content of another kind."""
        if kind is Kind.SOURCE and (self.requisition_tiers or self.order_tiers or self.ceiling is not None):
            raise FieldInvalid(field="procurement_revision", rule="a SOURCE policy has neither tiers nor a ceiling")
        if kind is Kind.APPROVE and self.choice != Choice.CHOICE_UNSPECIFIED:
            raise FieldInvalid(
                field="procurement_revision.choice", rule="belongs to a SOURCE policy", value=self.choice
            )
        if self.choice == Choice.CHOICE_UNSPECIFIED:
            self.choice = Choice.RANK
        for name in TIERS:
            known: set[Decimal] = set()
            for index, tier in enumerate(tiers(getattr(self, name))):
                field = f"procurement_revision.{name}[{index}].up_to"
                if tier.up_to <= 0:
                    raise FieldInvalid(field=field, rule="must be more than 0", value=tier.up_to)
                if tier.up_to in known:
                    raise FieldInvalid(field=field, rule="must differ from the other tiers", value=tier.up_to)
                known.add(tier.up_to)
        if self.ceiling is not None and self.ceiling <= 0:
            raise FieldInvalid(field="procurement_revision.ceiling", rule="must be more than 0", value=self.ceiling)
        if len(self.currencies) > 1:
            rule = "all limits have one currency"
            raise FieldInvalid(field="procurement_revision", rule=rule, value=sorted(self.currencies))
        return self

    @property
    def currencies(self) -> set[str]:
        """Currencies of its limits: one, or none without limits."""
        found = {row["up_to"]["currency_code"] for name in TIERS for row in getattr(self, name)}
        return found | ({self.ceiling_currency_code} if self.ceiling is not None else set())

    def told(self, kind: str, site: str, replaced: str) -> PolicyActivated:
        """The revision is in force."""
        return PolicyActivated(
            policy=self.policy, kind=kind, revision=self.name, replaced_revision=replaced, selector=site or "all sites"
        )


def tiers(rows: list[dict[str, Any]]) -> list[Tier]:
    """Tiers for the rules."""
    return [
        Tier(
            Decimal(str(row["up_to"].get("units", 0))) + Decimal(int(row["up_to"].get("nanos", 0))) / 10**9,
            bool(row.get("automatic", False)),
        )
        for row in rows
    ]


async def in_force(unit: Unit, kind: Kind, site: str) -> Revision | None:
    """The revision in force for a site: the site's own policy before the one for all (PRC-92)."""
    found: Revision | None = await unit.first(
        select(Revision)
        .join(Policy, Policy.active_revision == Revision.name)  # type: ignore[arg-type]
        .where(Policy.kind == kind, (Policy.site == site) | Policy.site.is_(None))  # type: ignore[arg-type, union-attr]
        .order_by(Policy.site.is_(None))  # type: ignore[union-attr]
        .limit(1)
    )
    return found
