-- Holds: what they stop, and what goes on all the same.

-- a stock without its status and owner, as one text
create function stock_key(p_item text, p_lot text, p_serial text, p_handling_unit text, p_location text) returns text
language sql immutable as $$
  select concat_ws('|', p_item, p_lot, p_serial, p_handling_unit, p_location)
$$;

-- a place and those around it
create function location_path(p_name text) returns table (name text, kind text, quality_area boolean)
language sql stable as $$
  with recursive up as (
    select l.name, l.kind, l.quality_area, l.parent_location, 1 as depth from location l where l.name = p_name
    union all
    select l.name, l.kind, l.quality_area, l.parent_location, u.depth + 1
    from up u join location l on l.name = u.parent_location where u.depth < 50
  )
  select u.name, u.kind, u.quality_area from up u
$$;

-- where quality keeps goods: such a place, or one inside an area that is marked so
create function quality_place(p_name text) returns boolean language sql stable as $$
  select coalesce(bool_or(l.kind = 'QUALITY' or l.quality_area), false) from location_path(p_name) l
$$;

-- active holds that match a stock, in the order of their names
create function holds_on(p_site text, p_item text, p_lot text, p_serial text, p_handling_unit text, p_location text)
returns setof text language plpgsql stable as $$
begin
  if not exists (select from hold_target t where t.site = p_site and t.active) then
    return;
  end if;
  return query
    select distinct t.hold from hold_target t
    where t.site = p_site and t.active and t.target = any(
      array[p_lot, p_serial, p_item, stock_key(p_item, p_lot, p_serial, p_handling_unit, p_location)]
      || array(select u.name from handling_unit_path(p_handling_unit) u)
      || array(select l.name from location_path(p_location) l))
    order by t.hold;
end $$;

-- the first of them; null for stock that no hold matches. One look where no hold is active at the site
create function hold_of(p_site text, p_item text, p_lot text, p_serial text, p_handling_unit text, p_location text)
returns text language plpgsql stable as $$
begin
  if not exists (select from hold_target t where t.site = p_site and t.active) then
    return null;
  end if;
  return (select min(h.name) from holds_on(p_site, p_item, p_lot, p_serial, p_handling_unit, p_location) h(name));
end $$;

-- stock of real places that an active hold matches
create function stock_under(p_hold text) returns setof balance language sql stable as $$
  with recursive aim as (
    select t.site, t.target from hold_target t where t.hold = p_hold and t.active
  ), places as (
    select a.site, l.name from aim a join location l on l.name = a.target
    union
    select p.site, l.name from places p join location l on l.parent_location = p.name
  ), units as (
    select a.site, u.name from aim a join handling_unit u on u.name = a.target
    union
    select o.site, u.name from units o join handling_unit u on u.parent_handling_unit = o.name
  ), there as (
    select b.name from aim a join balance b on b.site = a.site and b.lot = a.target
    union
    select b.name from aim a join balance b on b.site = a.site and b.item = a.target
    union
    select s.balance from aim a join serial s on s.name = a.target and s.balance like 'sites/' || a.site || '/%'
    union
    select b.name from units u join balance b on b.site = u.site and b.handling_unit = u.name
    union
    select b.name from places p join balance b on b.site = p.site and b.location = p.name
    union
    select b.name from aim a join balance b on b.site = a.site and b.item = split_part(a.target, '|', 1)
      and b.location = split_part(a.target, '|', 5)
      and stock_key(b.item, b.lot, b.serial, b.handling_unit, b.location) = a.target
    where a.target like '%|%'
  )
  select b.* from balance b
  where b.name in (select t.name from there t) and not b.virtual
    and (b.on_hand <> 0 or coalesce(b.second_on_hand, 0) <> 0)
$$;

-- lots, and those that they went into, by movements that nobody reversed
create function with_descendants(p_lots text[]) returns setof text language sql stable as $$
  with recursive down as (
    select l.lot from unnest(p_lots) l(lot)
    union
    select e.output_lot from down d join genealogy_edge e on e.input_lot = d.lot
    where not exists (select from movement m where m.reverses = e.movement and m.reverses <> '')
  )
  select d.lot from down d
$$;

-- what is made later of a lot is held with it
create function hold_descendants() returns trigger language plpgsql security definer set search_path = public, pg_temp
as $$
begin
  insert into hold_target (hold, target, site, active)
  select t.hold, d.lot, t.site, true
  from hold_target t join hold h on h.name = t.hold and h.include_descendants,
    with_descendants(array[new.output_lot]) d(lot)
  where t.target = new.input_lot and t.active
  on conflict do nothing;
  return null;
end $$;

create trigger genealogy_edge_held after insert on genealogy_edge for each row execute function hold_descendants();

-- why stock is held back from a movement: by the first hold that does not let it through (MAT-65). A change of status or
-- owner moves nothing. What leaves the place or the unit of a hold takes the hold along; claimed stock goes nowhere
-- where it would be held.
create or replace function hold_refusal(p_site text, p_kind text, p posting_line, out outcome text, out subject text)
language plpgsql volatile as $$
declare
  known text[];
  target text;
begin
  if p.from_location = p.to_location and p.from_handling_unit = p.to_handling_unit
     or not exists (select from hold_target t where t.site = p_site and t.active) then
    return;
  end if;
  if not p.from_virtual then
    known := array(select holds_on(p_site, p.item, p.lot, p.serial, p.from_handling_unit, p.from_location));
    target := (select l.kind from location l where l.name = p.to_location);
    select 'LOT_ON_HOLD', h.name into outcome, subject from hold h
    where h.name = any(known) and not case
      when target = 'SCRAP' then 'SCRAP' = any(h.allowed_moves)
      when target = 'SUPPLIER' then 'SUPPLIER_RETURN' = any(h.allowed_moves)
      when p.to_virtual then false
      else 'TO_QUALITY' = any(h.allowed_moves) and quality_place(p.to_location)
        or 'INSIDE_QUALITY' = any(h.allowed_moves) and quality_place(p.from_location) and quality_place(p.to_location)
        or exists (select from location_path(p.to_location) l where l.name = any(h.allowed_locations))
      end
    order by h.name limit 1;
    if outcome is not null then
      return;
    end if;
  end if;
  if p.to_virtual then
    return;
  end if;
  if p.allocated > 0 then
    subject := hold_of(p_site, p.item, p.lot, p.serial, p.to_handling_unit, p.to_location);
    outcome := case when subject is not null then 'LOT_ON_HOLD' end;
  elsif cardinality(known) > 0 and exists (
    select from balance b
    where b.name = balance_key(p_site, p.item, p.from_location, p.lot, p.from_status, p.serial, p.from_handling_unit,
                               p.from_owner, p.from_project) and b.on_hand - b.reserved >= p.quantity
  ) then
    insert into hold_target (hold, target, site, active)
    select h.name, stock_key(p.item, p.lot, p.serial, p.to_handling_unit, p.to_location), p_site, true
    from unnest(known) h(name)
    where h.name not in (select holds_on(p_site, p.item, p.lot, p.serial, p.to_handling_unit, p.to_location))
    on conflict do nothing;
  end if;
end $$;

revoke all on function hold_refusal(text, text, posting_line) from public;
