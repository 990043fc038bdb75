-- Who needs the stock of items waits for its turn: first come, first served.
--
-- Rows alone do not give turns. A balance is another version after each posting, and who waited for the version before
-- looks for the newest one, which whoever came meanwhile has already taken. Who names many items meets that again and
-- again. A queue in the lock manager has an order, and who asks for less does not overtake in it.

-- so many queues at most for one transaction: all that wait share one table of the server's memory
create function most_queues() returns int language sql immutable as $$ select 128 $$;

create function queue_key(p_site text, p_item text) returns bigint language sql immutable as $$
  select hashtextextended('materials.stock.' || p_site || '/' || p_item, 0)
$$;

-- waits for lock_timeout at most for all of them together; who names more items than there are queues takes them as they
-- become free
create function queue_for_items(p_site text, p_items text[]) returns void language plpgsql as $$
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

create or replace function hold_items(p_site text, p_items text[]) returns void language plpgsql security definer
set search_path = public, pg_temp as $$
begin
  perform queue_for_items(p_site, p_items);
  insert into value_balance (site, item, quantity, value, variance, currency_code)
  select p_site, i.item, 0, 0, 0,
         coalesce((select s.currency_code from site_fact s where s.name = 'sites/' || p_site), '')
  from (select distinct unnest(p_items) as item order by item) i
  on conflict do nothing;
  perform 1 from value_balance v where v.site = p_site and v.item = any(p_items) order by v.item for update;
end $$;

create or replace function post_moves(
  p_site text, p_method text, p_action text, p_callers text[], p_marks text[], p_items text[], p_item_versions int[], p_lots text[],
  p_lot_versions int[], p_places text[], p_place_versions int[],
  p_principal text[], p_request uuid[], p_hash bytea[], p_name text[], p_kind text[], p_item text[], p_lot text[],
  p_from text[], p_to text[], p_from_status text[], p_to_status text[], p_quantity text[], p_unit text[],
  p_entered text[], p_entered_unit text[], p_numerator bigint[], p_denominator bigint[], p_reason text[],
  p_device text[], p_actor text[], p_caller_device text[], p_on_behalf_of text[], p_roles text[], p_ip text[],
  p_audited text[], p_subject text[], p_headers text[], p_event bytea[], p_answer bytea[], p_out bytea[], p_into bytea[])
returns table (n int, outcome text, code int, answer bytea, subject text)
language plpgsql security definer set search_path = public, pg_temp set plan_cache_mode = force_generic_plan
set enable_seqscan = off as $$
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

revoke all on function most_queues(), queue_key(text, text), queue_for_items(text, text[]) from public;
