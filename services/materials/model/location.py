"""Locations: places of a plant and the virtual ones that stock comes from and goes to (MAT-30, MAT-31)."""

from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import ForeignKey, Index, Text, select
from sqlmodel import Field

from services.chassis.faults import Cycle, FailedPrecondition, FieldInvalid
from services.chassis.resource import enum_text
from services.chassis.unit import Unit
from services.materials.model.base import Resource


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


VIRTUAL = frozenset({Kind.SUPPLIER, Kind.CONSUMED, Kind.SCRAP, Kind.ADJUSTMENT, Kind.OPENING})


class LocationLocked(FailedPrecondition):
    """Nothing may be put there or taken from there."""

    text = "{location} is {why}; stock may not be moved there or from there."


class Location(Resource, table=True):
    """A place; only leaves hold stock."""

    COLLECTION: ClassVar[str] = "locations"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"kind", "parent_location", "check_code", "title"})
    __table_args__ = (
        Index("ix_location_site", "site", "name"),
        Index("ix_location_kind", "site", "kind", "path_order", "name"),
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


async def settle(unit: Unit, location: Location) -> None:
    """Refuse a parent that is no group of the same site, and a circle."""
    location.parent_location = location.parent_location or None
    path = [location.name]
    above: str | None = location.parent_location
    while above:
        if not above.startswith(f"sites/{location.site}/locations/"):
            raise FieldInvalid(field="location.parent_location", rule="must be of the same site", value=above)
        path.append(above)
        if above == location.name:
            raise Cycle(path=" -> ".join(path))
        parent = await unit.get(Location, above, lock=False)
        if parent.kind is not Kind.GROUP:
            raise FieldInvalid(field="location.parent_location", rule="must be of kind GROUP", value=above)
        above = parent.parent_location


async def virtual(unit: Unit, site: str, kind: Kind) -> Location:
    """The site's virtual location of a kind."""
    found: Any = await unit.first(
        select(Location)
        .where(Location.site == site, Location.kind == kind)  # type: ignore[arg-type]
        .order_by(Location.name)
        .limit(1)
    )
    if found is None:
        raise FieldInvalid(field="parent", rule=f"sites/{site} has no location of kind {kind}", value=site)
    location: Location = found
    return location
