"""Locations: places of a plant and the virtual ones that stock comes from and goes to (MAT-30, MAT-31, MAT-34)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import ForeignKey, Index, Text, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import lazyload
from sqlmodel import Field, Relationship

from services.chassis.faults import Cycle, FailedPrecondition, FieldInvalid, TransitionNotAllowed
from services.chassis.query import among
from services.chassis.resource import enum_text, instant
from services.chassis.unit import Unit
from services.materials.model.base import Resource, Table, listed
from services.materials.rules import check_codes


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
    CART = "CART"
    VEHICLE = "VEHICLE"
    TRANSIT = "TRANSIT"
    WIP = "WIP"
    CUSTOMER = "CUSTOMER"
    INTER_SITE = "INTER_SITE"

    @property
    def place_id(self) -> str:
        """Id of the site's virtual place of the kind."""
        return f"v-{self.lower().replace('_', '-')}"


VIRTUAL = frozenset(
    {
        Kind.SUPPLIER, Kind.CONSUMED, Kind.SCRAP, Kind.ADJUSTMENT, Kind.OPENING, Kind.PRODUCTION, Kind.CUSTOMER,
        Kind.INTER_SITE,
    }
)  # fmt: skip


class Direction(StrEnum):
    """What a lock stops; INACTIVE is a place out of use."""

    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"
    COUNT = "COUNT"
    INACTIVE = "INACTIVE"


WHY = {
    "GROUP": "a group of locations",
    "BLOCKED": "blocked",
    "INBOUND": "locked for what comes in",
    "OUTBOUND": "locked for what goes out",
    "COUNT": "being counted",
    "INACTIVE": "out of use",
    "WIP": "in process for a production order, which alone moves stock there",
}


class LocationLocked(FailedPrecondition):
    """Nothing may be put there or taken from there (MAT-31)."""

    text = "{location} is {why}; stock may not be moved there or from there."

    @classmethod
    def by(cls, location: str, lock: str, reason: str = "", since: object = "") -> "LocationLocked":
        """Which lock, why and since when."""
        why = WHY[lock] + (f" since {since}" if since else "") + (f" ({reason})" if reason else "")
        return cls(location=location, why=why, lock=lock, reason=reason, since=since)


class LocationAlreadyLocked(FailedPrecondition):
    """The same lock is on already; the one who set it takes it away."""

    text = "{location} is locked ({direction}) by {person} since {since} already: {reason}."


class LocationNotLocked(FailedPrecondition):
    """There is no such lock."""

    text = "{location} has no lock {direction}."


class LocationInUse(FailedPrecondition):
    """A place goes out of use when nothing is in it or on its way (MAT-31)."""

    text = "{location} is in use: {in_the_way}."


class LocationLock(Table, table=True):
    """A lock on a place, with who set it and why; one per direction."""

    __tablename__ = "location_lock"

    location: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("location.name")])
    direction: Direction = Field(sa_type=enum_text(Direction), primary_key=True)
    reason: str = Field(sa_type=Text)
    person: str = Field(sa_type=Text)
    lock_time: datetime = Field(sa_type=instant())


class LocationParent(Table, table=True):
    """From when on a location lay under which; written by the database with each change of the tree (MAT-30)."""

    __tablename__ = "location_parent"

    location: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("location.name")])
    from_time: datetime = Field(sa_type=instant(), primary_key=True)
    parent_location: str | None = Field(default=None, sa_type=Text)


class Location(Resource, table=True):
    """A place; only leaves hold stock."""

    COLLECTION: ClassVar[str] = "locations"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"kind", "parent_location", "check_code", "title"})
    __table_args__ = (
        Index("ix_location_site", "site", "name"),
        *listed("location", "kind", "parent_location", "check_code"),
        Index("ix_location_parent", "parent_location"),
        Index("ix_location_path", "site", "kind", "path_order", "name"),
    )

    title: str = Field(sa_type=Text)
    kind: Kind = Field(sa_type=enum_text(Kind))
    parent_location: str | None = Field(
        default=None, sa_type=Text, sa_column_args=[ForeignKey("location.name")], nullable=True
    )
    check_code: str = Field(default="", sa_type=Text, nullable=False)
    path_order: int = Field(default=0, nullable=False)
    blocked: bool = Field(default=False, nullable=False)
    quality_area: bool = Field(default=False, nullable=False)
    limits: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))  # type: ignore[call-overload]
    locks: list[LocationLock] = Relationship(
        sa_relationship_kwargs={
            "lazy": "selectin", "order_by": "LocationLock.direction", "cascade": "all, delete-orphan",
        }
    )  # fmt: skip

    @property
    def virtual(self) -> bool:
        """Whether it stands for the world outside of the plant's places."""
        return self.kind in VIRTUAL

    def usable(self) -> "Location":
        """LocationLocked unless stock may be moved there; locks of one direction are judged at the posting."""
        if self.blocked or self.kind in (Kind.GROUP, Kind.WIP):
            raise LocationLocked.by(self.name, "BLOCKED" if self.blocked else self.kind)
        return self

    def confirmed(self, code: str, field: str) -> "Location":
        """FieldInvalid unless it was confirmed by the code on its label, where it has one (MAT-34)."""
        if self.check_code and code != self.check_code:
            misread = check_codes.misread(code)
            rule = "was misread: its check character is wrong" if misread else "is not the code on that place's label"
            raise FieldInvalid(field=field, rule=rule, value=code)
        return self

    def real(self) -> "Location":
        """FieldInvalid for what holds no stock of the plant and so is neither locked nor limited."""
        if self.virtual or self.kind is Kind.GROUP:
            raise FieldInvalid(field="name", rule=f"is of kind {self.kind}, which is not locked", value=self.name)
        return self

    def locked(self, direction: Direction) -> LocationLock | None:
        """The lock of a direction."""
        return next((lock for lock in self.locks if lock.direction is direction), None)

    def lock(self, direction: Direction, reason: str, person: str, at: datetime) -> LocationLock:
        """Set a lock; LocationAlreadyLocked when it is set."""
        known = self.locked(direction)
        if known is not None:
            raise LocationAlreadyLocked(
                location=self.name, direction=direction, person=known.person, since=known.lock_time.isoformat(),
                reason=known.reason,
            )  # fmt: skip
        added = LocationLock(location=self.name, direction=direction, reason=reason, person=person, lock_time=at)
        self.locks.insert(sum(lock.direction < direction for lock in self.locks), added)
        self.touch()
        return added

    def unlock(self, direction: Direction) -> LocationLock:
        """Take a lock away; LocationNotLocked when there is none."""
        known = self.locked(direction)
        if known is None:
            raise LocationNotLocked(location=self.name, direction=direction)
        self.locks.remove(known)
        self.touch()
        return known

    def deactivate(self, reason: str, person: str, at: datetime) -> LocationLock:
        """Take it out of use; the caller has seen that it is empty."""
        if self.locked(Direction.INACTIVE):
            raise TransitionNotAllowed(resource=self.name, state="INACTIVE", allowed="ACTIVE", wanted="INACTIVE")
        return self.lock(Direction.INACTIVE, reason, person, at)

    def reactivate(self) -> LocationLock:
        """Take it into use again."""
        if not self.locked(Direction.INACTIVE):
            raise TransitionNotAllowed(resource=self.name, state="ACTIVE", allowed="INACTIVE", wanted="ACTIVE")
        return self.unlock(Direction.INACTIVE)

    def checked(self, code_before: str = "") -> "Location":
        """FieldInvalid for a block or limits of what is no real place, and for a check code that is known by heart."""
        if self.blocked and self.virtual:
            raise FieldInvalid(field="location.blocked", rule="is not for a virtual location", value=self.kind)
        if self.limits and (self.virtual or self.kind is Kind.GROUP):
            raise FieldInvalid(field="location.limits", rule="are for places that hold stock", value=self.kind)
        if self.check_code != code_before and self.check_code.casefold() in (self.id, self.name):
            rule = "must not be the location's id: it is confirmed by scan, not by habit"
            raise FieldInvalid(field="location.check_code", rule=rule, value=self.check_code)
        return self


async def still(unit: Unit, site: str) -> None:
    """Let nothing be posted at a site until the commit, and wait for what is being posted; before any row lock."""
    await unit.execute(text("select pg_advisory_xact_lock(place_key(:site))"), {"site": site})


_HOLD = text("""
    select l.name from location l where l.name = any(cast(:names as text[])) and l.limits is not null
    order by l.name for no key update
""")


async def hold(unit: Unit, names: Iterable[str]) -> None:
    """Lock those of the places that have limits, by name: behind items and documents, before balances (MAT-33)."""
    await unit.execute(_HOLD, {"names": sorted(set(names))})


_IN_USE = text("""
    select found from (
      select 1 as rank, 'it holds ' || trim_scale(b.on_hand) || ' ' || b.unit_code || ' of ' || b.item as found
      from balance b where b.site = :site and b.location = :name and b.on_hand > 0
      union all
      select 2, t.name || ' is open' from put_away_task t
      where t.site = :site and t.state in ('PLANNED', 'READY', 'LEASED', 'STARTED', 'WAITING', 'EXCEPTION')
        and :name in (t.proposed_location, t.from_location)
      union all
      select 3, r.name || ' is being counted in' from receipt r
      where r.site = :site and r.state = 'ARRIVED' and r.location = :name
      union all
      select 4, h.name || ' stands there' from handling_unit h
      where h.site = :site and h.location = :name and h.state in ('OPEN', 'CLOSED')
      union all
      select 5, l.name || ' lies in it' from location l
      where l.parent_location = :name and not exists (
        select from location_lock k where k.location = l.name and k.direction = 'INACTIVE')
    ) f order by rank, found limit 1
""")


async def refuse_in_use(unit: Unit, location: Location) -> None:
    """LocationInUse when something is there or on its way there or from there; nothing is being posted (still)."""
    found = (await unit.execute(_IN_USE, {"site": location.site, "name": location.name})).scalar()
    if found is not None:
        raise LocationInUse(location=location.name, in_the_way=found)


_TREE = text("""
    with recursive known as (
      select distinct on (h.location) h.location, h.parent_location, l.title, l.kind
      from location l join location_parent h on h.location = l.name
      where l.site = :site and h.from_time <= :at
      order by h.location, h.from_time desc
    ), tree as (
      select k.*, 0 as above_count, array[k.location] as path from known k where k.parent_location is null
      union all
      select k.*, t.above_count + 1, t.path || k.location from known k join tree t on t.location = k.parent_location
    )
    select location, parent_location, title, kind, above_count from tree order by path
""")


async def tree(unit: Unit, site: str, at: datetime) -> list[Mapping[str, Any]]:
    """Locations of a site as they lay at an instant, each behind the one that contains it; one statement (MAT-30)."""
    return [dict(row._mapping) for row in await unit.execute(_TREE, {"site": site, "at": at})]


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


async def named(unit: Unit, names: Iterable[str]) -> dict[str, Location]:
    """Places by name without their locks, which the posting looks at."""
    rows = await unit.all(select(Location).where(among(Location.name, names)).options(_BARE))
    return {row.name: row for row in rows}


_BARE = lazyload(Location.locks)  # type: ignore[arg-type]


async def virtual(unit: Unit, site: str, kind: Kind) -> Location:
    """The site's virtual location of a kind; one that a release brought after the site was made comes with its use."""
    found = (await virtuals(unit, site)).get(kind)
    if found is not None:
        return found
    name = f"sites/{site}/{Location.COLLECTION}/{kind.place_id}"
    values = {"name": name, "site": site, "kind": kind, "title": kind.capitalize()}
    times = {"create_time": unit.now, "update_time": unit.now}
    await unit.execute(insert(Location).values(**values, **times).on_conflict_do_nothing())
    return (await virtuals(unit, site))[kind]


async def virtuals(unit: Unit, site: str) -> dict[Kind, Location]:
    """The site's virtual locations by kind; FieldInvalid for a site that is not known here."""
    rows = await unit.all(
        select(Location)
        .where(Location.site == site, Location.kind.in_(sorted(VIRTUAL)))  # type: ignore[arg-type, attr-defined]
        .order_by(Location.name.desc())  # type: ignore[attr-defined]
        .options(_BARE)
    )
    found: dict[Kind, Location] = {row.kind: row for row in rows}
    if not found:
        raise FieldInvalid(field="parent", rule="must be a site that is known here", value=f"sites/{site}")
    return found
