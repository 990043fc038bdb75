"""Waves: picks that are released together, as far as goods are allocated and their staging has room (MAT-110)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import ForeignKey, Index, Text, select
from sqlmodel import Field, Relationship

from services.chassis.faults import FieldInvalid
from services.chassis.resource import enum_text, instant
from services.chassis.unit import Unit
from services.materials.model import handling_unit, ledger, picking, placing, standing
from services.materials.model import location as locations
from services.materials.model.base import Resource, Table, listed
from services.materials.model.item import Item
from services.materials.model.picking import Pick
from services.materials.model.placing import Wanted
from services.materials.model.reservation import OPEN, Reservation

NOTHING = "nothing of it is allocated in a bin"


class State(StrEnum):
    PLANNED = "PLANNED"
    RELEASED = "RELEASED"


class WaveLine(Table, table=True):
    """A reservation of a wave."""

    __tablename__ = "wave_line"

    wave: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("wave.name")])
    reservation: str = Field(sa_type=Text, primary_key=True)
    handling_unit: str = Field(default="", sa_type=Text, nullable=False)
    released: bool = Field(default=False, nullable=False)
    left_out_reason: str = Field(default="", sa_type=Text, nullable=False)


class Wave(Resource, table=True):
    """Picks for several reservations; in a cluster each work order goes into a handling unit of its own."""

    COLLECTION: ClassVar[str] = "waves"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset({(State.PLANNED, State.RELEASED)})
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"state"})
    __table_args__ = (Index("ix_wave_site", "site", "name"), *listed("wave", "state"))

    number: str = Field(sa_type=Text)
    state: State = Field(default=State.PLANNED, sa_type=enum_text(State), nullable=False)
    staging_location: str = Field(default="", sa_type=Text, nullable=False)
    cluster: bool = Field(default=False, nullable=False)
    release_time: datetime | None = Field(default=None, sa_type=instant())
    lines: list[WaveLine] = Relationship(
        sa_relationship_kwargs={"lazy": "selectin", "order_by": "WaveLine.reservation", "cascade": "all"}
    )


async def checked(unit: Unit, wave: Wave) -> Wave:
    """FieldInvalid for reservations, staging or handling units that do not fit."""
    parent = f"sites/{wave.site}/"
    names = [line.reservation for line in wave.lines]
    if len(set(names)) != len(names):
        raise FieldInvalid(field="wave.lines", rule="names each reservation once", value=names)
    rows = await unit.get_many(Reservation, names, lock=False)
    if wave.staging_location:
        place = (await locations.named(unit, [wave.staging_location])).get(wave.staging_location)
        if place is None or place.site != wave.site or place.kind is not locations.Kind.STAGING:
            rule = "must be a staging place of the site"
            raise FieldInvalid(field="wave.staging_location", rule=rule, value=wave.staging_location)
    units = await handling_unit.paths(unit, (line.handling_unit for line in wave.lines))
    of_order: dict[str, str] = {}
    for index, line in enumerate(wave.lines):
        field = f"wave.lines[{index}]"
        row = rows.get(line.reservation)
        if row is None or row.site != wave.site or row.state not in OPEN:
            rule = "must be a reservation of the site that is not ended"
            raise FieldInvalid(field=f"{field}.reservation", rule=rule, value=line.reservation)
        into = line.handling_unit
        if bool(into) is not wave.cluster or (into and (into not in units or not into.startswith(parent))):
            rule = "must be a handling unit of the site" if wave.cluster else "must be empty: it is no cluster"
            raise FieldInvalid(field=f"{field}.handling_unit", rule=rule, value=into)
        if into and of_order.setdefault(into, row.work_order) != row.work_order:
            rule = "must hold one work order alone"
            raise FieldInvalid(field=f"{field}.handling_unit", rule=rule, value=into)
    return wave


async def release(unit: Unit, wave: Wave, rows: Mapping[str, Reservation]) -> int:
    """Make picks of what is allocated and has room; gives how many. The caller holds items and reservations.

    Constant statements whatever the number of reservations. The staging places are locked until the commit, so that
    two waves do not get the same room.
    """
    site = wave.site or ""
    if wave.state is not State.RELEASED:
        wave.move(State.RELEASED)
    wave.release_time = unit.now
    lines = {line.reservation: line for line in wave.lines}
    picks = await picking.allocated(unit, site, rows)
    stagings = {name: wave.staging_location or row.delivery_location for name, row in rows.items()}
    places = await locations.named(unit, set(stagings.values()) - {""})
    waiting = await standing.waiting(unit, rows)
    for line in wave.lines:
        line.left_out_reason = "" if line.released else NOTHING
    apt = []
    for pick in picks:
        place = places.get(stagings[pick.reservation])
        if place is not None and place.site == site and place.kind is locations.Kind.STAGING:
            apt.append((pick, place.name))
        else:
            lines[pick.reservation].left_out_reason = "it has no staging place"
    refusals = await _room(unit, site, apt)
    made = 0
    for (pick, staging), refusal in zip(apt, refusals, strict=True):
        line = lines[pick.reservation]
        if refusal:
            line.left_out_reason = refusal
            continue
        picking.task_of(
            unit, pick, rows[pick.reservation], staging, waits=pick.reservation in waiting, wave=wave.name,
            into=line.handling_unit,
        )  # fmt: skip
        made += 1
        line.released = True
        line.left_out_reason = "" if line.left_out_reason == NOTHING else line.left_out_reason
    wave.touch()
    return made


async def take_up(unit: Unit, name: str, *, etag: str = "") -> tuple[Wave, dict[str, Reservation]]:
    """A wave with its reservations that are not ended: items first, then reservations, then the wave (MAT-74)."""
    names = await unit.all(select(WaveLine.reservation).where(WaveLine.wave == name))  # type: ignore[call-overload]
    items = await unit.all(select(Reservation.item).where(Reservation.name.in_(names)))  # type: ignore[call-overload, attr-defined]
    await ledger.hold(unit, name.split("/")[1], items)
    rows = await unit.get_many(Reservation, names)
    wave = await unit.get(Wave, name, etag=etag)
    return wave, {key: row for key, row in rows.items() if row.state in OPEN}


async def _room(unit: Unit, site: str, apt: Sequence[tuple[Pick, str]]) -> list[str]:
    """Why each pick has no room at its staging, those before it counted; "" where it has."""
    items = await unit.get_many(Item, {pick.item for pick, _ in apt}, lock=False)
    wanted = [(Wanted.of(items[pick.item], pick.quantity, lot=pick.lot), staging) for pick, staging in apt]
    return [fault.message if fault is not None else "" for fault in await placing.room(unit, site, wanted)]
