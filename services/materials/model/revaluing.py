"""Changes of value alone: after what was entered late, by cost that came later, by somebody's decision (MAT-186)."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from plantops.materials.v1.events_pb2 import MovementPosted
from sqlalchemy import text

from services.chassis.db import json_text
from services.chassis.unit import Unit
from services.chassis.wire import money
from services.materials.model import replaying
from services.materials.model.ledger import Posting
from services.materials.model.movement import Movement, MovementKind
from services.materials.model.replaying import GIVEN
from services.materials.rules import valuation
from services.materials.rules.valuation import Change, Stock

ZERO = Decimal(0)


@dataclass(slots=True)
class Revalue:
    """A change of the value of an item's stock and of its variance; what both are together comes from outside."""

    item: str
    value: Decimal
    variance: Decimal
    currency_code: str
    cause: str = ""
    reason_code: str = ""
    source: str = ""
    correlation: str = ""
    since: datetime | None = None
    issues: list[str] = field(default_factory=list)
    movement: str = ""


_POST = text("select * from post_revaluations(:site, :actor, cast(:rows as jsonb))")


async def post(unit: Unit, site: str, rows: Sequence[Revalue]) -> None:
    """Post and tell them with one statement; the caller holds the items."""
    if not rows:
        return
    for row in rows:
        row.movement = unit.new_name(f"sites/{site}", Movement.COLLECTION)
    content = json_text([asdict(row) for row in rows])
    found = await unit.execute(_POST, {"site": site, "actor": unit.caller.name, "rows": content})
    times = {each.movement: each.effective for each in found}
    for row in rows:
        message = MovementPosted(movement=row.movement, kind=MovementKind.REVALUE.value, source=row.source)
        message.effective_time.FromDatetime(times[row.movement])
        message.entries.add(item=row.item, value=money(row.value, row.currency_code))
        unit.emit(message, correlation=row.correlation)
        said = {
            "kind": MovementKind.REVALUE.value, "item": row.item, "value": row.value, "variance": row.variance,
            "cause": row.cause, "issues": row.issues,
        }  # fmt: skip
        unit.audit(row.movement, "", None, said, 1)


_CHANGES = text("""
    with since as (
      select p.name, p.end_time from ledger_period p
      where p.site = :site and p.state = 'CLOSED' and p.end_time <= :since order by p.end_time desc limit 1
    )
    select c.item, c.movement, m.kind, m.reverses, c.quantity, c.value, c.variance, c.effective_time, c.item_sequence
    from value_change c join movement m on m.name = c.movement left join revaluation r on r.movement = c.movement
    where c.site = :site and c.item = any(cast(:items as text[])) and c.crosses
      and c.effective_time >= coalesce((select end_time from since), '-infinity')
      and (r.movement is null or r.since = r.effective_time
           or r.since < coalesce((select end_time from since), '-infinity'))
      and (c.variance = 0 or r.movement is not null)
    union all
    select v.item, '', 'START', '', v.quantity, v.value, 0, cast('-infinity' as timestamptz), 0 from period_value v
    where v.period = (select name from since) and v.item = any(cast(:items as text[]))
    order by 1, 8, 9 nulls last
""")
_BOOKED = text("""
    select v.item, v.value, v.currency_code,
           coalesce((select s.receipts_first from site_settings s
                     where s.name = 'sites/' || v.site || '/materialsSettings'), false) as receipts_first,
           case when i.standard_cost_currency_code = v.currency_code then i.standard_cost else 0 end as standard_cost,
           exists (select from valuation_change x where x.site = v.site and x.item = v.item) as layered
    from value_balance v join item i on i.name = v.item
    where v.site = :site and v.item = any(cast(:items as text[])) order by v.item
""")


async def follow(unit: Unit, site: str, postings: Iterable[Posting]) -> None:
    """Replay the values of items that were posted to an earlier instant; what differs is posted now (MAT-186)."""
    late: dict[str, Posting] = {}
    for posting in postings:
        if posting.fault is None and posting.effective_time is not None and posting.effective_time < unit.now:
            for line in posting.lines:
                outside = (line.from_virtual or line.from_owner != "") != (line.to_virtual or line.to_owner != "")
                first = late.get(line.item)
                if outside and (first is None or _time(posting) < _time(first)):
                    late[line.item] = posting
    if not late:
        return
    items = sorted(late)
    since = min(_time(posting) for posting in late.values())
    known = (await unit.execute(_BOOKED, {"site": site, "items": items})).all()
    layered = await replaying.replay(unit, site, [row for row in known if row.layered])
    plain = [item for item in items if item not in layered]
    rows: dict[str, list[Any]] = {}
    for row in await unit.execute(_CHANGES, {"site": site, "items": plain, "since": since}) if plain else ():
        rows.setdefault(row.item, []).append(row)
    changed = []
    for booked in known:
        done = layered.get(booked.item)
        if done is not None:
            stock, issues = done.stock, list(done.issues)
        else:
            stock, issues = _replayed(rows.get(booked.item, []), booked)
        if (difference := stock.value - booked.value) != 0:
            cause = late[booked.item]
            changed.append(
                Revalue(
                    booked.item, difference, -difference, booked.currency_code, cause=cause.name, source=cause.source,
                    correlation=cause.correlation, since=_time(cause), issues=issues,
                )
            )  # fmt: skip
    await post(unit, site, changed)


def _time(posting: Posting) -> datetime:
    assert posting.effective_time is not None
    return posting.effective_time


def _replayed(rows: Sequence[Any], booked: Any) -> tuple[Stock, list[str]]:
    start = Stock()
    changes = []
    if booked.receipts_first:
        rows = sorted(rows, key=lambda row: (row.effective_time, row.quantity < 0))
    for row in rows:
        if row.kind == "START":
            start = Stock(row.quantity, row.value)
        else:
            given = row.kind in GIVEN
            changes.append(
                Change(row.movement, row.quantity, row.value, given, row.reverses, booked.standard_cost or ZERO)
            )
    return valuation.replay(start, changes, valuation.places(booked.currency_code))
