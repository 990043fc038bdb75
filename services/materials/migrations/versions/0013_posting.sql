-- why stock is held back from a kind of movement
create function hold_refusal(p_site text, p_kind text, p posting_line, out outcome text, out subject text)
language plpgsql stable as $$
begin
end $$;

-- one line: checked before anything of it is written
create or replace function post_line(p_site text, p_movement text, p_kind text, p_reverses text, p_at timestamptz,
                          p_backdated boolean, p posting_line,
                          out outcome text, out available numeric, out subject text, out worth numeric,
                          out currency text, out sequence bigint, out from_key text, out to_key text)
language plpgsql as $$
declare
  v record;
  known record;
  free numeric;
  second_free numeric;
  lowest numeric;
  second_lowest numeric;
  receipts_first boolean;
  rest numeric;
  kept numeric;
  from_outside boolean := p.from_virtual or p.from_owner <> '';
  to_outside boolean := p.to_virtual or p.to_owner <> '';
begin
  available := 0;
  currency := '';
  from_key := balance_key(p_site, p.item, p.from_location, p.lot, p.from_status, p.serial, p.from_handling_unit,
                          p.from_owner, p.from_project);
  to_key := balance_key(p_site, p.item, p.to_location, p.lot, p.to_status, p.serial, p.to_handling_unit, p.to_owner,
                        p.to_project);

  select r.outcome, r.subject into outcome, subject from place_refusal(p) r;
  if outcome is null and p.from_handling_unit <> p.to_handling_unit then
    select r.outcome, r.subject into outcome, subject from handling_unit_refusal(p) r;
  end if;
  if outcome is null then
    select r.outcome, r.subject into outcome, subject from hold_refusal(p_site, p_kind, p) r;
  end if;
  if outcome is not null then
    return;
  end if;
  subject := p.from_location;

  if p.serial <> '' then
    select x.balance, x.left_by into known from serial x where x.name = p.serial for update;
    -- one that left comes back only by a movement that names how it left (MAT-16)
    if p.from_virtual and not p.to_virtual
       and (known.balance <> '' or known.left_by not in ('', p.returns, p_reverses)) then
      outcome := 'SERIAL_EXISTS';
      subject := case when known.balance <> '' then known.balance else known.left_by end;
      return;
    end if;
  end if;

  if not p.from_virtual then
    select b.on_hand - b.reserved + p.allocated, b.second_on_hand into free, second_free
    from balance b where b.name = from_key;
    if free is null or free < p.quantity then
      outcome := 'NOT_ENOUGH_STOCK';
      available := coalesce(free, 0);
      return;
    end if;
    if second_free < p.second_quantity then
      outcome := 'NOT_ENOUGH_SECOND';
      available := second_free;
      return;
    end if;
    if p_backdated then
      -- what there was at that instant and at every later one must be enough (MAT-56), in the order of replay (MAT-49)
      receipts_first := coalesce((select s.receipts_first from site_settings s
                                  where s.name = 'sites/' || p_site || '/materialsSettings'), false);
      select t.base + least(coalesce(min(r.running), 0), 0), t.second_base + least(coalesce(min(r.second), 0), 0)
      into lowest, second_lowest
      from (
        select coalesce(sum(e.quantity), 0) as base, coalesce(sum(e.second_quantity), 0) as second_base
        from movement_entry e where e.balance = from_key and e.effective_time <= p_at) t
      left join (
        select sum(e.quantity) over w as running, sum(e.second_quantity) over w as second
        from movement_entry e where e.balance = from_key and e.effective_time > p_at
        window w as (order by e.effective_time, receipts_first and e.quantity < 0, e.item_sequence)) r on true
      group by t.base, t.second_base;
      if lowest < p.quantity or second_lowest < p.second_quantity then
        outcome := 'NEGATIVE_IN_PAST';
        available := greatest(lowest, 0);
        return;
      end if;
    end if;
  end if;

  if from_outside <> to_outside then
    select b.quantity, b.value, b.currency_code into v from value_balance b where b.site = p_site and b.item = p.item;
    currency := v.currency_code;
    if to_outside then
      worth := coalesce(p.cost, case when v.quantity <= 0 then 0
                                else value_share(v.value, p.quantity, v.quantity, currency_places(currency)) end);
      rest := v.value - worth;
      kept := case when v.quantity <= p.quantity then 0 else greatest(rest, 0) end;
      update value_balance b
      set quantity = b.quantity - p.quantity, value = kept, variance = b.variance + rest - kept,
          sequence = b.sequence + 2
      where b.site = p_site and b.item = p.item returning b.sequence into sequence;
    else
      -- given, or what the stock is worth; gains at current cost, other goods at standard cost if the item has one
      worth := round(coalesce(
        p.cost,
        case when p_kind = 'ADJUST' and v.quantity > 0 then v.value * p.quantity / v.quantity end,
        p.standard_cost * p.quantity,
        case when v.quantity > 0 then v.value * p.quantity / v.quantity end,
        0), currency_places(currency));
      update value_balance b
      set quantity = b.quantity + p.quantity, value = b.value + worth, sequence = b.sequence + 2
      where b.site = p_site and b.item = p.item returning b.sequence into sequence;
    end if;
  else
    update value_balance b set sequence = b.sequence + 2
    where b.site = p_site and b.item = p.item returning b.sequence into sequence;
  end if;

  insert into balance as b (name, site, item, lot, serial, handling_unit, owner, project, location, status, virtual,
                            on_hand, reserved, unit_code, second_on_hand, second_on_hand_unit_code,
                            update_time)
  values (to_key, p_site, p.item, p.lot, p.serial, p.to_handling_unit, p.to_owner, p.to_project, p.to_location,
          p.to_status, p.to_virtual, p.quantity, 0, p.unit_code, p.second_quantity, p.second_unit_code, now())
  on conflict on constraint pk_balance do update
    set on_hand = b.on_hand + excluded.on_hand, second_on_hand = b.second_on_hand + excluded.second_on_hand,
        update_time = now();
  if p.from_virtual then
    insert into balance as b (name, site, item, lot, serial, handling_unit, owner, project, location, status, virtual,
                              on_hand, reserved, unit_code, second_on_hand, second_on_hand_unit_code,
                            update_time)
    values (from_key, p_site, p.item, p.lot, p.serial, p.from_handling_unit, p.from_owner, p.from_project,
            p.from_location, p.from_status, true, -p.quantity, 0, p.unit_code, -p.second_quantity,
            p.second_unit_code, now())
    on conflict on constraint pk_balance do update
      set on_hand = b.on_hand + excluded.on_hand, second_on_hand = b.second_on_hand + excluded.second_on_hand,
          update_time = now();
  else
    update balance b
    set on_hand = b.on_hand - p.quantity, reserved = b.reserved - p.allocated,
        second_on_hand = b.second_on_hand - p.second_quantity, update_time = now()
    where b.name = from_key;
  end if;

  if p.serial <> '' and p.from_virtual <> p.to_virtual then
    update serial x
    set balance = case when p.to_virtual then '' else to_key end,
        left_by = case when not p.to_virtual then ''
          -- a reversed entrance has never been: it left as it had left before
          when p_reverses <> '' then coalesce((select e.returns from movement_entry e
                                               where e.movement = p_reverses and e.serial = p.serial limit 1), '')
          else p_movement end
    where x.name = p.serial;
  elsif p.serial <> '' then
    update serial x set balance = to_key where x.name = p.serial and not p.to_virtual;
  end if;
end $$;

revoke all on function hold_refusal(text, text, posting_line) from public;

-- Entries of a movement sum to zero, whoever writes them: each statement brings whole lines (MAT-40). And who changed
-- what stock is kept in while somebody else was about to post by the old facts: the later one begins anew.
create function entries_sum_to_zero() returns trigger language plpgsql as $$
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

create trigger movement_entry_sums after insert on movement_entry referencing new table as added
for each statement execute function entries_sum_to_zero();
drop trigger movement_entry_sum on movement_entry;

-- movements of any number of lines, each whole or not at all; each sees those before it. The caller holds what they
-- need (hold_for_postings): nobody else changes balances of these items meanwhile
create or replace function post_held(p_site text, p_actor text, p_postings jsonb)
returns table (posting text, outcome text, line int, available numeric, subject text, effective timestamptz,
               worths numeric[], currency text)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  d record;
  p posting_line;
  lines posting_line[];
  r record;
  at timestamptz;
begin
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

    if d.reverses <> '' and exists (
      select 1 from movement m where m.reverses = d.reverses and m.reverses <> ''
    ) then
      outcome := 'ALREADY_REVERSED';
      return next;
      continue;
    end if;

    if cardinality(lines) = 1 then
      p := lines[1];
      r := post_line(p_site, d.name, d.kind, d.reverses, at, d.effective_time is not null, p);
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
          r := post_line(p_site, d.name, d.kind, d.reverses, at, d.effective_time is not null, p);
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

create or replace function post_commands(p_site text, p_postings jsonb)
returns table (posting text, outcome text, line int, available numeric, subject text, effective timestamptz,
               worths numeric[], currency text)
language plpgsql security definer set search_path = public, pg_temp as $$
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

-- Movements inside the plant, of any number of people, each with its request and all that it leaves behind: what is
-- told, noted, audited and answered. Each sees those before it. A stock that does not suffice, or that needs more than a look - locks, limits, holds, somebody who waits - is left APART with all
-- movements of its item.

-- what a person holds now, as one text: compared, not read
create function caller_mark(p_principal text) returns text language sql stable as $$
  select coalesce((select s.state from principal_state s where s.principal = p_principal), '') || '|' || coalesce((
    select string_agg(g.role || '@' || g.site, ',' order by g.role, g.site) from principal_grant g
    where g.principal = p_principal and g.from_time <= now() and (g.to_time is null or g.to_time > now())), '')
$$;

-- whether stock of a site is held back from anything
create function stock_is_held(p_site text) returns boolean language plpgsql stable as $$
begin
  return to_regclass('hold_target') is not null
    and exists (select from hold_target t where t.site = p_site and t.active);
end $$;

-- a whole number as five bytes of protobuf's base 128, whatever its size below 2^35: so lengths are known beforehand
create function varint_bytes(p bigint) returns bytea language sql immutable as $$
  select substring(int8send((((p & 127) | 128) << 32) | ((((p >> 7) & 127) | 128) << 24) | ((((p >> 14) & 127) | 128) << 16)
                   | ((((p >> 21) & 127) | 128) << 8) | ((p >> 28) & 127)) from 4)
$$;

-- an instant in microseconds since 1970 as google.protobuf.Timestamp of 12 bytes
create function instant_bytes(p bigint) returns bytea language sql immutable as $$
  select '\x08'::bytea || varint_bytes(p / 1000000) || '\x10'::bytea || varint_bytes(p % 1000000 * 1000)
$$;

create function post_moves(
  p_site text, p_method text, p_action text, p_callers text[], p_marks text[], p_items text[], p_item_versions int[], p_lots text[],
  p_lot_versions int[], p_places text[], p_place_versions int[],
  p_principal text[], p_request uuid[], p_hash bytea[], p_name text[], p_kind text[], p_item text[], p_lot text[],
  p_from text[], p_to text[], p_from_status text[], p_to_status text[], p_quantity text[], p_unit text[],
  p_entered text[], p_entered_unit text[], p_numerator bigint[], p_denominator bigint[], p_reason text[],
  p_device text[], p_actor text[], p_caller_device text[], p_on_behalf_of text[], p_roles text[], p_ip text[],
  p_audited text[], p_subject text[], p_headers text[], p_event bytea[], p_answer bytea[], p_out bytea[], p_into bytea[])
returns table (n int, outcome text, code int, answer bytea, subject text)
language plpgsql security definer set search_path = public, pg_temp set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  skip int[] := '{}';
  shut text[];
  apart text[] := '{}';
  began bigint;
  opened bytea;
  stamp text;
begin
  return query
    select 0, 'STALE', 0, null::bytea, k.name from unnest(p_callers, p_marks) k(name, mark)
    where k.mark <> caller_mark(k.name)
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

  perform 1 from value_balance v where v.site = p_site and v.item = any(p_items) order by v.item for update;
  perform pg_advisory_xact_lock_shared(place_key(p_site));

  shut := array(
    select k.name from unnest(p_places) k(name), lateral (
      select from location l
      where l.name = k.name and (
        l.blocked or l.kind = 'GROUP' or l.limits is not null
        or exists (select from location_lock x where x.location = l.name)) offset 0) l);
  if stock_is_held(p_site) then
    apart := array(
      select distinct k.item from unnest(p_item, p_lot, p_from) k(item, lot, place)
      where exists (select from holds_on(p_site, k.item, k.lot, '', '', k.place)));
  end if;
  apart := apart || array(
    with given as materialized (
      select k.n, k.item, k.from_place, k.to_place, k.quantity::numeric as quantity,
             k.from_status <> 'UNRESTRICTED' and k.to_status = 'UNRESTRICTED' as frees,
             balance_key(p_site, k.item, k.from_place, k.lot, k.from_status, '', '', '', '') as from_key,
             balance_key(p_site, k.item, k.to_place, k.lot, k.to_status, '', '', '', '') as to_key
      from unnest(p_item, p_lot, p_from, p_to, p_from_status, p_to_status, p_quantity) with ordinality
        k(item, lot, from_place, to_place, from_status, to_status, quantity, n)
      where k.n <> all(skip)
    )
    select w.item from (
      select f.item, f.key, min(f.level) as lowest
      from (select c.item, c.key, sum(c.change) over (partition by c.key order by c.n) as level
            from (select g.n, g.item, g.from_key as key, -g.quantity as change from given g
                  union all select g.n, g.item, g.to_key, g.quantity from given g) c) f
      group by f.item, f.key having min(f.level) < 0) w
    where coalesce((select b.on_hand - b.reserved from balance b where b.name = w.key), 0) + w.lowest < 0
    union
    select g.item from given g
    where g.from_place <> g.to_place and (g.from_place = any(shut) or g.to_place = any(shut))
    union
    select g.item from given g
    where g.frees and exists (
      select from reservation r where r.site = p_site and r.item = g.item and r.state in ('PENDING', 'SHORT')));

  insert into balance (name, site, item, lot, serial, handling_unit, owner, project, location, status, virtual,
                       on_hand, reserved, unit_code, update_time)
  select distinct k.key, p_site, k.item, k.lot, '', '', '', '', k.to_place, k.to_status, false, 0, 0, k.unit_code, now()
  from (select x.*, balance_key(p_site, x.item, x.to_place, x.lot, x.to_status, '', '', '', '') as key
        from unnest(p_item, p_lot, p_to, p_to_status, p_unit) with ordinality
          x(item, lot, to_place, to_status, unit_code, n)
        where x.n <> all(skip) and x.item <> all(apart)) k
  where (select b.name from balance b where b.name = k.key) is null;

  -- taken after the locks: of two postings on one key the later one is also effective later
  began := (extract(epoch from clock_timestamp()) * 1000000)::bigint;
  opened := instant_bytes((extract(epoch from now()) * 1000000)::bigint);
  opened := '\xf2010c'::bytea || opened || '\xfa010c'::bytea || opened;
  stamp := to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');

  return query
    with given as materialized (
      select x.*, x.head || '\x520c'::bytea || x.at_bytes || '\x5a0c'::bytea || x.at_bytes || opened || x.out_bytes
               || varint_bytes(x.sequence - 1) || x.into_bytes || varint_bytes(x.sequence) as answered
      from (
        select k.*, uuidv7() as event, k.quantity_text::numeric(20, 6) as quantity, k.entered_text::numeric(20, 6) as entered,
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
      insert into audit (actor, device, on_behalf_of, roles, action, object, version, after, request_id, ip)
      select g.actor, nullif(g.caller_device, ''), nullif(g.on_behalf_of, ''), g.roles, p_action, g.name, 1,
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

revoke all on function caller_mark(text) from public;
revoke all on function stock_is_held(text) from public;
revoke all on function post_moves(text, text, text, text[], text[], text[], int[], text[], int[], text[], int[], text[], uuid[], bytea[], text[], text[], text[], text[], text[], text[], text[], text[], text[], text[], text[], text[], bigint[], bigint[], text[], text[], text[], text[], text[], text[], text[], text[], text[], text[], bytea[], bytea[], bytea[], bytea[]) from public;
grant execute on function caller_mark(text) to materials_app;
grant execute on function post_moves(text, text, text, text[], text[], text[], int[], text[], int[], text[], int[], text[], uuid[], bytea[], text[], text[], text[], text[], text[], text[], text[], text[], text[], text[], text[], text[], bigint[], bigint[], text[], text[], text[], text[], text[], text[], text[], text[], text[], text[], bytea[], bytea[], bytea[], bytea[]) to materials_app;
