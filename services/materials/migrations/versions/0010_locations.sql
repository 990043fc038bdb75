-- Places: who may bring and take, how much fits, what may lie together, and the tree as it was.

-- the outermost handling unit around another, which is what stands on a position
create function outermost(p_handling_unit text) returns text language sql stable as $$
  select case when p_handling_unit = '' then '' else coalesce(handling_unit_root(p_handling_unit), p_handling_unit) end
$$;

-- what is at places, and what open tasks bring there
create function place_content(p_site text, p_places text[])
returns table (location text, coming boolean, item text, lot text, owner text, status text, handling_unit text,
               quantity numeric, weight numeric, volume numeric)
language sql stable as $$
  select c.location, c.coming, c.item, c.lot, c.owner, c.status, outermost(c.handling_unit), c.quantity,
         c.quantity * coalesce(i.gross_weight, 0), c.quantity * coalesce(i.volume, 0)
  from (
    select b.location, false as coming, b.item, b.lot, b.owner, b.status, b.handling_unit, b.on_hand as quantity
    from balance b where b.site = p_site and b.location = any(p_places) and b.on_hand > 0
    union all
    select t.proposed_location, true, t.item, t.lot, '', t.status, t.handling_unit, t.quantity
    from put_away_task t where t.site = p_site and t.state = 'READY' and t.proposed_location = any(p_places)) c
  left join item i on i.name = c.item
$$;

-- why a line does not fit into a place with limits; rules/capacity.py says the same in the same order
create function capacity_refusal(p posting_line, p_site text, p_limits jsonb, out outcome text, out subject text)
language plpgsql stable as $$
declare
  i record;
  f record;
  around text := outermost(p.to_handling_unit);
  kind text;
begin
  select x.item_class, x.gross_weight, x.volume into i from item x where x.name = p.item;
  if not coalesce(p_limits -> 'item_classes' @> to_jsonb(i.item_class), true) then
    outcome := 'NOT_ALLOWED_HERE';
    subject := jsonb_build_object('location', p.to_location, 'limit', 'item_classes', 'asked', i.item_class);
    return;
  end if;

  select h.handling_unit_type into kind from handling_unit h where h.name = around;
  if around <> '' and not coalesce(p_limits -> 'handling_unit_types' @> to_jsonb(coalesce(kind, '')), true) then
    outcome := 'NOT_ALLOWED_HERE';
    subject := jsonb_build_object('location', p.to_location, 'limit', 'handling_unit_types',
                                  'asked', coalesce(kind, ''));
    return;
  end if;

  select d.* into f
  from place_content(p_site, array[p.to_location]) h, lateral (values
    (1, 'items', 'item_mixing', h.item, p.item, true),
    (2, 'lots', 'lot_mixing', h.lot, p.lot, h.item = p.item),
    (3, 'owners', 'owner_mixing', h.owner, p.to_owner, true),
    (4, 'statuses', 'status_mixing', h.status, p.to_status, true)) as d(rank, dimension, rule, here, asked, compared)
  where p_limits ->> d.rule = 'FORBIDDEN' and d.compared and d.here <> d.asked
  order by d.rank, d.here limit 1;
  if found then
    outcome := 'MIXING_FORBIDDEN';
    subject := jsonb_build_object('location', p.to_location, 'dimension', f.dimension, 'here', f.here,
                                  'asked', f.asked);
    return;
  end if;

  select m.* into f
  from (
    select coalesce(sum(h.weight) filter (where not h.coming), 0) as weight_here,
           coalesce(sum(h.weight) filter (where h.coming), 0) as weight_coming,
           coalesce(sum(h.volume) filter (where not h.coming), 0) as volume_here,
           coalesce(sum(h.volume) filter (where h.coming), 0) as volume_coming,
           count(distinct h.handling_unit) filter (where h.handling_unit <> '' and not h.coming) as units_here,
           count(distinct h.handling_unit) filter (where h.handling_unit <> '' and h.coming) as units_coming,
           coalesce(bool_or(h.handling_unit = around), false) as known,
           coalesce(sum(h.quantity) filter (where h.item = p.item and not h.coming), 0) as quantity_here,
           coalesce(sum(h.quantity) filter (where h.item = p.item and h.coming), 0) as quantity_coming
    from place_content(p_site, array[p.to_location]) h) t,
  lateral (values
    (1, 'max_weight', (p_limits #>> '{max_weight,value}')::numeric, t.weight_here, t.weight_coming,
     p.quantity * coalesce(i.gross_weight, 0), 'KGM'),
    (2, 'max_volume', (p_limits #>> '{max_volume,value}')::numeric
       * case p_limits #>> '{max_volume,unit_code}' when 'MTQ' then 1000 else 1 end,
     t.volume_here, t.volume_coming, p.quantity * coalesce(i.volume, 0), 'LTR'),
    (3, 'max_handling_units', (p_limits ->> 'max_handling_units')::numeric, t.units_here, t.units_coming,
     case when around = '' or t.known then 0 else 1 end, 'H87'),
    (4, 'item_limits', (select (x #>> '{quantity,value}')::numeric from jsonb_array_elements(p_limits -> 'item_limits') x
                        where x ->> 'item' = p.item), t.quantity_here, t.quantity_coming, p.quantity, p.unit_code)
  ) as m(rank, exceeded, most, here, coming, asked, unit_code)
  where m.asked > 0 and m.here + m.coming + m.asked > m.most
  order by m.rank limit 1;
  if found then
    outcome := 'CAPACITY_EXCEEDED';
    subject := jsonb_build_object(
      'location', p.to_location, 'limit', f.exceeded, 'most', trim_scale(f.most)::text,
      'here', trim_scale(f.here)::text, 'coming', trim_scale(f.coming)::text, 'asked', trim_scale(f.asked)::text,
      'unit_code', f.unit_code);
  end if;
end $$;

-- why nothing may be put there or taken from there: locks of both places, then what the target holds
create or replace function place_refusal(p posting_line, out outcome text, out subject text) language plpgsql stable as $$
declare
  f record;
begin
  if p.from_location = p.to_location then
    return;
  end if;
  select t.site, t.limits, k.lock into f
  from location t
  left join lateral (
    select jsonb_build_object(
      'location', l.name, 'reason', coalesce(x.reason, ''), 'since', x.lock_time, 'lock',
      case when l.kind = 'GROUP' then 'GROUP' when l.blocked then 'BLOCKED' else x.direction end) as lock
    from location l
    left join location_lock x on x.location = l.name and not l.blocked and x.direction in (
      'COUNT', 'INACTIVE', case when l.name = p.to_location then 'INBOUND' else 'OUTBOUND' end)
    where l.name in (p.from_location, p.to_location) and (l.blocked or l.kind = 'GROUP' or x.location is not null)
    order by l.name, x.direction limit 1) k on true
  where t.name = p.to_location;
  if f.lock is not null then
    outcome := 'LOCATION_LOCKED';
    subject := f.lock;
  elsif f.limits is not null then
    select r.outcome, r.subject into outcome, subject from capacity_refusal(p, f.site, f.limits) r;
  end if;
end $$;

-- what is posted counts on how its places stand: whoever locks a place or limits it waits for what is being posted
create function place_key(p_site text) returns bigint language sql immutable as $$
  select hashtextextended('materials.places.' || p_site, 0)
$$;

alter function post_to_ledger(text, text, jsonb) rename to post_held;

-- what postings need is locked in one order: items, then places with limits, each by name; balances follow
create function hold_for_postings(p_site text, p_postings jsonb) returns void language plpgsql as $$
begin
  perform hold_items(p_site, array(
    select distinct l.item from jsonb_array_elements(p_postings) x, posting_lines(x -> 'lines') l));
  perform pg_advisory_xact_lock_shared(place_key(p_site));
  perform 1 from location t
  where t.limits is not null and t.name in (
    select l.to_location from jsonb_array_elements(p_postings) x, posting_lines(x -> 'lines') l
    where l.from_location <> l.to_location)
  order by t.name for no key update;
end $$;

create function post_to_ledger(p_site text, p_actor text, p_postings jsonb)
returns table (posting text, outcome text, line int, available numeric, subject text, effective timestamptz,
               worths numeric[], currency text)
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform hold_for_postings(p_site, p_postings);
  return query select * from post_held(p_site, p_actor, p_postings);
end $$;

create or replace function post_movements(p_site text, p_actor text, p_postings jsonb)
returns table (posting text, outcome text, available numeric, place text, effective timestamptz, worth numeric,
               currency text)
language sql security definer set search_path = public, pg_temp as $$
  select d.posting, d.outcome, d.available,
         case when d.subject like '{%' then d.subject::jsonb ->> 'location' else d.subject end, d.effective,
         d.worths[1], d.currency
  from post_to_ledger(p_site, p_actor, (
    select jsonb_agg(x || jsonb_build_object('lines', jsonb_build_array(x))) from jsonb_array_elements(p_postings) x)) d
$$;

revoke all on function post_held(text, text, jsonb) from public, materials_app;
revoke all on function post_to_ledger(text, text, jsonb) from public;
grant execute on function post_to_ledger(text, text, jsonb) to materials_app;

-- whoever moves a place in the tree, of this release or the one before: where it was stays known (MAT-30)
create function keep_parent() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if tg_op = 'INSERT' or new.parent_location is distinct from old.parent_location then
    insert into location_parent (location, from_time, parent_location)
    values (new.name, case tg_op when 'INSERT' then new.create_time else new.update_time end, new.parent_location)
    on conflict (location, from_time) do update set parent_location = excluded.parent_location;
  end if;
  return null;
end $$;

create trigger location_parents after insert or update of parent_location on location
for each row execute function keep_parent();
