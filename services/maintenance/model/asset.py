"""Assets: what is maintained, in a tree without circles (MNT-20 .. MNT-23)."""

from enum import StrEnum
from typing import Any, ClassVar

from google.protobuf.message import Message
from plantops.maintenance.v1.events_pb2 import AssetChanged
from sqlalchemy import ForeignKey, Index, Text, select, text
from sqlmodel import Field

from services.chassis.faults import Cycle, FailedPrecondition, FieldInvalid
from services.chassis.resource import enum_text
from services.chassis.unit import Unit
from services.chassis.wire import fill
from services.maintenance.model.base import Resource


class State(StrEnum):
    PLANNED = "PLANNED"
    IN_SERVICE = "IN_SERVICE"
    STANDBY = "STANDBY"
    OUT_OF_SERVICE = "OUT_OF_SERVICE"
    DECOMMISSIONED = "DECOMMISSIONED"


class Criticality(StrEnum):
    A = "A"
    B = "B"
    C = "C"


class AssetHasChildren(FailedPrecondition):
    """Nothing cascades (MNT-22)."""

    text = "{asset} contains {child}; move or decommission it first."


class AssetDecommissioned(FailedPrecondition):
    """Nothing new is done with what is gone for good (MNT-22, MNT-23)."""

    text = "{asset} is DECOMMISSIONED; {what} is refused."


_LIVING = (State.PLANNED, State.IN_SERVICE, State.STANDBY, State.OUT_OF_SERVICE)

PAIRS = frozenset(
    {
        (State.PLANNED, State.IN_SERVICE),
        (State.IN_SERVICE, State.STANDBY),
        (State.IN_SERVICE, State.OUT_OF_SERVICE),
        (State.STANDBY, State.IN_SERVICE),
        (State.STANDBY, State.OUT_OF_SERVICE),
        (State.OUT_OF_SERVICE, State.IN_SERVICE),
        (State.OUT_OF_SERVICE, State.STANDBY),
        *((state, State.DECOMMISSIONED) for state in _LIVING),
    }
)


class Asset(Resource, table=True):
    """A piece of equipment with its own history."""

    COLLECTION: ClassVar[str] = "assets"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = PAIRS
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"number", "state", "criticality", "parent_asset", "tag"})
    __table_args__ = (
        Index("ix_asset_site", "site", "name"),
        Index("uq_asset_site_number", "site", "number", unique=True),
        Index("ix_asset_parent", "parent_asset"),
        Index("ix_asset_tag", "site", "tag", postgresql_where=text("tag <> ''")),
    )

    number: str = Field(sa_type=Text)
    title: str = Field(sa_type=Text)
    state: State = Field(default=State.PLANNED, sa_type=enum_text(State), nullable=False)
    criticality: Criticality = Field(sa_type=enum_text(Criticality))
    parent_asset: str | None = Field(
        default=None, sa_type=Text, sa_column_args=[ForeignKey("asset.name")], nullable=True
    )
    tag: str = Field(default="", sa_type=Text, nullable=False)
    delivery_location: str = Field(default="", sa_type=Text, nullable=False)
    cost_centre: str = Field(default="", sa_type=Text, nullable=False)

    @property
    def maintained(self) -> bool:
        """Whether policies make orders for it (MNT-23)."""
        return self.state is State.IN_SERVICE

    def workable(self, what: str) -> None:
        """Refuse something new for a decommissioned asset."""
        if self.state is State.DECOMMISSIONED:
            raise AssetDecommissioned(asset=self.name, what=what)

    def told(self) -> Message:
        """All that others need to know."""
        message = fill(AssetChanged(), self)
        message.asset = self.name
        return self.event(message)


_HOLD = text("select pg_advisory_xact_lock(hashtextextended('asset tree of ' || :site, 0))")


async def hold_tree(unit: Unit, site: str) -> None:
    """Let one unit at a time change a site's tree; taken before any asset is locked (MNT-20)."""
    await unit.execute(_HOLD, {"site": site})


async def settle(unit: Unit, asset: Asset) -> None:
    """Refuse a parent of another site, a parent that is gone, and a circle; the tree must be held (MNT-20)."""
    asset.parent_asset = asset.parent_asset or None
    if asset.parent_asset is None:
        return
    if not asset.parent_asset.startswith(f"sites/{asset.site}/assets/"):
        raise FieldInvalid(field="asset.parent_asset", rule="must be of the same site", value=asset.parent_asset)
    path = [asset.name]
    above: str | None = asset.parent_asset
    while above:
        path.append(above)
        if above == asset.name:
            raise Cycle(path=" -> ".join(path))
        with unit.session.no_autoflush:  # not written before it is judged
            parent = await unit.get(Asset, above, lock=False)
        if len(path) == 2 and parent.state is State.DECOMMISSIONED and asset.state is not State.DECOMMISSIONED:
            raise AssetDecommissioned(asset=parent.name, what="an asset below it")
        above = parent.parent_asset


async def refuse_children(unit: Unit, asset: Asset) -> None:
    """Nothing cascades: children are moved or decommissioned first; the tree must be held (MNT-22)."""
    child = await unit.first(
        select(Asset.name)  # type: ignore[call-overload]
        .where(Asset.parent_asset == asset.name, Asset.state != State.DECOMMISSIONED)
        .order_by(Asset.name)
        .limit(1)
    )
    if child is not None:
        raise AssetHasChildren(asset=asset.name, child=child)
