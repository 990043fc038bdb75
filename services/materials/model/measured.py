"""Statements of measures (section 7): numerator, denominator, how many records count, how many are left out and why.

Every record of the window counts or is left out once. Medians are numerators over 1, or over 0 where there is nothing.
"""

from sqlalchemy import text

ACCURACY = text("""
    select 100 * count(*) filter (where fate = '' and accurate) as numerator,
           count(*) filter (where fate = '') as denominator, count(*) filter (where fate = '') as counted,
           jsonb_build_object('not counted', count(*) filter (where fate = 'SKIPPED'),
                              'the counter saw the book', count(*) filter (where fate = 'SEEN')) as left_out
    from (select l.accurate, case when l.first_count_time is null then 'SKIPPED' when l.book_shown then 'SEEN'
                                  else '' end as fate
          from count_line l join item i on i.name = l.item and (:item_class = '' or i.item_class = :item_class)
          where l.site = :site and l.state <> 'OPEN'
            and coalesce(l.first_count_time, l.update_time) >= :start
            and coalesce(l.first_count_time, l.update_time) < :end) f
""")
NET = text("""
    select 100 * sum(case when cast(:gross as boolean) then abs(l.value) else l.value end) as numerator,
           sum(l.book_value) as denominator, count(*) as counted, jsonb_build_object() as left_out
    from count_line l join item i on i.name = l.item and (:item_class = '' or i.item_class = :item_class)
    where l.site = :site and l.post_time >= :start and l.post_time < :end
""")
COMPLETION = text("""
    select 100 * count(*) filter (where l.first_count_time < :end) as numerator, count(*) as denominator,
           count(*) as counted, jsonb_build_object() as left_out
    from count_document d join count_line l on l.count = d.name and not l.found
    join item i on i.name = l.item and (:item_class = '' or i.item_class = :item_class)
    where d.site = :site and d.due_date >= :first and d.due_date < :last and d.state <> 'CANCELLED'
""")
TURNS = text("""
    select case when cast(:days_of as boolean) then s.mean * :days else s.issued end as numerator,
           case when cast(:days_of as boolean) then s.issued else s.mean end as denominator, s.counted,
           jsonb_build_object() as left_out
    from (
      select coalesce(sum(-e.value) filter (where e.used and e.effective_time < :end), 0) as issued,
             count(*) filter (where e.used and e.effective_time < :end) as counted,
             (select coalesce(sum(v.value + v.variance), 0) from value_balance v
              join item i on i.name = v.item and (:item_class = '' or i.item_class = :item_class)
              where v.site = :site)
             - coalesce(sum(e.value * least((e.effective_time at time zone :zone)::date - :first, :days)), 0) / :days
               as mean
      from (
        select e.value, e.effective_time, coalesce(r.kind, m.kind) in ('ISSUE', 'RETURN_TO_STOCK', 'CONSUME') as used
        from movement m join movement_entry e on e.movement = m.name and e.value is not null
        join balance b on b.name = e.balance and not b.virtual and b.owner = ''
        join item i on i.name = e.item and (:item_class = '' or i.item_class = :item_class)
        left join movement r on r.name = m.reverses and m.reverses <> ''
        where m.site = :site and m.effective_time >= :start) e
    ) s
""")
DOCK = text("""
    select percentile_disc(:share) within group (order by f.hours) filter (where f.fate = '') as numerator,
           least(count(*) filter (where f.fate = ''), 1) as denominator, count(*) filter (where f.fate = '') as counted,
           jsonb_build_object('not put away yet', count(*) filter (where f.fate = 'OPEN'),
                              'needs no putting away', count(*) filter (where f.fate = 'NONE')) as left_out
    from (select round(cast(extract(epoch from t.done - r.arrive_time) as numeric) / 3600, 6) as hours,
                 case when t.done is not null then '' when t.tasks > 0 then 'OPEN' else 'NONE' end as fate
          from receipt r join receipt_line l on l.receipt = r.name
          join item i on i.name = l.item and (:item_class = '' or i.item_class = :item_class)
          cross join lateral (
            select count(*) as tasks,
                   case when not cast(:whole as boolean) then min(m.record_time)
                        when count(*) filter (where m.name is null) = 0 then max(m.record_time) end as done
            from put_away_task p
            left join movement m on m.name = p.movement and p.state in ('COMPLETED', 'SHORTENED', 'DONE')
            where p.receipt = l.receipt and p.receipt_line = l.line and p.kind = 'PUT_AWAY') t
          where r.site = :site and r.state = 'POSTED' and r.arrive_time >= :start and r.arrive_time < :end) f
""")
FILL = text("""
    select 100 * count(*) filter (where f.fate = '' and f.last = 'ReservationAllocated') as numerator,
           count(*) filter (where f.fate = '') as denominator, count(*) filter (where f.fate = '') as counted,
           jsonb_build_object('needed later than now', count(*) filter (where f.fate = 'AHEAD'),
                              'known only after the need', count(*) filter (where f.fate = 'LATE')) as left_out
    from (select case when r.need_time > :at then 'AHEAD' when r.create_time > r.need_time then 'LATE' else ''
                 end as fate, (
                   select j.event_type from journal j
                   where j.correlation = r.correlation and j.resource = r.name and j.occurred_at <= r.need_time
                     and j.event_type in ('ReservationAllocated', 'ReservationShort')
                   order by j.pos desc limit 1) as last
          from reservation r join item i on i.name = r.item and (:item_class = '' or i.item_class = :item_class)
          where r.site = :site and r.need_time >= :start and r.need_time < :end
            and r.released < r.requested and r.substitutes = '') f
""")
DEAD = text("""
    select 100 * sum(v.value) filter (where not exists (
             select from movement_entry e join balance b on b.name = e.balance and not b.virtual
             join movement m on m.name = e.movement and m.kind in ('ISSUE', 'CONSUME', 'SHIP')
             where e.site = v.site and e.item = v.item and e.effective_time >= :old)
             and exists (select from movement_entry e where e.site = v.site and e.item = v.item
                         and e.effective_time < :old)) as numerator,
           sum(v.value) as denominator, count(*) as counted, jsonb_build_object() as left_out
    from value_balance v join item i on i.name = v.item and (:item_class = '' or i.item_class = :item_class)
    where v.site = :site and v.quantity > 0
""")
EXPIRY = text("""
    select 100 * sum(b.on_hand * v.value / v.quantity) filter (where l.expire_date < :last) as numerator,
           sum(b.on_hand * v.value / v.quantity) as denominator,
           count(*) filter (where l.expire_date < :last) as counted,
           jsonb_build_object('without a last day', count(*) filter (where l.expire_date is null)) as left_out
    from balance b join value_balance v on v.site = b.site and v.item = b.item and v.quantity > 0
    join item i on i.name = b.item and (:item_class = '' or i.item_class = :item_class)
    left join lot l on l.name = b.lot
    where b.site = :site and not b.virtual and b.on_hand > 0 and b.owner = ''
""")
AGEING = text("""
    select sum(f.worth * f.days) as numerator, sum(f.worth) as denominator, count(*) as counted,
           jsonb_build_object('lot without receipt', coalesce(max(f.without), 0)) as left_out
    from (select b.on_hand * v.value / v.quantity as worth,
                 round(cast(extract(epoch from cast(:at as timestamptz) - l.first_receipt_time) as numeric) / 86400, 6)
                   as days,
                 (select count(*) from balance o left join lot k on k.name = o.lot
                  join item i on i.name = o.item and (:item_class = '' or i.item_class = :item_class)
                  where o.site = :site and not o.virtual and o.on_hand > 0 and o.owner = ''
                    and k.first_receipt_time is null) as without
          from balance b join value_balance v on v.site = b.site and v.item = b.item and v.quantity > 0
          join item i on i.name = b.item and (:item_class = '' or i.item_class = :item_class)
          join lot l on l.name = b.lot and l.first_receipt_time is not null
          where b.site = :site and not b.virtual and b.on_hand > 0 and b.owner = '') f
""")
PICKS = text("""
    select 100 * count(*) filter (where t.state = 'COMPLETED' and t.short_reason = '' and t.skipped_scans = '{}'
                                  and m.name is null) as numerator,
           count(*) as denominator, count(*) as counted, jsonb_build_object() as left_out
    from put_away_task t join item i on i.name = t.item and (:item_class = '' or i.item_class = :item_class)
    left join movement m on m.reverses = t.movement and m.reverses <> ''
    where t.site = :site and t.kind = 'PICK' and t.state in ('COMPLETED', 'SHORTENED')
      and t.update_time >= :start and t.update_time < :end
""")
HELD = text("""
    select 100 * sum(f.worth) filter (where f.hold is not null) as numerator, sum(f.worth) as denominator,
           count(*) filter (where f.hold is not null) as counted, jsonb_build_object() as left_out
    from (select b.on_hand * v.value / v.quantity as worth,
                 hold_of(b.site, b.item, b.lot, b.serial, b.handling_unit, b.location) as hold
          from balance b join value_balance v on v.site = b.site and v.item = b.item and v.quantity > 0
          join item i on i.name = b.item and (:item_class = '' or i.item_class = :item_class)
          where b.site = :site and not b.virtual and b.on_hand > 0 and b.owner = '') f
""")
HOLD_DAYS = text("""
    select percentile_disc(0.5) within group (order by round(
             cast(extract(epoch from h.release_time - h.create_time) as numeric) / 86400, 6)) as numerator,
           least(count(*), 1) as denominator, count(*) as counted,
           jsonb_build_object('still active', (select count(*) from hold o where o.site = :site
                              and o.state = 'ACTIVE' and o.create_time < :end)) as left_out
    from hold h where h.site = :site and h.release_time >= :start and h.release_time < :end
""")
OLDEST_HOLD = text("""
    select max(round(cast(extract(epoch from cast(:at as timestamptz) - h.create_time) as numeric) / 86400, 6))
             as numerator,
           least(count(*), 1) as denominator, count(*) as counted, jsonb_build_object() as left_out
    from hold h where h.site = :site and h.state = 'ACTIVE'
""")
DIFFERENCES = text("""
    select sum(p.differences) as numerator, count(*) as denominator, count(*) as counted,
           jsonb_build_object() as left_out
    from ledger_proof p where p.site = :site
""")
PROOF_AGE = text("""
    select max(round(cast(extract(epoch from cast(:at as timestamptz) - p.prove_time) as numeric) / 3600, 6))
             as numerator,
           count(*) as denominator, count(*) as counted, jsonb_build_object() as left_out
    from ledger_proof p where p.site = :site
""")
BACKDATED = text("""
    select 100 * count(*) filter (where m.effective_time < m.record_time - interval '1 hour') as numerator,
           count(*) as denominator, count(*) as counted, jsonb_build_object() as left_out
    from movement m where m.site = :site and m.record_time >= :start and m.record_time < :end
""")
ACCEPTED = text("""
    select 100 * count(*) filter (where not exists (
             select from jsonb_array_elements(q.splits) s where s ->> 'outcome' <> 'UNRESTRICTED')) as numerator,
           count(*) as denominator, count(*) as counted, jsonb_build_object() as left_out
    from inspection_lot q join item i on i.name = q.item and (:item_class = '' or i.item_class = :item_class)
    where q.site = :site and q.state = 'DECIDED' and q.update_time >= :start and q.update_time < :end
""")
REJECTED = text("""
    select 100 * sum(s.rejected) as numerator, sum(q.decided) as denominator, count(*) as counted,
           jsonb_build_object() as left_out
    from inspection_lot q join item i on i.name = q.item and (:item_class = '' or i.item_class = :item_class)
    cross join lateral (
      select coalesce(sum(cast(s #>> '{quantity,value}' as numeric)), 0) as rejected
      from jsonb_array_elements(q.splits) s where s ->> 'outcome' <> 'UNRESTRICTED') s
    where q.site = :site and q.state = 'DECIDED' and q.update_time >= :start and q.update_time < :end
      and q.decided > 0
""")
DECISION = text("""
    select percentile_disc(:share) within group (order by round(
             cast(extract(epoch from q.update_time - q.create_time) as numeric) / 3600, 6)) as numerator,
           least(count(*), 1) as denominator, count(*) as counted, jsonb_build_object() as left_out
    from inspection_lot q join item i on i.name = q.item and (:item_class = '' or i.item_class = :item_class)
    where q.site = :site and q.state = 'DECIDED' and q.update_time >= :start and q.update_time < :end
""")
YIELD = text("""
    select 100 * sum(case when cast(:scrap as boolean) then r.scrap else r.good end) as numerator,
           sum(r.good + r.scrap + case when cast(:rework as boolean) then r.rework else 0 end) as denominator,
           count(*) as counted,
           jsonb_build_object() as left_out
    from production_report r join production_order o on o.name = r.production_order
    join item i on i.name = o.item and (:item_class = '' or i.item_class = :item_class)
    where r.site = :site and r.state = 'POSTED' and r.end_time >= :start and r.end_time < :end
""")
