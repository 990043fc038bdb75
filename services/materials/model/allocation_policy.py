"""Allocation policies: when claims take stock, of which, in which order; in approved revisions (MAT-76, MAT-85)."""

from collections.abc import Iterable
from typing import Any, ClassVar

from plantops.materials.v1.events_pb2 import PolicyActivated
from sqlalchemy import ForeignKey, Index, Text, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.materials.model import revising
from services.materials.model.base import Resource, Table, listed
from services.materials.model.revising import EditedRevision
from services.materials.rules import selectors
from services.materials.rules.allocation import FEFO, Key, OrderKey, Rules
from services.materials.rules.selectors import Selector


class AllocationPolicy(Resource, table=True):
    """How stock is allocated of one item, a class or all; at one site or everywhere."""

    __tablename__ = "allocation_policy"
    COLLECTION: ClassVar[str] = "allocationPolicies"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"item", "item_class", "title"})
    __table_args__ = (
        Index("ix_allocation_policy_item", "item", "name"),
        Index("ix_allocation_policy_item_class", "item_class", "name"),
    )

    title: str = Field(sa_type=Text)
    item: str = Field(default="", sa_type=Text, nullable=False)
    item_class: str = Field(default="", sa_type=Text, nullable=False)
    at_site: str = Field(default="", sa_type=Text, nullable=False)
    active_revision: str = Field(default="", sa_type=Text, nullable=False)

    @property
    def selector(self) -> Selector:
        """Where it holds."""
        return Selector(self.item, self.item_class, self.at_site.removeprefix("sites/"))

    def checked(self) -> "AllocationPolicy":
        """FieldInvalid for a selector that says two things."""
        if self.item and self.item_class:
            rule = "is left empty where an item is named"
            raise FieldInvalid(field="allocation_policy.item_class", rule=rule, value=self.item_class)
        return self


class AllocationRevision(EditedRevision, Table, table=True):
    """One version of an allocation policy."""

    __tablename__ = "allocation_revision"
    COLLECTION: ClassVar[str] = "revisions"
    CONTENT: ClassVar[tuple[str, ...]] = (
        "window_hours", "soft_life_hours", "order_keys", "minimum_lives", "keep_units_whole", "honour_pegging",
    )  # fmt: skip
    ADDED: ClassVar[tuple[str, ...]] = ("refuse_alternates",)
    __table_args__ = (
        Index("uq_allocation_revision_active", "policy", unique=True, postgresql_where=text("state = 'ACTIVE'")),
        *listed("allocation_revision", "state", under="policy"),
    )

    policy: str = Field(sa_type=Text, sa_column_args=[ForeignKey("allocation_policy.name")])
    window_hours: int | None = None
    soft_life_hours: int | None = None
    order_keys: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    minimum_lives: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    keep_units_whole: bool = Field(default=False, nullable=False)
    honour_pegging: bool = Field(default=False, nullable=False)
    refuse_alternates: bool = Field(default=False, nullable=False)

    def checked(self) -> "AllocationRevision":
        """FieldInvalid where a key or a kind of demand is named twice."""
        for field, key in (("order_keys", "key"), ("minimum_lives", "demand_kind")):
            named = [row[key] for row in getattr(self, field)]
            if len(set(named)) < len(named):
                raise FieldInvalid(field=f"allocation_revision.{field}", rule=f"names each {key} once", value=named)
        return self

    @property
    def rules(self) -> Rules:
        """What it says."""
        return Rules(
            revision=self.name,
            order=tuple(OrderKey(Key(row["key"]), row.get("descending", False)) for row in self.order_keys) or FEFO,
            window_hours=self.window_hours,
            soft_life_hours=self.soft_life_hours,
            minimum_lives={row["demand_kind"]: row.get("days", 0) for row in self.minimum_lives},
            keep_units_whole=self.keep_units_whole,
            honour_pegging=self.honour_pegging,
            refuse_alternates=self.refuse_alternates,
        )

    def told(self, replaced: str, selector: str) -> PolicyActivated:
        """The revision is in force."""
        return PolicyActivated(
            policy=self.policy, kind="ALLOCATION", revision=self.name, replaced_revision=replaced, selector=selector
        )


async def refuse_twin(unit: Unit, policy: AllocationPolicy) -> None:
    """AmbiguousScope when another policy holds for the same, or is on its way to."""
    await revising.refuse_twin(unit, policy, AllocationRevision, ("item", "item_class", "at_site"))


_CLASSES = text("select name, item_class from item where name = any(cast(:items as text[]))")


async def rules_of(unit: Unit, site: str, items: Iterable[str]) -> dict[str, Rules]:
    """What the most specific policy in force says for each item at a site; two statements at most."""
    wanted = sorted(set(items))
    rows = await unit.execute(
        select(AllocationPolicy, AllocationRevision)  # type: ignore[call-overload]
        .join(AllocationRevision, AllocationRevision.name == AllocationPolicy.active_revision)  # type: ignore[arg-type]
        .where(AllocationPolicy.at_site.in_(["", f"sites/{site}"]), AllocationPolicy.item.in_(["", *wanted]))  # type: ignore[attr-defined]
    )
    found: list[Any] = list(rows)
    known = {policy.selector: revision.rules for policy, revision in found}
    if not known:
        return {item: Rules() for item in wanted}
    classes = {row.name: row.item_class for row in await unit.execute(_CLASSES, {"items": wanted})}
    best = {item: selectors.most_specific(known, item, classes.get(item, ""), site) for item in wanted}
    return {item: Rules() if selector is None else known[selector] for item, selector in best.items()}
