ALTER SCHEMA public OWNER TO materials_owner;

CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public;

COMMENT ON EXTENSION btree_gist IS 'support for indexing common datatypes in GiST';

CREATE TYPE public.posting_facts AS (
	site text,
	movement text,
	kind text,
	source text,
	reverses text,
	at timestamp with time zone,
	backdated boolean
);

ALTER TYPE public.posting_facts OWNER TO materials_owner;

CREATE TYPE public.posting_line AS (
	item text,
	lot text,
	serial text,
	quantity numeric,
	unit_code text,
	second_quantity numeric,
	second_unit_code text,
	entered_quantity numeric,
	entered_unit_code text,
	factor_numerator bigint,
	factor_denominator bigint,
	from_location text,
	to_location text,
	from_status text,
	to_status text,
	from_handling_unit text,
	to_handling_unit text,
	from_owner text,
	to_owner text,
	from_project text,
	to_project text,
	from_virtual boolean,
	to_virtual boolean,
	allocated numeric,
	cost numeric,
	standard_cost numeric,
	returns text
);

ALTER TYPE public.posting_line OWNER TO materials_owner;

CREATE FUNCTION public.add_layer(p_site text, p_item text, p_sequence bigint, p_part integer, p_movement text, p_at timestamp with time zone, p_quantity numeric, p_value numeric) RETURNS void
    LANGUAGE sql
    AS $$
  insert into value_layer as x (site, item, sequence, part, movement, layer_time, quantity, value, remaining_quantity,
                                remaining_value)
  values (p_site, p_item, p_sequence, p_part, p_movement, p_at, p_quantity, p_value, p_quantity, p_value)
  on conflict on constraint pk_value_layer do update
  set layer_time = excluded.layer_time, quantity = excluded.quantity, value = excluded.value,
      remaining_quantity = excluded.remaining_quantity, remaining_value = excluded.remaining_value
$$;

ALTER FUNCTION public.add_layer(p_site text, p_item text, p_sequence bigint, p_part integer, p_movement text, p_at timestamp with time zone, p_quantity numeric, p_value numeric) OWNER TO materials_owner;

CREATE FUNCTION public.balance_key(p_site text, p_item text, p_location text, p_lot text, p_status text, p_serial text, p_handling_unit text, p_owner text, p_project text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
  select 'sites/' || p_site || '/balances/' || md5(
    p_item || '|' || p_location || '|' || p_lot || '|' || p_status ||
    case when p_serial || p_handling_unit || p_owner || p_project = '' then ''
      else '|' || p_serial || '|' || p_handling_unit || '|' || p_owner || '|' || p_project end)
$$;

ALTER FUNCTION public.balance_key(p_site text, p_item text, p_location text, p_lot text, p_status text, p_serial text, p_handling_unit text, p_owner text, p_project text) OWNER TO materials_owner;

CREATE FUNCTION public.caller_mark(p_principal text) RETURNS text
    LANGUAGE sql STABLE
    AS $$
  select m.mark from caller_marks(array[p_principal]) m
$$;

ALTER FUNCTION public.caller_mark(p_principal text) OWNER TO materials_owner;

CREATE FUNCTION public.caller_marks(p_principals text[]) RETURNS TABLE(name text, mark text)
    LANGUAGE sql STABLE
    AS $$
  select n.name, coalesce((select s.state from principal_state s where s.principal = n.name), '') || '|' || coalesce((
    select string_agg(g.role || '@' || g.site, ',' order by g.role, g.site) from principal_grant g
    where g.principal = n.name and g.from_time <= now() and (g.to_time is null or g.to_time > now())), '')
  from unnest(p_principals) n(name)
$$;

ALTER FUNCTION public.caller_marks(p_principals text[]) OWNER TO materials_owner;

CREATE FUNCTION public.capacity_refusal(p public.posting_line, p_site text, p_limits jsonb, OUT outcome text, OUT subject text) RETURNS record
    LANGUAGE plpgsql STABLE
    AS $$
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

ALTER FUNCTION public.capacity_refusal(p public.posting_line, p_site text, p_limits jsonb, OUT outcome text, OUT subject text) OWNER TO materials_owner;

CREATE FUNCTION public.closed_until(p_site text, OUT end_time timestamp with time zone, OUT open_date text) RETURNS record
    LANGUAGE sql STABLE
    AS $$
  select p.end_time, (p.close_date + 1)::text from ledger_period p
  where p.site = p_site and p.state in ('CLOSING', 'CLOSED') order by p.end_time desc limit 1
$$;

ALTER FUNCTION public.closed_until(p_site text, OUT end_time timestamp with time zone, OUT open_date text) OWNER TO materials_owner;

CREATE TABLE public.put_away_task (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    item text NOT NULL,
    lot text NOT NULL,
    from_location text NOT NULL,
    proposed_location text NOT NULL,
    to_location text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    unit_code text NOT NULL,
    status text NOT NULL,
    receipt text NOT NULL,
    receipt_line integer NOT NULL,
    movement text NOT NULL,
    state text NOT NULL,
    second_quantity numeric(20,6),
    second_quantity_unit_code text DEFAULT ''::text NOT NULL,
    serials text[] DEFAULT '{}'::text[] NOT NULL,
    handling_unit text DEFAULT ''::text NOT NULL,
    no_place_reason text DEFAULT ''::text NOT NULL,
    kind text DEFAULT 'PUT_AWAY'::text NOT NULL,
    priority integer DEFAULT 3 NOT NULL,
    deadline_time timestamp with time zone,
    skills text[] DEFAULT '{}'::text[] NOT NULL,
    equipment text DEFAULT ''::text NOT NULL,
    predecessor text DEFAULT ''::text NOT NULL,
    reservation text DEFAULT ''::text NOT NULL,
    wave text DEFAULT ''::text NOT NULL,
    to_handling_unit text DEFAULT ''::text NOT NULL,
    lease_person text DEFAULT ''::text NOT NULL,
    lease_device text DEFAULT ''::text NOT NULL,
    lease_expire_time timestamp with time zone,
    done_quantity numeric(20,6),
    short_reason text DEFAULT ''::text NOT NULL,
    skipped_scans text[] DEFAULT '{}'::text[] NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    owner text DEFAULT ''::text NOT NULL,
    decision text DEFAULT ''::text NOT NULL,
    shipment text DEFAULT ''::text NOT NULL,
    lease_time timestamp with time zone,
    leased_seconds numeric(20,6) DEFAULT 0 NOT NULL
);

ALTER TABLE public.put_away_task OWNER TO materials_owner;

CREATE FUNCTION public.coming_tasks(p_site text, p_places text[]) RETURNS SETOF public.put_away_task
    LANGUAGE sql STABLE
    AS $$
  select t.* from put_away_task t
  where t.site = p_site and t.state = 'READY' and t.proposed_location = any(p_places)
  union all
  select t.* from put_away_task t
  where t.site = p_site and t.state in ('PLANNED', 'LEASED', 'STARTED', 'WAITING')
    and t.proposed_location = any(p_places)
$$;

ALTER FUNCTION public.coming_tasks(p_site text, p_places text[]) OWNER TO materials_owner;

CREATE FUNCTION public.currency_places(p_code text) RETURNS integer
    LANGUAGE sql IMMUTABLE
    AS $$
  select case
    when p_code in ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV',
                    'XAF', 'XOF', 'XPF') then 0
    when p_code in ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') then 3
    else 2 end
$$;

ALTER FUNCTION public.currency_places(p_code text) OWNER TO materials_owner;

CREATE FUNCTION public.enter_line(p_site text, p_movement text, p_number integer, p_at timestamp with time zone, p public.posting_line, p_from text, p_to text, p_worth numeric, p_sequence bigint) RETURNS void
    LANGUAGE sql
    AS $$
  insert into movement_entry (movement, side, site, balance, item, lot, serial, handling_unit, owner, project, location,
                              status, quantity, unit_code, second_quantity, second_quantity_unit_code,
                              entered_quantity, entered_quantity_unit_code, factor_numerator, factor_denominator, value, returns, item_sequence,
                              effective_time)
  values (p_movement, 2 * p_number - 1, p_site, p_from, p.item, p.lot, p.serial, p.from_handling_unit, p.from_owner,
          p.from_project, p.from_location, p.from_status, -p.quantity, p.unit_code, -p.second_quantity,
          p.second_unit_code, -coalesce(p.entered_quantity, p.quantity), coalesce(nullif(p.entered_unit_code, ''),
          p.unit_code), p.factor_numerator, p.factor_denominator, -p_worth, p.returns, p_sequence - 1, p_at),
         (p_movement, 2 * p_number, p_site, p_to, p.item, p.lot, p.serial, p.to_handling_unit, p.to_owner,
          p.to_project, p.to_location, p.to_status, p.quantity, p.unit_code, p.second_quantity, p.second_unit_code,
          coalesce(p.entered_quantity, p.quantity), coalesce(nullif(p.entered_unit_code, ''), p.unit_code),
          p.factor_numerator, p.factor_denominator, p_worth, p.returns, p_sequence, p_at)
$$;

ALTER FUNCTION public.enter_line(p_site text, p_movement text, p_number integer, p_at timestamp with time zone, p public.posting_line, p_from text, p_to text, p_worth numeric, p_sequence bigint) OWNER TO materials_owner;

CREATE FUNCTION public.entries_sum_to_zero() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
declare
  wrong record;
begin
  select a.movement into wrong from added a
  group by a.movement, a.item, a.lot, a.serial, a.unit_code
  having sum(a.quantity) <> 0 or sum(a.second_quantity) <> 0 order by a.movement limit 1;
  if found then
    raise exception 'entries of % do not sum to zero', wrong.movement using errcode = '23514';
  end if;
  select a.item, a.movement into wrong from added a, lateral (
    select from item i where i.name = a.item and (
      i.base_unit_code <> a.unit_code or (i.catch_weight is null) <> (a.second_quantity is null)
      or (i.tracking in ('LOT', 'LOT_AND_SERIAL')) <> (a.lot <> '')) offset 0) i
  order by a.movement limit 1;
  if found then
    raise exception '% is not kept any more as % says', wrong.item, wrong.movement using errcode = '40001';
  end if;
  return null;
end $$;

ALTER FUNCTION public.entries_sum_to_zero() OWNER TO materials_owner;

CREATE FUNCTION public.guard_state() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
declare
  before text := to_jsonb(old) ->> tg_argv[0];
  after text := to_jsonb(new) ->> tg_argv[0];
begin
  if before is distinct from after and not exists (
    select 1 from allowed_transition
    where table_name = tg_table_name and from_state = before and to_state = after
  ) then
    raise exception '%: % may not become %', tg_table_name, before, after
      using errcode = '23514', constraint = 'allowed_transition', table = tg_table_name;
  end if;
  return new;
end $$;

ALTER FUNCTION public.guard_state() OWNER TO materials_owner;

CREATE FUNCTION public.handling_unit_path(p_name text) RETURNS TABLE(name text, state text, location text, handling_unit_type text, depth integer)
    LANGUAGE sql STABLE
    AS $$
  with recursive up as (
    select h.name, h.state, h.location, h.handling_unit_type, h.parent_handling_unit, 1 as depth
    from handling_unit h where h.name = p_name
    union all
    select h.name, h.state, h.location, h.handling_unit_type, h.parent_handling_unit, u.depth + 1
    from up u join handling_unit h on h.name = u.parent_handling_unit where u.depth < 50
  )
  select u.name, u.state, u.location, u.handling_unit_type, u.depth from up u
$$;

ALTER FUNCTION public.handling_unit_path(p_name text) OWNER TO materials_owner;

CREATE FUNCTION public.handling_unit_place(p_name text) RETURNS text
    LANGUAGE sql STABLE
    AS $$
  select p.location from handling_unit_path(p_name) p order by p.depth desc limit 1
$$;

ALTER FUNCTION public.handling_unit_place(p_name text) OWNER TO materials_owner;

CREATE FUNCTION public.handling_unit_refusal(p public.posting_line, OUT outcome text, OUT subject text) RETURNS record
    LANGUAGE plpgsql
    AS $$
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

ALTER FUNCTION public.handling_unit_refusal(p public.posting_line, OUT outcome text, OUT subject text) OWNER TO materials_owner;

CREATE FUNCTION public.handling_unit_root(p_name text) RETURNS text
    LANGUAGE sql STABLE
    AS $$
  select p.name from handling_unit_path(p_name) p order by p.depth desc limit 1
$$;

ALTER FUNCTION public.handling_unit_root(p_name text) OWNER TO materials_owner;

CREATE FUNCTION public.heal_stock() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
  done record;
begin
  new.negative_allowed := false;
  update value_balance b set negative_allowed = false
  where b.site = new.site and b.item = new.item and b.quantity >= 0 and not exists (
    select from balance x where x.site = new.site and x.item = new.item and x.negative_allowed and x.name <> new.name);
  update negative_stock n set end_time = clock_timestamp() where n.balance = new.name and n.end_time is null;
  for done in
    update put_away_task t
    set state = 'COMPLETED', note = 'the stock is not below zero any more', version = t.version + 1, update_time = now()
    where t.name in (select n.task from negative_stock n where n.balance = new.name and n.task <> '')
      and t.state in ('READY', 'LEASED', 'STARTED', 'WAITING')
    returning t.name, t.version
  loop
    insert into audit (actor, roles, action, object, version, after)
    values ('services/materials', '', 'heal', done.name, done.version, '{"state": "COMPLETED"}');
  end loop;
  return new;
end $$;

ALTER FUNCTION public.heal_stock() OWNER TO materials_owner;

CREATE FUNCTION public.hold_descendants() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
  insert into hold_target (hold, target, site, active)
  select t.hold, d.lot, t.site, true
  from hold_target t join hold h on h.name = t.hold and h.include_descendants,
    with_descendants(array[new.output_lot]) d(lot)
  where t.target = new.input_lot and t.active
  on conflict do nothing;
  return null;
end $$;

ALTER FUNCTION public.hold_descendants() OWNER TO materials_owner;

CREATE FUNCTION public.hold_for_postings(p_site text, p_postings jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
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

ALTER FUNCTION public.hold_for_postings(p_site text, p_postings jsonb) OWNER TO materials_owner;

CREATE FUNCTION public.hold_handling_units(p_names text[], p_alone boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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

ALTER FUNCTION public.hold_handling_units(p_names text[], p_alone boolean) OWNER TO materials_owner;

CREATE FUNCTION public.hold_items(p_site text, p_items text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
  perform queue_for_items(p_site, p_items);
  insert into value_balance (site, item, quantity, value, variance, currency_code)
  select p_site, i.item, 0, 0, 0,
         coalesce((select s.currency_code from site_fact s where s.name = 'sites/' || p_site), '')
  from (select distinct unnest(p_items) as item order by item) i
  on conflict do nothing;
  perform 1 from value_balance v where v.site = p_site and v.item = any(p_items) order by v.item for update;
end $$;

ALTER FUNCTION public.hold_items(p_site text, p_items text[]) OWNER TO materials_owner;

CREATE FUNCTION public.hold_of(p_site text, p_item text, p_lot text, p_serial text, p_handling_unit text, p_location text) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $$
begin
  if not exists (select from hold_target t where t.site = p_site and t.active) then
    return null;
  end if;
  return (select min(h.name) from holds_on(p_site, p_item, p_lot, p_serial, p_handling_unit, p_location) h(name));
end $$;

ALTER FUNCTION public.hold_of(p_site text, p_item text, p_lot text, p_serial text, p_handling_unit text, p_location text) OWNER TO materials_owner;

CREATE FUNCTION public.hold_refusal(f public.posting_facts, p public.posting_line, OUT outcome text, OUT subject text) RETURNS record
    LANGUAGE plpgsql
    AS $$
declare
  known text[];
  target text;
begin
  if p.from_location = p.to_location and p.from_handling_unit = p.to_handling_unit
     or f.kind = 'ADJUST' and f.source like 'sites/%/counts/%/lines/%'
     or not exists (select from hold_target t where t.site = f.site and t.active) then
    return;
  end if;
  if not p.from_virtual then
    known := array(select holds_on(f.site, p.item, p.lot, p.serial, p.from_handling_unit, p.from_location));
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
    subject := hold_of(f.site, p.item, p.lot, p.serial, p.to_handling_unit, p.to_location);
    outcome := case when subject is not null then 'LOT_ON_HOLD' end;
  elsif cardinality(known) > 0 and exists (
    select from balance b
    where b.name = balance_key(f.site, p.item, p.from_location, p.lot, p.from_status, p.serial, p.from_handling_unit,
                               p.from_owner, p.from_project) and b.on_hand - b.reserved >= p.quantity
  ) then
    insert into hold_target (hold, target, site, active)
    select h.name, stock_key(p.item, p.lot, p.serial, p.to_handling_unit, p.to_location), f.site, true
    from unnest(known) h(name)
    where h.name not in (select holds_on(f.site, p.item, p.lot, p.serial, p.to_handling_unit, p.to_location))
    on conflict do nothing;
  end if;
end $$;

ALTER FUNCTION public.hold_refusal(f public.posting_facts, p public.posting_line, OUT outcome text, OUT subject text) OWNER TO materials_owner;

CREATE FUNCTION public.holds_on(p_site text, p_item text, p_lot text, p_serial text, p_handling_unit text, p_location text) RETURNS SETOF text
    LANGUAGE plpgsql STABLE
    AS $$
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

ALTER FUNCTION public.holds_on(p_site text, p_item text, p_lot text, p_serial text, p_handling_unit text, p_location text) OWNER TO materials_owner;

CREATE FUNCTION public.instant_bytes(p bigint) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    AS $$
  select '\x08'::bytea || varint_bytes(p / 1000000) || '\x10'::bytea || varint_bytes(p % 1000000 * 1000)
$$;

ALTER FUNCTION public.instant_bytes(p bigint) OWNER TO materials_owner;

CREATE FUNCTION public.keep_parent() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
  if tg_op = 'INSERT' or new.parent_location is distinct from old.parent_location then
    insert into location_parent (location, from_time, parent_location)
    values (new.name, case tg_op when 'INSERT' then new.create_time else new.update_time end, new.parent_location)
    on conflict (location, from_time) do update set parent_location = excluded.parent_location;
  end if;
  return null;
end $$;

ALTER FUNCTION public.keep_parent() OWNER TO materials_owner;

CREATE FUNCTION public.location_path(p_name text) RETURNS TABLE(name text, kind text, quality_area boolean)
    LANGUAGE sql STABLE
    AS $$
  with recursive up as (
    select l.name, l.kind, l.quality_area, l.parent_location, 1 as depth from location l where l.name = p_name
    union all
    select l.name, l.kind, l.quality_area, l.parent_location, u.depth + 1
    from up u join location l on l.name = u.parent_location where u.depth < 50
  )
  select u.name, u.kind, u.quality_area from up u
$$;

ALTER FUNCTION public.location_path(p_name text) OWNER TO materials_owner;

CREATE FUNCTION public.make_partitions(days integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
  today date := (now() at time zone 'utc')::date;
  day date;
  from_time timestamptz;
  to_time timestamptz;
begin
  for i in 0 .. days loop
    day := today + i;
    from_time := day::timestamp at time zone 'utc';
    to_time := (day + 1)::timestamp at time zone 'utc';
    if to_regclass(format('outbox_p%s', to_char(day, 'YYYYMMDD'))) is null then
      execute format('create table outbox_p%s partition of outbox for values from (%L) to (%L)',
        to_char(day, 'YYYYMMDD'), from_time, to_time);
    end if;
    if to_regclass(format('inbox_p%s', to_char(day, 'YYYYMMDD'))) is null then
      execute format('create table inbox_p%s partition of inbox for values from (%L) to (%L)',
        to_char(day, 'YYYYMMDD'), uuid_floor(from_time), uuid_floor(to_time));
    end if;
  end loop;
end $$;

ALTER FUNCTION public.make_partitions(days integer) OWNER TO materials_owner;

CREATE FUNCTION public.may_go_below(f public.posting_facts, p public.posting_line, p_key text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
begin
  return f.kind = 'CONSUME' and p.serial = '' and p.from_handling_unit = '' and p.from_status = 'UNRESTRICTED'
    and p.from_owner = '' and p.second_quantity is null and p.allocated = 0
    and exists (select from item_settings s where s.site = f.site and s.item = p.item and s.shortage = 'ALLOW')
    and exists (select from location l where l.name = p.from_location and l.kind in ('STAGING', 'WIP'))
    and not exists (select from lot l where l.name = p.lot and l.expire_date is not null)
    and not exists (select from balance b where b.name = p_key and b.reserved > 0);
end $$;

ALTER FUNCTION public.may_go_below(f public.posting_facts, p public.posting_line, p_key text) OWNER TO materials_owner;

CREATE FUNCTION public.most_queues() RETURNS integer
    LANGUAGE sql IMMUTABLE
    AS $$ select 128 $$;

ALTER FUNCTION public.most_queues() OWNER TO materials_owner;

CREATE FUNCTION public.movement_sums_to_zero() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  if exists (select 1 from movement_entry where movement = new.movement
             group by item, lot, serial, unit_code having sum(quantity) <> 0 or sum(second_quantity) <> 0) then
    raise exception 'entries of % do not sum to zero', new.movement using errcode = '23514';
  end if;
  if exists (select 1 from item i where i.name = new.item
             and (i.base_unit_code <> new.unit_code or (i.catch_weight is null) <> (new.second_quantity is null)
                  or (i.tracking in ('LOT', 'LOT_AND_SERIAL')) <> (new.lot <> ''))) then
    raise exception '% is not kept any more as % says', new.item, new.movement using errcode = '40001';
  end if;
  return null;
end $$;

ALTER FUNCTION public.movement_sums_to_zero() OWNER TO materials_owner;

CREATE FUNCTION public.note_lease() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
declare
  had boolean := old.state in ('LEASED', 'STARTED');
  has boolean := new.state in ('LEASED', 'STARTED');
begin
  if has and not had then
    new.lease_time := now();
  elsif had and not has and old.lease_time is not null then
    new.leased_seconds := old.leased_seconds + greatest(extract(epoch from
      case when old.state = 'LEASED' then least(now(), old.lease_expire_time) else now() end - old.lease_time), 0);
    new.lease_time := null;
  end if;
  return new;
end $$;

ALTER FUNCTION public.note_lease() OWNER TO materials_owner;

CREATE FUNCTION public.note_variance() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
  insert into value_variance (site, item, sequence, amount)
  values (new.site, new.item, new.sequence, new.variance - old.variance);
  return null;
end $$;

ALTER FUNCTION public.note_variance() OWNER TO materials_owner;

CREATE FUNCTION public.outermost(p_handling_unit text) RETURNS text
    LANGUAGE sql STABLE
    AS $$
  select case when p_handling_unit = '' then '' else coalesce(handling_unit_root(p_handling_unit), p_handling_unit) end
$$;

ALTER FUNCTION public.outermost(p_handling_unit text) OWNER TO materials_owner;

CREATE FUNCTION public.p_site_key(p_site text, p_item text, p_location text, p_lot text, p_status text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
  select 'sites/' || p_site || '/balances/' || md5(p_item || '|' || p_location || '|' || p_lot || '|' || p_status)
$$;

ALTER FUNCTION public.p_site_key(p_site text, p_item text, p_location text, p_lot text, p_status text) OWNER TO materials_owner;

CREATE FUNCTION public.place_content(p_site text, p_places text[]) RETURNS TABLE(location text, coming boolean, item text, lot text, owner text, status text, handling_unit text, quantity numeric, weight numeric, volume numeric)
    LANGUAGE sql STABLE
    AS $$
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
               and l.handling_unit = b.handling_unit and (b.serial = '' or b.serial = any(l.serials))), 0) end
             as quantity
    from balance b where b.site = p_site and b.location = any(p_places) and b.on_hand > 0
    union all
    select t.proposed_location, true, t.item, t.lot, '', t.status, t.handling_unit, t.quantity
    from coming_tasks(p_site, p_places) t where t.quantity > 0 and t.item <> '') c
  left join item i on i.name = c.item
  where c.quantity > 0
$$;

ALTER FUNCTION public.place_content(p_site text, p_places text[]) OWNER TO materials_owner;

CREATE FUNCTION public.place_key(p_site text) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS $$
  select hashtextextended('materials.places.' || p_site, 0)
$$;

ALTER FUNCTION public.place_key(p_site text) OWNER TO materials_owner;

CREATE FUNCTION public.place_refusal(p public.posting_line, OUT outcome text, OUT subject text) RETURNS record
    LANGUAGE plpgsql STABLE
    AS $$
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

ALTER FUNCTION public.place_refusal(p public.posting_line, OUT outcome text, OUT subject text) OWNER TO materials_owner;

CREATE FUNCTION public.post_commands(p_site text, p_postings jsonb) RETURNS TABLE(posting text, outcome text, line integer, available numeric, subject text, effective timestamp with time zone, worths numeric[], currency text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
  waited text[];
  minded text[];
  run record;
begin
  perform hold_for_postings(p_site, p_postings);

  -- asked behind the locks of the items: nobody begins to wait for them now
  waited := array(
    select distinct r.item from reservation r
    where r.site = p_site and r.state in ('PENDING', 'SHORT') and r.item in (
      select jsonb_array_elements_text(x -> 'gains') from jsonb_array_elements(p_postings) x));
  minded := array(
    select distinct m.item from materials_policy m
    where m.site = p_site and m.active_revision <> '' and m.item in (
      select jsonb_array_elements_text(x -> 'losses') from jsonb_array_elements(p_postings) x));

  for run in
    with given as (
      select x as content, n, x ->> 'actor' as actor, x -> 'gains' ?| waited or x -> 'losses' ?| minded as apart
      from jsonb_array_elements(p_postings) with ordinality as entry(x, n)
    ), numbered as (
      select *, n - row_number() over (partition by apart, actor order by n) as island from given
    )
    select apart, actor, jsonb_agg(content order by n) as contents
    from numbered group by apart, actor, island order by min(n)
  loop
    if run.apart then
      return query select x ->> 'name', 'APART', 1, 0::numeric, '', null::timestamptz, '{}'::numeric[], ''
      from jsonb_array_elements(run.contents) x;
    else
      return query select * from post_held(p_site, run.actor, run.contents);
    end if;
  end loop;
end $$;

ALTER FUNCTION public.post_commands(p_site text, p_postings jsonb) OWNER TO materials_owner;

CREATE FUNCTION public.post_held(p_site text, p_actor text, p_postings jsonb) RETURNS TABLE(posting text, outcome text, line integer, available numeric, subject text, effective timestamp with time zone, worths numeric[], currency text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
  d record;
  f posting_facts;
  p posting_line;
  lines posting_line[];
  r record;
  at timestamptz;
  closed record;
begin
  select * into closed from closed_until(p_site);
  for d in
    select * from jsonb_to_recordset(p_postings) as x(
      n int, name text, kind text, effective_time timestamptz, reason_code text, source text, reverses text,
      correlation text, device text, lines jsonb)
    order by n
  loop
    posting := d.name;
    outcome := null;
    line := 1;
    available := 0;
    subject := '';
    worths := '{}';
    currency := '';
    -- taken after the locks: of two postings on one key the later one is also effective later
    at := coalesce(d.effective_time, clock_timestamp());
    effective := at;
    lines := array(select l from posting_lines(d.lines) l);
    f := row(p_site, d.name, d.kind, coalesce(d.source, ''), d.reverses, at, d.effective_time is not null);

    if at < closed.end_time then
      outcome := 'PERIOD_CLOSED';
      subject := closed.open_date;
      return next;
      continue;
    end if;

    if d.reverses <> '' and exists (
      select 1 from movement m where m.reverses = d.reverses and m.reverses <> ''
    ) then
      outcome := 'ALREADY_REVERSED';
      return next;
      continue;
    end if;

    if cardinality(lines) = 1 then
      p := lines[1];
      r := post_line(f, p);
      currency := r.currency;
      if r.outcome is null then
        insert into movement (name, site, version, event_version, correlation, create_time, update_time, kind, item,
                              lot, serial, from_location, to_location, from_status, to_status, quantity, unit_code,
                              effective_time, record_time, reason_code, source, actor, device, reverses, xid, cost,
                              cost_currency_code)
        values (d.name, p_site, 1, 0, d.correlation, now(), now(), d.kind, p.item, p.lot, p.serial, p.from_location,
                p.to_location, p.from_status, p.to_status, p.quantity, p.unit_code, at, clock_timestamp(),
                d.reason_code, d.source, p_actor, coalesce(d.device, ''), d.reverses, pg_current_xact_id()::text::bigint, r.worth,
                r.currency);
        perform enter_line(p_site, d.name, 1, at, p, r.from_key, r.to_key, r.worth, r.sequence);
        worths := array[r.worth];
        outcome := 'POSTED';
      else
        outcome := r.outcome;
        available := r.available;
        subject := r.subject;
      end if;
    else
      begin
        insert into movement (name, site, version, event_version, correlation, create_time, update_time, kind, item,
                              lot, serial, from_location, to_location, from_status, to_status, quantity, unit_code,
                              effective_time, record_time, reason_code, source, actor, device, reverses, xid,
                              cost_currency_code)
        values (d.name, p_site, 1, 0, d.correlation, now(), now(), d.kind, '', '', '', '', '', 'UNRESTRICTED',
                'UNRESTRICTED', 0, '', at, clock_timestamp(), d.reason_code, d.source, p_actor,
                coalesce(d.device, ''), d.reverses, pg_current_xact_id()::text::bigint,
                coalesce((select s.currency_code from site_fact s where s.name = 'sites/' || p_site), ''));
        for number in 1 .. cardinality(lines) loop
          line := number;
          p := lines[number];
          r := post_line(f, p);
          if r.outcome is not null then
            raise exception 'refused' using errcode = 'PL001';
          end if;
          perform enter_line(p_site, d.name, number, at, p, r.from_key, r.to_key, r.worth, r.sequence);
          worths := worths || array[r.worth];
          currency := case when r.currency <> '' then r.currency else currency end;
        end loop;
        outcome := 'POSTED';
      exception when sqlstate 'PL001' then
        outcome := r.outcome;
        available := r.available;
        subject := r.subject;
        worths := '{}';
      end;
    end if;
    return next;
  end loop;
end $$;

ALTER FUNCTION public.post_held(p_site text, p_actor text, p_postings jsonb) OWNER TO materials_owner;

CREATE FUNCTION public.post_line(f public.posting_facts, p public.posting_line, OUT outcome text, OUT available numeric, OUT subject text, OUT worth numeric, OUT currency text, OUT sequence bigint, OUT from_key text, OUT to_key text) RETURNS record
    LANGUAGE plpgsql
    AS $$
declare
  v value_balance;
  r record;
  known record;
  below boolean := false;
  from_outside boolean := p.from_virtual or p.from_owner <> '';
  to_outside boolean := p.to_virtual or p.to_owner <> '';
begin
  available := 0;
  currency := '';
  from_key := balance_key(f.site, p.item, p.from_location, p.lot, p.from_status, p.serial, p.from_handling_unit,
                          p.from_owner, p.from_project);
  to_key := balance_key(f.site, p.item, p.to_location, p.lot, p.to_status, p.serial, p.to_handling_unit, p.to_owner,
                        p.to_project);

  select x.outcome, x.subject into outcome, subject from place_refusal(p) x;
  if outcome is null and p.from_handling_unit <> p.to_handling_unit then
    select x.outcome, x.subject into outcome, subject from handling_unit_refusal(p) x;
  end if;
  if outcome is null then
    select x.outcome, x.subject into outcome, subject from hold_refusal(f, p) x;
  end if;
  if outcome is not null then
    return;
  end if;
  subject := p.from_location;

  if p.serial <> '' then
    select x.balance, x.left_by into known from serial x where x.name = p.serial for update;
    -- one that left comes back only by a movement that names how it left (MAT-16)
    if p.from_virtual and not p.to_virtual
       and (known.balance <> '' or known.left_by not in ('', p.returns, f.reverses)) then
      outcome := 'SERIAL_EXISTS';
      subject := case when known.balance <> '' then known.balance else known.left_by end;
      return;
    end if;
  end if;

  if not p.from_virtual then
    select x.outcome, coalesce(x.available, 0), x.below into outcome, available, below
    from stock_refusal(f, p, from_key) x;
    if outcome is not null then
      return;
    end if;
  end if;

  if from_outside <> to_outside then
    select b.* into v from value_balance b where b.site = f.site and b.item = p.item;
    currency := v.currency_code;
    if to_outside then
      r := value_out(f, p, v);
    else
      r := value_in(f, p, v);
    end if;
    worth := r.worth;
    update value_balance b
    set quantity = b.quantity + case when to_outside then -p.quantity else p.quantity end, value = r.value,
        variance = b.variance + r.variance, sequence = b.sequence + 2,
        negative_allowed = b.negative_allowed or below
    where b.site = f.site and b.item = p.item returning b.sequence into sequence;
  else
    update value_balance b set sequence = b.sequence + 2
    where b.site = f.site and b.item = p.item returning b.sequence into sequence;
  end if;

  insert into balance as b (name, site, item, lot, serial, handling_unit, owner, project, location, status, virtual,
                            on_hand, reserved, unit_code, second_on_hand, second_on_hand_unit_code,
                            update_time)
  values (to_key, f.site, p.item, p.lot, p.serial, p.to_handling_unit, p.to_owner, p.to_project, p.to_location,
          p.to_status, p.to_virtual, p.quantity, 0, p.unit_code, p.second_quantity, p.second_unit_code, now())
  on conflict on constraint pk_balance do update
    set on_hand = b.on_hand + excluded.on_hand, second_on_hand = b.second_on_hand + excluded.second_on_hand,
        update_time = now();
  if p.from_virtual or below then
    insert into balance as b (name, site, item, lot, serial, handling_unit, owner, project, location, status, virtual,
                              on_hand, reserved, unit_code, second_on_hand, second_on_hand_unit_code,
                              update_time, negative_allowed)
    values (from_key, f.site, p.item, p.lot, p.serial, p.from_handling_unit, p.from_owner, p.from_project,
            p.from_location, p.from_status, p.from_virtual, -p.quantity, 0, p.unit_code, -p.second_quantity,
            p.second_unit_code, now(), below)
    on conflict on constraint pk_balance do update
      set on_hand = b.on_hand + excluded.on_hand, second_on_hand = b.second_on_hand + excluded.second_on_hand,
          update_time = now(), negative_allowed = below and b.on_hand + excluded.on_hand < 0;
  else
    update balance b
    set on_hand = b.on_hand - p.quantity, reserved = b.reserved - p.allocated,
        second_on_hand = b.second_on_hand - p.second_quantity, update_time = now()
    where b.name = from_key;
  end if;
  if below then
    insert into negative_stock (balance, movement, site, item, begin_time, end_time, task)
    select b.name, f.movement, f.site, p.item, clock_timestamp(), case when b.on_hand >= 0 then clock_timestamp() end, ''
    from balance b where b.name = from_key on conflict do nothing;
    update value_balance b set negative_allowed = false
    where b.site = f.site and b.item = p.item and b.quantity >= 0 and not exists (
      select from balance x where x.site = f.site and x.item = p.item and x.negative_allowed);
  end if;

  if p.serial <> '' and p.from_virtual <> p.to_virtual then
    update serial x
    set balance = case when p.to_virtual then '' else to_key end,
        left_by = case when not p.to_virtual then ''
          -- a reversed entrance has never been: it left as it had left before
          when f.reverses <> '' then coalesce((select e.returns from movement_entry e
                                               where e.movement = f.reverses and e.serial = p.serial limit 1), '')
          else f.movement end
    where x.name = p.serial;
  elsif p.serial <> '' then
    update serial x set balance = to_key where x.name = p.serial and not p.to_virtual;
  end if;
end $$;

ALTER FUNCTION public.post_line(f public.posting_facts, p public.posting_line, OUT outcome text, OUT available numeric, OUT subject text, OUT worth numeric, OUT currency text, OUT sequence bigint, OUT from_key text, OUT to_key text) OWNER TO materials_owner;

CREATE FUNCTION public.post_movements(p_site text, p_actor text, p_postings jsonb) RETURNS TABLE(posting text, outcome text, available numeric, place text, effective timestamp with time zone, worth numeric, currency text)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
  select d.posting, d.outcome, d.available,
         case when d.subject like '{%' then d.subject::jsonb ->> 'location' else d.subject end, d.effective,
         d.worths[1], d.currency
  from post_to_ledger(p_site, p_actor, (
    select jsonb_agg(x || jsonb_build_object('lines', jsonb_build_array(x))) from jsonb_array_elements(p_postings) x)) d
$$;

ALTER FUNCTION public.post_movements(p_site text, p_actor text, p_postings jsonb) OWNER TO materials_owner;

CREATE FUNCTION public.post_moves(p_site text, p_method text, p_action text, p_callers text[], p_marks text[], p_items text[], p_item_versions integer[], p_lots text[], p_lot_versions integer[], p_places text[], p_place_versions integer[], p_principal text[], p_request uuid[], p_hash bytea[], p_name text[], p_kind text[], p_item text[], p_lot text[], p_from text[], p_to text[], p_from_status text[], p_to_status text[], p_quantity text[], p_unit text[], p_entered text[], p_entered_unit text[], p_numerator bigint[], p_denominator bigint[], p_reason text[], p_device text[], p_actor text[], p_caller_device text[], p_on_behalf_of text[], p_roles text[], p_ip text[], p_audited text[], p_subject text[], p_headers text[], p_event bytea[], p_answer bytea[], p_out bytea[], p_into bytea[]) RETURNS TABLE(n integer, outcome text, code integer, answer bytea, subject text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
#variable_conflict use_column
declare
  skip int[] := '{}';
  shut text[];
  apart text[] := '{}';
  lacking boolean;
  began bigint;
  opened bytea;
  stamp text;
  day text;
begin
  return query
    select 0, 'STALE', 0, null::bytea, k.name from unnest(p_callers, p_marks) k(name, mark)
    join caller_marks(p_callers) m on m.name = k.name where m.mark <> k.mark
    union all
    select 0, 'STALE', 0, null, k.name from unnest(p_items, p_item_versions) k(name, version)
    where k.version is distinct from (select x.version from item x where x.name = k.name)
    union all
    select 0, 'STALE', 0, null, k.name from unnest(p_lots, p_lot_versions) k(name, version)
    where k.version is distinct from (select x.version from lot x where x.name = k.name)
    union all
    select 0, 'STALE', 0, null, k.name from unnest(p_places, p_place_versions) k(name, version)
    where k.version is distinct from (select x.version from location x where x.name = k.name);
  if found then
    return;
  end if;

  return query
    select k.n::int, case when i.request_hash = k.hash then 'DONE' else 'REUSED' end, i.status_code, i.answer, ''
    from unnest(p_principal, p_request, p_hash) with ordinality k(principal, request, hash, n),
    lateral (select x.request_hash, x.status_code, x.answer from idempotency x
             where x.principal = k.principal and x.method = p_method and x.request_id = k.request offset 0) i;
  if found then
    skip := array(
      select k.n::int from unnest(p_principal, p_request) with ordinality k(principal, request, n)
      where exists (select from idempotency x
                    where x.principal = k.principal and x.method = p_method and x.request_id = k.request));
  end if;

  perform queue_for_items(p_site, p_items);
  perform 1 from value_balance v where v.site = p_site and v.item = any(p_items) order by v.item for update;
  perform pg_advisory_xact_lock_shared(place_key(p_site));

  shut := array(
    select k.name from unnest(p_places) k(name), lateral (
      select from location l
      where l.name = k.name and (
        l.blocked or l.kind = 'GROUP' or l.limits is not null
        or exists (select from location_lock x where x.location = l.name)) offset 0) l);
  if cardinality(shut) > 0 then
    apart := array(
      select distinct k.item from unnest(p_item, p_from, p_to) k(item, from_place, to_place)
      where k.from_place <> k.to_place and (k.from_place = any(shut) or k.to_place = any(shut)));
  end if;
  if stock_is_held(p_site) then
    apart := apart || array(
      select distinct k.item from unnest(p_item, p_lot, p_from) k(item, lot, place)
      where exists (select from holds_on(p_site, k.item, k.lot, '', '', k.place)));
  end if;
  if 'UNRESTRICTED' <> any(p_from_status) then
    apart := apart || array(
      select distinct k.item from unnest(p_item, p_from_status, p_to_status) k(item, from_status, to_status)
      where k.from_status <> 'UNRESTRICTED' and k.to_status = 'UNRESTRICTED' and exists (
        select from reservation r where r.site = p_site and r.item = k.item and r.state in ('PENDING', 'SHORT')));
  end if;

  -- how low each balance gets, one movement after the other, against what is free of it
  with changes as (
    select k.n, k.item, s.change * k.quantity::numeric as change,
           case s.change when -1 then balance_key(p_site, k.item, k.from_place, k.lot, k.from_status, '', '', '', '')
             else balance_key(p_site, k.item, k.to_place, k.lot, k.to_status, '', '', '', '') end as key
    from unnest(p_item, p_lot, p_from, p_to, p_from_status, p_to_status, p_quantity) with ordinality
      k(item, lot, from_place, to_place, from_status, to_status, quantity, n),
    (values (-1), (1)) s(change)
    where k.n <> all(skip)
  )
  select apart || coalesce(array_agg(distinct w.item) filter (where coalesce(b.free, 0) + w.lowest < 0), '{}'),
         coalesce(bool_or(b.free is null), false)
  into apart, lacking
  from (select f.item, f.key, min(f.level) as lowest
        from (select c.item, c.key, sum(c.change) over (partition by c.key order by c.n) as level from changes c) f
        group by f.item, f.key) w
  left join lateral (select x.on_hand - x.reserved as free from balance x where x.name = w.key offset 0) b on true
  where b.free is null or w.lowest < 0;

  if lacking then
    insert into balance (name, site, item, lot, serial, handling_unit, owner, project, location, status, virtual,
                         on_hand, reserved, unit_code, update_time)
    select distinct k.key, p_site, k.item, k.lot, '', '', '', '', k.to_place, k.to_status, false, 0, 0, k.unit_code, now()
    from (select x.*, balance_key(p_site, x.item, x.to_place, x.lot, x.to_status, '', '', '', '') as key
          from unnest(p_item, p_lot, p_to, p_to_status, p_unit) with ordinality
            x(item, lot, to_place, to_status, unit_code, n)
          where x.n <> all(skip) and x.item <> all(apart)) k
    where (select b.name from balance b where b.name = k.key) is null;
  end if;

  -- taken after the locks: of two postings on one key the later one is also effective later
  began := (extract(epoch from clock_timestamp()) * 1000000)::bigint;
  opened := instant_bytes((extract(epoch from now()) * 1000000)::bigint);
  opened := '\xf2010c'::bytea || opened || '\xfa010c'::bytea || opened;
  stamp := to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
  -- ids of events are filed by this database's day; what else is in them is the movement's own name
  day := lpad(to_hex(began / 1000), 12, '0') || '7';

  return query
    with given as materialized (
      select x.*, x.head || '\x520c'::bytea || x.at_bytes || '\x5a0c'::bytea || x.at_bytes || opened || x.out_bytes
               || varint_bytes(x.sequence - 1) || x.into_bytes || varint_bytes(x.sequence) as answered,
             (day || substr(x.mark, 1, 3) || '8' || substr(x.mark, 4, 15))::uuid as event
      from (
        select k.*, md5(k.name) as mark, k.quantity_text::numeric(20, 6) as quantity,
               k.entered_text::numeric(20, 6) as entered,
               balance_key(p_site, k.item, k.from_place, k.lot, k.from_status, '', '', '', '') as from_key,
               balance_key(p_site, k.item, k.to_place, k.lot, k.to_status, '', '', '', '') as to_key,
               v.sequence + 2 * row_number() over (partition by k.item order by k.n) as sequence,
               to_timestamp(0) + (began + k.n) * interval '1 microsecond' as at,
               instant_bytes(began + k.n) as at_bytes
        from unnest(p_principal, p_request, p_hash, p_name, p_kind, p_item, p_lot, p_from, p_to, p_from_status,
                    p_to_status, p_quantity, p_unit, p_entered, p_entered_unit, p_numerator, p_denominator, p_reason,
                    p_device, p_actor, p_caller_device, p_on_behalf_of, p_roles, p_ip, p_audited, p_subject, p_headers,
                    p_event, p_answer, p_out, p_into) with ordinality
          k(principal, request, hash, name, kind, item, lot, from_place, to_place, from_status, to_status,
            quantity_text, unit_code, entered_text, entered_unit, numerator, denominator, reason, device, actor,
            caller_device, on_behalf_of, roles, ip, audited, subject, headers, payload, head, out_bytes, into_bytes, n)
        join value_balance v on v.site = p_site and v.item = k.item
        where k.n <> all(skip) and k.item <> all(apart)
      ) x order by x.n  -- as they are written everywhere
    ), numbered as (
      update value_balance v set sequence = v.sequence + c.entries
      from (select g.item, 2 * count(*) as entries from given g group by g.item) c
      where v.site = p_site and v.item = c.item
    ), moved as (
      update balance b set on_hand = b.on_hand + d.change, update_time = now()
      from (select f.key, sum(f.change) as change
            from (select g.from_key as key, -g.quantity as change from given g
                  union all select g.to_key, g.quantity from given g) f
            group by f.key) d
      where b.name = d.key
    ), posted as (
      insert into movement (name, site, version, event_version, correlation, create_time, update_time, kind, item, lot,
                            serial, from_location, to_location, from_status, to_status, quantity, unit_code,
                            effective_time, record_time, reason_code, source, actor, device, reverses, xid,
                            cost_currency_code)
      select g.name, p_site, 1, 0, '', now(), now(), g.kind, g.item, g.lot, '', g.from_place, g.to_place, g.from_status,
             g.to_status, g.quantity, g.unit_code, g.at, g.at, g.reason, '', g.actor, g.device, '',
             pg_current_xact_id()::text::bigint, ''
      from given g
    ), entered as (
      insert into movement_entry (movement, side, site, balance, item, lot, location, status, quantity, unit_code,
                                  entered_quantity, entered_quantity_unit_code, factor_numerator, factor_denominator,
                                  item_sequence, effective_time)
      select g.name, s.side, p_site, case s.side when 1 then g.from_key else g.to_key end, g.item, g.lot,
             case s.side when 1 then g.from_place else g.to_place end,
             case s.side when 1 then g.from_status else g.to_status end, s.sign * g.quantity, g.unit_code,
             s.sign * g.entered, g.entered_unit, g.numerator, g.denominator, g.sequence - 2 + s.side, g.at
      from given g, (values (1, -1), (2, 1)) s(side, sign)
    ), told as (
      insert into outbox (event_id, aggregate_type, aggregate_id, aggregate_version, site, correlation, subject,
                          payload, headers, occurred_at)
      select g.event, 'MovementPosted', g.name, 0, p_site, g.name, g.subject, g.payload || '\x1a0c'::bytea || g.at_bytes,
             (g.headers || g.event || '","ce-id":"' || g.event || '","ce-time":"' || stamp || '"}')::jsonb, now()
      from given g
    ), noted as (
      insert into journal (event_id, event_type, resource, version, actor, correlation, occurred_at)
      select g.event, 'MovementPosted', g.name, 0, g.actor, g.name, now() from given g
    ), audited as (
      insert into audit (id, actor, device, on_behalf_of, roles, action, object, version, after, request_id, ip)
      select g.event, g.actor, nullif(g.caller_device, ''), nullif(g.on_behalf_of, ''), g.roles, p_action, g.name, 1,
             g.audited::jsonb, g.request, nullif(g.ip, '')
      from given g
    ), kept as (
      insert into idempotency (principal, method, request_id, request_hash, hash_version, status_code, answer,
                               expires_at)
      select g.principal, p_method, g.request, g.hash, 1, 0, g.answered, now() + interval '30 days'
      from given g order by g.request, g.principal
    )
    select g.n::int, 'POSTED', 0, g.answered, '' from given g;

  if cardinality(apart) > 0 then
    return query
      select k.n::int, 'APART', 0, null::bytea, '' from unnest(p_item) with ordinality k(item, n)
      where k.item = any(apart) and k.n <> all(skip);
  end if;
end $$;

ALTER FUNCTION public.post_moves(p_site text, p_method text, p_action text, p_callers text[], p_marks text[], p_items text[], p_item_versions integer[], p_lots text[], p_lot_versions integer[], p_places text[], p_place_versions integer[], p_principal text[], p_request uuid[], p_hash bytea[], p_name text[], p_kind text[], p_item text[], p_lot text[], p_from text[], p_to text[], p_from_status text[], p_to_status text[], p_quantity text[], p_unit text[], p_entered text[], p_entered_unit text[], p_numerator bigint[], p_denominator bigint[], p_reason text[], p_device text[], p_actor text[], p_caller_device text[], p_on_behalf_of text[], p_roles text[], p_ip text[], p_audited text[], p_subject text[], p_headers text[], p_event bytea[], p_answer bytea[], p_out bytea[], p_into bytea[]) OWNER TO materials_owner;

CREATE FUNCTION public.post_revaluations(p_site text, p_actor text, p_rows jsonb) RETURNS TABLE(movement text, effective timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
  perform hold_items(p_site, array(select distinct x ->> 'item' from jsonb_array_elements(p_rows) x));
  perform pg_advisory_xact_lock_shared(place_key(p_site));

  insert into movement (name, site, version, event_version, correlation, create_time, update_time, kind, item, lot,
                        serial, from_location, to_location, from_status, to_status, quantity, unit_code,
                        effective_time, record_time, reason_code, source, actor, device, reverses, xid, cost,
                        cost_currency_code)
  select r.movement, p_site, 1, 0, r.correlation, now(), now(), 'REVALUE', r.item, '', '', '', '', 'UNRESTRICTED',
         'UNRESTRICTED', 0, '', clock_timestamp(), clock_timestamp(), r.reason_code, r.source, p_actor, '', '',
         pg_current_xact_id()::text::bigint, r.value, r.currency_code
  from jsonb_to_recordset(p_rows) r(movement text, item text, correlation text, reason_code text, source text,
                                    value numeric, currency_code text);

  insert into revaluation (movement, site, item, cause, effective_time, record_time, since, value, variance,
                           currency_code, issues)
  select r.movement, p_site, r.item, r.cause, m.effective_time, m.record_time, coalesce(r.since, m.effective_time),
         r.value, r.variance, r.currency_code, r.issues
  from jsonb_to_recordset(p_rows) r(movement text, item text, cause text, since timestamptz, value numeric,
                                    variance numeric, currency_code text, issues text[])
  join movement m on m.name = r.movement;

  update value_balance b set value = b.value + d.value, variance = b.variance + d.variance
  from (select r.item, sum(r.value) as value, sum(r.variance) as variance
        from jsonb_to_recordset(p_rows) r(item text, value numeric, variance numeric) group by r.item) d
  where b.site = p_site and b.item = d.item;

  return query select m.name, m.effective_time from movement m
  where m.name in (select x ->> 'movement' from jsonb_array_elements(p_rows) x);
end $$;

ALTER FUNCTION public.post_revaluations(p_site text, p_actor text, p_rows jsonb) OWNER TO materials_owner;

CREATE FUNCTION public.post_to_ledger(p_site text, p_actor text, p_postings jsonb) RETURNS TABLE(posting text, outcome text, line integer, available numeric, subject text, effective timestamp with time zone, worths numeric[], currency text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
  perform hold_for_postings(p_site, p_postings);
  return query select * from post_held(p_site, p_actor, p_postings);
end $$;

ALTER FUNCTION public.post_to_ledger(p_site text, p_actor text, p_postings jsonb) OWNER TO materials_owner;

CREATE FUNCTION public.posting_lines(p_lines jsonb) RETURNS SETOF public.posting_line
    LANGUAGE sql STABLE
    AS $$
  select * from jsonb_populate_recordset(
    ('', '', '', 0, '', null, '', null, '', 1, 1, '', '', 'UNRESTRICTED', 'UNRESTRICTED', '', '', '', '', '', '', false,
     false, 0, null, null, '')::posting_line, p_lines)
$$;

ALTER FUNCTION public.posting_lines(p_lines jsonb) OWNER TO materials_owner;

CREATE FUNCTION public.put_layers(f public.posting_facts, p public.posting_line, p_sequence bigint, p_quantity numeric, p_value numeric, p_places integer) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
  t record;
  rest numeric := p_quantity;
  left_value numeric := p_value;
  weight numeric;
  portion numeric;
  amount numeric;
  worth numeric;
  before numeric;
  number int := 0;
begin
  if f.reverses <> '' then
    -- the lines are taken back in the opposite order, so each finds the takes of its own
    select coalesce(sum(least(y.open, p_quantity - y.before) * y.value / y.quantity), 0) into weight
    from (select x.quantity - x.restored as open, x.value, x.quantity,
                 coalesce(sum(x.quantity - x.restored) over w, 0) as before
          from layer_take x where x.movement = f.reverses and x.site = f.site and x.item = p.item
            and x.restored < x.quantity
          window w as (order by x.sequence desc, x.layer_sequence, x.layer_part
                       rows between unbounded preceding and 1 preceding)) y
    where y.before < p_quantity;
    for t in
      select x.* from layer_take x where x.movement = f.reverses and x.site = f.site and x.item = p.item
        and x.restored < x.quantity
      order by x.sequence desc, x.layer_sequence, x.layer_part
    loop
      exit when rest = 0;
      portion := least(rest, t.quantity - t.restored);
      worth := t.value * portion / t.quantity;
      amount := case when portion = rest then left_value when weight <= 0 then 0
                else least(value_part(left_value, worth, weight, p_places), left_value) end;
      update value_layer x
      set remaining_quantity = x.remaining_quantity + portion, remaining_value = x.remaining_value + amount
      where (x.site, x.item, x.sequence, x.part) = (f.site, p.item, t.layer_sequence, t.layer_part);
      update layer_take x set restored = x.restored + portion
      where (x.site, x.item, x.sequence, x.layer_sequence, x.layer_part)
            = (f.site, p.item, t.sequence, t.layer_sequence, t.layer_part);
      rest := rest - portion;
      left_value := left_value - amount;
      weight := weight - worth;
    end loop;
  elsif p.returns <> '' and f.kind = 'TRANSFER_RECEIVE' then
    before := (select coalesce(sum(x.quantity), 0) from value_layer x
               where x.movement = f.movement and x.site = f.site and x.item = p.item);
    for t in
      select x.quantity, x.value, l.layer_time, sum(x.quantity) over (
               order by x.sequence, l.layer_time, x.layer_sequence, x.layer_part) as until
      from layer_take x join value_layer l
        on (l.site, l.item, l.sequence, l.part) = (x.site, x.item, x.layer_sequence, x.layer_part)
      where x.movement = p.returns and x.item = p.item and x.site <> f.site
      order by until
    loop
      continue when t.until <= before;
      exit when rest = 0;
      portion := least(rest, t.until - before);
      amount := case when portion = rest then left_value else least(round(t.value * portion / t.quantity, p_places), left_value) end;
      number := number + 1;
      perform add_layer(f.site, p.item, p_sequence, number, f.movement, t.layer_time, portion, amount);
      rest := rest - portion;
      left_value := left_value - amount;
      before := before + portion;
    end loop;
  end if;
  if rest > 0 then
    perform add_layer(f.site, p.item, p_sequence, number + 1, f.movement, f.at, rest, left_value);
  end if;
end $$;

ALTER FUNCTION public.put_layers(f public.posting_facts, p public.posting_line, p_sequence bigint, p_quantity numeric, p_value numeric, p_places integer) OWNER TO materials_owner;

CREATE FUNCTION public.quality_place(p_name text) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
  select coalesce(bool_or(l.kind = 'QUALITY' or l.quality_area), false) from location_path(p_name) l
$$;

ALTER FUNCTION public.quality_place(p_name text) OWNER TO materials_owner;

CREATE FUNCTION public.queue_for_items(p_site text, p_items text[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
  keys bigint[] := array(select distinct queue_key(p_site, i.item) from unnest(p_items) i(item) order by 1);
  allowed text := current_setting('lock_timeout');
  most interval := allowed::interval;
  waited boolean := false;
  began timestamptz := clock_timestamp();
  key bigint;
begin
  -- behind rows that were taken without a turn, others may wait who have theirs
  if cardinality(keys) > most_queues() or coalesce(current_setting('materials.out_of_turn', true), '') = 'on' then
    perform set_config('materials.out_of_turn', 'on', true);
    return;
  end if;
  foreach key in array keys loop
    if not pg_try_advisory_xact_lock(key) then
      if most > interval '0' then
        perform set_config('lock_timeout', greatest(1, ceil(
          extract(epoch from most - (clock_timestamp() - began)) * 1000))::text, true);
      end if;
      perform pg_advisory_xact_lock(key);
      waited := true;
    end if;
  end loop;
  if waited then
    perform set_config('lock_timeout', allowed, true);
  end if;
end $$;

ALTER FUNCTION public.queue_for_items(p_site text, p_items text[]) OWNER TO materials_owner;

CREATE FUNCTION public.queue_key(p_site text, p_item text) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS $$
  select hashtextextended('materials.stock.' || p_site || '/' || p_item, 0)
$$;

ALTER FUNCTION public.queue_key(p_site text, p_item text) OWNER TO materials_owner;

CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  raise exception '% is append-only', tg_table_name using errcode = '42501';
end $$;

ALTER FUNCTION public.refuse_change() OWNER TO materials_owner;

CREATE FUNCTION public.refuse_young_decision() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  -- what an enterprise keeps for a while only is purged when it is old (MAT-162)
  if tg_op = 'DELETE' and old.create_time < now() - interval '30 days' then
    return old;
  end if;
  raise exception '% is append-only', tg_table_name using errcode = '42501';
end $$;

ALTER FUNCTION public.refuse_young_decision() OWNER TO materials_owner;

CREATE FUNCTION public.reservation_as_before() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  -- a process of a release before knows no parts of what is missing: all of it is short
  if new.pending + new.supply_covered > 0 and new.pending = old.pending and new.supply_covered = old.supply_covered
     and new.requested = new.issued + new.allocated + new.short + new.released then
    new.pending := 0;
    new.supply_covered := 0;
  end if;
  -- nor what alternates cover: that is not short
  if new.substituted > 0 and new.substituted = old.substituted and new.short >= new.substituted
     and new.requested = new.issued + new.allocated + new.supply_covered + new.pending + new.short + new.released then
    new.short := new.short - new.substituted;
  end if;
  return new;
end $$;

ALTER FUNCTION public.reservation_as_before() OWNER TO materials_owner;

CREATE FUNCTION public.set_layers(p_site text, p_rows jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
  update value_layer x set remaining_quantity = 0, remaining_value = 0
  from jsonb_array_elements(p_rows) r
  where x.site = p_site and x.item = r ->> 'item' and x.remaining_quantity > 0 and not exists (
    select from jsonb_to_recordset(r -> 'layers') y(sequence bigint, part int)
    where y.sequence = x.sequence and y.part = x.part);
  insert into value_layer as x (site, item, sequence, part, movement, layer_time, quantity, value, remaining_quantity,
                                remaining_value)
  select p_site, r ->> 'item', y.sequence, y.part, y.movement, y."time", y.quantity, y.value, y.quantity, y.value
  from jsonb_array_elements(p_rows) r, jsonb_to_recordset(r -> 'layers')
    y(sequence bigint, part int, movement text, "time" timestamptz, quantity numeric, value numeric)
  on conflict on constraint pk_value_layer do update
  set remaining_quantity = excluded.remaining_quantity, remaining_value = excluded.remaining_value;
  delete from layer_take t using jsonb_array_elements(p_rows) r
  where t.site = p_site and t.item = r ->> 'item' and r -> 'takes' <> 'null';
  insert into layer_take (site, item, sequence, layer_sequence, layer_part, movement, quantity, value, restored)
  select p_site, r ->> 'item', y.sequence, y.layer_sequence, y.layer_part, y.movement, y.quantity, y.value, y.restored
  from jsonb_array_elements(p_rows) r, jsonb_to_recordset(r -> 'takes')
    y(sequence bigint, layer_sequence bigint, layer_part int, movement text, quantity numeric, value numeric,
      restored numeric)
  where r -> 'takes' <> 'null';
end $$;

ALTER FUNCTION public.set_layers(p_site text, p_rows jsonb) OWNER TO materials_owner;

CREATE FUNCTION public.set_valuation_method(p_site text, p_item text, p_method text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
  v value_balance;
begin
  perform hold_items(p_site, array[p_item]);
  select b.* into v from value_balance b where b.site = p_site and b.item = p_item;
  if v.valuation_method = p_method then
    return;
  end if;
  insert into valuation_change (site, item, change_time, method, sequence)
  values (p_site, p_item, case when v.sequence > 0 then clock_timestamp() else '-infinity' end, p_method, v.sequence)
  on conflict on constraint pk_valuation_change do update set method = excluded.method;
  update value_balance b set valuation_method = p_method where b.site = p_site and b.item = p_item;
  update value_layer x set remaining_quantity = 0, remaining_value = 0
  where x.site = p_site and x.item = p_item and x.remaining_quantity > 0;
  if p_method = 'FIFO' and v.quantity > 0 then
    perform add_layer(p_site, p_item, v.sequence, 0, '', clock_timestamp(), v.quantity, v.value);
  end if;
end $$;

ALTER FUNCTION public.set_valuation_method(p_site text, p_item text, p_method text) OWNER TO materials_owner;

CREATE FUNCTION public.stock_is_held(p_site text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
begin
  return to_regclass('hold_target') is not null
    and exists (select from hold_target t where t.site = p_site and t.active);
end $$;

ALTER FUNCTION public.stock_is_held(p_site text) OWNER TO materials_owner;

CREATE FUNCTION public.stock_key(p_item text, p_lot text, p_serial text, p_handling_unit text, p_location text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
  select concat_ws('|', p_item, p_lot, p_serial, p_handling_unit, p_location)
$$;

ALTER FUNCTION public.stock_key(p_item text, p_lot text, p_serial text, p_handling_unit text, p_location text) OWNER TO materials_owner;

CREATE FUNCTION public.stock_lies_where_its_unit_stands() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  if exists (
    select 1 from balance b
    where b.name = new.balance and not b.virtual and b.on_hand <> 0
      and handling_unit_place(b.handling_unit) is distinct from b.location
  ) then
    raise exception 'stock of % lies elsewhere than the unit', new.handling_unit using errcode = '23514';
  end if;
  return null;
end $$;

ALTER FUNCTION public.stock_lies_where_its_unit_stands() OWNER TO materials_owner;

CREATE FUNCTION public.stock_refusal(f public.posting_facts, p public.posting_line, p_key text, OUT outcome text, OUT available numeric, OUT below boolean) RETURNS record
    LANGUAGE plpgsql
    AS $$
declare
  free numeric;
  second_free numeric;
  lowest numeric;
  second_lowest numeric;
  receipts_first boolean;
begin
  below := false;
  select b.on_hand - b.reserved + p.allocated, b.second_on_hand into free, second_free
  from balance b where b.name = p_key;
  if free is null or free < p.quantity then
    below := may_go_below(f, p, p_key);
    if below then
      return;
    end if;
    outcome := 'NOT_ENOUGH_STOCK';
    available := coalesce(free, 0);
    return;
  end if;
  if second_free < p.second_quantity then
    outcome := 'NOT_ENOUGH_SECOND';
    available := second_free;
    return;
  end if;
  if f.backdated then
    -- what there was at that instant and at every later one must be enough, in the order of replay (MAT-49)
    receipts_first := coalesce((select s.receipts_first from site_settings s
                                where s.name = 'sites/' || f.site || '/materialsSettings'), false);
    select t.base + least(coalesce(min(r.running), 0), 0), t.second_base + least(coalesce(min(r.second), 0), 0)
    into lowest, second_lowest
    from (
      select coalesce(sum(e.quantity), 0) as base, coalesce(sum(e.second_quantity), 0) as second_base
      from movement_entry e where e.balance = p_key and e.effective_time <= f.at) t
    left join (
      select sum(e.quantity) over w as running, sum(e.second_quantity) over w as second
      from movement_entry e where e.balance = p_key and e.effective_time > f.at
      window w as (order by e.effective_time, receipts_first and e.quantity < 0, e.item_sequence)) r on true
    group by t.base, t.second_base;
    if lowest < p.quantity or second_lowest < p.second_quantity then
      below := may_go_below(f, p, p_key);
      if not below then
        outcome := 'NEGATIVE_IN_PAST';
        available := greatest(lowest, 0);
      end if;
    end if;
  end if;
end $$;

ALTER FUNCTION public.stock_refusal(f public.posting_facts, p public.posting_line, p_key text, OUT outcome text, OUT available numeric, OUT below boolean) OWNER TO materials_owner;

CREATE TABLE public.balance (
    name text NOT NULL,
    site text NOT NULL,
    item text NOT NULL,
    lot text NOT NULL,
    location text NOT NULL,
    status text NOT NULL,
    virtual boolean NOT NULL,
    on_hand numeric(20,6) NOT NULL,
    reserved numeric(20,6) NOT NULL,
    unit_code text NOT NULL,
    update_time timestamp with time zone NOT NULL,
    serial text DEFAULT ''::text NOT NULL,
    handling_unit text DEFAULT ''::text NOT NULL,
    owner text DEFAULT ''::text NOT NULL,
    project text DEFAULT ''::text NOT NULL,
    second_on_hand numeric(20,6),
    second_on_hand_unit_code text DEFAULT ''::text NOT NULL,
    negative_allowed boolean DEFAULT false NOT NULL,
    CONSTRAINT ck_balance_on_hand CHECK ((virtual OR ((negative_allowed OR (on_hand >= (0)::numeric)) AND (COALESCE(second_on_hand, (0)::numeric) >= (0)::numeric)))),
    CONSTRAINT ck_balance_reserved CHECK ((virtual OR ((reserved >= (0)::numeric) AND ((reserved <= on_hand) OR (negative_allowed AND (reserved = (0)::numeric))))))
)
WITH (fillfactor='70');

ALTER TABLE public.balance OWNER TO materials_owner;

CREATE FUNCTION public.stock_under(p_hold text) RETURNS SETOF public.balance
    LANGUAGE sql STABLE
    AS $$
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

ALTER FUNCTION public.stock_under(p_hold text) OWNER TO materials_owner;

CREATE FUNCTION public.take_layers(p_site text, p_item text, p_sequence bigint, p_movement text, p_own text, p_quantity numeric, p_places integer) RETURNS numeric
    LANGUAGE plpgsql
    AS $$
declare
  l record;
  rest numeric := p_quantity;
  portion numeric;
  amount numeric;
  total numeric := 0;
begin
  for l in
    select x.* from value_layer x where x.site = p_site and x.item = p_item and x.remaining_quantity > 0
    order by x.movement <> p_own or p_own = '', x.layer_time, x.sequence, x.part
  loop
    exit when rest = 0;
    portion := least(rest, l.remaining_quantity);
    amount := value_share(l.remaining_value, portion, l.remaining_quantity, p_places);
    update value_layer x
    set remaining_quantity = x.remaining_quantity - portion, remaining_value = x.remaining_value - amount
    where (x.site, x.item, x.sequence, x.part) = (p_site, p_item, l.sequence, l.part);
    insert into layer_take (site, item, sequence, layer_sequence, layer_part, movement, quantity, value, restored)
    values (p_site, p_item, p_sequence, l.sequence, l.part, p_movement, portion, amount, 0);
    rest := rest - portion;
    total := total + amount;
  end loop;
  if rest > 0 then
    raise exception 'layers of % do not hold its stock', p_item using errcode = '23514';
  end if;
  return total;
end $$;

ALTER FUNCTION public.take_layers(p_site text, p_item text, p_sequence bigint, p_movement text, p_own text, p_quantity numeric, p_places integer) OWNER TO materials_owner;

CREATE FUNCTION public.unit_takes_its_stock_along() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

ALTER FUNCTION public.unit_takes_its_stock_along() OWNER TO materials_owner;

CREATE FUNCTION public.uuid_floor(at timestamp with time zone) RETURNS uuid
    LANGUAGE sql IMMUTABLE
    AS $$
  select (lpad(to_hex(floor(extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

ALTER FUNCTION public.uuid_floor(at timestamp with time zone) OWNER TO materials_owner;

CREATE TABLE public.value_balance (
    site text NOT NULL,
    item text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    value numeric(24,9) NOT NULL,
    variance numeric(24,9) NOT NULL,
    currency_code text NOT NULL,
    sequence bigint DEFAULT 0 NOT NULL,
    valuation_method text DEFAULT 'MOVING_AVERAGE'::text NOT NULL,
    negative_allowed boolean DEFAULT false NOT NULL,
    CONSTRAINT ck_value_balance_quantity CHECK ((negative_allowed OR (quantity >= (0)::numeric))),
    CONSTRAINT ck_value_balance_value CHECK ((((quantity > (0)::numeric) AND (value >= (0)::numeric)) OR ((quantity = (0)::numeric) AND (value = (0)::numeric)) OR ((quantity < (0)::numeric) AND (value <= (0)::numeric))))
)
WITH (fillfactor='70');

ALTER TABLE public.value_balance OWNER TO materials_owner;

CREATE FUNCTION public.value_in(f public.posting_facts, p public.posting_line, v public.value_balance, OUT worth numeric, OUT value numeric, OUT variance numeric) RETURNS record
    LANGUAGE plpgsql
    AS $$
declare
  digits int := currency_places(v.currency_code);
  remaining numeric := v.quantity + p.quantity;
begin
  worth := round(coalesce(
    p.cost,
    case when f.kind = 'ADJUST' and v.quantity <> 0 then v.value * p.quantity / v.quantity end,
    p.standard_cost * p.quantity,
    case when v.quantity <> 0 then v.value * p.quantity / v.quantity end,
    0), digits);
  value := case
    when v.quantity >= 0 then v.value + worth
    when remaining > 0 then value_share(worth, remaining, p.quantity, digits)
    when remaining = 0 then 0
    else -value_part(-v.value, -remaining, -v.quantity, digits) end;
  variance := v.value + worth - value;
  if v.valuation_method = 'FIFO' and p.quantity > 0 and remaining > 0 then
    if v.quantity >= 0 then
      perform put_layers(f, p, v.sequence + 2, p.quantity, worth, digits);
    else
      perform add_layer(f.site, p.item, v.sequence + 2, 1, f.movement, f.at, remaining, value);
    end if;
  end if;
end $$;

ALTER FUNCTION public.value_in(f public.posting_facts, p public.posting_line, v public.value_balance, OUT worth numeric, OUT value numeric, OUT variance numeric) OWNER TO materials_owner;

CREATE FUNCTION public.value_out(f public.posting_facts, p public.posting_line, v public.value_balance, OUT worth numeric, OUT value numeric, OUT variance numeric) RETURNS record
    LANGUAGE plpgsql
    AS $$
declare
  digits int := currency_places(v.currency_code);
  remaining numeric := v.quantity - p.quantity;
  there numeric := least(p.quantity, greatest(v.quantity, 0));
  taken numeric := 0;
begin
  if v.valuation_method = 'FIFO' then
    taken := take_layers(f.site, p.item, v.sequence + 2, f.movement,
                         case when f.reverses <> '' then f.reverses else p.returns end, there, digits);
  elsif v.quantity > 0 then
    taken := value_share(v.value, there, v.quantity, digits);
  end if;
  worth := coalesce(p.cost, taken + case
    when p.quantity = there then 0
    when v.quantity <> 0 then value_part(abs(v.value), p.quantity - there, abs(v.quantity), digits)
    else round(coalesce(p.standard_cost, 0) * p.quantity, digits) end);
  value := case
    when remaining = 0 then 0
    when remaining < 0 then least(v.value - worth, 0)
    when v.valuation_method = 'FIFO' then v.value - taken
    else greatest(v.value - worth, 0) end;
  variance := v.value - worth - value;
end $$;

ALTER FUNCTION public.value_out(f public.posting_facts, p public.posting_line, v public.value_balance, OUT worth numeric, OUT value numeric, OUT variance numeric) OWNER TO materials_owner;

CREATE FUNCTION public.value_part(p_value numeric, p_part numeric, p_whole numeric, p_places integer) RETURNS numeric
    LANGUAGE sql IMMUTABLE
    AS $$
  select round(div(2 * p_value * p_part * round(10::numeric ^ p_places) + p_whole, 2 * p_whole)
               / round(10::numeric ^ p_places), p_places)
$$;

ALTER FUNCTION public.value_part(p_value numeric, p_part numeric, p_whole numeric, p_places integer) OWNER TO materials_owner;

CREATE FUNCTION public.value_share(p_value numeric, p_part numeric, p_whole numeric, p_places integer) RETURNS numeric
    LANGUAGE sql IMMUTABLE
    AS $$
  select case when p_part >= p_whole then p_value
    else round(div(2 * p_value * p_part * round(10::numeric ^ p_places) + p_whole, 2 * p_whole)
               / round(10::numeric ^ p_places), p_places) end
$$;

ALTER FUNCTION public.value_share(p_value numeric, p_part numeric, p_whole numeric, p_places integer) OWNER TO materials_owner;

CREATE FUNCTION public.varint_bytes(p bigint) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    AS $$
  select substring(int8send((((p & 127) | 128) << 32) | ((((p >> 7) & 127) | 128) << 24) | ((((p >> 14) & 127) | 128) << 16)
                   | ((((p >> 21) & 127) | 128) << 8) | ((p >> 28) & 127)) from 4)
$$;

ALTER FUNCTION public.varint_bytes(p bigint) OWNER TO materials_owner;

CREATE FUNCTION public.with_descendants(p_lots text[]) RETURNS SETOF text
    LANGUAGE sql STABLE
    AS $$
  with recursive down as (
    select l.lot from unnest(p_lots) l(lot)
    union
    select e.output_lot from down d join genealogy_edge e on e.input_lot = d.lot
    where not exists (select from movement m where m.reverses = e.movement and m.reverses <> '')
  )
  select d.lot from down d
$$;

ALTER FUNCTION public.with_descendants(p_lots text[]) OWNER TO materials_owner;

CREATE FUNCTION public.written_since(p_writer xid, p_seen pg_snapshot) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
  select age(p_writer) <= age((pg_snapshot_xmax(p_seen)::text::numeric % 4294967296)::text::xid)
    or exists (select from pg_snapshot_xip(p_seen) x where (x::text::numeric % 4294967296)::text::xid = p_writer)
$$;

ALTER FUNCTION public.written_since(p_writer xid, p_seen pg_snapshot) OWNER TO materials_owner;

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);

ALTER TABLE public.alembic_version OWNER TO materials_owner;

CREATE TABLE public.allocation (
    reservation text NOT NULL,
    balance text NOT NULL,
    location text NOT NULL,
    lot text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    unit_code text NOT NULL,
    serial text DEFAULT ''::text NOT NULL,
    CONSTRAINT ck_allocation_quantity CHECK ((quantity > (0)::numeric))
);

ALTER TABLE public.allocation OWNER TO materials_owner;

CREATE TABLE public.allocation_policy (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    title text NOT NULL,
    item text NOT NULL,
    item_class text NOT NULL,
    at_site text NOT NULL,
    active_revision text NOT NULL
);

ALTER TABLE public.allocation_policy OWNER TO materials_owner;

CREATE TABLE public.allocation_revision (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    state text NOT NULL,
    content_hash text NOT NULL,
    author text NOT NULL,
    approver text NOT NULL,
    approve_time timestamp with time zone,
    effective_time timestamp with time zone,
    policy text NOT NULL,
    window_hours integer,
    soft_life_hours integer,
    order_keys jsonb NOT NULL,
    minimum_lives jsonb NOT NULL,
    keep_units_whole boolean NOT NULL,
    honour_pegging boolean NOT NULL,
    editors text[] DEFAULT '{}'::text[] NOT NULL,
    refuse_alternates boolean DEFAULT false NOT NULL
);

ALTER TABLE public.allocation_revision OWNER TO materials_owner;

CREATE TABLE public.allowed_transition (
    table_name text NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL
);

ALTER TABLE public.allowed_transition OWNER TO materials_owner;

CREATE TABLE public.applied (
    consumer text NOT NULL,
    aggregate text NOT NULL,
    version bigint NOT NULL
);

ALTER TABLE public.applied OWNER TO materials_owner;

CREATE TABLE public.audit (
    id uuid DEFAULT uuidv7() NOT NULL,
    pos bigint NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    actor text NOT NULL,
    device text,
    on_behalf_of text,
    roles text NOT NULL,
    action text NOT NULL,
    object text NOT NULL,
    version bigint NOT NULL,
    before jsonb,
    after jsonb,
    reason text,
    request_id uuid,
    correlation text,
    ip text,
    signature jsonb
);

ALTER TABLE public.audit OWNER TO materials_owner;

ALTER TABLE public.audit ALTER COLUMN pos ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_pos_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.bin_lock (
    location text NOT NULL,
    item text NOT NULL,
    task text NOT NULL,
    reason text NOT NULL,
    person text NOT NULL,
    lock_time timestamp with time zone NOT NULL
);

ALTER TABLE public.bin_lock OWNER TO materials_owner;

CREATE TABLE public.caught_up (
    consumer text NOT NULL,
    at timestamp with time zone NOT NULL
);

ALTER TABLE public.caught_up OWNER TO materials_owner;

CREATE TABLE public.consumer_position (
    consumer text NOT NULL,
    stream text NOT NULL,
    stream_seq bigint NOT NULL,
    stream_created timestamp with time zone
);

ALTER TABLE public.consumer_position OWNER TO materials_owner;

CREATE TABLE public.count_document (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    title text NOT NULL,
    mode text NOT NULL,
    state text NOT NULL,
    places jsonb NOT NULL,
    items text[] NOT NULL,
    book_shown boolean NOT NULL,
    due_date date,
    start_time timestamp with time zone,
    starter text NOT NULL,
    complete_time timestamp with time zone,
    accuracies jsonb NOT NULL,
    parameters jsonb NOT NULL,
    line_count integer NOT NULL
);

ALTER TABLE public.count_document OWNER TO materials_owner;

CREATE TABLE public.count_line (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    count text NOT NULL,
    state text NOT NULL,
    balance text NOT NULL,
    item text NOT NULL,
    location text NOT NULL,
    lot text NOT NULL,
    serial text NOT NULL,
    handling_unit text NOT NULL,
    status text NOT NULL,
    owner text NOT NULL,
    project text NOT NULL,
    unit_code text NOT NULL,
    second_unit_code text NOT NULL,
    found boolean NOT NULL,
    book_shown boolean NOT NULL,
    count_class text NOT NULL,
    snapshot numeric(20,6),
    second_snapshot numeric(20,6),
    snapshot_sequence bigint NOT NULL,
    counted numeric(20,6),
    second_counted numeric(20,6),
    count_time timestamp with time zone,
    counter text NOT NULL,
    counters text[] NOT NULL,
    book numeric(20,6),
    difference numeric(20,6),
    second_difference numeric(20,6),
    restated_difference numeric(20,6),
    value numeric(24,9),
    value_currency_code text NOT NULL,
    book_value numeric(24,9) NOT NULL,
    first_counted numeric(20,6),
    first_count_time timestamp with time zone,
    first_book numeric(20,6),
    accurate boolean NOT NULL,
    recount_reason text NOT NULL,
    exception text NOT NULL,
    approver text NOT NULL,
    approve_time timestamp with time zone,
    movement text NOT NULL,
    post_time timestamp with time zone,
    note text NOT NULL,
    CONSTRAINT ck_count_line_counted CHECK (((counted >= (0)::numeric) AND (second_counted >= (0)::numeric))),
    CONSTRAINT ck_count_line_known CHECK (((state = ANY (ARRAY['OPEN'::text, 'SKIPPED'::text])) OR (num_nulls(counted, count_time, snapshot, book, difference) = 0)))
);

ALTER TABLE public.count_line OWNER TO materials_owner;

CREATE TABLE public.count_policy (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    title text NOT NULL,
    at_site text NOT NULL,
    active_revision text NOT NULL
);

ALTER TABLE public.count_policy OWNER TO materials_owner;

CREATE TABLE public.count_revision (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    state text NOT NULL,
    content_hash text NOT NULL,
    author text NOT NULL,
    approver text NOT NULL,
    approve_time timestamp with time zone,
    effective_time timestamp with time zone,
    policy text NOT NULL,
    mode text NOT NULL,
    daily_line_count integer NOT NULL,
    class_rules jsonb NOT NULL,
    turnover numeric(20,6),
    value_moved numeric(24,9),
    poor_accuracy boolean NOT NULL,
    short_pick boolean NOT NULL,
    age_days integer NOT NULL,
    tolerance_quantity numeric(20,6),
    tolerance_value numeric(24,9),
    approval_limits jsonb NOT NULL,
    ambiguity_minutes integer NOT NULL,
    editors text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT ck_count_revision_daily_line_count CHECK ((daily_line_count > 0))
);

ALTER TABLE public.count_revision OWNER TO materials_owner;

CREATE TABLE public.dead_letter (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    subject text NOT NULL,
    stream_seq bigint NOT NULL,
    aggregate text NOT NULL,
    version bigint NOT NULL,
    class text NOT NULL,
    reason text NOT NULL,
    stack_hash text NOT NULL,
    headers jsonb NOT NULL,
    payload bytea NOT NULL,
    attempts integer NOT NULL,
    first_at timestamp with time zone DEFAULT now() NOT NULL,
    parked_at timestamp with time zone DEFAULT now() NOT NULL,
    state text DEFAULT 'PARKED'::text NOT NULL,
    decided_by text,
    decision_reason text,
    decided_at timestamp with time zone,
    CONSTRAINT ck_dead_letter_state CHECK ((state = ANY (ARRAY['PARKED'::text, 'REPLAYED'::text, 'DISCARDED'::text])))
);

ALTER TABLE public.dead_letter OWNER TO materials_owner;

CREATE TABLE public.decision (
    name text NOT NULL,
    site text NOT NULL,
    kind text NOT NULL,
    item text NOT NULL,
    revision text NOT NULL,
    inputs text NOT NULL,
    outcome text NOT NULL,
    explanation text[] NOT NULL,
    create_time timestamp with time zone NOT NULL
);

ALTER TABLE public.decision OWNER TO materials_owner;

CREATE TABLE public.direct_line (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    receipt text NOT NULL,
    line integer NOT NULL,
    expected_receipt text NOT NULL,
    purchase_order text NOT NULL,
    order_line integer NOT NULL,
    schedule_line integer NOT NULL,
    text text NOT NULL,
    work_order text NOT NULL,
    demand text NOT NULL,
    delivery_location text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    unit_code text NOT NULL,
    returned numeric(20,6) NOT NULL,
    location text NOT NULL,
    state text NOT NULL,
    over boolean NOT NULL,
    returned_line integer NOT NULL,
    reason_code text NOT NULL,
    label_code text NOT NULL,
    stage_task text NOT NULL,
    hand_over_person text NOT NULL,
    hand_over_time timestamp with time zone,
    exception_task text NOT NULL,
    documents text[] NOT NULL,
    CONSTRAINT ck_direct_line_returned CHECK (((returned >= (0)::numeric) AND (returned <= GREATEST(quantity, (0)::numeric))))
);

ALTER TABLE public.direct_line OWNER TO materials_owner;

CREATE SEQUENCE public.document_number
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.document_number OWNER TO materials_owner;

CREATE TABLE public.expected_delivery (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    supplier text NOT NULL,
    delivery_note text NOT NULL,
    expected_date date,
    state text NOT NULL
);

ALTER TABLE public.expected_delivery OWNER TO materials_owner;

CREATE TABLE public.expected_delivery_line (
    expected_delivery text NOT NULL,
    line integer NOT NULL,
    sscc text NOT NULL,
    item text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    quantity_unit_code text NOT NULL,
    expected_receipt text NOT NULL,
    lot_number text NOT NULL,
    manufacture_date date,
    best_before_date date,
    expire_date date,
    receipt text NOT NULL,
    received numeric(20,6)
);

ALTER TABLE public.expected_delivery_line OWNER TO materials_owner;

CREATE TABLE public.expected_receipt (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    purchase_order text NOT NULL,
    order_line integer NOT NULL,
    schedule_line integer NOT NULL,
    supplier text NOT NULL,
    item text NOT NULL,
    unit_code text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    open_quantity numeric(20,6) NOT NULL,
    received numeric(20,6) NOT NULL,
    received_base numeric(20,6) NOT NULL,
    accept_limit numeric(20,6) NOT NULL,
    base_numerator bigint NOT NULL,
    base_denominator bigint NOT NULL,
    inspect boolean NOT NULL,
    location text NOT NULL,
    expected_date date,
    unit_price numeric(24,9),
    unit_price_currency_code text NOT NULL,
    state text NOT NULL,
    over_receipt_action text DEFAULT 'REJECT'::text NOT NULL,
    set_aside boolean DEFAULT false NOT NULL,
    text text DEFAULT ''::text NOT NULL,
    work_order text DEFAULT ''::text NOT NULL,
    demand text DEFAULT ''::text NOT NULL,
    CONSTRAINT ck_expected_receipt_received CHECK (((received >= (0)::numeric) AND (received <= accept_limit))),
    CONSTRAINT ck_expected_receipt_received_base CHECK (((received_base >= (0)::numeric) AND ((received_base * (base_denominator)::numeric) <= (accept_limit * (base_numerator)::numeric))))
);

ALTER TABLE public.expected_receipt OWNER TO materials_owner;

CREATE TABLE public.external_record (
    kind text NOT NULL,
    home text NOT NULL,
    external_id text NOT NULL,
    name text NOT NULL,
    digest text NOT NULL
);

ALTER TABLE public.external_record OWNER TO materials_owner;

CREATE TABLE public.genealogy_edge (
    movement text NOT NULL,
    input_lot text NOT NULL,
    output_lot text NOT NULL,
    item text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    unit_code text NOT NULL,
    effective_time timestamp with time zone NOT NULL,
    certain boolean NOT NULL,
    operation integer DEFAULT 0 NOT NULL,
    handling_unit text DEFAULT ''::text NOT NULL,
    production_order text DEFAULT ''::text NOT NULL,
    CONSTRAINT ck_genealogy_edge_quantity CHECK ((quantity > (0)::numeric))
);

ALTER TABLE public.genealogy_edge OWNER TO materials_owner;

CREATE TABLE public.handling_unit (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    number text NOT NULL,
    sscc text NOT NULL,
    handling_unit_type text NOT NULL,
    location text,
    parent_handling_unit text,
    state text NOT NULL,
    gross_weight numeric(20,6),
    gross_weight_unit_code text NOT NULL,
    ship_time timestamp with time zone,
    transfer text DEFAULT ''::text NOT NULL,
    origin_handling_unit text DEFAULT ''::text NOT NULL,
    unbroken boolean DEFAULT false NOT NULL,
    CONSTRAINT ck_handling_unit_place CHECK ((num_nonnulls(location, parent_handling_unit) =
CASE
    WHEN (state = 'SHIPPED'::text) THEN 0
    ELSE 1
END)),
    CONSTRAINT ck_handling_unit_sscc CHECK ((sscc ~ '^[0-9]{18}$'::text))
);

ALTER TABLE public.handling_unit OWNER TO materials_owner;

CREATE TABLE public.handling_unit_type (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    title text NOT NULL,
    reusable boolean NOT NULL,
    grai text NOT NULL,
    tare_weight numeric(20,6),
    tare_weight_unit_code text NOT NULL,
    max_weight numeric(20,6),
    max_weight_unit_code text NOT NULL,
    max_volume numeric(20,6),
    max_volume_unit_code text NOT NULL,
    outer_volume numeric(20,6),
    outer_volume_unit_code text NOT NULL,
    unbreakable boolean DEFAULT false NOT NULL
);

ALTER TABLE public.handling_unit_type OWNER TO materials_owner;

CREATE TABLE public.held_lot (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    item text NOT NULL,
    lot text NOT NULL,
    held boolean NOT NULL
);

ALTER TABLE public.held_lot OWNER TO materials_owner;

CREATE TABLE public.hold (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    scope text NOT NULL,
    item text NOT NULL,
    lot text NOT NULL,
    serial text NOT NULL,
    handling_unit text NOT NULL,
    location text NOT NULL,
    supplier text NOT NULL,
    from_date date,
    to_date date,
    include_descendants boolean NOT NULL,
    allowed_moves text[] NOT NULL,
    allowed_locations text[] NOT NULL,
    reason text NOT NULL,
    person text NOT NULL,
    release_permission text NOT NULL,
    inspection_lot text NOT NULL,
    state text NOT NULL,
    releaser text NOT NULL,
    release_reason text NOT NULL,
    release_time timestamp with time zone,
    broken_count integer DEFAULT 0 NOT NULL,
    CONSTRAINT ck_hold_released CHECK ((((state = 'RELEASED'::text) = (release_time IS NOT NULL)) AND (releaser <> person))),
    CONSTRAINT ck_hold_scope CHECK ((
CASE scope
    WHEN 'LOT'::text THEN lot
    WHEN 'SERIAL'::text THEN serial
    WHEN 'HANDLING_UNIT'::text THEN handling_unit
    WHEN 'LOCATION'::text THEN location
    WHEN 'SUPPLIER'::text THEN supplier
    ELSE NULL::text
END <> ''::text)),
    CONSTRAINT ck_hold_window CHECK ((from_date <= to_date))
);

ALTER TABLE public.hold OWNER TO materials_owner;

CREATE TABLE public.hold_target (
    hold text NOT NULL,
    target text NOT NULL,
    site text NOT NULL,
    active boolean NOT NULL
);

ALTER TABLE public.hold_target OWNER TO materials_owner;

CREATE TABLE public.idempotency (
    principal text NOT NULL,
    method text NOT NULL,
    request_id uuid NOT NULL,
    request_hash bytea NOT NULL,
    hash_version integer NOT NULL,
    status_code integer,
    answer bytea,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

ALTER TABLE public.idempotency OWNER TO materials_owner;

CREATE TABLE public.inbox (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    subject text NOT NULL,
    stream_seq bigint NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL
)
PARTITION BY RANGE (event_id);

ALTER TABLE public.inbox OWNER TO materials_owner;

CREATE TABLE public.inspection_lot (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    item text NOT NULL,
    lot text NOT NULL,
    location text NOT NULL,
    receipt text NOT NULL,
    receipt_line integer NOT NULL,
    purchase_order text NOT NULL,
    order_line integer NOT NULL,
    supplier text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    decided numeric(20,6) NOT NULL,
    unit_code text NOT NULL,
    state text NOT NULL,
    splits jsonb NOT NULL,
    second_quantity numeric(20,6),
    second_quantity_unit_code text DEFAULT ''::text NOT NULL,
    second_decided numeric(20,6),
    second_decided_unit_code text DEFAULT ''::text NOT NULL,
    serials text[] DEFAULT '{}'::text[] NOT NULL,
    handling_unit text DEFAULT ''::text NOT NULL,
    owner text DEFAULT ''::text NOT NULL,
    CONSTRAINT ck_inspection_lot_decided CHECK (((decided >= (0)::numeric) AND (decided <= quantity)))
);

ALTER TABLE public.inspection_lot OWNER TO materials_owner;

CREATE TABLE public.item (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    number text NOT NULL,
    title text NOT NULL,
    item_class text NOT NULL,
    base_unit_code text NOT NULL,
    base_step numeric(20,6) NOT NULL,
    tracking text NOT NULL,
    conversions jsonb NOT NULL,
    gtins text[] NOT NULL,
    inspect_receipts boolean NOT NULL,
    standard_cost numeric(24,9),
    standard_cost_currency_code text NOT NULL,
    state text NOT NULL,
    rounding text DEFAULT 'HALF_EVEN'::text NOT NULL,
    catch_weight jsonb,
    alternates jsonb DEFAULT '[]'::jsonb NOT NULL,
    lot_merge_allowed boolean DEFAULT true NOT NULL,
    shelf_life_days integer DEFAULT 0 NOT NULL,
    minimum_remaining_life_days integer DEFAULT 0 NOT NULL,
    superseded_by text DEFAULT ''::text NOT NULL,
    gross_weight numeric(20,6),
    gross_weight_unit_code text DEFAULT ''::text NOT NULL,
    volume numeric(20,6),
    volume_unit_code text DEFAULT ''::text NOT NULL
);

ALTER TABLE public.item OWNER TO materials_owner;

CREATE TABLE public.item_settings (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    item text NOT NULL,
    minimum_remaining_life_days integer,
    lot_number_rule jsonb,
    serial_number_rule jsonb,
    over_issue_percent numeric(20,6),
    shortage text DEFAULT 'FORBID'::text NOT NULL,
    count_class text DEFAULT ''::text NOT NULL,
    fixed_location text DEFAULT ''::text NOT NULL,
    valuation_method text DEFAULT 'MOVING_AVERAGE'::text NOT NULL,
    storage_class text DEFAULT ''::text NOT NULL
);

ALTER TABLE public.item_settings OWNER TO materials_owner;

CREATE TABLE public.job_run (
    job text NOT NULL,
    holder text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    beat_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    failed text DEFAULT ''::text NOT NULL
);

ALTER TABLE public.job_run OWNER TO materials_owner;

CREATE TABLE public.journal (
    pos bigint NOT NULL,
    event_id uuid NOT NULL,
    event_type text NOT NULL,
    resource text NOT NULL,
    version bigint NOT NULL,
    actor text NOT NULL,
    correlation text NOT NULL,
    causation uuid,
    occurred_at timestamp with time zone NOT NULL
);

ALTER TABLE public.journal OWNER TO materials_owner;

ALTER TABLE public.journal ALTER COLUMN pos ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.journal_pos_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.kanban_card (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    number text NOT NULL,
    policy text NOT NULL,
    item text NOT NULL,
    location text NOT NULL,
    state text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    unit_code text NOT NULL,
    supply_request text NOT NULL,
    decision text NOT NULL
);

ALTER TABLE public.kanban_card OWNER TO materials_owner;

CREATE TABLE public.layer_take (
    site text NOT NULL,
    item text NOT NULL,
    sequence bigint NOT NULL,
    layer_sequence bigint NOT NULL,
    layer_part integer NOT NULL,
    movement text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    value numeric(24,9) NOT NULL,
    restored numeric(20,6) NOT NULL
);

ALTER TABLE public.layer_take OWNER TO materials_owner;

CREATE TABLE public.ledger_head (
    site text NOT NULL,
    horizon bigint NOT NULL
);

ALTER TABLE public.ledger_head OWNER TO materials_owner;

CREATE TABLE public.ledger_period (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    state text NOT NULL,
    close_date date NOT NULL,
    end_time timestamp with time zone NOT NULL,
    closer text NOT NULL,
    prove_time timestamp with time zone,
    progress text NOT NULL,
    balance_count bigint,
    value numeric(24,9),
    value_currency_code text NOT NULL,
    findings text[] NOT NULL,
    reopener text NOT NULL,
    reopen_reason text NOT NULL
);

ALTER TABLE public.ledger_period OWNER TO materials_owner;

CREATE TABLE public.ledger_proof (
    site text NOT NULL,
    prove_time timestamp with time zone NOT NULL,
    differences integer NOT NULL,
    findings text[] NOT NULL
);

ALTER TABLE public.ledger_proof OWNER TO materials_owner;

CREATE TABLE public.ledger_seal (
    site text NOT NULL,
    ledger_number bigint NOT NULL,
    movement text NOT NULL,
    form integer NOT NULL,
    hash bytea NOT NULL,
    seal_time timestamp with time zone NOT NULL
);

ALTER TABLE public.ledger_seal OWNER TO materials_owner;

CREATE TABLE public.location (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    title text NOT NULL,
    kind text NOT NULL,
    parent_location text,
    check_code text NOT NULL,
    path_order integer NOT NULL,
    blocked boolean NOT NULL,
    limits jsonb,
    quality_area boolean DEFAULT false NOT NULL
);

ALTER TABLE public.location OWNER TO materials_owner;

CREATE TABLE public.location_lock (
    location text NOT NULL,
    direction text NOT NULL,
    reason text NOT NULL,
    person text NOT NULL,
    lock_time timestamp with time zone NOT NULL
);

ALTER TABLE public.location_lock OWNER TO materials_owner;

CREATE TABLE public.location_parent (
    location text NOT NULL,
    from_time timestamp with time zone NOT NULL,
    parent_location text
);

ALTER TABLE public.location_parent OWNER TO materials_owner;

CREATE TABLE public.lot (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    number text NOT NULL,
    item text NOT NULL,
    supplier text NOT NULL,
    supplier_lot text NOT NULL,
    expire_date date,
    first_receipt_time timestamp with time zone,
    manufacture_date date,
    best_before_date date
);

ALTER TABLE public.lot OWNER TO materials_owner;

CREATE TABLE public.materials_import (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    kind text NOT NULL,
    title text NOT NULL,
    delimiter text NOT NULL,
    all_or_nothing boolean NOT NULL,
    spreadsheet_safe boolean NOT NULL,
    state text NOT NULL,
    byte_count integer NOT NULL,
    header text[] NOT NULL,
    row_count integer NOT NULL,
    next_row integer NOT NULL,
    created_count integer NOT NULL,
    updated_count integer NOT NULL,
    unchanged_count integer NOT NULL,
    error_count integer NOT NULL,
    byte_read integer DEFAULT 0 NOT NULL,
    line_read integer DEFAULT 0 NOT NULL
);

ALTER TABLE public.materials_import OWNER TO materials_owner;

CREATE TABLE public.materials_import_key (
    import text NOT NULL,
    key text NOT NULL,
    number integer NOT NULL
);

ALTER TABLE public.materials_import_key OWNER TO materials_owner;

CREATE TABLE public.materials_import_part (
    import text NOT NULL,
    first_byte integer NOT NULL,
    content bytea NOT NULL
);

ALTER TABLE public.materials_import_part OWNER TO materials_owner;

CREATE TABLE public.materials_import_row (
    import text NOT NULL,
    "row" integer NOT NULL,
    line integer NOT NULL,
    key text NOT NULL,
    cells text[] NOT NULL,
    outcome text NOT NULL,
    column_name text NOT NULL,
    code text NOT NULL,
    text text NOT NULL,
    resource text NOT NULL
);

ALTER TABLE public.materials_import_row OWNER TO materials_owner;

CREATE TABLE public.materials_policy (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    title text NOT NULL,
    item text,
    active_revision text NOT NULL,
    item_class text DEFAULT ''::text NOT NULL,
    location text DEFAULT ''::text NOT NULL
);

ALTER TABLE public.materials_policy OWNER TO materials_owner;

CREATE TABLE public.materials_revision (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    state text NOT NULL,
    content_hash text NOT NULL,
    author text NOT NULL,
    approver text NOT NULL,
    approve_time timestamp with time zone,
    effective_time timestamp with time zone,
    policy text NOT NULL,
    kind text NOT NULL,
    reorder_point numeric(20,6) NOT NULL,
    order_quantity numeric(20,6),
    maximum numeric(20,6),
    lead_days integer NOT NULL,
    editors text[] DEFAULT '{}'::text[] NOT NULL,
    multiple numeric(20,6),
    cap_at_max boolean DEFAULT false NOT NULL,
    horizon_days integer,
    overdue text DEFAULT 'COUNT'::text NOT NULL,
    delay_days integer DEFAULT 0 NOT NULL,
    review_days integer DEFAULT 0 NOT NULL,
    card_count integer DEFAULT 0 NOT NULL,
    outcome text DEFAULT 'BUY'::text NOT NULL,
    source_site text DEFAULT ''::text NOT NULL,
    start_time timestamp with time zone
);

ALTER TABLE public.materials_revision OWNER TO materials_owner;

CREATE TABLE public.movement (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    kind text NOT NULL,
    item text NOT NULL,
    lot text NOT NULL,
    from_location text NOT NULL,
    to_location text NOT NULL,
    from_status text NOT NULL,
    to_status text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    unit_code text NOT NULL,
    effective_time timestamp with time zone NOT NULL,
    record_time timestamp with time zone NOT NULL,
    reason_code text NOT NULL,
    source text NOT NULL,
    actor text NOT NULL,
    reverses text NOT NULL,
    cost numeric(24,9),
    cost_currency_code text NOT NULL,
    serial text DEFAULT ''::text NOT NULL,
    device text DEFAULT ''::text NOT NULL,
    xid bigint
);

ALTER TABLE public.movement OWNER TO materials_owner;

CREATE TABLE public.movement_entry (
    movement text NOT NULL,
    side integer NOT NULL,
    item text NOT NULL,
    lot text NOT NULL,
    location text NOT NULL,
    status text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    unit_code text NOT NULL,
    effective_time timestamp with time zone NOT NULL,
    site text DEFAULT ''::text NOT NULL,
    balance text DEFAULT ''::text NOT NULL,
    serial text DEFAULT ''::text NOT NULL,
    handling_unit text DEFAULT ''::text NOT NULL,
    owner text DEFAULT ''::text NOT NULL,
    project text DEFAULT ''::text NOT NULL,
    second_quantity numeric(20,6),
    second_quantity_unit_code text DEFAULT ''::text NOT NULL,
    entered_quantity numeric(20,6),
    entered_quantity_unit_code text DEFAULT ''::text NOT NULL,
    factor_numerator bigint DEFAULT 1 NOT NULL,
    factor_denominator bigint DEFAULT 1 NOT NULL,
    value numeric(24,9),
    returns text DEFAULT ''::text NOT NULL,
    item_sequence bigint DEFAULT 0 NOT NULL,
    CONSTRAINT ck_movement_entry_quantity CHECK (((quantity <> (0)::numeric) OR (COALESCE(second_quantity, (0)::numeric) <> (0)::numeric)))
);

ALTER TABLE public.movement_entry OWNER TO materials_owner;

CREATE TABLE public.need_cover (
    reservation text NOT NULL,
    need_time timestamp with time zone NOT NULL,
    needed numeric(20,6) NOT NULL,
    covered numeric(20,6) NOT NULL,
    CONSTRAINT ck_need_cover_parts CHECK (((covered >= (0)::numeric) AND (covered <= needed)))
);

ALTER TABLE public.need_cover OWNER TO materials_owner;

CREATE TABLE public.negative_stock (
    balance text NOT NULL,
    movement text NOT NULL,
    site text NOT NULL,
    item text NOT NULL,
    begin_time timestamp with time zone NOT NULL,
    end_time timestamp with time zone,
    task text NOT NULL
);

ALTER TABLE public.negative_stock OWNER TO materials_owner;

CREATE TABLE public.outbox (
    pos bigint NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    event_id uuid NOT NULL,
    aggregate_type text NOT NULL,
    aggregate_id text NOT NULL,
    aggregate_version bigint NOT NULL,
    site text NOT NULL,
    correlation text NOT NULL,
    subject text NOT NULL,
    payload bytea NOT NULL,
    headers jsonb NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ck_outbox_payload CHECK ((octet_length(payload) <= 921600))
)
PARTITION BY RANGE (recorded_at);

ALTER TABLE public.outbox OWNER TO materials_owner;

ALTER TABLE public.outbox ALTER COLUMN pos ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_pos_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.period_balance (
    period text NOT NULL,
    balance text NOT NULL,
    item text NOT NULL,
    quantity numeric(26,6) NOT NULL,
    second_quantity numeric(26,6)
);

ALTER TABLE public.period_balance OWNER TO materials_owner;

CREATE TABLE public.period_value (
    period text NOT NULL,
    item text NOT NULL,
    quantity numeric(26,6) NOT NULL,
    value numeric(30,9) NOT NULL
);

ALTER TABLE public.period_value OWNER TO materials_owner;

CREATE TABLE public.policy_review (
    revision text NOT NULL,
    site text NOT NULL,
    item text NOT NULL,
    review_date date NOT NULL
);

ALTER TABLE public.policy_review OWNER TO materials_owner;

CREATE TABLE public.principal_grant (
    principal text NOT NULL,
    role text NOT NULL,
    site text NOT NULL,
    from_time timestamp with time zone NOT NULL,
    to_time timestamp with time zone
);

ALTER TABLE public.principal_grant OWNER TO materials_owner;

CREATE TABLE public.principal_state (
    principal text NOT NULL,
    state text NOT NULL
);

ALTER TABLE public.principal_state OWNER TO materials_owner;

CREATE TABLE public.production_component (
    production_order text NOT NULL,
    line integer NOT NULL,
    item text NOT NULL,
    operation integer NOT NULL,
    numerator bigint NOT NULL,
    denominator bigint NOT NULL,
    unit_code text NOT NULL,
    scrap_percent numeric(9,6) NOT NULL,
    over_percent numeric(20,6) NOT NULL,
    under_percent numeric(9,6) NOT NULL,
    manual boolean NOT NULL,
    required numeric(20,6) NOT NULL,
    consumed numeric(20,6) NOT NULL,
    CONSTRAINT ck_production_component_consumed CHECK ((consumed >= (0)::numeric)),
    CONSTRAINT ck_production_component_ratio CHECK (((numerator > 0) AND (denominator > 0)))
);

ALTER TABLE public.production_component OWNER TO materials_owner;

CREATE TABLE public.production_consumption (
    production_report text NOT NULL,
    line integer NOT NULL,
    production_order text NOT NULL,
    component integer NOT NULL,
    operation integer NOT NULL,
    item text NOT NULL,
    lot text NOT NULL,
    serial text NOT NULL,
    handling_unit text NOT NULL,
    movement text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    unit_code text NOT NULL,
    value numeric(24,9) NOT NULL,
    currency_code text NOT NULL,
    remaining numeric(20,6) NOT NULL,
    remaining_value numeric(24,9) NOT NULL,
    pooled boolean NOT NULL,
    others jsonb NOT NULL,
    CONSTRAINT ck_production_consumption_quantity CHECK ((quantity > (0)::numeric)),
    CONSTRAINT ck_production_consumption_remaining CHECK (((remaining >= (0)::numeric) AND (remaining <= quantity) AND (remaining_value >= (0)::numeric) AND (remaining_value <= value)))
);

ALTER TABLE public.production_consumption OWNER TO materials_owner;

CREATE TABLE public.production_operation (
    production_order text NOT NULL,
    operation integer NOT NULL,
    site text NOT NULL,
    title text NOT NULL,
    asset text NOT NULL,
    location text NOT NULL,
    unit_code text NOT NULL,
    wip_limit numeric(20,6),
    min_units numeric(20,6),
    max_units numeric(20,6),
    unit_duration interval,
    staged_units numeric(20,6) NOT NULL,
    good numeric(20,6) NOT NULL,
    scrapped numeric(20,6) NOT NULL,
    reworked numeric(20,6) NOT NULL,
    wip_since timestamp with time zone,
    CONSTRAINT ck_production_operation_units CHECK (((staged_units >= (0)::numeric) AND (good >= (0)::numeric) AND (scrapped >= (0)::numeric) AND (reworked >= (0)::numeric)))
);

ALTER TABLE public.production_operation OWNER TO materials_owner;

CREATE TABLE public.production_order (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    number text NOT NULL,
    item text NOT NULL,
    unit_code text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    structure_revision text NOT NULL,
    cost_percent numeric(9,6) NOT NULL,
    source_system text NOT NULL,
    external_id text NOT NULL,
    line_location text NOT NULL,
    output_location text NOT NULL,
    places text[] NOT NULL,
    lot_rule text NOT NULL,
    asset text NOT NULL,
    start_time timestamp with time zone,
    due_time timestamp with time zone,
    state text NOT NULL,
    good numeric(20,6) NOT NULL,
    scrapped numeric(20,6) NOT NULL,
    reworked numeric(20,6) NOT NULL,
    currency_code text NOT NULL,
    consumed_value numeric(24,9) NOT NULL,
    output_value numeric(24,9) NOT NULL,
    carried_value numeric(24,9) NOT NULL,
    variance_value numeric(24,9),
    supply_request text DEFAULT ''::text NOT NULL,
    variance_movement text DEFAULT ''::text NOT NULL,
    CONSTRAINT ck_production_order_quantity CHECK ((quantity > (0)::numeric)),
    CONSTRAINT ck_production_order_units CHECK (((good >= (0)::numeric) AND (scrapped >= (0)::numeric) AND (reworked >= (0)::numeric)))
);

ALTER TABLE public.production_order OWNER TO materials_owner;

CREATE TABLE public.production_output (
    production_order text NOT NULL,
    line integer NOT NULL,
    item text NOT NULL,
    kind text NOT NULL,
    numerator bigint NOT NULL,
    denominator bigint NOT NULL,
    unit_code text NOT NULL,
    cost_percent numeric(9,6) NOT NULL,
    unit_value numeric(24,9),
    unit_value_currency_code text NOT NULL,
    produced numeric(20,6) NOT NULL,
    CONSTRAINT ck_production_output_produced CHECK ((produced >= (0)::numeric))
);

ALTER TABLE public.production_output OWNER TO materials_owner;

CREATE TABLE public.production_report (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    number text NOT NULL,
    production_order text NOT NULL,
    operation integer NOT NULL,
    unit_code text NOT NULL,
    good numeric(20,6) NOT NULL,
    scrap numeric(20,6) NOT NULL,
    rework numeric(20,6) NOT NULL,
    scrap_reason text NOT NULL,
    asset text NOT NULL,
    shift text NOT NULL,
    start_time timestamp with time zone,
    end_time timestamp with time zone NOT NULL,
    state text NOT NULL,
    lot text NOT NULL,
    serials text[] NOT NULL,
    outputs jsonb NOT NULL,
    shortages jsonb NOT NULL,
    absorbed jsonb NOT NULL,
    carried_value numeric(24,9) NOT NULL,
    currency_code text NOT NULL,
    consume_movement text NOT NULL,
    produce_movement text NOT NULL,
    reason text NOT NULL,
    CONSTRAINT ck_production_report_units CHECK (((good >= (0)::numeric) AND (scrap >= (0)::numeric) AND (rework >= (0)::numeric) AND (((good + scrap) + rework) > (0)::numeric)))
);

ALTER TABLE public.production_report OWNER TO materials_owner;

CREATE TABLE public.put_away_policy (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    title text NOT NULL,
    item text NOT NULL,
    item_class text NOT NULL,
    at_site text NOT NULL,
    active_revision text NOT NULL
);

ALTER TABLE public.put_away_policy OWNER TO materials_owner;

CREATE TABLE public.put_away_revision (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    state text NOT NULL,
    content_hash text NOT NULL,
    author text NOT NULL,
    approver text NOT NULL,
    approve_time timestamp with time zone,
    effective_time timestamp with time zone,
    editors text[] DEFAULT '{}'::text[] NOT NULL,
    policy text NOT NULL,
    steps jsonb NOT NULL
);

ALTER TABLE public.put_away_revision OWNER TO materials_owner;

CREATE TABLE public.recall_case (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    lot text NOT NULL,
    item text NOT NULL,
    reason text NOT NULL,
    mock boolean NOT NULL,
    hold_receipts boolean NOT NULL,
    person text NOT NULL,
    state text NOT NULL,
    complete boolean NOT NULL,
    lot_count integer NOT NULL,
    party_count integer NOT NULL,
    gap_count integer NOT NULL,
    hold text NOT NULL,
    receipt_hold text NOT NULL,
    locate_duration interval,
    conclusion text NOT NULL
);

ALTER TABLE public.recall_case OWNER TO materials_owner;

CREATE TABLE public.recall_lot (
    recall_case text NOT NULL,
    lot text NOT NULL,
    line integer NOT NULL,
    certain boolean NOT NULL,
    unit_code text NOT NULL,
    came numeric(20,6) NOT NULL,
    found numeric(20,6) NOT NULL,
    shipped numeric(20,6) NOT NULL,
    consumed numeric(20,6) NOT NULL,
    scrapped numeric(20,6) NOT NULL,
    returned numeric(20,6) NOT NULL,
    gap numeric(20,6) NOT NULL
);

ALTER TABLE public.recall_lot OWNER TO materials_owner;

CREATE TABLE public.recall_party (
    recall_case text NOT NULL,
    document text NOT NULL,
    lot text NOT NULL,
    serial text NOT NULL,
    party text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    unit_code text NOT NULL,
    certain boolean NOT NULL,
    notify_time timestamp with time zone
);

ALTER TABLE public.recall_party OWNER TO materials_owner;

CREATE TABLE public.receipt (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    number text NOT NULL,
    supplier text NOT NULL,
    delivery_note text NOT NULL,
    location text NOT NULL,
    arrive_time timestamp with time zone NOT NULL,
    post_time timestamp with time zone,
    state text NOT NULL
);

ALTER TABLE public.receipt OWNER TO materials_owner;

CREATE TABLE public.receipt_line (
    receipt text NOT NULL,
    line integer NOT NULL,
    expected_receipt text NOT NULL,
    purchase_order text NOT NULL,
    order_line integer NOT NULL,
    schedule_line integer NOT NULL,
    item text NOT NULL,
    lot text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    unit_code text NOT NULL,
    order_quantity numeric(20,6) NOT NULL,
    order_quantity_unit_code text NOT NULL,
    status text NOT NULL,
    location text NOT NULL,
    movement text NOT NULL,
    inspection_lot text NOT NULL,
    put_away_task text NOT NULL,
    second_quantity numeric(20,6),
    second_quantity_unit_code text DEFAULT ''::text NOT NULL,
    entered_quantity numeric(20,6),
    entered_quantity_unit_code text DEFAULT ''::text NOT NULL,
    factor_numerator bigint DEFAULT 1 NOT NULL,
    factor_denominator bigint DEFAULT 1 NOT NULL,
    serials text[] DEFAULT '{}'::text[] NOT NULL,
    handling_unit text DEFAULT ''::text NOT NULL,
    hold text DEFAULT ''::text NOT NULL,
    owner text DEFAULT ''::text NOT NULL,
    returned numeric(20,6) DEFAULT 0 NOT NULL,
    second_returned numeric(20,6) DEFAULT 0 NOT NULL,
    returned_serials text[] DEFAULT '{}'::text[] NOT NULL,
    returns text DEFAULT ''::text NOT NULL,
    over boolean DEFAULT false NOT NULL,
    documents text[] DEFAULT '{}'::text[] NOT NULL,
    spread_of integer DEFAULT 0 NOT NULL
);

ALTER TABLE public.receipt_line OWNER TO materials_owner;

CREATE TABLE public.relay_lease (
    shard integer NOT NULL,
    pid integer NOT NULL,
    pod text NOT NULL,
    beat_at timestamp with time zone NOT NULL
);

ALTER TABLE public.relay_lease OWNER TO materials_owner;

CREATE TABLE public.relay_position (
    shard integer NOT NULL,
    stored xid8 NOT NULL,
    window_end xid8,
    window_pos bigint DEFAULT '-1'::integer NOT NULL,
    stream_created timestamp with time zone,
    stream_seq bigint DEFAULT 0 NOT NULL
);

ALTER TABLE public.relay_position OWNER TO materials_owner;

CREATE TABLE public.replay_request (
    number bigint NOT NULL,
    since timestamp with time zone,
    until timestamp with time zone,
    event_types text[],
    positions bigint[],
    aggregate text,
    from_version bigint,
    to_version bigint,
    requested_by text NOT NULL,
    reason text NOT NULL,
    requested_at timestamp with time zone DEFAULT now() NOT NULL,
    "position" bigint DEFAULT '-1'::integer NOT NULL,
    published bigint DEFAULT 0 NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT ck_replay_request_scope CHECK ((num_nonnulls(since, positions, aggregate) = 1))
);

ALTER TABLE public.replay_request OWNER TO materials_owner;

ALTER TABLE public.replay_request ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.replay_request_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.reservation (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    work_order text NOT NULL,
    demand text NOT NULL,
    demand_version integer NOT NULL,
    item text NOT NULL,
    unit_code text NOT NULL,
    requested numeric(20,6) NOT NULL,
    allocated numeric(20,6) NOT NULL,
    issued numeric(20,6) NOT NULL,
    short numeric(20,6) NOT NULL,
    released numeric(20,6) NOT NULL,
    issued_value numeric(24,9) NOT NULL,
    need_time timestamp with time zone,
    delivery_location text NOT NULL,
    priority integer NOT NULL,
    state text NOT NULL,
    cover text,
    supply text NOT NULL,
    expected_date date,
    cause text NOT NULL,
    pending numeric(20,6) DEFAULT 0 NOT NULL,
    supply_covered numeric(20,6) DEFAULT 0 NOT NULL,
    over_issued numeric(20,6) DEFAULT 0 NOT NULL,
    hard_time timestamp with time zone,
    expire_time timestamp with time zone,
    demand_kind text DEFAULT 'WORK_ORDER'::text NOT NULL,
    source_system text DEFAULT ''::text NOT NULL,
    external_id text DEFAULT ''::text NOT NULL,
    lot text DEFAULT ''::text NOT NULL,
    owner text DEFAULT ''::text NOT NULL,
    minimum_remaining_life_days integer,
    decision text DEFAULT ''::text NOT NULL,
    asset text DEFAULT ''::text NOT NULL,
    started boolean DEFAULT false NOT NULL,
    allow_alternates boolean DEFAULT false NOT NULL,
    substitutes text DEFAULT ''::text NOT NULL,
    substituted numeric(20,6) DEFAULT 0 NOT NULL,
    substitute_issued numeric(20,6) DEFAULT 0 NOT NULL,
    covers numeric(20,6) DEFAULT 0 NOT NULL,
    numerator bigint DEFAULT 1 NOT NULL,
    denominator bigint DEFAULT 1 NOT NULL,
    alternates text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT ck_reservation_adds_up CHECK ((requested = ((((((issued + allocated) + supply_covered) + pending) + short) + released) + substituted))),
    CONSTRAINT ck_reservation_covers CHECK (((supply_covered >= (0)::numeric) AND (pending >= (0)::numeric) AND (over_issued >= (0)::numeric))),
    CONSTRAINT ck_reservation_parts CHECK (((issued >= (0)::numeric) AND (allocated >= (0)::numeric) AND (short >= (0)::numeric) AND (released >= (0)::numeric))),
    CONSTRAINT ck_reservation_substitutes CHECK (((substitute_issued >= (0)::numeric) AND (substituted >= substitute_issued) AND (covers >= (0)::numeric)))
);

ALTER TABLE public.reservation OWNER TO materials_owner;

CREATE TABLE public.revaluation (
    movement text NOT NULL,
    site text NOT NULL,
    item text NOT NULL,
    cause text NOT NULL,
    effective_time timestamp with time zone NOT NULL,
    record_time timestamp with time zone NOT NULL,
    since timestamp with time zone NOT NULL,
    value numeric(24,9) NOT NULL,
    variance numeric(24,9) NOT NULL,
    currency_code text NOT NULL,
    issues text[] NOT NULL
);

ALTER TABLE public.revaluation OWNER TO materials_owner;

CREATE TABLE public.serial (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    number text NOT NULL,
    item text NOT NULL,
    lot text NOT NULL,
    balance text NOT NULL,
    left_by text NOT NULL
);

ALTER TABLE public.serial OWNER TO materials_owner;

CREATE TABLE public.shipment (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    number text NOT NULL,
    customer text NOT NULL,
    address text NOT NULL,
    source_system text NOT NULL,
    external_id text NOT NULL,
    carrier text NOT NULL,
    state text NOT NULL,
    ship_time timestamp with time zone,
    movement text NOT NULL,
    loading_location text DEFAULT ''::text NOT NULL
);

ALTER TABLE public.shipment OWNER TO materials_owner;

CREATE TABLE public.shipment_line (
    item text NOT NULL,
    lot text NOT NULL,
    status text NOT NULL,
    location text NOT NULL,
    handling_unit text NOT NULL,
    outer_handling_unit text NOT NULL,
    owner text NOT NULL,
    project text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    unit_code text NOT NULL,
    second_quantity numeric(20,6),
    second_quantity_unit_code text NOT NULL,
    entered_quantity numeric(20,6),
    entered_quantity_unit_code text NOT NULL,
    factor_numerator bigint NOT NULL,
    factor_denominator bigint NOT NULL,
    serials text[] NOT NULL,
    shipment text NOT NULL,
    line integer NOT NULL,
    returned numeric(20,6) NOT NULL,
    second_returned numeric(20,6) NOT NULL,
    returned_serials text[] NOT NULL,
    cost numeric(24,9),
    cost_currency_code text NOT NULL,
    ship_task text DEFAULT ''::text NOT NULL,
    CONSTRAINT ck_shipment_line_returned CHECK (((returned >= (0)::numeric) AND (returned <= quantity))),
    CONSTRAINT ck_shipment_line_second_returned CHECK (((second_returned >= (0)::numeric) AND (second_returned <= COALESCE(second_quantity, (0)::numeric))))
);

ALTER TABLE public.shipment_line OWNER TO materials_owner;

CREATE TABLE public.shipped_unit (
    shipment text NOT NULL,
    handling_unit text NOT NULL,
    parent_handling_unit text NOT NULL,
    number text NOT NULL,
    sscc text NOT NULL,
    gross_weight numeric(20,6),
    gross_weight_unit_code text NOT NULL
);

ALTER TABLE public.shipped_unit OWNER TO materials_owner;

CREATE TABLE public.site_fact (
    name text NOT NULL,
    time_zone text NOT NULL,
    currency_code text NOT NULL
);

ALTER TABLE public.site_fact OWNER TO materials_owner;

CREATE TABLE public.site_settings (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    backdating_days integer NOT NULL,
    receipts_first boolean NOT NULL,
    receiving text DEFAULT 'FREE'::text NOT NULL,
    CONSTRAINT ck_site_settings_backdating_days CHECK (((backdating_days >= 0) AND (backdating_days <= 366)))
);

ALTER TABLE public.site_settings OWNER TO materials_owner;

CREATE TABLE public.sscc_range (
    prefix text NOT NULL,
    extension integer NOT NULL,
    next bigint NOT NULL,
    CONSTRAINT ck_sscc_range_extension CHECK (((extension >= 0) AND (extension <= 9))),
    CONSTRAINT ck_sscc_range_next CHECK (((next >= 1) AND (next <= (((10)::numeric ^ ((16 - length(prefix)))::numeric))::bigint))),
    CONSTRAINT ck_sscc_range_prefix CHECK ((prefix ~ '^[0-9]{4,12}$'::text))
);

ALTER TABLE public.sscc_range OWNER TO materials_owner;

CREATE TABLE public.standing_asset (
    asset text NOT NULL,
    since timestamp with time zone
);

ALTER TABLE public.standing_asset OWNER TO materials_owner;

CREATE TABLE public.structure (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    item text NOT NULL,
    kind text NOT NULL,
    title text NOT NULL
);

ALTER TABLE public.structure OWNER TO materials_owner;

CREATE TABLE public.structure_component (
    structure_revision text NOT NULL,
    line integer NOT NULL,
    item text NOT NULL,
    operation integer NOT NULL,
    numerator bigint NOT NULL,
    denominator bigint NOT NULL,
    scrap_percent numeric(9,6) NOT NULL,
    over_percent numeric(20,6) NOT NULL,
    under_percent numeric(9,6) NOT NULL,
    manual boolean NOT NULL,
    CONSTRAINT ck_structure_component_ratio CHECK (((numerator > 0) AND (denominator > 0))),
    CONSTRAINT ck_structure_component_scrap_percent CHECK (((scrap_percent >= (0)::numeric) AND (scrap_percent < (100)::numeric)))
);

ALTER TABLE public.structure_component OWNER TO materials_owner;

CREATE TABLE public.structure_output (
    structure_revision text NOT NULL,
    line integer NOT NULL,
    item text NOT NULL,
    kind text NOT NULL,
    numerator bigint NOT NULL,
    denominator bigint NOT NULL,
    cost_percent numeric(9,6) NOT NULL,
    unit_value numeric(24,9),
    unit_value_currency_code text NOT NULL,
    CONSTRAINT ck_structure_output_ratio CHECK (((numerator > 0) AND (denominator > 0)))
);

ALTER TABLE public.structure_output OWNER TO materials_owner;

CREATE TABLE public.structure_revision (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    structure text NOT NULL,
    effective_date date NOT NULL,
    base_quantity numeric(20,6) NOT NULL,
    unit_code text NOT NULL,
    cost_percent numeric(9,6) NOT NULL,
    author text NOT NULL,
    CONSTRAINT ck_structure_revision_base_quantity CHECK ((base_quantity > (0)::numeric))
);

ALTER TABLE public.structure_revision OWNER TO materials_owner;

CREATE TABLE public.supplier_fact (
    name text NOT NULL,
    state text NOT NULL
);

ALTER TABLE public.supplier_fact OWNER TO materials_owner;

CREATE TABLE public.supply_request (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    item text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    unit_code text NOT NULL,
    need_date date NOT NULL,
    policy_revision text NOT NULL,
    explanation text[] NOT NULL,
    carried_by text NOT NULL,
    state text NOT NULL,
    outcome text DEFAULT 'BUY'::text NOT NULL,
    source_site text DEFAULT ''::text NOT NULL,
    decision text DEFAULT ''::text NOT NULL,
    supplies jsonb DEFAULT '[]'::jsonb NOT NULL,
    CONSTRAINT ck_supply_request_quantity CHECK ((quantity > (0)::numeric))
);

ALTER TABLE public.supply_request OWNER TO materials_owner;

CREATE TABLE public.transfer (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    number text NOT NULL,
    to_site text NOT NULL,
    transit_location text NOT NULL,
    to_location text NOT NULL,
    carrier text NOT NULL,
    expected_date date,
    note text NOT NULL,
    state text NOT NULL,
    ship_time timestamp with time zone,
    movement text NOT NULL,
    disposals jsonb NOT NULL,
    supply_request text DEFAULT ''::text NOT NULL
);

ALTER TABLE public.transfer OWNER TO materials_owner;

CREATE TABLE public.transfer_line (
    item text NOT NULL,
    lot text NOT NULL,
    status text NOT NULL,
    location text NOT NULL,
    handling_unit text NOT NULL,
    outer_handling_unit text NOT NULL,
    owner text NOT NULL,
    project text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    unit_code text NOT NULL,
    second_quantity numeric(20,6),
    second_quantity_unit_code text NOT NULL,
    entered_quantity numeric(20,6),
    entered_quantity_unit_code text NOT NULL,
    factor_numerator bigint NOT NULL,
    factor_denominator bigint NOT NULL,
    serials text[] NOT NULL,
    transfer text NOT NULL,
    line integer NOT NULL,
    received numeric(20,6) NOT NULL,
    second_received numeric(20,6) NOT NULL,
    disposed numeric(20,6) NOT NULL,
    second_disposed numeric(20,6) NOT NULL,
    closed_serials text[] NOT NULL,
    CONSTRAINT ck_transfer_line_received CHECK (((received >= (0)::numeric) AND (disposed >= (0)::numeric) AND ((received + disposed) <= quantity))),
    CONSTRAINT ck_transfer_line_second_received CHECK (((second_received >= (0)::numeric) AND (second_disposed >= (0)::numeric) AND ((second_received + second_disposed) <= COALESCE(second_quantity, (0)::numeric))))
);

ALTER TABLE public.transfer_line OWNER TO materials_owner;

CREATE TABLE public.transfer_unit (
    transfer text NOT NULL,
    handling_unit text NOT NULL,
    parent_handling_unit text NOT NULL,
    outer_handling_unit text NOT NULL,
    number text NOT NULL,
    sscc text NOT NULL,
    handling_unit_type text NOT NULL,
    gross_weight numeric(20,6),
    gross_weight_unit_code text NOT NULL
);

ALTER TABLE public.transfer_unit OWNER TO materials_owner;

CREATE TABLE public.valuation_change (
    site text NOT NULL,
    item text NOT NULL,
    change_time timestamp with time zone NOT NULL,
    method text NOT NULL,
    sequence bigint NOT NULL
);

ALTER TABLE public.valuation_change OWNER TO materials_owner;

CREATE TABLE public.value_variance (
    site text NOT NULL,
    item text NOT NULL,
    sequence bigint NOT NULL,
    amount numeric(24,9) NOT NULL
);

ALTER TABLE public.value_variance OWNER TO materials_owner;

CREATE VIEW public.value_change AS
 SELECT e.site,
    e.item,
    e.movement,
    e.effective_time,
    e.item_sequence,
    e.quantity,
    COALESCE(e.value, (0)::numeric) AS value,
    (0)::numeric AS variance,
    (e.value IS NOT NULL) AS crosses
   FROM (public.movement_entry e
     JOIN public.balance b ON (((b.name = e.balance) AND (NOT b.virtual) AND (b.owner = ''::text))))
UNION ALL
 SELECT v.site,
    v.item,
    e.movement,
    e.effective_time,
    v.sequence AS item_sequence,
    0 AS quantity,
    (- v.amount) AS value,
    v.amount AS variance,
    true AS crosses
   FROM (public.value_variance v
     JOIN public.movement_entry e ON (((e.site = v.site) AND (e.item = v.item) AND (e.item_sequence = v.sequence))))
UNION ALL
 SELECT r.site,
    r.item,
    r.movement,
    r.effective_time,
    NULL::bigint AS item_sequence,
    0 AS quantity,
    r.value,
    r.variance,
    true AS crosses
   FROM public.revaluation r;

ALTER VIEW public.value_change OWNER TO materials_owner;

CREATE TABLE public.value_layer (
    site text NOT NULL,
    item text NOT NULL,
    sequence bigint NOT NULL,
    part integer NOT NULL,
    movement text NOT NULL,
    layer_time timestamp with time zone NOT NULL,
    quantity numeric(20,6) NOT NULL,
    value numeric(24,9) NOT NULL,
    remaining_quantity numeric(20,6) NOT NULL,
    remaining_value numeric(24,9) NOT NULL,
    CONSTRAINT ck_value_layer_remaining CHECK (((remaining_quantity >= (0)::numeric) AND (remaining_value >= (0)::numeric) AND ((remaining_quantity > (0)::numeric) OR (remaining_value = (0)::numeric))))
);

ALTER TABLE public.value_layer OWNER TO materials_owner;

CREATE TABLE public.waiting_event (
    consumer text NOT NULL,
    aggregate text NOT NULL,
    version bigint NOT NULL,
    event_id uuid NOT NULL,
    subject text NOT NULL,
    stream_seq bigint NOT NULL,
    headers jsonb NOT NULL,
    payload bytea NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.waiting_event OWNER TO materials_owner;

CREATE TABLE public.wave (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    number text NOT NULL,
    state text NOT NULL,
    staging_location text NOT NULL,
    cluster boolean NOT NULL,
    release_time timestamp with time zone
);

ALTER TABLE public.wave OWNER TO materials_owner;

CREATE TABLE public.wave_line (
    wave text NOT NULL,
    reservation text NOT NULL,
    handling_unit text NOT NULL,
    released boolean NOT NULL,
    left_out_reason text NOT NULL
);

ALTER TABLE public.wave_line OWNER TO materials_owner;

CREATE TABLE public.zero_confirmation (
    task text NOT NULL,
    site text NOT NULL,
    location text NOT NULL,
    item text NOT NULL,
    lot text NOT NULL,
    empty boolean NOT NULL,
    person text NOT NULL,
    device text NOT NULL,
    confirm_time timestamp with time zone NOT NULL
);

ALTER TABLE public.zero_confirmation OWNER TO materials_owner;

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY public.allocation
    ADD CONSTRAINT pk_allocation PRIMARY KEY (reservation, balance);

ALTER TABLE ONLY public.allocation_policy
    ADD CONSTRAINT pk_allocation_policy PRIMARY KEY (name);

ALTER TABLE ONLY public.allocation_revision
    ADD CONSTRAINT pk_allocation_revision PRIMARY KEY (name);

ALTER TABLE ONLY public.allowed_transition
    ADD CONSTRAINT pk_allowed_transition PRIMARY KEY (table_name, from_state, to_state);

ALTER TABLE ONLY public.applied
    ADD CONSTRAINT pk_applied PRIMARY KEY (consumer, aggregate);

ALTER TABLE ONLY public.audit
    ADD CONSTRAINT pk_audit PRIMARY KEY (pos);

ALTER TABLE ONLY public.balance
    ADD CONSTRAINT pk_balance PRIMARY KEY (name);

ALTER TABLE ONLY public.bin_lock
    ADD CONSTRAINT pk_bin_lock PRIMARY KEY (location, item);

ALTER TABLE ONLY public.caught_up
    ADD CONSTRAINT pk_caught_up PRIMARY KEY (consumer);

ALTER TABLE ONLY public.consumer_position
    ADD CONSTRAINT pk_consumer_position PRIMARY KEY (consumer, stream);

ALTER TABLE ONLY public.count_document
    ADD CONSTRAINT pk_count_document PRIMARY KEY (name);

ALTER TABLE ONLY public.count_line
    ADD CONSTRAINT pk_count_line PRIMARY KEY (name);

ALTER TABLE ONLY public.count_policy
    ADD CONSTRAINT pk_count_policy PRIMARY KEY (name);

ALTER TABLE ONLY public.count_revision
    ADD CONSTRAINT pk_count_revision PRIMARY KEY (name);

ALTER TABLE ONLY public.dead_letter
    ADD CONSTRAINT pk_dead_letter PRIMARY KEY (consumer, event_id);

ALTER TABLE ONLY public.decision
    ADD CONSTRAINT pk_decision PRIMARY KEY (name);

ALTER TABLE ONLY public.direct_line
    ADD CONSTRAINT pk_direct_line PRIMARY KEY (name);

ALTER TABLE ONLY public.expected_delivery
    ADD CONSTRAINT pk_expected_delivery PRIMARY KEY (name);

ALTER TABLE ONLY public.expected_delivery_line
    ADD CONSTRAINT pk_expected_delivery_line PRIMARY KEY (expected_delivery, line);

ALTER TABLE ONLY public.expected_receipt
    ADD CONSTRAINT pk_expected_receipt PRIMARY KEY (name);

ALTER TABLE ONLY public.external_record
    ADD CONSTRAINT pk_external_record PRIMARY KEY (kind, home, external_id);

ALTER TABLE ONLY public.genealogy_edge
    ADD CONSTRAINT pk_genealogy_edge PRIMARY KEY (movement, input_lot, output_lot);

ALTER TABLE ONLY public.handling_unit
    ADD CONSTRAINT pk_handling_unit PRIMARY KEY (name);

ALTER TABLE ONLY public.handling_unit_type
    ADD CONSTRAINT pk_handling_unit_type PRIMARY KEY (name);

ALTER TABLE ONLY public.held_lot
    ADD CONSTRAINT pk_held_lot PRIMARY KEY (name);

ALTER TABLE ONLY public.hold
    ADD CONSTRAINT pk_hold PRIMARY KEY (name);

ALTER TABLE ONLY public.hold_target
    ADD CONSTRAINT pk_hold_target PRIMARY KEY (hold, target);

ALTER TABLE ONLY public.idempotency
    ADD CONSTRAINT pk_idempotency PRIMARY KEY (principal, method, request_id);

ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT pk_inbox PRIMARY KEY (consumer, event_id);

ALTER TABLE ONLY public.inspection_lot
    ADD CONSTRAINT pk_inspection_lot PRIMARY KEY (name);

ALTER TABLE ONLY public.item
    ADD CONSTRAINT pk_item PRIMARY KEY (name);

ALTER TABLE ONLY public.item_settings
    ADD CONSTRAINT pk_item_settings PRIMARY KEY (name);

ALTER TABLE ONLY public.job_run
    ADD CONSTRAINT pk_job_run PRIMARY KEY (job);

ALTER TABLE ONLY public.journal
    ADD CONSTRAINT pk_journal PRIMARY KEY (pos);

ALTER TABLE ONLY public.kanban_card
    ADD CONSTRAINT pk_kanban_card PRIMARY KEY (name);

ALTER TABLE ONLY public.layer_take
    ADD CONSTRAINT pk_layer_take PRIMARY KEY (site, item, sequence, layer_sequence, layer_part);

ALTER TABLE ONLY public.ledger_head
    ADD CONSTRAINT pk_ledger_head PRIMARY KEY (site);

ALTER TABLE ONLY public.ledger_period
    ADD CONSTRAINT pk_ledger_period PRIMARY KEY (name);

ALTER TABLE ONLY public.ledger_proof
    ADD CONSTRAINT pk_ledger_proof PRIMARY KEY (site);

ALTER TABLE ONLY public.ledger_seal
    ADD CONSTRAINT pk_ledger_seal PRIMARY KEY (site, ledger_number);

ALTER TABLE ONLY public.location
    ADD CONSTRAINT pk_location PRIMARY KEY (name);

ALTER TABLE ONLY public.location_lock
    ADD CONSTRAINT pk_location_lock PRIMARY KEY (location, direction);

ALTER TABLE ONLY public.location_parent
    ADD CONSTRAINT pk_location_parent PRIMARY KEY (location, from_time);

ALTER TABLE ONLY public.lot
    ADD CONSTRAINT pk_lot PRIMARY KEY (name);

ALTER TABLE ONLY public.materials_import
    ADD CONSTRAINT pk_materials_import PRIMARY KEY (name);

ALTER TABLE ONLY public.materials_import_key
    ADD CONSTRAINT pk_materials_import_key PRIMARY KEY (import, key);

ALTER TABLE ONLY public.materials_import_part
    ADD CONSTRAINT pk_materials_import_part PRIMARY KEY (import, first_byte);

ALTER TABLE ONLY public.materials_import_row
    ADD CONSTRAINT pk_materials_import_row PRIMARY KEY (import, "row");

ALTER TABLE ONLY public.materials_policy
    ADD CONSTRAINT pk_materials_policy PRIMARY KEY (name);

ALTER TABLE ONLY public.materials_revision
    ADD CONSTRAINT pk_materials_revision PRIMARY KEY (name);

ALTER TABLE ONLY public.movement
    ADD CONSTRAINT pk_movement PRIMARY KEY (name);

ALTER TABLE ONLY public.movement_entry
    ADD CONSTRAINT pk_movement_entry PRIMARY KEY (movement, side);

ALTER TABLE ONLY public.need_cover
    ADD CONSTRAINT pk_need_cover PRIMARY KEY (reservation, need_time);

ALTER TABLE ONLY public.negative_stock
    ADD CONSTRAINT pk_negative_stock PRIMARY KEY (balance, movement);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT pk_outbox PRIMARY KEY (pos, recorded_at);

ALTER TABLE ONLY public.period_balance
    ADD CONSTRAINT pk_period_balance PRIMARY KEY (period, balance);

ALTER TABLE ONLY public.period_value
    ADD CONSTRAINT pk_period_value PRIMARY KEY (period, item);

ALTER TABLE ONLY public.policy_review
    ADD CONSTRAINT pk_policy_review PRIMARY KEY (revision, site, item);

ALTER TABLE ONLY public.principal_grant
    ADD CONSTRAINT pk_principal_grant PRIMARY KEY (principal, role, site, from_time);

ALTER TABLE ONLY public.principal_state
    ADD CONSTRAINT pk_principal_state PRIMARY KEY (principal);

ALTER TABLE ONLY public.production_component
    ADD CONSTRAINT pk_production_component PRIMARY KEY (production_order, line);

ALTER TABLE ONLY public.production_consumption
    ADD CONSTRAINT pk_production_consumption PRIMARY KEY (production_report, line);

ALTER TABLE ONLY public.production_operation
    ADD CONSTRAINT pk_production_operation PRIMARY KEY (production_order, operation);

ALTER TABLE ONLY public.production_order
    ADD CONSTRAINT pk_production_order PRIMARY KEY (name);

ALTER TABLE ONLY public.production_output
    ADD CONSTRAINT pk_production_output PRIMARY KEY (production_order, line);

ALTER TABLE ONLY public.production_report
    ADD CONSTRAINT pk_production_report PRIMARY KEY (name);

ALTER TABLE ONLY public.put_away_policy
    ADD CONSTRAINT pk_put_away_policy PRIMARY KEY (name);

ALTER TABLE ONLY public.put_away_revision
    ADD CONSTRAINT pk_put_away_revision PRIMARY KEY (name);

ALTER TABLE ONLY public.put_away_task
    ADD CONSTRAINT pk_put_away_task PRIMARY KEY (name);

ALTER TABLE ONLY public.recall_case
    ADD CONSTRAINT pk_recall_case PRIMARY KEY (name);

ALTER TABLE ONLY public.recall_lot
    ADD CONSTRAINT pk_recall_lot PRIMARY KEY (recall_case, lot);

ALTER TABLE ONLY public.recall_party
    ADD CONSTRAINT pk_recall_party PRIMARY KEY (recall_case, document, lot, serial);

ALTER TABLE ONLY public.receipt
    ADD CONSTRAINT pk_receipt PRIMARY KEY (name);

ALTER TABLE ONLY public.receipt_line
    ADD CONSTRAINT pk_receipt_line PRIMARY KEY (receipt, line);

ALTER TABLE ONLY public.relay_lease
    ADD CONSTRAINT pk_relay_lease PRIMARY KEY (shard);

ALTER TABLE ONLY public.relay_position
    ADD CONSTRAINT pk_relay_position PRIMARY KEY (shard);

ALTER TABLE ONLY public.replay_request
    ADD CONSTRAINT pk_replay_request PRIMARY KEY (number);

ALTER TABLE ONLY public.reservation
    ADD CONSTRAINT pk_reservation PRIMARY KEY (name);

ALTER TABLE ONLY public.revaluation
    ADD CONSTRAINT pk_revaluation PRIMARY KEY (movement);

ALTER TABLE ONLY public.serial
    ADD CONSTRAINT pk_serial PRIMARY KEY (name);

ALTER TABLE ONLY public.shipment
    ADD CONSTRAINT pk_shipment PRIMARY KEY (name);

ALTER TABLE ONLY public.shipment_line
    ADD CONSTRAINT pk_shipment_line PRIMARY KEY (shipment, line);

ALTER TABLE ONLY public.shipped_unit
    ADD CONSTRAINT pk_shipped_unit PRIMARY KEY (shipment, handling_unit);

ALTER TABLE ONLY public.site_fact
    ADD CONSTRAINT pk_site_fact PRIMARY KEY (name);

ALTER TABLE ONLY public.site_settings
    ADD CONSTRAINT pk_site_settings PRIMARY KEY (name);

ALTER TABLE ONLY public.sscc_range
    ADD CONSTRAINT pk_sscc_range PRIMARY KEY (prefix, extension);

ALTER TABLE ONLY public.standing_asset
    ADD CONSTRAINT pk_standing_asset PRIMARY KEY (asset);

ALTER TABLE ONLY public.structure
    ADD CONSTRAINT pk_structure PRIMARY KEY (name);

ALTER TABLE ONLY public.structure_component
    ADD CONSTRAINT pk_structure_component PRIMARY KEY (structure_revision, line);

ALTER TABLE ONLY public.structure_output
    ADD CONSTRAINT pk_structure_output PRIMARY KEY (structure_revision, line);

ALTER TABLE ONLY public.structure_revision
    ADD CONSTRAINT pk_structure_revision PRIMARY KEY (name);

ALTER TABLE ONLY public.supplier_fact
    ADD CONSTRAINT pk_supplier_fact PRIMARY KEY (name);

ALTER TABLE ONLY public.supply_request
    ADD CONSTRAINT pk_supply_request PRIMARY KEY (name);

ALTER TABLE ONLY public.transfer
    ADD CONSTRAINT pk_transfer PRIMARY KEY (name);

ALTER TABLE ONLY public.transfer_line
    ADD CONSTRAINT pk_transfer_line PRIMARY KEY (transfer, line);

ALTER TABLE ONLY public.transfer_unit
    ADD CONSTRAINT pk_transfer_unit PRIMARY KEY (transfer, handling_unit);

ALTER TABLE ONLY public.valuation_change
    ADD CONSTRAINT pk_valuation_change PRIMARY KEY (site, item, change_time);

ALTER TABLE ONLY public.value_balance
    ADD CONSTRAINT pk_value_balance PRIMARY KEY (site, item);

ALTER TABLE ONLY public.value_layer
    ADD CONSTRAINT pk_value_layer PRIMARY KEY (site, item, sequence, part);

ALTER TABLE ONLY public.value_variance
    ADD CONSTRAINT pk_value_variance PRIMARY KEY (site, item, sequence);

ALTER TABLE ONLY public.waiting_event
    ADD CONSTRAINT pk_waiting_event PRIMARY KEY (consumer, aggregate, version);

ALTER TABLE ONLY public.wave
    ADD CONSTRAINT pk_wave PRIMARY KEY (name);

ALTER TABLE ONLY public.wave_line
    ADD CONSTRAINT pk_wave_line PRIMARY KEY (wave, reservation);

ALTER TABLE ONLY public.zero_confirmation
    ADD CONSTRAINT pk_zero_confirmation PRIMARY KEY (task);

CREATE INDEX ix_allocation_balance ON public.allocation USING btree (balance);

CREATE INDEX ix_allocation_lot ON public.allocation USING btree (lot) WHERE (lot <> ''::text);

CREATE INDEX ix_allocation_policy_item ON public.allocation_policy USING btree (item, name);

CREATE INDEX ix_allocation_policy_item_class ON public.allocation_policy USING btree (item_class, name);

CREATE INDEX ix_allocation_revision_state ON public.allocation_revision USING btree (policy, state, name);

CREATE INDEX ix_audit_object ON public.audit USING btree (object, pos);

CREATE INDEX ix_balance_handling_unit ON public.balance USING btree (site, handling_unit, name);

CREATE INDEX ix_balance_item ON public.balance USING btree (site, item, name);

CREATE INDEX ix_balance_location ON public.balance USING btree (site, location, name);

CREATE INDEX ix_balance_lot ON public.balance USING btree (site, lot, name);

CREATE INDEX ix_balance_site ON public.balance USING btree (site, name);

CREATE INDEX ix_balance_status ON public.balance USING btree (site, status, name);

CREATE INDEX ix_count_document_due_date ON public.count_document USING btree (site, due_date, name);

CREATE INDEX ix_count_document_site ON public.count_document USING btree (site, name);

CREATE INDEX ix_count_document_state ON public.count_document USING btree (site, state, name);

CREATE INDEX ix_count_line_count ON public.count_line USING btree (count, name);

CREATE INDEX ix_count_line_item ON public.count_line USING btree (count, item, name);

CREATE INDEX ix_count_line_location ON public.count_line USING btree (count, location, name);

CREATE INDEX ix_count_line_posted ON public.count_line USING btree (balance, count_time) WHERE (state = 'POSTED'::text);

CREATE INDEX ix_count_line_serial ON public.count_line USING btree (serial) WHERE (serial <> ''::text);

CREATE INDEX ix_count_line_state ON public.count_line USING btree (count, state, name);

CREATE INDEX ix_count_revision_state ON public.count_revision USING btree (policy, state, name);

CREATE INDEX ix_dead_letter_open ON public.dead_letter USING btree (consumer, aggregate) WHERE (state = 'PARKED'::text);

CREATE INDEX ix_decision_site ON public.decision USING btree (site, name);

CREATE INDEX ix_direct_line_purchase_order ON public.direct_line USING btree (site, purchase_order, name);

CREATE INDEX ix_direct_line_receipt ON public.direct_line USING btree (site, receipt, name);

CREATE INDEX ix_direct_line_site ON public.direct_line USING btree (site, name);

CREATE INDEX ix_direct_line_state ON public.direct_line USING btree (site, state, name);

CREATE INDEX ix_direct_line_work_order ON public.direct_line USING btree (site, work_order, name);

CREATE INDEX ix_expected_delivery_delivery_note ON public.expected_delivery USING btree (site, delivery_note, name);

CREATE INDEX ix_expected_delivery_expected_date ON public.expected_delivery USING btree (site, expected_date, name);

CREATE INDEX ix_expected_delivery_line_receipt ON public.expected_delivery_line USING btree (receipt);

CREATE INDEX ix_expected_delivery_line_sscc ON public.expected_delivery_line USING btree (sscc);

CREATE INDEX ix_expected_delivery_site ON public.expected_delivery USING btree (site, name);

CREATE INDEX ix_expected_delivery_state ON public.expected_delivery USING btree (site, state, name);

CREATE INDEX ix_expected_delivery_supplier ON public.expected_delivery USING btree (site, supplier, name);

CREATE INDEX ix_expected_receipt_expected_date ON public.expected_receipt USING btree (site, expected_date, name);

CREATE INDEX ix_expected_receipt_item ON public.expected_receipt USING btree (item);

CREATE INDEX ix_expected_receipt_open ON public.expected_receipt USING btree (site, item, supplier, expected_date);

CREATE INDEX ix_expected_receipt_site ON public.expected_receipt USING btree (site, name);

CREATE INDEX ix_expected_receipt_state ON public.expected_receipt USING btree (site, state, name);

CREATE INDEX ix_expected_receipt_supplier ON public.expected_receipt USING btree (site, supplier, name);

CREATE INDEX ix_external_record_name ON public.external_record USING btree (kind, home, name);

CREATE INDEX ix_genealogy_edge_input_lot ON public.genealogy_edge USING btree (input_lot);

CREATE INDEX ix_genealogy_edge_output_lot ON public.genealogy_edge USING btree (output_lot);

CREATE INDEX ix_handling_unit_handling_unit_type ON public.handling_unit USING btree (site, handling_unit_type, name);

CREATE INDEX ix_handling_unit_inside ON public.handling_unit USING btree (parent_handling_unit);

CREATE INDEX ix_handling_unit_location ON public.handling_unit USING btree (site, location, name);

CREATE INDEX ix_handling_unit_parent_handling_unit ON public.handling_unit USING btree (site, parent_handling_unit, name);

CREATE INDEX ix_handling_unit_site ON public.handling_unit USING btree (site, name);

CREATE INDEX ix_handling_unit_state ON public.handling_unit USING btree (site, state, name);

CREATE INDEX ix_held_lot_held ON public.held_lot USING btree (site) WHERE held;

CREATE INDEX ix_hold_create_time ON public.hold USING btree (site, create_time);

CREATE INDEX ix_hold_handling_unit ON public.hold USING btree (site, handling_unit, name);

CREATE INDEX ix_hold_item ON public.hold USING btree (site, item, name);

CREATE INDEX ix_hold_location ON public.hold USING btree (site, location, name);

CREATE INDEX ix_hold_lot ON public.hold USING btree (site, lot, name);

CREATE INDEX ix_hold_scope ON public.hold USING btree (site, scope, name);

CREATE INDEX ix_hold_serial ON public.hold USING btree (site, serial, name);

CREATE INDEX ix_hold_site ON public.hold USING btree (site, name);

CREATE INDEX ix_hold_state ON public.hold USING btree (site, state, name);

CREATE INDEX ix_hold_supplier ON public.hold USING btree (site, supplier, name);

CREATE INDEX ix_hold_target_site ON public.hold_target USING btree (site, target) WHERE active;

CREATE INDEX ix_hold_target_target ON public.hold_target USING btree (target) WHERE active;

CREATE INDEX ix_idempotency_expires_at ON public.idempotency USING btree (expires_at);

CREATE INDEX ix_inspection_lot_item ON public.inspection_lot USING btree (site, item, name);

CREATE INDEX ix_inspection_lot_purchase_order ON public.inspection_lot USING btree (site, purchase_order, name);

CREATE INDEX ix_inspection_lot_receipt ON public.inspection_lot USING btree (receipt);

CREATE INDEX ix_inspection_lot_site ON public.inspection_lot USING btree (site, name);

CREATE INDEX ix_inspection_lot_state ON public.inspection_lot USING btree (site, state, name);

CREATE INDEX ix_inspection_lot_supplier ON public.inspection_lot USING btree (site, supplier, name);

CREATE INDEX ix_item_gtins ON public.item USING gin (gtins);

CREATE INDEX ix_item_item_class ON public.item USING btree (item_class, name);

CREATE INDEX ix_item_settings_item ON public.item_settings USING btree (site, item, name);

CREATE INDEX ix_item_settings_site ON public.item_settings USING btree (site, name);

CREATE INDEX ix_item_state ON public.item USING btree (state, name);

CREATE INDEX ix_journal_correlation ON public.journal USING btree (correlation, pos);

CREATE INDEX ix_kanban_card_item ON public.kanban_card USING btree (site, item, name);

CREATE INDEX ix_kanban_card_policy ON public.kanban_card USING btree (site, policy, name);

CREATE INDEX ix_kanban_card_site ON public.kanban_card USING btree (site, name);

CREATE INDEX ix_kanban_card_state ON public.kanban_card USING btree (site, state, name);

CREATE INDEX ix_kanban_card_supply_request ON public.kanban_card USING btree (supply_request) WHERE (supply_request <> ''::text);

CREATE INDEX ix_layer_take_movement ON public.layer_take USING btree (movement);

CREATE INDEX ix_ledger_period_close_date ON public.ledger_period USING btree (site, close_date, name);

CREATE INDEX ix_ledger_period_site ON public.ledger_period USING btree (site, name);

CREATE INDEX ix_ledger_period_state ON public.ledger_period USING btree (site, state, name);

CREATE INDEX ix_ledger_seal_seal_time ON public.ledger_seal USING btree (site, seal_time);

CREATE INDEX ix_location_check_code ON public.location USING btree (site, check_code, name);

CREATE INDEX ix_location_kind ON public.location USING btree (site, kind, name);

CREATE INDEX ix_location_parent ON public.location USING btree (parent_location);

CREATE INDEX ix_location_parent_location ON public.location USING btree (site, parent_location, name);

CREATE INDEX ix_location_path ON public.location USING btree (site, kind, path_order, name);

CREATE INDEX ix_location_site ON public.location USING btree (site, name);

CREATE INDEX ix_lot_expire_date ON public.lot USING btree (expire_date, name);

CREATE INDEX ix_lot_number ON public.lot USING btree (number, name);

CREATE INDEX ix_lot_supplier ON public.lot USING btree (supplier, name);

CREATE INDEX ix_materials_import_kind ON public.materials_import USING btree (site, kind, name);

CREATE INDEX ix_materials_import_row_outcome ON public.materials_import_row USING btree (import, outcome, "row");

CREATE INDEX ix_materials_import_site ON public.materials_import USING btree (site, name);

CREATE INDEX ix_materials_import_state ON public.materials_import USING btree (site, state, name);

CREATE INDEX ix_materials_revision_policy ON public.materials_revision USING btree (policy);

CREATE INDEX ix_materials_revision_start_time ON public.materials_revision USING btree (start_time) WHERE (state = 'APPROVED'::text);

CREATE INDEX ix_materials_revision_state ON public.materials_revision USING btree (policy, state, name);

CREATE INDEX ix_movement_actor ON public.movement USING btree (site, actor, name);

CREATE INDEX ix_movement_effective_time ON public.movement USING btree (site, effective_time, name);

CREATE INDEX ix_movement_entry_balance ON public.movement_entry USING btree (balance, effective_time, item_sequence);

CREATE INDEX ix_movement_entry_serial ON public.movement_entry USING btree (serial, item_sequence) WHERE (serial <> ''::text);

CREATE INDEX ix_movement_from_location ON public.movement USING btree (site, from_location, name);

CREATE INDEX ix_movement_from_status_unusual ON public.movement USING btree (site, from_status, name) WHERE (from_status <> 'UNRESTRICTED'::text);

CREATE INDEX ix_movement_item ON public.movement USING btree (site, item, name);

CREATE INDEX ix_movement_kind ON public.movement USING btree (site, kind, name);

CREATE INDEX ix_movement_lot_unusual ON public.movement USING btree (site, lot, name) WHERE (lot <> ''::text);

CREATE INDEX ix_movement_record_time ON public.movement USING btree (site, record_time, name);

CREATE INDEX ix_movement_site ON public.movement USING btree (site, name);

CREATE INDEX ix_movement_source_unusual ON public.movement USING btree (site, source, name) WHERE (source <> ''::text);

CREATE INDEX ix_movement_to_location ON public.movement USING btree (site, to_location, name);

CREATE INDEX ix_movement_to_status_unusual ON public.movement USING btree (site, to_status, name) WHERE (to_status <> 'UNRESTRICTED'::text);

CREATE INDEX ix_movement_xid ON public.movement USING btree (site, xid);

CREATE INDEX ix_negative_stock_open ON public.negative_stock USING btree (site, item) WHERE (end_time IS NULL);

CREATE INDEX ix_outbox_aggregate ON ONLY public.outbox USING btree (aggregate_id, pos);

CREATE INDEX ix_outbox_xid ON ONLY public.outbox USING btree (xid);

CREATE INDEX ix_period_balance_item ON public.period_balance USING btree (period, item);

CREATE INDEX ix_production_component_item ON public.production_component USING btree (item);

CREATE INDEX ix_production_consumption_lot ON public.production_consumption USING btree (lot) WHERE (lot <> ''::text);

CREATE INDEX ix_production_consumption_production_order ON public.production_consumption USING btree (production_order, component);

CREATE INDEX ix_production_operation_asset ON public.production_operation USING btree (site, asset) WHERE (asset <> ''::text);

CREATE INDEX ix_production_order_asset ON public.production_order USING btree (site, asset, name);

CREATE INDEX ix_production_order_due_time ON public.production_order USING btree (site, due_time, name);

CREATE INDEX ix_production_order_external_id ON public.production_order USING btree (site, external_id, name);

CREATE INDEX ix_production_order_item ON public.production_order USING btree (site, item, name);

CREATE INDEX ix_production_order_site ON public.production_order USING btree (site, name);

CREATE INDEX ix_production_order_source_system ON public.production_order USING btree (site, source_system, name);

CREATE INDEX ix_production_order_state ON public.production_order USING btree (site, state, name);

CREATE INDEX ix_production_report_asset ON public.production_report USING btree (site, asset, name);

CREATE INDEX ix_production_report_end_time ON public.production_report USING btree (site, end_time, name);

CREATE INDEX ix_production_report_order ON public.production_report USING btree (production_order, name);

CREATE INDEX ix_production_report_production_order ON public.production_report USING btree (site, production_order, name);

CREATE INDEX ix_production_report_site ON public.production_report USING btree (site, name);

CREATE INDEX ix_production_report_state ON public.production_report USING btree (site, state, name);

CREATE INDEX ix_put_away_policy_item ON public.put_away_policy USING btree (item, name);

CREATE INDEX ix_put_away_policy_item_class ON public.put_away_policy USING btree (item_class, name);

CREATE INDEX ix_put_away_revision_state ON public.put_away_revision USING btree (policy, state, name);

CREATE INDEX ix_put_away_task_from_location ON public.put_away_task USING btree (site, from_location, name);

CREATE INDEX ix_put_away_task_item ON public.put_away_task USING btree (site, item, name);

CREATE INDEX ix_put_away_task_proposed ON public.put_away_task USING btree (site, proposed_location) WHERE (state = 'READY'::text);

CREATE INDEX ix_put_away_task_receipt ON public.put_away_task USING btree (receipt);

CREATE INDEX ix_put_away_task_reservation ON public.put_away_task USING btree (reservation) WHERE (reservation <> ''::text);

CREATE INDEX ix_put_away_task_site ON public.put_away_task USING btree (site, name);

CREATE INDEX ix_put_away_task_state ON public.put_away_task USING btree (site, state, name);

CREATE INDEX ix_put_away_task_update_time ON public.put_away_task USING btree (site, state, update_time);

CREATE INDEX ix_recall_case_lot ON public.recall_case USING btree (site, lot, name);

CREATE INDEX ix_recall_case_site ON public.recall_case USING btree (site, name);

CREATE INDEX ix_recall_case_state ON public.recall_case USING btree (site, state, name);

CREATE INDEX ix_receipt_arrive_time ON public.receipt USING btree (site, arrive_time, name);

CREATE INDEX ix_receipt_delivery_note ON public.receipt USING btree (site, delivery_note, name);

CREATE INDEX ix_receipt_line_item ON public.receipt_line USING btree (item);

CREATE INDEX ix_receipt_site ON public.receipt USING btree (site, name);

CREATE INDEX ix_receipt_state ON public.receipt USING btree (site, state, name);

CREATE INDEX ix_receipt_supplier ON public.receipt USING btree (site, supplier, name);

CREATE INDEX ix_replay_request_open ON public.replay_request USING btree (number) WHERE (finished_at IS NULL);

CREATE INDEX ix_reservation_cover ON public.reservation USING btree (site, cover, name);

CREATE INDEX ix_reservation_item ON public.reservation USING btree (site, item, name);

CREATE INDEX ix_reservation_need_time ON public.reservation USING btree (site, need_time, name);

CREATE INDEX ix_reservation_priority ON public.reservation USING btree (site, priority, name);

CREATE INDEX ix_reservation_site ON public.reservation USING btree (site, name);

CREATE INDEX ix_reservation_state ON public.reservation USING btree (site, state, name);

CREATE INDEX ix_reservation_update_time ON public.reservation USING btree (site, update_time);

CREATE INDEX ix_reservation_waiting ON public.reservation USING btree (site, item) WHERE (state = ANY (ARRAY['PENDING'::text, 'SHORT'::text]));

CREATE INDEX ix_revaluation_item ON public.revaluation USING btree (site, item, effective_time);

CREATE INDEX ix_serial_lot ON public.serial USING btree (lot, name);

CREATE INDEX ix_serial_number ON public.serial USING btree (number, name);

CREATE INDEX ix_shipment_customer ON public.shipment USING btree (site, customer, name);

CREATE INDEX ix_shipment_external_id ON public.shipment USING btree (site, external_id, name);

CREATE INDEX ix_shipment_line_item ON public.shipment_line USING btree (item);

CREATE INDEX ix_shipment_ship_time ON public.shipment USING btree (site, ship_time, name);

CREATE INDEX ix_shipment_site ON public.shipment USING btree (site, name);

CREATE INDEX ix_shipment_state ON public.shipment USING btree (site, state, name);

CREATE INDEX ix_shipped_unit_handling_unit ON public.shipped_unit USING btree (handling_unit);

CREATE INDEX ix_structure_component_item ON public.structure_component USING btree (item);

CREATE INDEX ix_structure_kind ON public.structure USING btree (kind, name);

CREATE INDEX ix_structure_revision_effective_date ON public.structure_revision USING btree (effective_date, name);

CREATE INDEX ix_structure_revision_structure ON public.structure_revision USING btree (structure, effective_date, name);

CREATE INDEX ix_supply_request_item ON public.supply_request USING btree (site, item, name);

CREATE INDEX ix_supply_request_need_date ON public.supply_request USING btree (site, need_date, name);

CREATE INDEX ix_supply_request_site ON public.supply_request USING btree (site, name);

CREATE INDEX ix_supply_request_state ON public.supply_request USING btree (site, state, name);

CREATE INDEX ix_transfer_expected_date ON public.transfer USING btree (site, expected_date, name);

CREATE INDEX ix_transfer_incoming ON public.transfer USING btree (to_site, name);

CREATE INDEX ix_transfer_incoming_expected ON public.transfer USING btree (to_site, expected_date, name);

CREATE INDEX ix_transfer_incoming_state ON public.transfer USING btree (to_site, state, name);

CREATE INDEX ix_transfer_line_item ON public.transfer_line USING btree (item);

CREATE INDEX ix_transfer_site ON public.transfer USING btree (site, name);

CREATE INDEX ix_transfer_state ON public.transfer USING btree (site, state, name);

CREATE INDEX ix_transfer_to_site ON public.transfer USING btree (site, to_site, name);

CREATE INDEX ix_value_layer_movement ON public.value_layer USING btree (movement);

CREATE INDEX ix_value_layer_open ON public.value_layer USING btree (site, item, layer_time, sequence, part) WHERE (remaining_quantity > (0)::numeric);

CREATE INDEX ix_wave_site ON public.wave USING btree (site, name);

CREATE INDEX ix_wave_state ON public.wave USING btree (site, state, name);

CREATE INDEX ix_zero_confirmation_location ON public.zero_confirmation USING btree (site, location, confirm_time);

CREATE UNIQUE INDEX uq_allocation_revision_active ON public.allocation_revision USING btree (policy) WHERE (state = 'ACTIVE'::text);

CREATE UNIQUE INDEX uq_balance_dimensions ON public.balance USING btree (item, location, lot, status, serial, handling_unit, owner, project);

CREATE UNIQUE INDEX uq_count_line_balance ON public.count_line USING btree (count, balance);

CREATE UNIQUE INDEX uq_count_policy_at_site ON public.count_policy USING btree (at_site);

CREATE UNIQUE INDEX uq_count_revision_active ON public.count_revision USING btree (policy) WHERE (state = 'ACTIVE'::text);

CREATE UNIQUE INDEX uq_direct_line ON public.direct_line USING btree (receipt, line);

CREATE UNIQUE INDEX uq_expected_receipt ON public.expected_receipt USING btree (purchase_order, order_line, schedule_line);

CREATE UNIQUE INDEX uq_handling_unit_number ON public.handling_unit USING btree (site, number);

CREATE UNIQUE INDEX uq_handling_unit_sscc_here ON public.handling_unit USING btree (sscc) WHERE (state <> 'SHIPPED'::text);

CREATE UNIQUE INDEX uq_handling_unit_sscc_site ON public.handling_unit USING btree (sscc, site);

CREATE UNIQUE INDEX uq_handling_unit_type_grai ON public.handling_unit_type USING btree (grai) WHERE (grai <> ''::text);

CREATE UNIQUE INDEX uq_item_number ON public.item USING btree (number);

CREATE UNIQUE INDEX uq_kanban_card_number ON public.kanban_card USING btree (site, number);

CREATE UNIQUE INDEX uq_ledger_seal_movement ON public.ledger_seal USING btree (movement);

CREATE UNIQUE INDEX uq_lot_number ON public.lot USING btree (item, number);

CREATE UNIQUE INDEX uq_materials_policy ON public.materials_policy USING btree (item, site);

CREATE UNIQUE INDEX uq_materials_revision_active ON public.materials_revision USING btree (policy) WHERE (state = 'ACTIVE'::text);

CREATE UNIQUE INDEX uq_movement_entry_sequence ON public.movement_entry USING btree (site, item, item_sequence);

CREATE UNIQUE INDEX uq_movement_reverses ON public.movement USING btree (reverses) WHERE (reverses <> ''::text);

CREATE UNIQUE INDEX uq_production_order_external_id ON public.production_order USING btree (site, source_system, external_id) WHERE (external_id <> ''::text);

CREATE UNIQUE INDEX uq_put_away_revision_active ON public.put_away_revision USING btree (policy) WHERE (state = 'ACTIVE'::text);

CREATE UNIQUE INDEX uq_receipt_number ON public.receipt USING btree (number);

CREATE UNIQUE INDEX uq_reservation_demand ON public.reservation USING btree (work_order, demand);

CREATE UNIQUE INDEX uq_serial_number ON public.serial USING btree (item, number);

CREATE UNIQUE INDEX uq_shipment_number ON public.shipment USING btree (number);

CREATE UNIQUE INDEX uq_structure_item ON public.structure USING btree (item);

CREATE UNIQUE INDEX uq_structure_revision_date ON public.structure_revision USING btree (structure, effective_date);

CREATE UNIQUE INDEX uq_supply_request_open ON public.supply_request USING btree (site, item) WHERE (state = ANY (ARRAY['OPEN'::text, 'CARRIED'::text]));

CREATE UNIQUE INDEX uq_transfer_number ON public.transfer USING btree (number);

CREATE TRIGGER allocation_revision_states BEFORE UPDATE OF state ON public.allocation_revision FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER audit_append_only BEFORE DELETE OR UPDATE ON public.audit FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON public.audit FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER balance_healed BEFORE UPDATE OF on_hand ON public.balance FOR EACH ROW WHEN ((old.negative_allowed AND (new.on_hand >= (0)::numeric))) EXECUTE FUNCTION public.heal_stock();

CREATE TRIGGER count_document_states BEFORE UPDATE OF state ON public.count_document FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER count_line_states BEFORE UPDATE OF state ON public.count_line FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER count_revision_states BEFORE UPDATE OF state ON public.count_revision FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER decision_append_only BEFORE DELETE OR UPDATE ON public.decision FOR EACH ROW EXECUTE FUNCTION public.refuse_young_decision();

CREATE TRIGGER decision_no_truncate BEFORE TRUNCATE ON public.decision FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER direct_line_states BEFORE UPDATE OF state ON public.direct_line FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER expected_delivery_states BEFORE UPDATE OF state ON public.expected_delivery FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER expected_receipt_states BEFORE UPDATE OF state ON public.expected_receipt FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER genealogy_edge_append_only BEFORE DELETE OR UPDATE ON public.genealogy_edge FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER genealogy_edge_held AFTER INSERT ON public.genealogy_edge FOR EACH ROW EXECUTE FUNCTION public.hold_descendants();

CREATE TRIGGER genealogy_edge_no_truncate BEFORE TRUNCATE ON public.genealogy_edge FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE CONSTRAINT TRIGGER handling_unit_moved AFTER UPDATE OF location, parent_handling_unit ON public.handling_unit DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.unit_takes_its_stock_along();

CREATE TRIGGER handling_unit_states BEFORE UPDATE OF state ON public.handling_unit FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER hold_states BEFORE UPDATE OF state ON public.hold FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER inspection_lot_states BEFORE UPDATE OF state ON public.inspection_lot FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER item_states BEFORE UPDATE OF state ON public.item FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER journal_append_only BEFORE DELETE OR UPDATE ON public.journal FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER journal_no_truncate BEFORE TRUNCATE ON public.journal FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER kanban_card_states BEFORE UPDATE OF state ON public.kanban_card FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER ledger_period_states BEFORE UPDATE OF state ON public.ledger_period FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER ledger_seal_append_only BEFORE DELETE OR UPDATE ON public.ledger_seal FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER ledger_seal_no_truncate BEFORE TRUNCATE ON public.ledger_seal FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER location_parents AFTER INSERT OR UPDATE OF parent_location ON public.location FOR EACH ROW EXECUTE FUNCTION public.keep_parent();

CREATE TRIGGER materials_import_states BEFORE UPDATE OF state ON public.materials_import FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER materials_revision_states BEFORE UPDATE OF state ON public.materials_revision FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER movement_append_only BEFORE DELETE OR UPDATE ON public.movement FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER movement_entry_append_only BEFORE DELETE OR UPDATE ON public.movement_entry FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE CONSTRAINT TRIGGER movement_entry_handling_unit AFTER INSERT ON public.movement_entry DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((new.handling_unit <> ''::text) AND (new.quantity > (0)::numeric))) EXECUTE FUNCTION public.stock_lies_where_its_unit_stands();

CREATE TRIGGER movement_entry_no_truncate BEFORE TRUNCATE ON public.movement_entry FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER movement_entry_sums AFTER INSERT ON public.movement_entry REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.entries_sum_to_zero();

CREATE TRIGGER movement_no_truncate BEFORE TRUNCATE ON public.movement FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER note_lease BEFORE UPDATE OF state ON public.put_away_task FOR EACH ROW WHEN ((old.state IS DISTINCT FROM new.state)) EXECUTE FUNCTION public.note_lease();

CREATE TRIGGER outbox_append_only BEFORE DELETE OR UPDATE ON public.outbox FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER outbox_no_truncate BEFORE TRUNCATE ON public.outbox FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER production_order_states BEFORE UPDATE OF state ON public.production_order FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER production_report_states BEFORE UPDATE OF state ON public.production_report FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER put_away_revision_states BEFORE UPDATE OF state ON public.put_away_revision FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER put_away_task_states BEFORE UPDATE OF state ON public.put_away_task FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER recall_case_states BEFORE UPDATE OF state ON public.recall_case FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER receipt_states BEFORE UPDATE OF state ON public.receipt FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER reservation_as_before BEFORE UPDATE ON public.reservation FOR EACH ROW EXECUTE FUNCTION public.reservation_as_before();

CREATE TRIGGER reservation_states BEFORE UPDATE OF state ON public.reservation FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER revaluation_append_only BEFORE DELETE OR UPDATE ON public.revaluation FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER revaluation_no_truncate BEFORE TRUNCATE ON public.revaluation FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER shipment_states BEFORE UPDATE OF state ON public.shipment FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER structure_component_append_only BEFORE DELETE OR UPDATE ON public.structure_component FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER structure_component_no_truncate BEFORE TRUNCATE ON public.structure_component FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER structure_output_append_only BEFORE DELETE OR UPDATE ON public.structure_output FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER structure_output_no_truncate BEFORE TRUNCATE ON public.structure_output FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER structure_revision_append_only BEFORE DELETE OR UPDATE ON public.structure_revision FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER structure_revision_no_truncate BEFORE TRUNCATE ON public.structure_revision FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER supply_request_states BEFORE UPDATE OF state ON public.supply_request FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER transfer_states BEFORE UPDATE OF state ON public.transfer FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER value_balance_varied AFTER UPDATE OF variance ON public.value_balance FOR EACH ROW WHEN (((new.variance <> old.variance) AND (new.sequence <> old.sequence))) EXECUTE FUNCTION public.note_variance();

CREATE TRIGGER value_variance_append_only BEFORE DELETE OR UPDATE ON public.value_variance FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER value_variance_no_truncate BEFORE TRUNCATE ON public.value_variance FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER wave_states BEFORE UPDATE OF state ON public.wave FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

ALTER TABLE ONLY public.allocation
    ADD CONSTRAINT fk_allocation_balance FOREIGN KEY (balance) REFERENCES public.balance(name);

ALTER TABLE ONLY public.allocation
    ADD CONSTRAINT fk_allocation_reservation FOREIGN KEY (reservation) REFERENCES public.reservation(name);

ALTER TABLE ONLY public.allocation_revision
    ADD CONSTRAINT fk_allocation_revision_policy FOREIGN KEY (policy) REFERENCES public.allocation_policy(name);

ALTER TABLE ONLY public.count_line
    ADD CONSTRAINT fk_count_line_count FOREIGN KEY (count) REFERENCES public.count_document(name);

ALTER TABLE ONLY public.count_revision
    ADD CONSTRAINT fk_count_revision_policy FOREIGN KEY (policy) REFERENCES public.count_policy(name);

ALTER TABLE ONLY public.direct_line
    ADD CONSTRAINT fk_direct_line_receipt FOREIGN KEY (receipt) REFERENCES public.receipt(name);

ALTER TABLE ONLY public.expected_delivery_line
    ADD CONSTRAINT fk_expected_delivery_line_expected_delivery FOREIGN KEY (expected_delivery) REFERENCES public.expected_delivery(name);

ALTER TABLE ONLY public.genealogy_edge
    ADD CONSTRAINT fk_genealogy_edge_movement FOREIGN KEY (movement) REFERENCES public.movement(name);

ALTER TABLE ONLY public.handling_unit
    ADD CONSTRAINT fk_handling_unit_handling_unit_type FOREIGN KEY (handling_unit_type) REFERENCES public.handling_unit_type(name);

ALTER TABLE ONLY public.handling_unit
    ADD CONSTRAINT fk_handling_unit_location FOREIGN KEY (location) REFERENCES public.location(name);

ALTER TABLE ONLY public.handling_unit
    ADD CONSTRAINT fk_handling_unit_parent_handling_unit FOREIGN KEY (parent_handling_unit) REFERENCES public.handling_unit(name);

ALTER TABLE ONLY public.hold_target
    ADD CONSTRAINT fk_hold_target_hold FOREIGN KEY (hold) REFERENCES public.hold(name);

ALTER TABLE ONLY public.inspection_lot
    ADD CONSTRAINT fk_inspection_lot_receipt FOREIGN KEY (receipt) REFERENCES public.receipt(name);

ALTER TABLE ONLY public.item_settings
    ADD CONSTRAINT fk_item_settings_item FOREIGN KEY (item) REFERENCES public.item(name);

ALTER TABLE ONLY public.kanban_card
    ADD CONSTRAINT fk_kanban_card_item FOREIGN KEY (item) REFERENCES public.item(name);

ALTER TABLE ONLY public.kanban_card
    ADD CONSTRAINT fk_kanban_card_policy FOREIGN KEY (policy) REFERENCES public.materials_policy(name);

ALTER TABLE ONLY public.ledger_seal
    ADD CONSTRAINT fk_ledger_seal_movement FOREIGN KEY (movement) REFERENCES public.movement(name);

ALTER TABLE ONLY public.location_lock
    ADD CONSTRAINT fk_location_lock_location FOREIGN KEY (location) REFERENCES public.location(name);

ALTER TABLE ONLY public.location
    ADD CONSTRAINT fk_location_parent_location FOREIGN KEY (parent_location) REFERENCES public.location(name);

ALTER TABLE ONLY public.location_parent
    ADD CONSTRAINT fk_location_parent_location FOREIGN KEY (location) REFERENCES public.location(name);

ALTER TABLE ONLY public.lot
    ADD CONSTRAINT fk_lot_item FOREIGN KEY (item) REFERENCES public.item(name);

ALTER TABLE ONLY public.materials_import_key
    ADD CONSTRAINT fk_materials_import_key_import FOREIGN KEY (import) REFERENCES public.materials_import(name);

ALTER TABLE ONLY public.materials_import_part
    ADD CONSTRAINT fk_materials_import_part_import FOREIGN KEY (import) REFERENCES public.materials_import(name);

ALTER TABLE ONLY public.materials_import_row
    ADD CONSTRAINT fk_materials_import_row_import FOREIGN KEY (import) REFERENCES public.materials_import(name);

ALTER TABLE ONLY public.materials_policy
    ADD CONSTRAINT fk_materials_policy_item FOREIGN KEY (item) REFERENCES public.item(name);

ALTER TABLE ONLY public.movement_entry
    ADD CONSTRAINT fk_movement_entry_movement FOREIGN KEY (movement) REFERENCES public.movement(name);

ALTER TABLE ONLY public.need_cover
    ADD CONSTRAINT fk_need_cover_reservation FOREIGN KEY (reservation) REFERENCES public.reservation(name);

ALTER TABLE ONLY public.period_balance
    ADD CONSTRAINT fk_period_balance_period FOREIGN KEY (period) REFERENCES public.ledger_period(name);

ALTER TABLE ONLY public.period_value
    ADD CONSTRAINT fk_period_value_period FOREIGN KEY (period) REFERENCES public.ledger_period(name);

ALTER TABLE ONLY public.policy_review
    ADD CONSTRAINT fk_policy_review_revision FOREIGN KEY (revision) REFERENCES public.materials_revision(name);

ALTER TABLE ONLY public.production_component
    ADD CONSTRAINT fk_production_component_item FOREIGN KEY (item) REFERENCES public.item(name);

ALTER TABLE ONLY public.production_component
    ADD CONSTRAINT fk_production_component_production_order FOREIGN KEY (production_order) REFERENCES public.production_order(name);

ALTER TABLE ONLY public.production_consumption
    ADD CONSTRAINT fk_production_consumption_movement FOREIGN KEY (movement) REFERENCES public.movement(name);

ALTER TABLE ONLY public.production_consumption
    ADD CONSTRAINT fk_production_consumption_production_report FOREIGN KEY (production_report) REFERENCES public.production_report(name);

ALTER TABLE ONLY public.production_operation
    ADD CONSTRAINT fk_production_operation_location FOREIGN KEY (location) REFERENCES public.location(name);

ALTER TABLE ONLY public.production_operation
    ADD CONSTRAINT fk_production_operation_production_order FOREIGN KEY (production_order) REFERENCES public.production_order(name);

ALTER TABLE ONLY public.production_order
    ADD CONSTRAINT fk_production_order_item FOREIGN KEY (item) REFERENCES public.item(name);

ALTER TABLE ONLY public.production_output
    ADD CONSTRAINT fk_production_output_item FOREIGN KEY (item) REFERENCES public.item(name);

ALTER TABLE ONLY public.production_output
    ADD CONSTRAINT fk_production_output_production_order FOREIGN KEY (production_order) REFERENCES public.production_order(name);

ALTER TABLE ONLY public.production_report
    ADD CONSTRAINT fk_production_report_production_order FOREIGN KEY (production_order) REFERENCES public.production_order(name);

ALTER TABLE ONLY public.put_away_revision
    ADD CONSTRAINT fk_put_away_revision_policy FOREIGN KEY (policy) REFERENCES public.put_away_policy(name);

ALTER TABLE ONLY public.recall_case
    ADD CONSTRAINT fk_recall_case_lot FOREIGN KEY (lot) REFERENCES public.lot(name);

ALTER TABLE ONLY public.recall_lot
    ADD CONSTRAINT fk_recall_lot_recall_case FOREIGN KEY (recall_case) REFERENCES public.recall_case(name);

ALTER TABLE ONLY public.recall_party
    ADD CONSTRAINT fk_recall_party_recall_case FOREIGN KEY (recall_case) REFERENCES public.recall_case(name);

ALTER TABLE ONLY public.receipt_line
    ADD CONSTRAINT fk_receipt_line_receipt FOREIGN KEY (receipt) REFERENCES public.receipt(name);

ALTER TABLE ONLY public.revaluation
    ADD CONSTRAINT fk_revaluation_movement FOREIGN KEY (movement) REFERENCES public.movement(name);

ALTER TABLE ONLY public.serial
    ADD CONSTRAINT fk_serial_item FOREIGN KEY (item) REFERENCES public.item(name);

ALTER TABLE ONLY public.shipment_line
    ADD CONSTRAINT fk_shipment_line_shipment FOREIGN KEY (shipment) REFERENCES public.shipment(name);

ALTER TABLE ONLY public.shipped_unit
    ADD CONSTRAINT fk_shipped_unit_handling_unit FOREIGN KEY (handling_unit) REFERENCES public.handling_unit(name);

ALTER TABLE ONLY public.shipped_unit
    ADD CONSTRAINT fk_shipped_unit_shipment FOREIGN KEY (shipment) REFERENCES public.shipment(name);

ALTER TABLE ONLY public.structure_component
    ADD CONSTRAINT fk_structure_component_item FOREIGN KEY (item) REFERENCES public.item(name);

ALTER TABLE ONLY public.structure_component
    ADD CONSTRAINT fk_structure_component_structure_revision FOREIGN KEY (structure_revision) REFERENCES public.structure_revision(name);

ALTER TABLE ONLY public.structure
    ADD CONSTRAINT fk_structure_item FOREIGN KEY (item) REFERENCES public.item(name);

ALTER TABLE ONLY public.structure_output
    ADD CONSTRAINT fk_structure_output_item FOREIGN KEY (item) REFERENCES public.item(name);

ALTER TABLE ONLY public.structure_output
    ADD CONSTRAINT fk_structure_output_structure_revision FOREIGN KEY (structure_revision) REFERENCES public.structure_revision(name);

ALTER TABLE ONLY public.structure_revision
    ADD CONSTRAINT fk_structure_revision_structure FOREIGN KEY (structure) REFERENCES public.structure(name);

ALTER TABLE ONLY public.transfer_line
    ADD CONSTRAINT fk_transfer_line_transfer FOREIGN KEY (transfer) REFERENCES public.transfer(name);

ALTER TABLE ONLY public.transfer
    ADD CONSTRAINT fk_transfer_transit_location FOREIGN KEY (transit_location) REFERENCES public.location(name);

ALTER TABLE ONLY public.transfer_unit
    ADD CONSTRAINT fk_transfer_unit_handling_unit FOREIGN KEY (handling_unit) REFERENCES public.handling_unit(name);

ALTER TABLE ONLY public.transfer_unit
    ADD CONSTRAINT fk_transfer_unit_transfer FOREIGN KEY (transfer) REFERENCES public.transfer(name);

ALTER TABLE ONLY public.wave_line
    ADD CONSTRAINT fk_wave_line_wave FOREIGN KEY (wave) REFERENCES public.wave(name);

REVOKE USAGE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO materials_migrator;
GRANT USAGE ON SCHEMA public TO materials_app;
GRANT USAGE ON SCHEMA public TO materials_relay;

REVOKE ALL ON FUNCTION public.caller_mark(p_principal text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.caller_mark(p_principal text) TO materials_app;

REVOKE ALL ON FUNCTION public.caller_marks(p_principals text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.caller_marks(p_principals text[]) TO materials_app;

REVOKE ALL ON FUNCTION public.closed_until(p_site text, OUT end_time timestamp with time zone, OUT open_date text) FROM PUBLIC;

GRANT SELECT,INSERT,UPDATE ON TABLE public.put_away_task TO materials_app;

REVOKE ALL ON FUNCTION public.enter_line(p_site text, p_movement text, p_number integer, p_at timestamp with time zone, p public.posting_line, p_from text, p_to text, p_worth numeric, p_sequence bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.heal_stock() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.hold_handling_units(p_names text[], p_alone boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION public.hold_handling_units(p_names text[], p_alone boolean) TO materials_app;

REVOKE ALL ON FUNCTION public.hold_items(p_site text, p_items text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.hold_items(p_site text, p_items text[]) TO materials_app;

REVOKE ALL ON FUNCTION public.hold_refusal(f public.posting_facts, p public.posting_line, OUT outcome text, OUT subject text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.make_partitions(days integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.make_partitions(days integer) TO materials_app;

REVOKE ALL ON FUNCTION public.most_queues() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.note_variance() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.post_commands(p_site text, p_postings jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.post_commands(p_site text, p_postings jsonb) TO materials_app;

REVOKE ALL ON FUNCTION public.post_held(p_site text, p_actor text, p_postings jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.post_line(f public.posting_facts, p public.posting_line, OUT outcome text, OUT available numeric, OUT subject text, OUT worth numeric, OUT currency text, OUT sequence bigint, OUT from_key text, OUT to_key text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.post_movements(p_site text, p_actor text, p_postings jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.post_movements(p_site text, p_actor text, p_postings jsonb) TO materials_app;

REVOKE ALL ON FUNCTION public.post_moves(p_site text, p_method text, p_action text, p_callers text[], p_marks text[], p_items text[], p_item_versions integer[], p_lots text[], p_lot_versions integer[], p_places text[], p_place_versions integer[], p_principal text[], p_request uuid[], p_hash bytea[], p_name text[], p_kind text[], p_item text[], p_lot text[], p_from text[], p_to text[], p_from_status text[], p_to_status text[], p_quantity text[], p_unit text[], p_entered text[], p_entered_unit text[], p_numerator bigint[], p_denominator bigint[], p_reason text[], p_device text[], p_actor text[], p_caller_device text[], p_on_behalf_of text[], p_roles text[], p_ip text[], p_audited text[], p_subject text[], p_headers text[], p_event bytea[], p_answer bytea[], p_out bytea[], p_into bytea[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.post_moves(p_site text, p_method text, p_action text, p_callers text[], p_marks text[], p_items text[], p_item_versions integer[], p_lots text[], p_lot_versions integer[], p_places text[], p_place_versions integer[], p_principal text[], p_request uuid[], p_hash bytea[], p_name text[], p_kind text[], p_item text[], p_lot text[], p_from text[], p_to text[], p_from_status text[], p_to_status text[], p_quantity text[], p_unit text[], p_entered text[], p_entered_unit text[], p_numerator bigint[], p_denominator bigint[], p_reason text[], p_device text[], p_actor text[], p_caller_device text[], p_on_behalf_of text[], p_roles text[], p_ip text[], p_audited text[], p_subject text[], p_headers text[], p_event bytea[], p_answer bytea[], p_out bytea[], p_into bytea[]) TO materials_app;

REVOKE ALL ON FUNCTION public.post_revaluations(p_site text, p_actor text, p_rows jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.post_revaluations(p_site text, p_actor text, p_rows jsonb) TO materials_app;

REVOKE ALL ON FUNCTION public.post_to_ledger(p_site text, p_actor text, p_postings jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.post_to_ledger(p_site text, p_actor text, p_postings jsonb) TO materials_app;

REVOKE ALL ON FUNCTION public.queue_for_items(p_site text, p_items text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.queue_key(p_site text, p_item text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.set_layers(p_site text, p_rows jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.set_layers(p_site text, p_rows jsonb) TO materials_app;

REVOKE ALL ON FUNCTION public.set_valuation_method(p_site text, p_item text, p_method text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.set_valuation_method(p_site text, p_item text, p_method text) TO materials_app;

REVOKE ALL ON FUNCTION public.stock_is_held(p_site text) FROM PUBLIC;

GRANT SELECT ON TABLE public.balance TO materials_app;

GRANT UPDATE(reserved) ON TABLE public.balance TO materials_app;

GRANT UPDATE(update_time) ON TABLE public.balance TO materials_app;

GRANT SELECT ON TABLE public.value_balance TO materials_app;

REVOKE ALL ON FUNCTION public.written_since(p_writer xid, p_seen pg_snapshot) FROM PUBLIC;
GRANT ALL ON FUNCTION public.written_since(p_writer xid, p_seen pg_snapshot) TO materials_app;

GRANT SELECT ON TABLE public.alembic_version TO materials_app;
GRANT SELECT ON TABLE public.alembic_version TO materials_migrator;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.allocation TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.allocation_policy TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.allocation_revision TO materials_app;

GRANT SELECT ON TABLE public.allowed_transition TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.applied TO materials_app;

GRANT INSERT ON TABLE public.audit TO materials_app;
GRANT SELECT ON TABLE public.audit TO materials_relay;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.bin_lock TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.caught_up TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.consumer_position TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.count_document TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.count_line TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.count_policy TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.count_revision TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.dead_letter TO materials_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.decision TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.direct_line TO materials_app;

GRANT USAGE ON SEQUENCE public.document_number TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.expected_delivery TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.expected_delivery_line TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.expected_receipt TO materials_app;

GRANT SELECT,INSERT ON TABLE public.external_record TO materials_app;

GRANT SELECT,INSERT ON TABLE public.genealogy_edge TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.handling_unit TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.handling_unit_type TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.held_lot TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.hold TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.hold_target TO materials_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.inbox TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.inspection_lot TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.item TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.item_settings TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.job_run TO materials_app;

GRANT SELECT,INSERT ON TABLE public.journal TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.kanban_card TO materials_app;

GRANT SELECT ON TABLE public.layer_take TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.ledger_head TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.ledger_period TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.ledger_proof TO materials_app;

GRANT SELECT,INSERT ON TABLE public.ledger_seal TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.location TO materials_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.location_lock TO materials_app;

GRANT SELECT ON TABLE public.location_parent TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.lot TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.materials_import TO materials_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.materials_import_key TO materials_app;

GRANT SELECT,INSERT ON TABLE public.materials_import_part TO materials_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.materials_import_row TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.materials_policy TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.materials_revision TO materials_app;

GRANT SELECT ON TABLE public.movement TO materials_app;

GRANT SELECT ON TABLE public.movement_entry TO materials_app;

GRANT SELECT,INSERT ON TABLE public.need_cover TO materials_app;

GRANT SELECT ON TABLE public.negative_stock TO materials_app;

GRANT UPDATE(task) ON TABLE public.negative_stock TO materials_app;

GRANT INSERT ON TABLE public.outbox TO materials_app;
GRANT SELECT ON TABLE public.outbox TO materials_relay;

GRANT SELECT(pos) ON TABLE public.outbox TO materials_app;

GRANT SELECT(xid) ON TABLE public.outbox TO materials_app;

GRANT SELECT(event_id) ON TABLE public.outbox TO materials_app;

GRANT SELECT(aggregate_type) ON TABLE public.outbox TO materials_app;

GRANT SELECT(aggregate_id) ON TABLE public.outbox TO materials_app;

GRANT SELECT(aggregate_version) ON TABLE public.outbox TO materials_app;

GRANT SELECT(site) ON TABLE public.outbox TO materials_app;

GRANT SELECT(correlation) ON TABLE public.outbox TO materials_app;

GRANT SELECT(payload) ON TABLE public.outbox TO materials_app;

GRANT SELECT(headers) ON TABLE public.outbox TO materials_app;

GRANT SELECT(occurred_at) ON TABLE public.outbox TO materials_app;

GRANT SELECT(recorded_at) ON TABLE public.outbox TO materials_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.period_balance TO materials_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.period_value TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.policy_review TO materials_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.principal_grant TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.principal_state TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.production_component TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.production_consumption TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.production_operation TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.production_order TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.production_output TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.production_report TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.put_away_policy TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.put_away_revision TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.recall_case TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.recall_lot TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.recall_party TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.receipt TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.receipt_line TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.relay_lease TO materials_relay;

GRANT SELECT ON TABLE public.relay_position TO materials_app;
GRANT SELECT,UPDATE ON TABLE public.relay_position TO materials_relay;

GRANT SELECT,INSERT ON TABLE public.replay_request TO materials_app;
GRANT SELECT,UPDATE ON TABLE public.replay_request TO materials_relay;

GRANT SELECT,INSERT,UPDATE ON TABLE public.reservation TO materials_app;

GRANT SELECT ON TABLE public.revaluation TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.serial TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.shipment TO materials_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.shipment_line TO materials_app;

GRANT SELECT,INSERT ON TABLE public.shipped_unit TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.site_fact TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.site_settings TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.sscc_range TO materials_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.standing_asset TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.structure TO materials_app;

GRANT SELECT,INSERT ON TABLE public.structure_component TO materials_app;

GRANT SELECT,INSERT ON TABLE public.structure_output TO materials_app;

GRANT SELECT,INSERT ON TABLE public.structure_revision TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.supplier_fact TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.supply_request TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.transfer TO materials_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.transfer_line TO materials_app;

GRANT SELECT,INSERT ON TABLE public.transfer_unit TO materials_app;

GRANT SELECT ON TABLE public.valuation_change TO materials_app;

GRANT SELECT ON TABLE public.value_variance TO materials_app;

GRANT SELECT ON TABLE public.value_change TO materials_app;

GRANT SELECT ON TABLE public.value_layer TO materials_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.waiting_event TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.wave TO materials_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.wave_line TO materials_app;

GRANT SELECT,INSERT ON TABLE public.zero_confirmation TO materials_app;
