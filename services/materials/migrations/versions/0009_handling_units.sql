-- Handling units: the way out of one, who may pack it, and that what is inside lies where the outermost one stands.

-- the unit and those around it, from the inside out; what is stored has no circle, and the depth would end one
create function handling_unit_path(p_name text)
returns table (name text, state text, location text, handling_unit_type text, depth int) language sql stable as $$
  with recursive up as (
    select h.name, h.state, h.location, h.handling_unit_type, h.parent_handling_unit, 1 as depth
    from handling_unit h where h.name = p_name
    union all
    select h.name, h.state, h.location, h.handling_unit_type, h.parent_handling_unit, u.depth + 1
    from up u join handling_unit h on h.name = u.parent_handling_unit where u.depth < 50
  )
  select u.name, u.state, u.location, u.handling_unit_type, u.depth from up u
$$;

create function handling_unit_root(p_name text) returns text language sql stable as $$
  select p.name from handling_unit_path(p_name) p order by p.depth desc limit 1
$$;

create function handling_unit_place(p_name text) returns text language sql stable as $$
  select p.location from handling_unit_path(p_name) p order by p.depth desc limit 1
$$;

-- whoever puts something in or takes it out shares the outermost unit; whoever moves, closes or nests has it alone.
-- One that came to be inside another while its lock was waited for is a clash: the whole command begins anew, since
-- locks taken in another order would wait for each other.
create function hold_handling_units(p_names text[], p_alone boolean) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  roots text[] := array_remove(array(select distinct handling_unit_root(n) from unnest(p_names) n), null);
begin
  if p_alone then
    perform 1 from handling_unit h where h.name = any(roots) order by h.name for update;
  else
    perform 1 from handling_unit h where h.name = any(roots) order by h.name for share;
  end if;
  if not array_remove(array(select distinct handling_unit_root(n) from unnest(p_names) n), null) <@ roots then
    raise exception 'handling units were nested meanwhile' using errcode = '40001';
  end if;
end $$;

-- why nothing may be packed there or taken out of there (MAT-20, MAT-22)
create or replace function handling_unit_refusal(p posting_line, out outcome text, out subject text)
language plpgsql as $$
declare
  side record;
begin
  for side in
    select x.name, x.location
    from (values (p.from_handling_unit, p.from_location), (p.to_handling_unit, p.to_location)) x(name, location)
    where x.name <> '' order by x.name
  loop
    perform hold_handling_units(array[side.name], false);
    if handling_unit_place(side.name) is distinct from side.location then
      outcome := 'HANDLING_UNIT_ELSEWHERE';
      subject := side.name;
      return;
    end if;
    select 'HANDLING_UNIT_CLOSED', u.name into outcome, subject
    from handling_unit_path(side.name) u where u.state <> 'OPEN' order by u.depth limit 1;
    if outcome is not null then
      return;
    end if;
  end loop;
end $$;

-- at the end of a transaction that brought stock into a unit
create function stock_lies_where_its_unit_stands() returns trigger language plpgsql as $$
begin
  if exists (
    select 1 from balance b
    where b.name = new.balance and b.on_hand <> 0 and handling_unit_place(b.handling_unit) is distinct from b.location
  ) then
    raise exception 'stock of % lies elsewhere than the unit', new.handling_unit using errcode = '23514';
  end if;
  return null;
end $$;

-- at the end of a transaction that moved a unit: nothing stayed behind, and no unit is inside itself
create function unit_takes_its_stock_along() returns trigger language plpgsql as $$
declare
  before text := coalesce(old.location, handling_unit_place(old.parent_handling_unit));
begin
  if exists (select 1 from handling_unit_path(new.name) p where p.name = new.name and p.depth > 1) then
    raise exception '% is inside itself', new.name using errcode = '23514';
  end if;
  if before is distinct from handling_unit_place(new.name) and exists (
    with recursive down as (
      select new.name as name, 1 as depth
      union all
      select h.name, d.depth + 1 from down d join handling_unit h on h.parent_handling_unit = d.name where d.depth < 50
    )
    select 1 from balance b join down d on d.name = b.handling_unit
    where b.site = new.site and b.location = before and b.on_hand <> 0
  ) then
    raise exception 'stock of % stayed at %', new.name, before using errcode = '23514';
  end if;
  return null;
end $$;

create constraint trigger movement_entry_handling_unit after insert on movement_entry
deferrable initially deferred for each row when (new.handling_unit <> '' and new.quantity > 0)
execute function stock_lies_where_its_unit_stands();

create constraint trigger handling_unit_moved after update of location, parent_handling_unit on handling_unit
deferrable initially deferred for each row execute function unit_takes_its_stock_along();

revoke all on function hold_handling_units(text[], boolean) from public;
grant execute on function hold_handling_units(text[], boolean) to materials_app;
