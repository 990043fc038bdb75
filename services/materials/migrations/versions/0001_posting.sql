-- What posts movements: the lock of an item's stock, the function, and the ledger's own guard.

create function p_site_key(p_site text, p_item text, p_location text, p_lot text, p_status text) returns text
language sql immutable as $$
  select 'sites/' || p_site || '/balances/' || md5(p_item || '|' || p_location || '|' || p_lot || '|' || p_status)
$$;

-- decimals of a currency (ISO 4217), as rules/valuation.py
create function currency_places(p_code text) returns int language sql immutable as $$
  select case
    when p_code in ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV',
                    'XAF', 'XOF', 'XPF') then 0
    when p_code in ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') then 3
    else 2 end
$$;

-- part of a value, rounded half away from zero by whole numbers only, so that no quotient is cut before it is rounded
create function value_share(p_value numeric, p_part numeric, p_whole numeric, p_places int) returns numeric
language sql immutable as $$
  select case when p_part >= p_whole then p_value
    else round(div(2 * p_value * p_part * round(10::numeric ^ p_places) + p_whole, 2 * p_whole)
               / round(10::numeric ^ p_places), p_places) end
$$;

-- whoever changes stock of an item holds its row first, several in one order: no two can wait for each other (MAT-74)
create function hold_items(p_site text, p_items text[]) returns void language plpgsql security definer
set search_path = public, pg_temp as $$
begin
  insert into value_balance (site, item, quantity, value, variance, currency_code)
  select p_site, i.item, 0, 0, 0,
         coalesce((select s.currency_code from site_fact s where s.name = 'sites/' || p_site), '')
  from (select distinct unnest(p_items) as item order by item) i
  on conflict do nothing;
  perform 1 from value_balance v where v.site = p_site and v.item = any(p_items) order by v.item for update;
end $$;

create function post_movements(p_site text, p_actor text, p_postings jsonb)
returns table (posting text, outcome text, available numeric, place text, effective timestamptz, worth numeric,
               currency text)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  p record;
  v record;
  at timestamptz;
  free numeric;
  base numeric;
  lowest numeric;
  locked text;
  rest numeric;
  kept numeric;
  from_key text;
  to_key text;
begin
  perform hold_items(p_site, array(select distinct r.item from jsonb_to_recordset(p_postings) as r(item text)));
  perform 1 from balance b
  where b.name in (
    select p_site_key(p_site, x.item, x.location, x.lot, x.status)
    from jsonb_to_recordset(p_postings) as r(item text, lot text, from_location text, to_location text,
                                             from_status text, to_status text),
         lateral (values (r.item, r.from_location, r.lot, r.from_status),
                         (r.item, r.to_location, r.lot, r.to_status)) as x(item, location, lot, status))
  order by b.name for no key update;

  for p in
    select * from jsonb_to_recordset(p_postings) as r(
      n int, name text, kind text, item text, lot text, from_location text, to_location text, from_status text,
      to_status text, from_virtual boolean, to_virtual boolean, quantity numeric, allocated numeric,
      unit_code text, effective_time timestamptz, reason_code text, source text, reverses text,
      correlation text, cost numeric, standard_cost numeric)
    order by n
  loop
    posting := p.name;
    available := 0;
    place := p.from_location;
    worth := null;
    currency := '';
    -- taken after the locks: of two postings on one key the later one is also effective later
    at := coalesce(p.effective_time, clock_timestamp());
    effective := at;
    from_key := p_site_key(p_site, p.item, p.from_location, p.lot, p.from_status);
    to_key := p_site_key(p_site, p.item, p.to_location, p.lot, p.to_status);

    if p.reverses <> '' and exists (
      select 1 from movement m where m.reverses = p.reverses and m.reverses <> ''
    ) then
      outcome := 'ALREADY_REVERSED';
      return next;
      continue;
    end if;

    if p.from_location <> p.to_location then
      select l.name into locked from location l
      where l.name in (p.from_location, p.to_location) and l.blocked order by l.name limit 1;
      if found then
        outcome := 'LOCATION_LOCKED';
        place := locked;
        return next;
        continue;
      end if;
    end if;

    if not p.from_virtual then
      select b.on_hand - b.reserved + p.allocated into free from balance b where b.name = from_key;
      if free is null or free < p.quantity then
        outcome := 'NOT_ENOUGH_STOCK';
        available := coalesce(free, 0);
        return next;
        continue;
      end if;
      if p.effective_time is not null then
        -- what there was at that instant and at every later one must be enough (MAT-56)
        select coalesce(sum(e.quantity), 0) into base from movement_entry e
        where e.item = p.item and e.location = p.from_location and e.lot = p.lot and e.status = p.from_status
          and e.effective_time <= at;
        select base + least(coalesce(min(r.running), 0), 0) into lowest from (
          select sum(e.quantity) over (order by e.effective_time, e.movement, e.side) as running
          from movement_entry e
          where e.item = p.item and e.location = p.from_location and e.lot = p.lot and e.status = p.from_status
            and e.effective_time > at) r;
        if lowest < p.quantity then
          outcome := 'NEGATIVE_IN_PAST';
          available := greatest(lowest, 0);
          return next;
          continue;
        end if;
      end if;
    end if;

    if p.from_virtual <> p.to_virtual then
      select b.quantity, b.value, b.currency_code into v from value_balance b
      where b.site = p_site and b.item = p.item;
      currency := v.currency_code;
      if p.to_virtual then
        worth := coalesce(p.cost, case when v.quantity <= 0 then 0
                                  else value_share(v.value, p.quantity, v.quantity, currency_places(currency)) end);
        rest := v.value - worth;
        kept := case when v.quantity <= p.quantity then 0 else greatest(rest, 0) end;
        update value_balance b
        set quantity = b.quantity - p.quantity, value = kept, variance = b.variance + rest - kept
        where b.site = p_site and b.item = p.item;
      else
        -- given, or what the stock is worth; gains at current cost, other goods at standard cost if the item has one
        worth := round(coalesce(
          p.cost,
          case when p.kind = 'ADJUST' and v.quantity > 0 then v.value * p.quantity / v.quantity end,
          p.standard_cost * p.quantity,
          case when v.quantity > 0 then v.value * p.quantity / v.quantity end,
          0), currency_places(currency));
        update value_balance b set quantity = b.quantity + p.quantity, value = b.value + worth
        where b.site = p_site and b.item = p.item;
      end if;
    end if;

    insert into balance as b (name, site, item, lot, location, status, virtual, on_hand, reserved, unit_code,
                              update_time)
    values (to_key, p_site, p.item, p.lot, p.to_location, p.to_status, p.to_virtual, p.quantity, 0, p.unit_code,
            now())
    on conflict on constraint pk_balance do update
      set on_hand = b.on_hand + excluded.on_hand, update_time = now();
    if p.from_virtual then
      insert into balance as b (name, site, item, lot, location, status, virtual, on_hand, reserved, unit_code,
                                update_time)
      values (from_key, p_site, p.item, p.lot, p.from_location, p.from_status, true, -p.quantity, 0, p.unit_code,
              now())
      on conflict on constraint pk_balance do update
        set on_hand = b.on_hand + excluded.on_hand, update_time = now();
    else
      update balance b set on_hand = b.on_hand - p.quantity, reserved = b.reserved - p.allocated, update_time = now()
      where b.name = from_key;
    end if;

    insert into movement (name, site, version, event_version, correlation, create_time, update_time, kind, item,
                          lot, from_location, to_location, from_status, to_status, quantity, unit_code,
                          effective_time, record_time, reason_code, source, actor, reverses, cost,
                          cost_currency_code)
    values (p.name, p_site, 1, 0, p.correlation, now(), now(), p.kind, p.item, p.lot, p.from_location,
            p.to_location, p.from_status, p.to_status, p.quantity, p.unit_code, at, clock_timestamp(), p.reason_code,
            p.source, p_actor, p.reverses, worth, currency);
    insert into movement_entry (movement, side, item, lot, location, status, quantity, unit_code, effective_time)
    values (p.name, 1, p.item, p.lot, p.from_location, p.from_status, -p.quantity, p.unit_code, at),
           (p.name, 2, p.item, p.lot, p.to_location, p.to_status, p.quantity, p.unit_code, at);
    outcome := 'POSTED';
    return next;
  end loop;
end $$;

create function movement_sums_to_zero() returns trigger language plpgsql as $$
begin
  if exists (select 1 from movement_entry where movement = new.movement
             group by item, lot having sum(quantity) <> 0) then
    raise exception 'entries of % do not sum to zero', new.movement using errcode = '23514';
  end if;
  return null;
end $$;
create constraint trigger movement_entry_sum after insert on movement_entry
deferrable initially deferred for each row execute function movement_sums_to_zero();

revoke all on function hold_items(text, text[]) from public;
revoke all on function post_movements(text, text, jsonb) from public;
grant execute on function hold_items(text, text[]) to materials_app;
grant execute on function post_movements(text, text, jsonb) to materials_app;
