"""Put-away policies: where goods are put, step by step, in approved revisions (MAT-100, MAT-160)."""

from collections.abc import Sequence
from typing import Any, ClassVar

from plantops.materials.v1.events_pb2 import PolicyActivated
from sqlalchemy import ForeignKey, Index, Text, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.materials.model import revising
from services.materials.model.base import Resource, Table, listed
from services.materials.model.location import Kind, named
from services.materials.model.revising import EditedRevision
from services.materials.rules import selectors
from services.materials.rules.capacity import Goods
from services.materials.rules.put_away import ZONED, PolicyStep, Step, Steps
from services.materials.rules.selectors import Selector

KIND = "PUT_AWAY"


class PutAwayPolicy(Resource, table=True):
    """Where goods are put of one item, a class or all; at one site or everywhere."""

    __tablename__ = "put_away_policy"
    COLLECTION: ClassVar[str] = "putAwayPolicies"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"item", "item_class", "title"})
    __table_args__ = (
        Index("ix_put_away_policy_item", "item", "name"),
        Index("ix_put_away_policy_item_class", "item_class", "name"),
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

    def checked(self) -> "PutAwayPolicy":
        """FieldInvalid for a selector that says two things."""
        if self.item and self.item_class:
            rule = "is left empty where an item is named"
            raise FieldInvalid(field="put_away_policy.item_class", rule=rule, value=self.item_class)
        return self


class PutAwayRevision(EditedRevision, Table, table=True):
    """One version of a put-away policy."""

    __tablename__ = "put_away_revision"
    COLLECTION: ClassVar[str] = "revisions"
    CONTENT: ClassVar[tuple[str, ...]] = ("steps",)
    __table_args__ = (
        Index("uq_put_away_revision_active", "policy", unique=True, postgresql_where=text("state = 'ACTIVE'")),
        *listed("put_away_revision", "state", under="policy"),
    )

    policy: str = Field(sa_type=Text, sa_column_args=[ForeignKey("put_away_policy.name")])
    steps: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)

    @property
    def rules(self) -> Steps:
        """What it says."""
        return Steps(
            self.name,
            tuple(
                PolicyStep(
                    Step(row["kind"]), row.get("zone", ""), row.get("storage_class", ""), row.get("abc_class", "")
                )
                for row in self.steps
            ),
        )

    async def checked(self, unit: Unit) -> "PutAwayRevision":
        """FieldInvalid for a step that is there twice, or that names what it has no use for or not what it needs."""
        steps = self.rules.steps
        places = await named(unit, {step.zone for step in steps if step.zone})
        for number, step in enumerate(steps):
            where = f"put_away_revision.steps[{number}]"
            if step in steps[:number]:
                raise FieldInvalid(field=where, rule="is there once", value=step.step)
            if (step.storage_class or step.abc_class) and step.step is not Step.ZONE:
                name = "storage_class" if step.storage_class else "abc_class"
                value = step.storage_class or step.abc_class
                raise FieldInvalid(field=f"{where}.{name}", rule="is for ZONE", value=value)
            if bool(step.zone) is not (step.step in ZONED):
                rule = "is given exactly for ZONE and OVERFLOW"
                raise FieldInvalid(field=f"{where}.zone", rule=rule, value=step.zone)
            place = places.get(step.zone)
            if step.zone and (place is None or place.kind not in (Kind.GROUP, Kind.STORAGE)):
                rule = "must be a group of places or a storage place"
                raise FieldInvalid(field=f"{where}.zone", rule=rule, value=step.zone)
        return self

    def told(self, replaced: str, selector: str) -> PolicyActivated:
        """The revision is in force."""
        return PolicyActivated(
            policy=self.policy, kind=KIND, revision=self.name, replaced_revision=replaced, selector=selector
        )


async def refuse_twin(unit: Unit, policy: PutAwayPolicy) -> None:
    """AmbiguousScope when another policy holds for the same, or is on its way to."""
    await revising.refuse_twin(unit, policy, PutAwayRevision, ("item", "item_class", "at_site"))


async def steps_of(unit: Unit, site: str, goods: Sequence[Goods]) -> list[Steps]:
    """What the most specific policy in force says for each of the goods at a site; one statement."""
    rows = await unit.execute(
        select(PutAwayPolicy, PutAwayRevision)  # type: ignore[call-overload]
        .join(PutAwayRevision, PutAwayRevision.name == PutAwayPolicy.active_revision)  # type: ignore[arg-type]
        .where(
            PutAwayPolicy.at_site.in_(["", f"sites/{site}"]),  # type: ignore[attr-defined]
            PutAwayPolicy.item.in_(["", *sorted({row.item for row in goods})]),  # type: ignore[attr-defined]
        )
    )
    found: list[Any] = list(rows)
    known = {policy.selector: revision.rules for policy, revision in found}
    best = [selectors.most_specific(known, row.item, row.item_class, site) for row in goods]
    return [Steps() if selector is None else known[selector] for selector in best]
