"""Cost layers of items that are valued first in, first out (MAT-183)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, Numeric, Text, select, text
from sqlmodel import Field

from services.chassis.db import json_text
from services.chassis.faults import FailedPrecondition
from services.chassis.resource import enum_text, instant
from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.materials.model import ledger
from services.materials.model.base import Table
from services.materials.model.movement import ValuationMethod, ValueBalance
from services.materials.rules.fifo import Layer, Take


class ValuationMethodInUse(FailedPrecondition):
    """Stock is valued as it came in; another way needs none, or somebody who says what it is worth (MAT-183)."""

    text = "{item} is valued by {method} with {quantity} in stock; RevalueItem changes that."


class ValueLayer(Table, table=True):
    """What came in by an entry of the ledger, or a part of it, and what is left. Written by database functions alone.

    `layer_time` is when the goods came to the company, also where another site sent them.
    """

    __tablename__ = "value_layer"
    __table_args__ = (
        CheckConstraint(
            "remaining_quantity >= 0 and remaining_value >= 0 and (remaining_quantity > 0 or remaining_value = 0)",
            name="remaining",
        ),
        Index(
            "ix_value_layer_open", "site", "item", "layer_time", "sequence", "part",
            postgresql_where=text("remaining_quantity > 0"),
        ),
        Index("ix_value_layer_movement", "movement"),
    )  # fmt: skip

    site: str = Field(sa_type=Text, primary_key=True)
    item: str = Field(sa_type=Text, primary_key=True)
    sequence: int = Field(sa_type=BigInteger, primary_key=True)
    part: int = Field(primary_key=True)
    movement: str = Field(sa_type=Text)
    layer_time: datetime = Field(sa_type=instant())
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    value: Decimal = Field(sa_type=Numeric(24, 9))
    remaining_quantity: Decimal = Field(sa_type=Numeric(20, 6))
    remaining_value: Decimal = Field(sa_type=Numeric(24, 9))


class LayerTake(Table, table=True):
    """What an entry that took stock out took of a layer, and how much of that came back by a reversal."""

    __tablename__ = "layer_take"
    __table_args__ = (Index("ix_layer_take_movement", "movement"),)

    site: str = Field(sa_type=Text, primary_key=True)
    item: str = Field(sa_type=Text, primary_key=True)
    sequence: int = Field(sa_type=BigInteger, primary_key=True)
    layer_sequence: int = Field(sa_type=BigInteger, primary_key=True)
    layer_part: int = Field(primary_key=True)
    movement: str = Field(sa_type=Text)
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    value: Decimal = Field(sa_type=Numeric(24, 9))
    restored: Decimal = Field(sa_type=Numeric(20, 6))


class ValuationChange(Table, table=True):
    """From when on an item's stock at a site is valued how."""

    __tablename__ = "valuation_change"

    site: str = Field(sa_type=Text, primary_key=True)
    item: str = Field(sa_type=Text, primary_key=True)
    change_time: datetime = Field(sa_type=instant(), primary_key=True)
    method: ValuationMethod = Field(sa_type=enum_text(ValuationMethod))
    sequence: int = Field(sa_type=BigInteger)


class NegativeStock(Table, table=True):
    """A time in which a place was below zero, begun by a movement; `task` asks a person why (MAT-55)."""

    __tablename__ = "negative_stock"
    __table_args__ = (Index("ix_negative_stock_open", "site", "item", postgresql_where=text("end_time is null")),)

    balance: str = Field(sa_type=Text, primary_key=True)
    movement: str = Field(sa_type=Text, primary_key=True)
    site: str = Field(sa_type=Text)
    item: str = Field(sa_type=Text)
    begin_time: datetime = Field(sa_type=instant())
    end_time: datetime | None = Field(default=None, sa_type=instant())
    task: str = Field(default="", sa_type=Text)


_METHODS = text("""
    select set_valuation_method(:site, m.item, m.method)
    from unnest(cast(:items as text[]), cast(:methods as text[])) m(item, method)
""")
_SET = text("select set_layers(:site, cast(:rows as jsonb))")


async def value_by(unit: Unit, site: str, item: str, method: ValuationMethod, *, asked: bool = False) -> None:
    """Value an item's stock by a method from now on; ValuationMethodInUse where there is stock and nobody `asked`."""
    for fault in (await value_each(unit, site, {item: method}, asked=asked)).values():
        raise fault


async def value_each(
    unit: Unit, site: str, methods: Mapping[str, ValuationMethod], *, asked: bool = False, dry: bool = False
) -> dict[str, ValuationMethodInUse]:
    """Value items' stock by a method each from now on, those with stock only when `asked`; what is refused is given.

    A constant number of statements; `dry` changes and locks nothing.
    """
    changes = await _changes(unit, site, methods)
    if changes and not dry:
        await ledger.hold(unit, site, changes)
        changes = await _changes(unit, site, {item: methods[item] for item in changes})
    refused = {
        item: ValuationMethodInUse(item=item, method=method.value, quantity=canonical(quantity))
        for item, (method, quantity) in changes.items()
        if quantity != 0 and not asked
    }
    if (free := sorted(set(changes) - set(refused))) and not dry:
        await unit.execute(_METHODS, {"site": site, "items": free, "methods": [str(methods[item]) for item in free]})
    return refused


async def _changes(
    unit: Unit, site: str, methods: Mapping[str, ValuationMethod]
) -> dict[str, tuple[ValuationMethod, Decimal]]:
    """Item -> the other method that it is valued by, and its quantity; only where they differ."""
    columns: Any = ValueBalance
    rows = await unit.execute(
        select(columns.item, columns.valuation_method, columns.quantity).where(
            columns.site == site, columns.item.in_(sorted(methods))
        )
    )
    found = {row.item: (row.valuation_method, row.quantity) for row in rows}
    nothing = (ValuationMethod.MOVING_AVERAGE, Decimal(0))
    return {item: found.get(item, nothing) for item, method in methods.items() if found.get(item, nothing)[0] != method}


async def left(unit: Unit, site: str, item: str) -> list[Layer]:
    """Layers of which something is left, the oldest first; none of an item that is valued otherwise."""
    columns: Any = ValueLayer
    rows = await unit.execute(
        select(
            columns.layer_time, columns.sequence, columns.part, columns.movement, columns.remaining_quantity,
            columns.remaining_value,
        )
        .where(columns.site == site, columns.item == item, columns.remaining_quantity > 0)
        .order_by(columns.layer_time, columns.sequence, columns.part)
    )  # fmt: skip
    return [Layer(r.layer_time, r.sequence, r.part, r.movement, r.remaining_quantity, r.remaining_value) for r in rows]


async def keep(unit: Unit, site: str, found: Iterable[tuple[str, Sequence[Layer], Sequence[Take] | None]]) -> None:
    """Let layers of items be as they are after a change of value, what took which of them too, if given."""
    rows = [
        {
            "item": item, "layers": [asdict(layer) for layer in open_layers],
            "takes": None if takes is None else [asdict(take) for take in takes],
        }
        for item, open_layers, takes in found
    ]  # fmt: skip
    if rows:
        await unit.execute(_SET, {"site": site, "rows": json_text(rows)})
