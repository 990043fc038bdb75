"""Statements of measures of flows (section 7): demands, work, production, holds, recalls, the ledger's own.

As in `measured`: numerator, denominator, how many records count, how many are left out and why.
"""

from sqlalchemy import text

COVERAGE = text("""
    select 100 * count(*) filter (where f.fate = '' and f.last = 'ReservationAllocated') as numerator,
           count(*) filter (where f.fate = '') as denominator, count(*) filter (where f.fate = '') as counted,
           jsonb_build_object('needed later than a day from now', count(*) filter (where f.fate = 'AHEAD'),
                              'known only within a day of the need', count(*) filter (where f.fate = 'LATE'))
             as left_out
    from (select case when r.need_time > cast(:at as timestamptz) + interval '1 day' then 'AHEAD'
                      when r.create_time > r.need_time - interval '1 day' then 'LATE' else '' end as fate, (
                   select j.event_type from journal j
                   where j.correlation = r.correlation and j.resource = r.name
                     and j.occurred_at <= r.need_time - interval '1 day'
                     and j.event_type in ('ReservationAllocated', 'ReservationShort')
                   order by j.pos desc limit 1) as last
          from reservation r join item i on i.name = r.item and (:item_class = '' or i.item_class = :item_class)
          where r.site = :site and r.need_time >= :start and r.need_time < :end and r.released < r.requested
            and r.substitutes = '') f
""")
FILL_UNITS = text("""
    select 100 * sum(c.covered) as numerator, sum(c.needed) as denominator, count(c.needed) as counted,
           jsonb_build_object(
             'needed later than now', count(*) filter (where r.need_time > :at),
             'cover at need is not known', count(*) filter (where r.need_time <= :at and c.needed is null)) as left_out
    from reservation r join item i on i.name = r.item and (:item_class = '' or i.item_class = :item_class)
    left join need_cover c on c.reservation = r.name and c.need_time = r.need_time
    where r.site = :site and r.need_time >= :start and r.need_time < :end and r.released < r.requested
      and r.substitutes = ''
""")
STOCK_OUT = text("""
    with days as (
      select least(cast(d + interval '1 day' as timestamp) at time zone :zone, cast(:at as timestamptz)) as until
      from generate_series(cast(:first as timestamp), cast(:end as timestamptz) at time zone :zone - interval '1 day',
                           interval '1 day') d
      where d at time zone :zone <= :at
    ),
    planned as (
      select p.until, p.item, bool_or(p.demand) as demand
      from (select d.until, r.item, true as demand
            from days d join reservation r on r.site = :site and r.need_time <= d.until and r.create_time <= d.until
            where r.state not in ('ISSUED', 'RELEASED', 'EXPIRED') or r.update_time > d.until
            union all
            select d.until, p.item, false
            from days d join materials_policy p on p.site = :site and p.active_revision <> ''
              and p.create_time <= d.until) p
      join item i on i.name = p.item and (:item_class = '' or i.item_class = :item_class)
      group by 1, 2
    )
    select 100 * count(*) filter (where p.demand and u.usable <= 0) as numerator, count(*) as denominator,
           count(*) as counted, jsonb_build_object() as left_out
    from planned p cross join lateral (
      select coalesce(sum(b.on_hand - coalesce((
               select sum(e.quantity) from movement_entry e
               where e.balance = b.name and e.effective_time > p.until), 0)), 0) as usable
      from balance b left join lot l on l.name = b.lot
      where b.site = :site and b.item = p.item and not b.virtual and b.status = 'UNRESTRICTED' and b.owner = ''
        and b.project = ''
        and (l.expire_date is null or l.expire_date >= ((p.until - interval '1 second') at time zone :zone)::date)) u
""")
LINES_PER_HOUR = text("""
    select count(*) filter (where t.leased_seconds > 0) as numerator, sum(t.leased_seconds) / 3600 as denominator,
           count(*) filter (where t.leased_seconds > 0) as counted,
           jsonb_build_object('done at once', count(*) filter (where t.leased_seconds = 0)) as left_out
    from put_away_task t join item i on i.name = t.item and (:item_class = '' or i.item_class = :item_class)
    where t.site = :site and t.state in ('COMPLETED', 'SHORTENED')
      and t.update_time >= :start and t.update_time < :end
""")
WIP = text("""
    with step as (
      select o.name, p.operation, p.wip_since,
             greatest(p.staged_units - (
               select greatest(max(q.good + (
                 select sum(r.scrapped) from production_operation r
                 where r.production_order = p.production_order and r.operation between p.operation and q.operation)), 0)
               from production_operation q
               where q.production_order = p.production_order and q.operation >= p.operation), 0) as units,
             (select coalesce(sum(c.remaining_value), 0)
              from production_consumption c join production_report r on r.name = c.production_report
                and r.state = 'POSTED'
              where c.production_order = o.name and c.operation = p.operation)
             + (select coalesce(sum(v.value * b.on_hand / v.quantity), 0)
                from production_component k
                join balance b on b.site = o.site and b.item = k.item and b.location = p.location
                  and b.project = o.name and b.on_hand <> 0
                join value_balance v on v.site = b.site and v.item = b.item and v.quantity > 0
                where k.production_order = o.name
                  and k.line = (select min(f.line) from production_component f
                                where f.production_order = o.name and f.item = k.item)) as worth
      from production_order o join production_operation p on p.production_order = o.name
      join item i on i.name = o.item and (:item_class = '' or i.item_class = :item_class)
      where o.site = :site and o.state in ('RELEASED', 'STARTED', 'COMPLETED')
    )
    select case cast(:part as text) when 'UNITS' then sum(units) when 'VALUE' then sum(worth)
             else sum(units * cast(extract(epoch from cast(:at as timestamptz) - wip_since) as numeric) / 3600)
                  filter (where wip_since is not null) end as numerator,
           case cast(:part as text) when 'AGE' then sum(units) filter (where wip_since is not null)
             else count(*) end as denominator,
           count(*) as counted,
           jsonb_build_object('nothing in process', (select count(*) from step where units = 0 and worth = 0))
             as left_out
    from step where units > 0 or worth > 0
""")
CYCLE = text("""
    with orders as (
      select o.name, o.quantity, o.state, (
               select max(p.operation) from production_operation p where p.production_order = o.name) as last,
             (select min(coalesce(r.start_time, r.end_time)) from production_report r
              where r.production_order = o.name and r.state = 'POSTED') as begun
      from production_order o join item i on i.name = o.item and (:item_class = '' or i.item_class = :item_class)
      where o.site = :site and (o.state = 'STARTED' or o.name in (
        select r.production_order from production_report r where r.site = :site and r.end_time >= :start))
    ),
    done as (
      select o.name, o.begun, r.end_time as out,
             case when r.operation = o.last then r.good else 0 end + r.scrap as units
      from orders o join production_report r on r.production_order = o.name and r.state = 'POSTED'
    ),
    flow as (
      select begun, out, units from done where units > 0
      union all
      select o.begun, null, o.quantity - coalesce(sum(d.units), 0)
      from orders o left join done d on d.name = o.name
      where o.state = 'STARTED' and o.begun is not null
      group by o.name, o.begun, o.quantity having o.quantity > coalesce(sum(d.units), 0)
    )
    select case when cast(:little as boolean)
             then sum(units * greatest(cast(extract(epoch from
                    least(coalesce(out, :at), :end, :at) - greatest(begun, :start)) as numeric), 0)) / 3600
             else sum(units * cast(extract(epoch from out - begun) as numeric))
                    filter (where out >= :start and out < :end) / 3600 end as numerator,
           sum(units) filter (where out >= :start and out < :end) as denominator,
           count(*) filter (where out >= :start and out < :end) as counted,
           jsonb_build_object('still in process', count(*) filter (where out is null)) as left_out
    from flow
""")
BROKEN = text("""
    select sum(h.broken_count) as numerator, count(*) as denominator, count(*) as counted,
           jsonb_build_object() as left_out
    from hold h left join item i on i.name = h.item
    where h.site = :site and h.create_time >= :start and h.create_time < :end
      and (:item_class = '' or i.item_class = :item_class)
""")
RECALL_TIME = text("""
    select percentile_disc(0.5) within group (
             order by round(cast(extract(epoch from c.locate_duration) as numeric), 6)) as numerator,
           least(count(c.locate_duration), 1) as denominator, count(c.locate_duration) as counted,
           jsonb_build_object('not traced yet', count(*) filter (where c.locate_duration is null)) as left_out
    from recall_case c join item i on i.name = c.item and (:item_class = '' or i.item_class = :item_class)
    where c.site = :site and c.mock and c.create_time >= :start and c.create_time < :end
""")
RECALL_GAP = text("""
    select 100 * sum(abs(l.gap)) as numerator, sum(l.came) as denominator, count(*) as counted,
           jsonb_build_object() as left_out
    from recall_case c join recall_lot l on l.recall_case = c.name
    join item i on i.name = c.item and (:item_class = '' or i.item_class = :item_class)
    where c.site = :site and c.mock and c.create_time >= :start and c.create_time < :end
""")
UNSEALED = text("""
    select max(round(cast(extract(epoch from cast(:at as timestamptz) - m.record_time) as numeric), 6)) as numerator,
           least(count(*), 1) as denominator, count(*) as counted, jsonb_build_object() as left_out
    from movement m left join ledger_head h on h.site = m.site
    where m.site = :site and m.xid >= coalesce(h.horizon, 0)
      and not exists (select from ledger_seal s where s.movement = m.name)
""")
OVERRIDES = text("""
    select 100 * count(*) filter (where f.forced) as numerator, count(*) as denominator, count(*) as counted,
           jsonb_build_object() as left_out
    from (select t.item, t.skipped_scans <> '{}' as forced from put_away_task t
          where t.site = :site and t.state in ('COMPLETED', 'SHORTENED') and t.update_time >= :start
            and t.update_time < :end
          union all
          select o.item, r.shortages <> '[]' from production_report r
          join production_order o on o.name = r.production_order
          where r.site = :site and r.state = 'POSTED' and r.end_time >= :start and r.end_time < :end) f
    join item i on i.name = f.item and (:item_class = '' or i.item_class = :item_class)
""")
SCRAP_COST = text("""
    select 100 * sum(u.value * r.scrap / (r.good + r.scrap)) filter (where r.good + r.scrap > 0) as numerator,
           sum(u.value) filter (where r.good + r.scrap > 0) as denominator,
           count(u.value) filter (where r.good + r.scrap > 0) as counted,
           jsonb_build_object('rework alone', count(*) filter (where r.good + r.scrap = 0),
                              'used nothing', count(*) filter (where r.good + r.scrap > 0 and u.value is null))
             as left_out
    from production_report r join production_order o on o.name = r.production_order
    join item i on i.name = o.item and (:item_class = '' or i.item_class = :item_class)
    cross join lateral (select sum(c.value) as value from production_consumption c where c.production_report = r.name) u
    where r.site = :site and r.state = 'POSTED' and r.end_time >= :start and r.end_time < :end
""")
CONSUMPTION = text("""
    with used as (
      select p.production_order, p.line, sum(c.quantity) as quantity, sum(c.value) as value
      from production_order o join production_component p on p.production_order = o.name
      join item i on i.name = o.item and (:item_class = '' or i.item_class = :item_class)
      left join production_consumption c on c.production_order = o.name and c.component = p.line and exists (
        select from production_report r where r.name = c.production_report and r.state = 'POSTED')
      where o.site = :site and o.state = 'CLOSED' and o.update_time >= :start and o.update_time < :end
      group by 1, 2
    ),
    judged as (
      select u.value / u.quantity as cost, u.quantity as actual, m.base_step, p.numerator * (
               select greatest(max(q.good + (
                 select sum(r.scrapped) from production_operation r
                 where r.production_order = p.production_order and r.operation between p.operation and q.operation)), 0)
               from production_operation q
               where q.production_order = p.production_order and q.operation >= p.operation)
             / (p.denominator * (1 - p.scrap_percent / 100)) as standard
      from used u join production_component p on (p.production_order, p.line) = (u.production_order, u.line)
      join item m on m.name = p.item
    )
    select 100 * sum((j.actual - j.standard) * j.cost) filter (where abs(j.actual - j.standard) >= j.base_step)
             as numerator,
           sum(j.standard * j.cost) as denominator, count(j.cost) as counted,
           jsonb_build_object('not used at all', count(*) filter (where j.cost is null)) as left_out
    from judged j
""")
