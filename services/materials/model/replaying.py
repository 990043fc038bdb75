"""Replay of items whose stock is, or was, valued by layers: from the first movement on (MAT-183, MAT-186)."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from services.chassis.unit import Unit
from services.materials.model import layers
from services.materials.model.movement import MovementKind
from services.materials.rules import valuation
from services.materials.rules.fifo import Entry, Layer, Replay

GIVEN = frozenset(
    {
        MovementKind.REVERSAL, MovementKind.RETURN_TO_SUPPLIER, MovementKind.TRANSFER_SHIP,
        MovementKind.TRANSFER_RECEIVE, MovementKind.PRODUCE,
    }
)  # fmt: skip
"""Kinds that take stock out at a value of their own."""

ZERO = Decimal(0)
_METHOD = "METHOD"
_HISTORY = text("""
    select c.item, c.movement, m.kind, m.reverses, c.quantity, c.value, c.effective_time,
           coalesce(c.item_sequence, 0) as item_sequence, coalesce(r.cause, e.returns, '') as own, '' as method
    from value_change c join movement m on m.name = c.movement left join revaluation r on r.movement = c.movement
    left join movement_entry e on (e.site, e.item, e.item_sequence) = (c.site, c.item, c.item_sequence)
    where c.site = :site and c.item = any(cast(:items as text[])) and c.crosses
      and (r.movement is null or r.since = r.effective_time) and (c.variance = 0 or r.movement is not null)
    union all
    select v.item, '', :method, '', 0, 0, v.change_time, v.sequence, '', v.method from valuation_change v
    where v.site = :site and v.item = any(cast(:items as text[]))
    order by item, effective_time, item_sequence
""")
_SENT = text("""
    select l.item, l.layer_time, l.sequence, l.part, l.movement, l.quantity, l.value
    from value_layer l join movement m on m.name = l.movement and m.kind = 'TRANSFER_RECEIVE'
    where l.site = :site and l.item = any(cast(:items as text[])) order by l.item, l.sequence, l.part
""")


async def replay(unit: Unit, site: str, items: Sequence[Any]) -> dict[str, Replay]:
    """Items, as they are booked, replayed; their layers are kept as they would be then. The caller holds them."""
    if not items:
        return {}
    names = {"site": site, "items": sorted(row.item for row in items)}
    sent: dict[tuple[str, int], list[Layer]] = {}
    for row in await unit.execute(_SENT, names):
        layer = Layer(row.layer_time, row.sequence, row.part, row.movement, row.quantity, row.value)
        sent.setdefault((row.item, row.sequence), []).append(layer)
    rows: dict[str, list[Any]] = {}
    for row in await unit.execute(_HISTORY, {**names, "method": _METHOD}):
        rows.setdefault(row.item, []).append(row)
    found = {}
    for booked in items:
        mine: Iterable[Any] = rows.get(booked.item, ())
        if booked.receipts_first:
            mine = sorted(mine, key=lambda row: (row.effective_time, row.quantity < 0))
        entries = [_entry(row, booked, sent.get((row.item, row.item_sequence), ())) for row in mine]
        found[booked.item] = Replay(valuation.places(booked.currency_code)).run(entries)
    await layers.keep(unit, site, [(item, done.layers, done.takes) for item, done in found.items()])
    return found


def _entry(row: Any, booked: Any, parts: Sequence[Layer]) -> Entry:
    return Entry(
        row.movement, row.quantity, row.value, row.effective_time, row.item_sequence, given=row.kind in GIVEN,
        reverses=row.reverses, own=row.own, parts=parts, method=row.method, standard_cost=booked.standard_cost or ZERO,
    )  # fmt: skip
