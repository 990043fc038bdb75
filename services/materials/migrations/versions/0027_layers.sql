-- Layers: what of an item came in when, and what is left of it (MAT-183). A layer is known by the number of the entry
-- that made it and its part of that; what leaves keeps which layers it took.

-- a part of a value, rounded, also where it is more than the whole
create function value_part(p_value numeric, p_part numeric, p_whole numeric, p_places int) returns numeric
language sql immutable as $$
  select round(div(2 * p_value * p_part * round(10::numeric ^ p_places) + p_whole, 2 * p_whole)
               / round(10::numeric ^ p_places), p_places)
$$;

-- take a quantity out of layers, those of a movement first, then the oldest; gives the value that goes
create function take_layers(p_site text, p_item text, p_sequence bigint, p_movement text, p_own text,
                            p_quantity numeric, p_places int) returns numeric
language plpgsql as $$
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

-- one layer more
create function add_layer(p_site text, p_item text, p_sequence bigint, p_part int, p_movement text,
                          p_at timestamptz, p_quantity numeric, p_value numeric) returns void
language sql as $$
  insert into value_layer as x (site, item, sequence, part, movement, layer_time, quantity, value, remaining_quantity,
                                remaining_value)
  values (p_site, p_item, p_sequence, p_part, p_movement, p_at, p_quantity, p_value, p_quantity, p_value)
  on conflict on constraint pk_value_layer do update
  set layer_time = excluded.layer_time, quantity = excluded.quantity, value = excluded.value,
      remaining_quantity = excluded.remaining_quantity, remaining_value = excluded.remaining_value
$$;

-- what comes in: what is taken back goes to the layers that it came from, what another site sent keeps its layers and
-- their dates, anything else is a layer of its own
create function put_layers(f posting_facts, p posting_line, p_sequence bigint, p_quantity numeric, p_value numeric,
                           p_places int) returns void
language plpgsql as $$
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

-- how an item's stock at a site is valued from now on; what is there becomes one layer, or none. The value stays
create function set_valuation_method(p_site text, p_item text, p_method text) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
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

-- the layers of items that are left, and what took which of them, after a replay or a change of value; the caller holds the items
create function set_layers(p_site text, p_rows jsonb) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
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

-- a place that was below zero is not any more: its mark goes, and the task that asked why is done (MAT-55)
create function heal_stock() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
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

create trigger balance_healed before update of on_hand on balance for each row
when (old.negative_allowed and new.on_hand >= 0) execute function heal_stock();

revoke all on function set_valuation_method(text, text, text) from public;
revoke all on function set_layers(text, jsonb) from public;
revoke all on function heal_stock() from public;
grant execute on function set_valuation_method(text, text, text) to materials_app;
grant execute on function set_layers(text, jsonb) to materials_app;
