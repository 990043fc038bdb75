"""History of stock and demand as it was known at each moment, for back-tests (MAT-163)."""

from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import text

from services.chassis.unit import Unit
from services.materials.model.item import SiteFact
from services.materials.rules.backtests import History, Need

ZERO = Decimal(0)

_OPENINGS = text("""
    select b.item, sum(e.quantity) as quantity
    from balance b
    join movement_entry e on e.balance = b.name
    join movement m on m.name = e.movement and m.record_time < :start
    where b.site = :site and b.item = any(cast(:items as text[])) and not b.virtual and b.status = 'UNRESTRICTED'
      and b.owner = ''
    group by b.item
""")
_CLAIMS = text("""
    select r.item, (r.create_time at time zone :zone)::date as known,
           (greatest(coalesce(r.need_time, r.create_time), :start) at time zone :zone)::date as day,
           sum(r.requested - r.released) as quantity
    from reservation r join item i on i.name = r.item and i.base_unit_code = r.unit_code
    where r.site = :site and r.item = any(cast(:items as text[])) and r.create_time < :end
      and greatest(coalesce(r.need_time, r.create_time), r.create_time) >= :start
      and coalesce(r.need_time, r.create_time) < :end and r.substitutes = ''
    group by 1, 2, 3
""")
_ISSUES = text("""
    select b.item, (m.record_time at time zone :zone)::date as day, -sum(e.quantity) as quantity
    from balance b
    join movement_entry e on e.balance = b.name
    join movement m on m.name = e.movement and m.record_time >= :start and m.record_time < :end
    left join movement o on o.name = m.reverses
    where b.site = :site and b.item = any(cast(:items as text[])) and not b.virtual and b.owner = ''
      and coalesce(o.kind, m.kind) in ('ISSUE', 'CONSUME', 'SHIP')
      and coalesce(o.source, m.source) not like '%/reservations/%'
    group by 1, 2
""")
_VALUES = text("""
    select item, value / quantity as unit_value from value_balance
    where site = :site and item = any(cast(:items as text[])) and quantity > 0
""")


async def histories(unit: Unit, fact: SiteFact, items: Iterable[str], first: date, end: date) -> list[History]:
    """What was known of items at a site, day by day; four statements."""
    zone = ZoneInfo(fact.time_zone)
    names = sorted(set(items))
    where = {"site": fact.name.removeprefix("sites/"), "items": names}
    span = {"start": datetime.combine(first, time(), zone), "end": datetime.combine(end, time(), zone)}
    times = where | span | {"zone": fact.time_zone}
    opening = {row.item: row.quantity for row in await unit.execute(_OPENINGS, where | {"start": span["start"]})}
    needs: dict[str, list[Need]] = {}
    for row in await unit.execute(_CLAIMS, times):
        if row.quantity > 0:
            needs.setdefault(row.item, []).append(Need(row.known, row.day, row.quantity))
    for row in await unit.execute(_ISSUES, times):
        if row.quantity > 0:
            needs.setdefault(row.item, []).append(Need(row.day, row.day, row.quantity))
    values = {row.item: row.unit_value for row in await unit.execute(_VALUES, where)}
    return [
        History(name, first, end, opening.get(name, ZERO), tuple(needs.get(name, ())), values.get(name, ZERO))
        for name in names
    ]
