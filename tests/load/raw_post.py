"""The baselines of a post: what the database does of itself, without a service before it.

R0 is `post` of baseline.sql, the least that a post has to write. R1 is the function that the service calls, called by
pgbench for one movement at a time; R2 are the rows that the service leaves of a batch, written by asyncpg and `unnest`.
Both run on a database of their own that is the product's own, with nobody else at work in it.
"""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from tests.load.store import BIN, SHELF, SITE

TABLES = {
    "movements": "movement", "entries": "movement_entry", "events": "outbox", "journal": "journal", "audit": "audit",
    "requests": "idempotency",
}  # fmt: skip
"""What a post adds rows to."""
LEAST_TABLES = {"entries": "ledger", "events": "outbox", "requests": "idempotency"}
"""And what R0 does."""

LEAST = f"""
\\set n random(1, :items)
select post(gen_random_uuid(), 'items/' || cast(:prefix as text) || '-' || :n, '{SHELF}', '{BIN}', 1);
"""
"""R0, as pgbench calls it."""

MOVE = f"""
\\set n random(1, :items)
with given as (
  select 'items/' || cast(:prefix as text) || '-' || :n as item, gen_random_uuid() as id)
select p.* from given g, post_moves(
  '{SITE}', 'bench.Ledger.Post', 'bench.ledger.post', array['people/boss'], array['|'], array[g.item], array[1],
  array[]::text[], array[]::int[], array['{SHELF}', '{BIN}'], array[1, 1], array['people/boss'], array[g.id],
  array[decode(md5('x'), 'hex')], array['sites/{SITE}/movements/' || g.id], array['MOVE'], array[g.item], array[''],
  array['{SHELF}'], array['{BIN}'], array['UNRESTRICTED'], array['UNRESTRICTED'], array['1'], array['H87'],
  array['1'], array['H87'], array[1::bigint], array[1::bigint], array[''], array[''], array['people/boss'], array[''],
  array[''], array['storekeeper'], array['127.0.0.1'], array[cast(jsonb_build_object('kind', 'MOVE') as text)],
  array['bench.v1.MovementPosted.bench.' || g.id],
  array['{{"ce-source":"/bench","ce-subject":"' || g.item || '","Nats-Msg-Id":"'],
  array[convert_to(repeat('x', 230), 'UTF8')], array[convert_to(repeat('x', 200), 'UTF8')],
  array['\\x9a010a'::bytea], array['\\x9a010a'::bytea]) p;
"""  # noqa: S608
"""R1: a call of the product's function for one move, which is its whole transaction."""

BARE = """
    insert into balance (name, item, location, virtual, on_hand, unit_code)
    select balance_key(i, l), i, l, l <> $2, case when l = $2 then 1e9 else 0 end, 'H87'
    from unnest($1::text[]) i, unnest(array[$2, $3]) l
"""
"""Stock for R0: items, the place that has it, and the other."""

_BATCH = """
    with given as materialized (
      select g.*, balance_key($4, g.item, $5, '', 'UNRESTRICTED', '', '', '', '') as out_key,
             balance_key($4, g.item, $6, '', 'UNRESTRICTED', '', '', '', '') as in_key,
             v.sequence + 2 * row_number() over (partition by g.item order by g.n) as sequence
      from unnest($1::uuid[], $2::text[], $3::text[]) with ordinality as g(request, movement, item, n)
      join value_balance v on v.site = $4 and v.item = g.item),
    numbered as (
      update value_balance v set sequence = v.sequence + c.entries
      from (select item, 2 * count(*) as entries from given group by item) c where v.site = $4 and v.item = c.item),
    moved as (
      update balance b set on_hand = b.on_hand + d.change, update_time = now()
      from (select out_key as key, -count(*) as change from given group by out_key
            union all select in_key, count(*) from given group by in_key) d
      where b.name = d.key),
    posted as (
      insert into movement (name, site, version, event_version, correlation, create_time, update_time, kind, item, lot,
                            from_location, to_location, from_status, to_status, quantity, unit_code, effective_time,
                            record_time, reason_code, source, actor, reverses, xid, cost_currency_code)
      select movement, $4, 1, 0, '', now(), now(), 'MOVE', item, '', $5, $6, 'UNRESTRICTED', 'UNRESTRICTED', 1, 'H87',
             now(), now(), '', '', 'people/boss', '', pg_current_xact_id()::text::bigint, ''
      from given),
    entered as (
      insert into movement_entry (movement, side, site, balance, item, lot, location, status, quantity, unit_code,
                                  entered_quantity, entered_quantity_unit_code, item_sequence, effective_time)
      select g.movement, s.side, $4, case s.side when 1 then g.out_key else g.in_key end, g.item, '',
             case s.side when 1 then $5 else $6 end, 'UNRESTRICTED', s.sign, 'H87', s.sign, 'H87',
             g.sequence - 2 + s.side, now()
      from given g, (values (1, -1), (2, 1)) as s(side, sign)),
    told as (
      insert into outbox (event_id, aggregate_type, aggregate_id, aggregate_version, site, correlation, subject,
                          payload, headers, occurred_at)
      select request, 'MovementPosted', movement, 0, $4, movement, 'bench.v1.MovementPosted.bench.' || request,
             convert_to(repeat('x', 250), 'UTF8'),
             jsonb_build_object('ce-source', '/bench', 'ce-type', 'MovementPosted', 'ce-subject', movement,
                                'Nats-Msg-Id', request, 'ce-id', request, 'ce-time', now()), now()
      from given),
    noted as (
      insert into journal (event_id, event_type, resource, version, actor, correlation, occurred_at)
      select request, 'MovementPosted', movement, 0, 'people/boss', movement, now() from given),
    audited as (
      insert into audit (id, actor, roles, action, object, version, after, request_id, ip)
      select request, 'people/boss', 'storekeeper', 'bench.ledger.post', movement, 1,
             jsonb_build_object('kind', 'MOVE', 'item', item, 'from_location', $5, 'to_location', $6, 'quantity', '1'),
             request, '127.0.0.1'
      from given)
    insert into idempotency (principal, method, request_id, request_hash, hash_version, status_code, answer, expires_at)
    select 'people/boss', '/bench.Ledger/Post', request, decode(md5(movement), 'hex'), 1, 0,
           convert_to(repeat('x', 400), 'UTF8'), now() + interval '30 days'
    from given order by request
"""

_LEAST_BATCH = """
    with given as (select * from unnest($1::uuid[], $2::text[], $3::text[]) as g(request, movement, item)),
    claim as (
      insert into idempotency (principal, method, request_id, request_hash, answer)
      select 'people/boss', '/bench.Ledger/Post', request, decode(md5(movement), 'hex'), convert_to(movement, 'UTF8')
      from given),
    net as (
      select balance_key(item, $4) as name, -count(*) as change from given group by item
      union all select balance_key(item, $5), count(*) from given group by item),
    held as (select b.name, n.change from balance b join net n using (name) order by b.name for no key update of b),
    moved as (
      update balance b set on_hand = b.on_hand + h.change, update_time = now() from held h where b.name = h.name),
    entered as (
      insert into ledger
      select g.movement, s.side, balance_key(g.item, s.place), g.item, s.place, s.sign, 'H87', clock_timestamp()
      from given g, (values (1, $4, -1), (2, $5, 1)) as s(side, place, sign))
    insert into outbox (event_id, aggregate_id, subject, payload, headers)
    select gen_random_uuid(), movement, 'bench.v1.MovementPosted.bench.' || movement,
           convert_to(repeat('x', 250), 'UTF8'),
           jsonb_build_object('ce-source', '/bench', 'ce-type', 'MovementPosted', 'ce-subject', movement)
    from given
"""


async def write_batch(connection: Any, items: Sequence[str]) -> None:
    """R2: the rows of a batch of moves, one of each item named."""
    await connection.execute(_BATCH, *_named(items), SITE, SHELF, BIN)


async def write_least_batch(connection: Any, items: Sequence[str]) -> None:
    """The rows of R0 for a batch of moves, one of each item named."""
    await connection.execute(_LEAST_BATCH, *_named(items), SHELF, BIN)


def _named(items: Sequence[str]) -> tuple[Any, Any, Any]:
    ids = [uuid4() for _ in items]
    return ids, [f"sites/{SITE}/movements/{key}" for key in ids], items
