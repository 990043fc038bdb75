"""Handling units that leave with a transfer to another site and come there with SSCC, nesting and content (MAT-51)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, Numeric, Text, select
from sqlmodel import Field

from services.chassis.unit import Unit
from services.materials.model import loading, sscc_range
from services.materials.model.base import Table
from services.materials.model.handling_unit import HandlingUnit, SsccExists, State
from services.materials.model.loading import Loaded


class TransferUnit(Table, table=True):
    """A handling unit as it left: it stands nowhere until it comes to the other site."""

    __tablename__ = "transfer_unit"

    transfer: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("transfer.name")])
    handling_unit: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("handling_unit.name")])
    parent_handling_unit: str = Field(default="", sa_type=Text, nullable=False)
    outer_handling_unit: str = Field(sa_type=Text)
    number: str = Field(sa_type=Text)
    sscc: str = Field(sa_type=Text)
    handling_unit_type: str = Field(sa_type=Text)
    gross_weight: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))
    gross_weight_unit_code: str = Field(default="", sa_type=Text, nullable=False)

    @classmethod
    def of(cls, transfer: str, row: HandlingUnit, outer: str) -> "TransferUnit":
        """The unit as it stands."""
        return cls(
            transfer=transfer, handling_unit=row.name, parent_handling_unit=row.parent_handling_unit or "",
            outer_handling_unit=outer, number=row.number, sscc=row.sscc, handling_unit_type=row.handling_unit_type,
            gross_weight=row.gross_weight, gross_weight_unit_code=row.gross_weight_unit_code,
        )  # fmt: skip


async def unload(unit: Unit, transfer: str, loaded: Loaded) -> None:
    """Note the units as they stand; they are open until their content is under way, which lies in none of them."""
    for row in loaded.rows.values():
        unit.session.add(TransferUnit.of(transfer, row, loaded.root_of[row.name]))
        if row.state is State.CLOSED:
            row.move(State.OPEN)
    await unit.flush()


async def leave(unit: Unit, transfer: str, loaded: Loaded, at: datetime) -> None:
    """All of them have left by the transfer."""
    for row in loaded.rows.values():
        row.transfer = transfer
    await loading.ship(unit, list(loaded.rows.values()), at)


async def left_by(unit: Unit, transfer: str) -> set[str]:
    """Outermost units that have left by a transfer."""
    columns: Any = TransferUnit
    return set(await unit.all(select(columns.outer_handling_unit).where(columns.transfer == transfer).distinct()))


@dataclass(frozen=True, slots=True)
class Arrived:
    """Units that came to a site: by the name that they had where they left from."""

    rows: Mapping[str, HandlingUnit]
    left: Mapping[str, TransferUnit]

    def inside(self, name: str) -> str:
        """The unit here that a unit of the sender has become; "" for goods in none."""
        return self.rows[name].name if name else ""

    async def close(self, unit: Unit, whole: Iterable[str]) -> None:
        """Units of which all came are frozen as they were, outermost ones named; they may leave again as they are."""
        roots = set(whole)
        for name, row in self.rows.items():
            told = self.left[name]
            if told.outer_handling_unit in roots:
                row.close()
                row.unbroken = True
                row.gross_weight, row.gross_weight_unit_code = told.gross_weight, told.gross_weight_unit_code
        await unit.flush()


async def arrive(unit: Unit, transfer: str, site: str, places: Mapping[str, str], left_at: datetime | None) -> Arrived:
    """Units of a transfer come to a site: outermost unit -> place. They are open until what came is in them.

    One that was there before is there again; one of which some came before stays where it is. SsccExists when another
    unit bears the number meanwhile. A constant number of statements.
    """
    if not places:
        return Arrived({}, {})
    told: Sequence[TransferUnit] = await unit.all(
        select(TransferUnit)
        .where(TransferUnit.transfer == transfer, TransferUnit.outer_handling_unit.in_(sorted(places)))  # type: ignore[attr-defined, arg-type]
        .order_by(TransferUnit.handling_unit)
    )
    codes = [one.sscc for one in told]
    known: Sequence[HandlingUnit] = await unit.all(
        select(HandlingUnit)
        .where(HandlingUnit.site == site, HandlingUnit.sscc.in_(codes))  # type: ignore[attr-defined, arg-type]
        .order_by(HandlingUnit.name)
        .with_for_update()
    )
    here = {row.sscc: row for row in known}
    numbers = await _numbers(unit, site, [one for one in told if one.sscc not in here])
    rows: dict[str, HandlingUnit] = {}
    come: list[TransferUnit] = []
    for one in told:
        row = here.get(one.sscc)
        if row is not None and row.state is not State.SHIPPED:
            if row.transfer != transfer:
                raise SsccExists(constraint=one.sscc)
            rows[one.handling_unit] = row
            continue
        if row is None:
            name = unit.new_name(f"sites/{site}", HandlingUnit.COLLECTION)
            row = HandlingUnit(
                name=name, number=numbers[one.handling_unit], sscc=one.sscc, handling_unit_type=one.handling_unit_type,
                location=places[one.outer_handling_unit],
            )  # fmt: skip
            row = unit.add(row)
        else:
            row.move(State.OPEN)
            row.put_at(places[one.outer_handling_unit])
        row.transfer, row.ship_time, row.unbroken = transfer, left_at, False
        if row.name != one.handling_unit:
            row.origin_handling_unit = one.handling_unit
        rows[one.handling_unit] = row
        come.append(one)
    await unit.flush()  # all stand there before one is in another
    for one in come:
        if one.parent_handling_unit:
            rows[one.handling_unit].put_into(rows[one.parent_handling_unit])
    await unit.flush()
    return Arrived(rows, {one.handling_unit: one for one in told})


async def _numbers(unit: Unit, site: str, new: Sequence[TransferUnit]) -> dict[str, str]:
    """Numbers of units that a site does not know: those that they had, or others where these are taken."""
    if not new:
        return {}
    columns: Any = HandlingUnit
    wanted = [one.number for one in new]
    taken = set(await unit.all(select(columns.number).where(columns.site == site, columns.number.in_(wanted))))
    fresh = iter(await sscc_range.numbers(unit, len(taken)) if taken else ())
    return {one.handling_unit: next(fresh) if one.number in taken else one.number for one in new}
