"""What can be promised of items, for callers and for soft claims; one statement for any number (MAT-72)."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from sqlalchemy import text

from services.chassis.unit import Unit
from services.materials.model import allocating
from services.materials.model.item import SiteFact
from services.materials.model.reservation import Reservation
from services.materials.rules.availability import Claim, Coming, Free, Outlook, promised

_OUTLOOK = text("""
    with wanted as (
      select distinct w.site, w.item, (now() at time zone f.time_zone)::date as today, f.time_zone
      from unnest(cast(:sites as text[]), cast(:items as text[])) w(site, item)
      join site_fact f on f.name = 'sites/' || w.site
    )
    select w.site, w.item, 'FREE' as kind, sum(b.on_hand - b.reserved) as quantity, lot.expire_date as day,
           null::int as priority, null::timestamptz as need_time, null::timestamptz as create_time, '' as name
    from wanted w
    join balance b on b.site = w.site and b.item = w.item and not b.virtual and b.on_hand > b.reserved
      and b.status = 'UNRESTRICTED' and b.owner = '' and b.project = ''
      and hold_of(b.site, b.item, b.lot, b.serial, b.handling_unit, b.location) is null
    join location l on l.name = b.location and l.kind <> 'TRANSIT'
    left join lot on lot.name = b.lot
    group by w.site, w.item, lot.expire_date
    union all
    select w.site, w.item, 'COMING', greatest(e.quantity * e.base_numerator / e.base_denominator - e.received_base, 0),
           e.expected_date, null, null, null, e.name
    from wanted w
    join expected_receipt e on e.site = w.site and e.item = w.item and e.state = 'OPEN' and e.expected_date >= w.today
      and not e.set_aside
    union all
    select w.site, w.item, 'COMING', l.quantity - l.received - l.disposed, t.expected_date, null, null, null, t.name
    from wanted w
    join transfer t on t.to_site = 'sites/' || w.site and t.state in ('SHIPPED', 'PARTLY_RECEIVED')
      and t.expected_date >= w.today
    join transfer_line l on l.transfer = t.name and l.item = w.item and l.status = 'UNRESTRICTED'
    union all
    select w.site, w.item, 'CLAIM', r.pending + r.short + r.supply_covered,
           (greatest(coalesce(r.need_time, now()), now()) at time zone w.time_zone)::date,
           r.priority, r.need_time, r.create_time, r.name
    from wanted w
    join reservation r on r.site = w.site and r.item = w.item and r.state in ('PENDING', 'SHORT')
      and r.owner = '' and r.pending + r.short + r.supply_covered > 0
""")


async def outlooks(unit: Unit, places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Outlook]:
    """(site, item) -> what is known of it; sites that are not known are missing."""
    wanted = sorted(set(places))
    found = {place: Outlook() for place in wanted}
    rows = await unit.execute(_OUTLOOK, {"sites": [site for site, _ in wanted], "items": [item for _, item in wanted]})
    for row in rows:
        outlook = found[row.site, row.item]
        if row.kind == "FREE":
            outlook.free.append(Free(row.quantity, row.day))
        elif row.kind == "COMING":
            outlook.coming.append(Coming(row.quantity, row.day))
        else:
            outlook.claims.append(Claim(row.quantity, row.day, _turn(row)))
    return found


def _turn(row: Any) -> tuple[Any, ...]:
    need = row.need_time.timestamp() if row.need_time is not None else 0.0
    return row.priority, row.need_time is None, need, row.create_time, row.name


async def promise(unit: Unit, site: str, rows: Sequence[Reservation], fact: SiteFact) -> None:
    """Soft claims say how much of them can be promised on their day, before later claims; the caller wrote them."""
    known = await outlooks(unit, [(site, row.item) for row in rows])
    for row in rows:
        day: date = row.needed_on(fact, unit.now)
        available = known[site, row.item].available(
            day, before=allocating.turn(row), life_days=row.minimum_remaining_life_days or 0
        )
        row.share(pending=promised(available, row.missing))
