-- R0: the least that posting a movement has to write. Frozen: changed only with a decision page.
--
-- One idempotency row, two balances changed in the order of their names, two ledger rows, one row of the outbox.

create table idempotency (
  principal text not null, method text not null, request_id uuid not null, request_hash bytea not null,
  answer bytea, created_at timestamptz not null default now(), primary key (principal, method, request_id)
);

create table balance (
  name text primary key, item text not null, location text not null, virtual boolean not null default false,
  on_hand numeric(20, 6) not null, unit_code text not null, update_time timestamptz not null default now(),
  check (virtual or on_hand >= 0)
) with (fillfactor = 70);

create table ledger (
  movement text not null, side int not null, balance text not null, item text not null, location text not null,
  quantity numeric(20, 6) not null, unit_code text not null, effective_time timestamptz not null,
  primary key (movement, side)
);
create index ix_ledger_balance on ledger (balance, effective_time);

create table outbox (
  pos bigint generated always as identity primary key, event_id uuid not null, aggregate_id text not null,
  subject text not null, payload bytea not null, headers jsonb not null, occurred_at timestamptz not null default now()
);

create function balance_key(p_item text, p_location text) returns text language sql immutable as $$
  select 'sites/bench/balances/' || md5(p_item || '|' || p_location)
$$;

create function post(p_request uuid, p_item text, p_from text, p_to text, p_quantity numeric) returns text
language plpgsql as $$
declare
  movement text := 'sites/bench/movements/' || gen_random_uuid();
  from_key text := balance_key(p_item, p_from);
  to_key text := balance_key(p_item, p_to);
  at timestamptz;
begin
  insert into idempotency (principal, method, request_id, request_hash, answer)
  values ('people/boss', '/bench.Ledger/Post', p_request, decode(md5(movement), 'hex'), convert_to(movement, 'UTF8'))
  on conflict do nothing;
  if not found then
    return (select convert_from(answer, 'UTF8') from idempotency i
            where i.principal = 'people/boss' and i.method = '/bench.Ledger/Post' and i.request_id = p_request);
  end if;
  if from_key < to_key then
    update balance set on_hand = on_hand - p_quantity, update_time = now() where name = from_key;
    update balance set on_hand = on_hand + p_quantity, update_time = now() where name = to_key;
  else
    update balance set on_hand = on_hand + p_quantity, update_time = now() where name = to_key;
    update balance set on_hand = on_hand - p_quantity, update_time = now() where name = from_key;
  end if;
  at := clock_timestamp();
  insert into ledger values (movement, 1, from_key, p_item, p_from, -p_quantity, 'H87', at),
                            (movement, 2, to_key, p_item, p_to, p_quantity, 'H87', at);
  insert into outbox (event_id, aggregate_id, subject, payload, headers)
  values (gen_random_uuid(), movement, 'bench.v1.MovementPosted.bench.' || movement, convert_to(repeat('x', 250), 'UTF8'),
          jsonb_build_object('ce-source', '/bench', 'ce-type', 'MovementPosted', 'ce-subject', movement));
  return movement;
end $$;
