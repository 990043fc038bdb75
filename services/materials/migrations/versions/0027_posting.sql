-- The posting function, whole. What may stop a line, and what it is worth, is said by functions of their own: whoever
-- adds a reason changes one of them. hold_refusal, place_refusal, handling_unit_refusal, stock_refusal, may_go_below,
-- closed_until, value_out, value_in, take_layers and put_layers.

-- what the lines of a movement have in common
create type posting_facts as (
  site text, movement text, kind text, source text, reverses text, at timestamptz, backdated boolean);

drop function post_line(text, text, text, text, timestamptz, boolean, posting_line);
drop function hold_refusal(text, text, posting_line);

-- why stock is held back from a movement: by the first hold that does not let it through (MAT-65). A change of status or
-- owner moves nothing. What leaves the place or the unit of a hold takes the hold along; claimed stock goes nowhere
-- where it would be held. What a count missed is not there, whoever holds it (MAT-150).
create function hold_refusal(f posting_facts, p posting_line, out outcome text, out subject text)
language plpgsql volatile as $$
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

-- whether stock may be less than nothing there (MAT-55): a component that backflush takes from a line or from what is in
-- process, of an item that the site allows it for; no serial, no unit, no second quantity, no lot that expires, nothing
-- that is claimed
create function may_go_below(f posting_facts, p posting_line, p_key text) returns boolean language plpgsql stable as $$
begin
  return f.kind = 'CONSUME' and p.serial = '' and p.from_handling_unit = '' and p.from_status = 'UNRESTRICTED'
    and p.from_owner = '' and p.second_quantity is null and p.allocated = 0
    and exists (select from item_settings s where s.site = f.site and s.item = p.item and s.shortage = 'ALLOW')
    and exists (select from location l where l.name = p.from_location and l.kind in ('STAGING', 'WIP'))
    and not exists (select from lot l where l.name = p.lot and l.expire_date is not null)
    and not exists (select from balance b where b.name = p_key and b.reserved > 0);
end $$;

-- why there is not enough: now, or at an instant since then (MAT-56); or that it goes below zero and may
create function stock_refusal(f posting_facts, p posting_line, p_key text, out outcome text, out available numeric,
                              out below boolean)
language plpgsql as $$
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

-- what goes out of the company's stock of an item is worth, and what stays: given, else a share of the average or the
-- oldest layers. What is not there goes at the cost of what was (MAT-182)
create function value_out(f posting_facts, p posting_line, v value_balance, out worth numeric, out value numeric,
                          out variance numeric)
language plpgsql as $$
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

-- what comes in is worth: given, or what the stock is worth; gains at current cost, other goods at standard cost if the
-- item has one. Of what comes to less than nothing the rest counts at its own cost (MAT-182)
create function value_in(f posting_facts, p posting_line, v value_balance, out worth numeric, out value numeric,
                         out variance numeric)
language plpgsql as $$
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

-- one line: checked before anything of it is written
create function post_line(f posting_facts, p posting_line, out outcome text, out available numeric, out subject text,
                          out worth numeric, out currency text, out sequence bigint, out from_key text,
                          out to_key text)
language plpgsql as $$
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

-- movements of any number of lines, each whole or not at all; each sees those before it. The caller holds what they
-- need (hold_for_postings): nobody else changes balances of these items meanwhile
create or replace function post_held(p_site text, p_actor text, p_postings jsonb)
returns table (posting text, outcome text, line int, available numeric, subject text, effective timestamptz,
               worths numeric[], currency text)
language plpgsql security definer set search_path = public, pg_temp as $$
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

revoke all on function hold_refusal(posting_facts, posting_line) from public;
revoke all on function post_line(posting_facts, posting_line) from public;
