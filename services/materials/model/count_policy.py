"""Count policies: when stock is due, how far off a count may be, who accepts it; in approved revisions (MAT-151)."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar

from plantops.materials.v1.events_pb2 import PolicyActivated
from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, Text, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.chassis.access import roles
from services.chassis.faults import FieldInvalid
from services.chassis.resource import enum_text
from services.chassis.unit import Unit
from services.chassis.wire import decimal_of
from services.materials.model.base import Resource, Table, listed
from services.materials.model.count import Mode
from services.materials.model.revising import EditedRevision
from services.materials.rules.count_planning import Triggers

DAILY_LINES = 200
MINUTE = 60


class CountPolicy(Resource, table=True):
    """How stock is counted at one site, or at all that have no policy of their own."""

    __tablename__ = "count_policy"
    COLLECTION: ClassVar[str] = "countPolicies"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"at_site", "title"})
    __table_args__ = (Index("uq_count_policy_at_site", "at_site", unique=True),)

    title: str = Field(sa_type=Text)
    at_site: str = Field(default="", sa_type=Text, nullable=False)
    active_revision: str = Field(default="", sa_type=Text, nullable=False)


class CountRevision(EditedRevision, Table, table=True):
    """One version of a count policy."""

    __tablename__ = "count_revision"
    COLLECTION: ClassVar[str] = "revisions"
    CONTENT: ClassVar[tuple[str, ...]] = (
        "mode", "daily_line_count", "class_rules", "turnover", "value_moved", "poor_accuracy", "short_pick", "age_days",
        "tolerance_quantity", "tolerance_value", "approval_limits", "ambiguity_minutes",
    )  # fmt: skip
    __table_args__ = (
        Index("uq_count_revision_active", "policy", unique=True, postgresql_where=text("state = 'ACTIVE'")),
        *listed("count_revision", "state", under="policy"),
        CheckConstraint("daily_line_count > 0", name="daily_line_count"),
    )

    policy: str = Field(sa_type=Text, sa_column_args=[ForeignKey("count_policy.name")])
    mode: Mode = Field(default=Mode.FROZEN, sa_type=enum_text(Mode), nullable=False)
    daily_line_count: int = Field(default=DAILY_LINES, nullable=False)
    class_rules: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB, nullable=False)
    turnover: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    value_moved: Decimal | None = Field(default=None, sa_type=Numeric(24, 9))
    poor_accuracy: bool = Field(default=False, nullable=False)
    short_pick: bool = Field(default=False, nullable=False)
    age_days: int = Field(default=0, nullable=False)
    tolerance_quantity: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    tolerance_value: Decimal | None = Field(default=None, sa_type=Numeric(24, 9))
    approval_limits: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB, nullable=False)
    ambiguity_minutes: int = Field(default=0, nullable=False)

    def checked(self) -> "CountRevision":
        """FieldInvalid for what is named twice, negative, or no role."""
        where = "count_revision."
        if not isinstance(self.mode, Mode):  # unset
            self.mode = Mode.FROZEN
        for name, key in (("class_rules", "count_class"), ("approval_limits", "role")):
            named = [row[key] for row in getattr(self, name)]
            if len(set(named)) < len(named):
                raise FieldInvalid(field=where + name, rule=f"names each {key} once", value=named)
        for name in ("turnover", "value_moved", "tolerance_quantity", "tolerance_value"):
            amount = getattr(self, name)
            if amount is not None and amount < 0:
                raise FieldInvalid(field=where + name, rule="must not be negative", value=amount)
        for row in self.approval_limits:
            if row["role"] not in roles():
                raise FieldInvalid(field=where + "approval_limits.role", rule="must be a role", value=row["role"])
            _positive(row["value"]["value"], where + "approval_limits.value")
        for row in self.class_rules:
            if "tolerance_percent" in row:
                _positive(row["tolerance_percent"]["value"], where + "class_rules.tolerance_percent")
        return self

    @property
    def rules(self) -> "CountRules":
        """What it says."""
        percents = {
            row["count_class"]: row["tolerance_percent"]["value"]
            for row in self.class_rules
            if "tolerance_percent" in row
        }
        return CountRules(
            self.mode,
            self.daily_line_count,
            Triggers(
                {row["count_class"]: row.get("interval_days", 0) for row in self.class_rules},
                self.turnover, self.value_moved, self.poor_accuracy, self.short_pick, self.age_days,
            ),
            {
                "revision": self.name, "percents": percents, "quantity": self.tolerance_quantity,
                "value": self.tolerance_value,
                "limits": {row["role"]: row["value"]["value"] for row in self.approval_limits},
                **({"window_seconds": self.ambiguity_minutes * MINUTE} if self.ambiguity_minutes else {}),
            },
        )  # fmt: skip

    def told(self, replaced: str, selector: str) -> PolicyActivated:
        """The revision is in force."""
        return PolicyActivated(
            policy=self.policy, kind="COUNT", revision=self.name, replaced_revision=replaced, selector=selector
        )


@dataclass(frozen=True, slots=True)
class CountRules:
    """Mode, daily capacity in lines, reasons to count, and the parameters that a document keeps at its start."""

    mode: Mode = Mode.FROZEN
    daily_lines: int = DAILY_LINES
    triggers: Triggers = field(default_factory=Triggers)
    parameters: dict[str, Any] = field(default_factory=dict)


async def count_rules(unit: Unit, site: str) -> CountRules:
    """What the policy in force at a site says, its own before that of all; typical rules where there is none."""
    revision: CountRevision | None = await unit.first(
        select(CountRevision)
        .join(CountPolicy, CountPolicy.active_revision == CountRevision.name)  # type: ignore[arg-type]
        .where(CountPolicy.at_site.in_(["", f"sites/{site}"]))  # type: ignore[attr-defined]
        .order_by(CountPolicy.at_site.desc())  # type: ignore[attr-defined]
        .limit(1)
    )
    return revision.rules if revision is not None else CountRules()


def _positive(given: str, name: str) -> None:
    if decimal_of(given, name) < 0:
        raise FieldInvalid(field=name, rule="must not be negative", value=given)
