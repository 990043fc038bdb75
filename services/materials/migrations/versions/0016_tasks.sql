-- Tasks of all kinds: what they bring to places, and what those that were started take from there.

-- tasks that bring goods to places; ready ones by their own index, those at work are few
create function coming_tasks(p_site text, p_places text[]) returns setof put_away_task language sql stable as $$
  select t.* from put_away_task t
  where t.site = p_site and t.state = 'READY' and t.proposed_location = any(p_places)
  union all
  select t.* from put_away_task t
  where t.site = p_site and t.state in ('PLANNED', 'LEASED', 'STARTED', 'WAITING')
    and t.proposed_location = any(p_places)
$$;

-- what is at places less what started tasks take away, and what open tasks bring there
create or replace function place_content(p_site text, p_places text[])
returns table (location text, coming boolean, item text, lot text, owner text, status text, handling_unit text,
               quantity numeric, weight numeric, volume numeric)
language sql stable as $$
  with leaving as materialized (
    select t.from_location, t.item, t.lot, t.status, t.handling_unit, t.serials, t.quantity
    from put_away_task t
    where t.site = p_site and t.state = 'STARTED' and t.from_location = any(p_places) and t.quantity > 0
      and t.kind not in ('COUNT', 'EXCEPTION_TASK')
  )
  select c.location, c.coming, c.item, c.lot, c.owner, c.status, outermost(c.handling_unit), c.quantity,
         c.quantity * coalesce(i.gross_weight, 0), c.quantity * coalesce(i.volume, 0)
  from (
    select b.location, false as coming, b.item, b.lot, b.owner, b.status, b.handling_unit,
           b.on_hand - case when b.owner <> '' or b.project <> '' then 0 else coalesce((
             select sum(case when b.serial = '' then l.quantity else 1 end) from leaving l
             where l.from_location = b.location and l.item = b.item and l.lot = b.lot and l.status = b.status
               and l.handling_unit = b.handling_unit and (b.serial = '' or b.serial = any(l.serials))), 0) end as quantity
    from balance b where b.site = p_site and b.location = any(p_places) and b.on_hand > 0
    union all
    select t.proposed_location, true, t.item, t.lot, '', t.status, t.handling_unit, t.quantity
    from coming_tasks(p_site, p_places) t where t.quantity > 0) c
  left join item i on i.name = c.item
  where c.quantity > 0
$$;
