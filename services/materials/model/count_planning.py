"""What is known of the stock of a site since it was counted, and which counts are made of it (MAT-151)."""

from datetime import date
from typing import Any

from sqlalchemy import select, text

from services.chassis.unit import Unit
from services.materials.model import count_lines
from services.materials.model.count import CountDocument, State
from services.materials.model.count_policy import CountRules
from services.materials.model.location import VIRTUAL
from services.materials.rules import count_planning as rule

_STOCKS = text("""
    select b.location, coalesce(nullif(s.count_class, ''), 'C') as count_class, b.on_hand,
           (last.count_time at time zone f.time_zone)::date as counted, (last.accurate = false) as poor,
           (first.effective_time at time zone f.time_zone)::date as since,
           coalesce(moved.issued, 0) as issued,
           exists (select from put_away_task t where t.site = b.site and t.from_location = b.location
                   and t.kind = 'COUNT' and t.item = b.item and t.state <> 'CANCELLED'
                   and t.create_time > coalesce(last.count_time, '-infinity')) as short,
           coalesce(moved.quantity * case when v.quantity > 0 then v.value / v.quantity else 0 end, 0) as value_moved
    from balance b
    join site_fact f on f.name = 'sites/' || b.site
    join value_balance v on v.site = b.site and v.item = b.item
    left join item_settings s on s.site = b.site and s.item = b.item
    left join lateral (
      select c.count_time, c.accurate from count_line c where c.balance = b.name and c.state = 'POSTED'
      order by c.count_time desc limit 1) last on true
    join lateral (
      select e.effective_time from movement_entry e where e.balance = b.name order by e.effective_time limit 1) first
      on true
    left join lateral (
      select sum(abs(e.quantity)) as quantity, -sum(e.quantity) filter (where e.quantity < 0) as issued
      from movement_entry e
      where :moves and e.balance = b.name and e.effective_time > coalesce(last.count_time, '-infinity')) moved on true
    where b.site = :site and not b.virtual and b.on_hand <> 0 and not (b.location = any(cast(:counting as text[])))
    order by b.name
""")


async def plan(
    unit: Unit, site: str, policy: CountRules, today: date, first: date, day_count: int
) -> tuple[dict[date, list[rule.Place]], int]:
    """Places to count by day, and how many that are due did not fit; places of counts under way are left out."""
    open_documents = await unit.all(
        select(CountDocument)
        .where(
            CountDocument.site == site,  # type: ignore[arg-type]
            CountDocument.state.in_((State.PLANNED, State.STARTED)),  # type: ignore[attr-defined]
        )
        .order_by(CountDocument.name)
        .with_for_update()
    )
    named = {name for document in open_documents for name in document.locations}
    counting = await count_lines.leaves(unit, site, named, VIRTUAL) if named else []
    triggers = policy.triggers
    moves = triggers.turnover is not None or triggers.value_moved is not None
    rows = await unit.execute(_STOCKS, {"site": site, "counting": counting, "moves": moves})
    due = rule.places([_stock(row) for row in rows], triggers, today)
    taken: dict[date, int] = {}
    for document in open_documents:
        if document.due_date is not None:
            taken[document.due_date] = taken.get(document.due_date, 0) + document.line_count
    days = rule.spread(due, policy.daily_lines, first, day_count, taken)
    return days, len(due) - sum(len(places) for places in days.values())


def _stock(row: Any) -> rule.Stock:
    return rule.Stock(
        row.location, row.count_class, row.counted, row.since, row.on_hand, row.issued, row.value_moved,
        poor=bool(row.poor), short=row.short,
    )  # fmt: skip
