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
