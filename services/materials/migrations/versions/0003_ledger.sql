-- The ledger with lines: serials, handling units, owners and projects, a second quantity, and an order for replay.

-- what is in each dimension of a balance; names of balances without the later dimensions stay what they were
create function balance_key(p_site text, p_item text, p_location text, p_lot text, p_status text, p_serial text,
                            p_handling_unit text, p_owner text, p_project text) returns text
language sql immutable as $$
  select 'sites/' || p_site || '/balances/' || md5(
    p_item || '|' || p_location || '|' || p_lot || '|' || p_status ||
    case when p_serial || p_handling_unit || p_owner || p_project = '' then ''
      else '|' || p_serial || '|' || p_handling_unit || '|' || p_owner || '|' || p_project end)
$$;

create type posting_line as (
  item text, lot text, serial text, quantity numeric, unit_code text, second_quantity numeric, second_unit_code text,
  entered_quantity numeric, entered_unit_code text, factor_numerator bigint, factor_denominator bigint,
  from_location text, to_location text, from_status text, to_status text, from_handling_unit text,
  to_handling_unit text, from_owner text, to_owner text, from_project text, to_project text, from_virtual boolean,
  to_virtual boolean, allocated numeric, cost numeric, standard_cost numeric, returns text
);

create function posting_lines(p_lines jsonb) returns setof posting_line language sql stable as $$
  select * from jsonb_populate_recordset(
    ('', '', '', 0, '', null, '', null, '', 1, 1, '', '', 'UNRESTRICTED', 'UNRESTRICTED', '', '', '', '', '', '', false,
     false, 0, null, null, '')::posting_line, p_lines)
$$;

-- why nothing may be put there or taken from there
create function place_refusal(p posting_line, out outcome text, out subject text) language plpgsql stable as $$
begin
  if p.from_location <> p.to_location then
    select 'LOCATION_LOCKED', l.name into outcome, subject from location l
    where l.name in (p.from_location, p.to_location) and l.blocked order by l.name limit 1;
  end if;
end $$;

-- why nothing may be packed there or taken out of there
create function handling_unit_refusal(p posting_line, out outcome text, out subject text) language plpgsql stable as $$
begin
end $$;

-- one line: checked before anything of it is written
create function post_line(p_site text, p_movement text, p_kind text, p_reverses text, p_at timestamptz,
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

create function enter_line(p_site text, p_movement text, p_number int, p_at timestamptz, p posting_line,
                           p_from text, p_to text, p_worth numeric, p_sequence bigint) returns void
language sql as $$
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

-- movements of any number of lines, each whole or not at all; each sees those before it
create function post_to_ledger(p_site text, p_actor text, p_postings jsonb)
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
  perform hold_items(p_site, array(
    select distinct l.item from jsonb_array_elements(p_postings) x, posting_lines(x -> 'lines') l));
  perform 1 from balance b
  where b.name in (
    select y.key from jsonb_array_elements(p_postings) x, posting_lines(x -> 'lines') l, lateral (values
      (balance_key(p_site, l.item, l.from_location, l.lot, l.from_status, l.serial, l.from_handling_unit,
                   l.from_owner, l.from_project)),
      (balance_key(p_site, l.item, l.to_location, l.lot, l.to_status, l.serial, l.to_handling_unit, l.to_owner,
                   l.to_project))) as y(key))
  order by b.name for no key update;

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

-- as processes of the release before call it
create or replace function post_movements(p_site text, p_actor text, p_postings jsonb)
returns table (posting text, outcome text, available numeric, place text, effective timestamptz, worth numeric,
               currency text)
language sql security definer set search_path = public, pg_temp as $$
  select d.posting, d.outcome, d.available, d.subject, d.effective, d.worths[1], d.currency
  from post_to_ledger(p_site, p_actor, (
    select jsonb_agg(x || jsonb_build_object('lines', jsonb_build_array(x))) from jsonb_array_elements(p_postings) x)) d
$$;

create or replace function movement_sums_to_zero() returns trigger language plpgsql as $$
begin
  if exists (select 1 from movement_entry where movement = new.movement
             group by item, lot, serial, unit_code having sum(quantity) <> 0 or sum(second_quantity) <> 0) then
    raise exception 'entries of % do not sum to zero', new.movement using errcode = '23514';
  end if;
  return null;
end $$;

revoke all on function post_to_ledger(text, text, jsonb) from public;
revoke all on function post_line(text, text, text, text, timestamptz, boolean, posting_line) from public;
revoke all on function enter_line(text, text, int, timestamptz, posting_line, text, text, numeric, bigint) from public;
grant execute on function post_to_ledger(text, text, jsonb) to materials_app;
