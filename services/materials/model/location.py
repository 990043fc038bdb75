"""Locations: places of a plant and the virtual ones that stock comes from and goes to (MAT-30, MAT-31)."""

from enum import StrEnum
from typing import ClassVar

from sqlalchemy import ForeignKey, Index, Text, select
from sqlmodel import Field

from services.chassis.faults import Cycle, FailedPrecondition, FieldInvalid
from services.chassis.resource import enum_text
from services.chassis.unit import Unit
from services.materials.model.base import Resource, listed


class Kind(StrEnum):
    STORAGE = "STORAGE"
    DOCK = "DOCK"
    QUALITY = "QUALITY"
    STAGING = "STAGING"
    SUPPLIER = "SUPPLIER"
    CONSUMED = "CONSUMED"
    SCRAP = "SCRAP"
    ADJUSTMENT = "ADJUSTMENT"
    OPENING = "OPENING"
    GROUP = "GROUP"
    PRODUCTION = "PRODUCTION"


VIRTUAL = frozenset({Kind.SUPPLIER, Kind.CONSUMED, Kind.SCRAP, Kind.ADJUSTMENT, Kind.OPENING, Kind.PRODUCTION})


class LocationLocked(FailedPrecondition):
    """Nothing may be put there or taken from there."""

    text = "{location} is {why}; stock may not be moved there or from there."


class Location(Resource, table=True):
    """A place; only leaves hold stock."""

    COLLECTION: ClassVar[str] = "locations"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"kind", "parent_location", "check_code", "title"})
    __table_args__ = (
        Index("ix_location_site", "site", "name"),
        *listed("location", "kind", "parent_location", "check_code"),
        Index("ix_location_parent", "parent_location"),
    )

    title: str = Field(sa_type=Text)
    kind: Kind = Field(sa_type=enum_text(Kind))
    parent_location: str | None = Field(
        default=None, sa_type=Text, sa_column_args=[ForeignKey("location.name")], nullable=True
    )
    check_code: str = Field(default="", sa_type=Text, nullable=False)
    path_order: int = Field(default=0, nullable=False)
    blocked: bool = Field(default=False, nullable=False)

    @property
    def virtual(self) -> bool:
        """Whether it stands for the world outside of the plant's places."""
        return self.kind in VIRTUAL

    def usable(self) -> "Location":
        """LocationLocked unless stock may be moved there."""
        if self.blocked:
            raise LocationLocked(location=self.name, why="blocked")
        if self.kind is Kind.GROUP:
            raise LocationLocked(location=self.name, why="a group of locations")
        return self


async def settle(unit: Unit, location: Location, *, lock: bool = False) -> None:
    """Refuse a parent that is no group of the same site, and a circle; a move locks its way to the root."""
    location.parent_location = location.parent_location or None
    path = [location.name]
    above: str | None = location.parent_location
    while above:
        if not above.startswith(f"sites/{location.site}/locations/"):
            raise FieldInvalid(field="location.parent_location", rule="must be of the same site", value=above)
        path.append(above)
        if above == location.name:
            raise Cycle(path=" -> ".join(path))
        parent = await unit.find(Location, above, lock=lock)
        if parent is None:
            raise FieldInvalid(field="location.parent_location", rule="must be a location", value=above)
        if parent.kind is not Kind.GROUP:
            raise FieldInvalid(field="location.parent_location", rule="must be of kind GROUP", value=above)
        above = parent.parent_location


async def virtual(unit: Unit, site: str, kind: Kind) -> Location:
    """The site's virtual location of a kind."""
    found = (await virtuals(unit, site)).get(kind)
    if found is None:
        rule = f"must be a site with a place for {kind}; it comes with the next change of the site"
        raise FieldInvalid(field="parent", rule=rule, value=f"sites/{site}")
    return found


async def virtuals(unit: Unit, site: str) -> dict[Kind, Location]:
    """The site's virtual locations by kind; FieldInvalid for a site that is not known here."""
    rows = await unit.all(
        select(Location)
        .where(Location.site == site, Location.kind.in_(sorted(VIRTUAL)))  # type: ignore[arg-type, attr-defined]
        .order_by(Location.name.desc())  # type: ignore[attr-defined]
    )
    found: dict[Kind, Location] = {row.kind: row for row in rows}
    if not found:
        raise FieldInvalid(field="parent", rule="must be a site that is known here", value=f"sites/{site}")
    return found
