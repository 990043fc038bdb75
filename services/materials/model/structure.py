"""Structures: what an item is made of, in dated revisions that never change (MAT-127, MAT-129, MAT-130)."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Numeric, Text, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlmodel import Field, Relationship

from services.chassis.faults import AlreadyExists, Cycle, FailedPrecondition
from services.chassis.resource import enum_text
from services.chassis.unit import Unit
from services.materials.model.base import Resource, Table
from services.materials.rules.structures import Dated

ZERO = Decimal(0)


class StructureKind(StrEnum):
    BILL_OF_MATERIALS = "BILL_OF_MATERIALS"
    KIT = "KIT"


class OutputKind(StrEnum):
    CO_PRODUCT = "CO_PRODUCT"
    BY_PRODUCT = "BY_PRODUCT"


class StructureExists(AlreadyExists):
    """An item has one structure; what it is made of changes by its revisions (MAT-130)."""

    constraint = "uq_structure_item"
    text = "The item has a structure already; make a revision of that one."


class StructureNotInForce(FailedPrecondition):
    """No revision of the structure counts on that day (MAT-130)."""

    text = "No revision of {structure} counts on {date}."


class StructureComponent(Table, table=True):
    """What goes in: so many base units for the base quantity, exactly."""

    __tablename__ = "structure_component"
    __table_args__ = (
        CheckConstraint("numerator > 0 and denominator > 0", name="ratio"),
        CheckConstraint("scrap_percent >= 0 and scrap_percent < 100", name="scrap_percent"),
    )

    structure_revision: str = Field(
        sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("structure_revision.name")]
    )
    line: int = Field(primary_key=True)
    item: str = Field(sa_type=Text, sa_column_args=[ForeignKey("item.name")], index=True)
    operation: int
    numerator: int = Field(sa_type=BigInteger)
    denominator: int = Field(sa_type=BigInteger)
    scrap_percent: Decimal = Field(sa_type=Numeric(9, 6))
    over_percent: Decimal = Field(sa_type=Numeric(20, 6))
    under_percent: Decimal = Field(sa_type=Numeric(9, 6))
    manual: bool

    @property
    def ratio(self) -> Fraction:
        """Base units for the base quantity."""
        return Fraction(self.numerator, self.denominator)


class StructureOutput(Table, table=True):
    """What comes beside the item itself: so many base units for the base quantity."""

    __tablename__ = "structure_output"
    __table_args__ = (CheckConstraint("numerator > 0 and denominator > 0", name="ratio"),)

    structure_revision: str = Field(
        sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("structure_revision.name")]
    )
    line: int = Field(primary_key=True)
    item: str = Field(sa_type=Text, sa_column_args=[ForeignKey("item.name")])
    kind: OutputKind = Field(sa_type=enum_text(OutputKind))
    numerator: int = Field(sa_type=BigInteger)
    denominator: int = Field(sa_type=BigInteger)
    cost_percent: Decimal = Field(sa_type=Numeric(9, 6))
    unit_value: Decimal | None = Field(default=None, sa_type=Numeric(24, 9))
    unit_value_currency_code: str = Field(default="", sa_type=Text, nullable=False)

    @property
    def ratio(self) -> Fraction:
        """Base units for the base quantity."""
        return Fraction(self.numerator, self.denominator)


class Structure(Resource, table=True):
    """What an item is made of, whatever the day."""

    COLLECTION: ClassVar[str] = "structures"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"item", "kind"})
    __table_args__ = (
        Index("uq_structure_item", "item", unique=True),
        Index("ix_structure_kind", "kind", "name"),
    )

    item: str = Field(sa_type=Text, sa_column_args=[ForeignKey("item.name")])
    kind: StructureKind = Field(sa_type=enum_text(StructureKind))
    title: str = Field(default="", sa_type=Text, nullable=False)


class StructureRevision(Resource, table=True):
    """What an item is made of from a day on, until a later revision counts."""

    __tablename__ = "structure_revision"
    COLLECTION: ClassVar[str] = "structureRevisions"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"effective_date"})
    __table_args__ = (
        Index("uq_structure_revision_date", "structure", "effective_date", unique=True),
        Index("ix_structure_revision_effective_date", "effective_date", "name"),
        Index("ix_structure_revision_structure", "structure", "effective_date", "name"),
        CheckConstraint("base_quantity > 0", name="base_quantity"),
    )

    structure: str = Field(sa_type=Text, sa_column_args=[ForeignKey("structure.name")])
    effective_date: date
    base_quantity: Decimal = Field(sa_type=Numeric(20, 6))
    unit_code: str = Field(sa_type=Text)
    cost_percent: Decimal = Field(sa_type=Numeric(9, 6))
    author: str = Field(sa_type=Text)
    components: list[StructureComponent] = Relationship(
        sa_relationship_kwargs={"lazy": "selectin", "order_by": "StructureComponent.line"}
    )
    outputs: list[StructureOutput] = Relationship(
        sa_relationship_kwargs={"lazy": "selectin", "order_by": "StructureOutput.line"}
    )


_ALONE = text("select pg_advisory_xact_lock(hashtextextended('materials.structures', 0))")
_CIRCLE = text("""
    with recursive down as (
      select x.item, array[cast(:top as text), x.item] as path
      from unnest(cast(:items as text[])) x(item)
      union all
      select c.item, d.path || c.item
      from down d
      join structure s on s.item = d.item
      join structure_revision r on r.structure = s.name and not exists (
        select from structure_revision n
        where n.structure = r.structure and n.effective_date > r.effective_date and n.effective_date <= :from_date)
      join structure_component c on c.structure_revision = r.name
      where d.item <> :top and not c.item = any(d.path[2:]) and cardinality(d.path) < 50
    )
    select array_to_string(path, ' -> ') from down where item = :top order by cardinality(path), path limit 1
""")


async def refuse_circle(unit: Unit, top: str, items: Iterable[str], from_date: date) -> None:
    """Cycle when an item would be made of itself at any time from a day on; one statement, and nobody makes one now."""
    await alone(unit)
    found = (
        await unit.execute(_CIRCLE, {"top": top, "items": sorted(set(items)), "from_date": from_date})
    ).scalar_one_or_none()
    if found is not None:
        raise Cycle(path=found)


_BELOW = text("""
    with recursive down as (
      select item from unnest(cast(:items as text[])) x(item)
      union
      select c.item from down d
      join structure s on s.item = d.item
      join structure_revision r on r.structure = s.name
      join structure_component c on c.structure_revision = r.name
    )
    select s.item, r.effective_date, array_agg(distinct c.item) as goes_in
    from down d join structure s on s.item = d.item
    join structure_revision r on r.structure = s.name
    join structure_component c on c.structure_revision = r.name
    group by s.item, r.effective_date
""")


async def alone(unit: Unit) -> None:
    """Nobody else makes a revision until this unit ends."""
    await unit.execute(_ALONE)


async def below(unit: Unit, items: Iterable[str]) -> Dated:
    """Revisions of items and of all that they are made of, at any day; one statement."""
    found: Dated = {}
    for row in await unit.execute(_BELOW, {"items": sorted(set(items))}):
        found.setdefault(row.item, {})[row.effective_date] = list(row.goes_in)
    return found


async def in_force(unit: Unit, structure: str, day: date) -> StructureRevision:
    """The revision that counts on a day; StructureNotInForce without one."""
    found: StructureRevision | None = await unit.first(
        select(StructureRevision)
        .where(StructureRevision.structure == structure, StructureRevision.effective_date <= day)  # type: ignore[arg-type]
        .order_by(StructureRevision.effective_date.desc())  # type: ignore[attr-defined]
        .limit(1)
    )
    if found is None:
        raise StructureNotInForce(structure=structure, date=day)
    return found


async def all_in_force(unit: Unit, names: Iterable[str], day: date) -> dict[str, StructureRevision]:
    """Structure -> its revision that counts on a day, where there is one; one statement and their parts."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    columns: Any = StructureRevision
    last = (
        select(columns.name).ext(distinct_on(columns.structure))
        .where(columns.structure.in_(wanted), columns.effective_date <= day)
        .order_by(columns.structure, columns.effective_date.desc())
    )  # fmt: skip
    rows = await unit.all(select(StructureRevision).where(columns.name.in_(last)))
    return {row.structure: row for row in rows}


_TREE = text("""
    with recursive tree as (
      select array[c.line] as path, c.item, c.operation, c.numerator, c.denominator, c.scrap_percent,
             r.base_quantity, m.name as made_by
      from structure_revision r
      join structure_component c on c.structure_revision = r.name
      left join lateral (
        select n.name from structure s join structure_revision n on n.structure = s.name
        where s.item = c.item and n.effective_date <= :day order by n.effective_date desc limit 1) m on true
      where r.name = :revision
      union all
      select t.path || c.line, c.item, c.operation, c.numerator, c.denominator, c.scrap_percent, r.base_quantity,
             m.name
      from tree t
      join structure_revision r on r.name = t.made_by
      join structure_component c on c.structure_revision = r.name
      left join lateral (
        select n.name from structure s join structure_revision n on n.structure = s.name
        where s.item = c.item and n.effective_date <= :day order by n.effective_date desc limit 1) m on true
      where cardinality(t.path) < :deepest
    )
    select t.*, i.base_unit_code, i.base_step from tree t join item i on i.name = t.item order by t.path
""")


async def tree(unit: Unit, revision: str, day: date, deepest: int) -> Sequence[Any]:
    """Components of a revision with theirs, level by level, by the revisions of a day; one statement."""
    return (await unit.execute(_TREE, {"revision": revision, "day": day, "deepest": deepest})).all()
