"""A store of materials for benchmarks: a site with two places, items, and stock, written by set-based SQL."""

from typing import Any

SITE = "bench"
SHELF, BIN = f"sites/{SITE}/locations/shelf", f"sites/{SITE}/locations/bin"
MUCH = 1_000_000

_PLACES = """
    insert into location (name, site, version, event_version, correlation, create_time, update_time, title, kind,
                          parent_location, check_code, path_order, blocked)
    select 'sites/' || $1 || '/locations/' || p.id, $1, 1, 0, '', now(), now(), p.id, p.kind, null, '', 0, false
    from unnest($2::text[], $3::text[]) as p(id, kind)
"""
_ITEMS = """
    insert into item (name, version, event_version, correlation, create_time, update_time, number, title, item_class,
                      base_unit_code, base_step, tracking, conversions, gtins, inspect_receipts,
                      standard_cost_currency_code, state)
    select 'items/' || $1 || '-' || n, 1, 0, '', now(), now(), $1 || '-' || n, 'Part', '', 'H87', 1, $2, '[]', '{}',
           false, '', 'ACTIVE'
    from generate_series(1, $3::int) n
"""
_LOTS = """
    insert into lot (name, version, event_version, correlation, create_time, update_time, number, item, supplier,
                     supplier_lot, first_receipt_time)
    select i.name || '/lots/l' || l, 1, 0, '', now(), now(), 'L' || l, i.name, '', '', now() - l * interval '1 day'
    from item i, generate_series(1, 3) l where i.name like 'items/' || $1 || '-%'
"""
_OPENING = """
    select count(*) filter (where p.outcome = 'POSTED') from post_to_ledger($1, 'people/boss', (
      select jsonb_agg(jsonb_build_object(
        'n', r.n, 'name', 'sites/' || $1 || '/movements/' || gen_random_uuid(), 'kind', 'OPENING', 'reason_code', '',
        'source', '', 'reverses', '', 'correlation', '', 'lines', jsonb_build_array(jsonb_build_object(
          'item', r.item, 'lot', r.lot, 'quantity', $3::numeric, 'unit_code', 'H87',
          'from_location', 'sites/' || $1 || '/locations/v-opening', 'from_virtual', true,
          'to_location', 'sites/' || $1 || '/locations/shelf'))))
      from (select row_number() over () as n, i.name as item, coalesce(l.name, '') as lot
            from item i left join lot l on l.item = i.name where i.name like 'items/' || $2 || '-%') r)) p
"""
_VIRTUAL = ("supplier", "consumed", "scrap", "adjustment", "opening", "production")


async def build(connection: Any) -> None:
    """The site with its places."""
    await connection.execute("insert into site_fact values ($1, 'Europe/Berlin', 'EUR')", f"sites/{SITE}")
    ids = ["dock", "shelf", "bin", *(f"v-{kind}" for kind in _VIRTUAL)]
    kinds = ["DOCK", "STORAGE", "STORAGE", *(kind.upper() for kind in _VIRTUAL)]
    await connection.execute(_PLACES, SITE, ids, kinds)


async def items(
    connection: Any, prefix: str, count: int, *, tracking: str = "NONE", much: int = MUCH, stocked: bool = True
) -> list[str]:
    """Items with so much of each on the shelf, in three lots of different age where tracked by lot; gives their names.

    Of items tracked by serial there is nothing.
    """
    await connection.execute(_ITEMS, prefix, tracking, count)
    if tracking == "LOT":
        await connection.execute(_LOTS, prefix)
    if stocked and tracking != "SERIAL":
        posted = await connection.fetchval(_OPENING, SITE, prefix, much)
        assert posted == count * (3 if tracking == "LOT" else 1), posted
    return [f"items/{prefix}-{number}" for number in range(1, count + 1)]


async def expect(connection: Any, names: list[str]) -> None:
    """Orders on the way for very much of each item, with a place for it."""
    await connection.execute(_EXPECTED, f"sites/{SITE}", names, SHELF)


_EXPECTED = """
    insert into expected_receipt (name, site, version, event_version, correlation, create_time, update_time,
                                  purchase_order, order_line, schedule_line, supplier, item, unit_code, quantity,
                                  open_quantity, received, received_base, accept_limit, base_numerator,
                                  base_denominator, inspect, location, unit_price, unit_price_currency_code, state)
    select $1 || '/expectedReceipts/e' || n, split_part($1, '/', 2), 1, 0, '', now(), now(),
           $1 || '/purchaseOrders/p' || n, 1, 1, 'suppliers/acme', item, 'H87', 1e9, 1e9, 0, 0, 1e9, 1, 1, false, $3,
           2.5, 'EUR', 'OPEN'
    from unnest($2::text[]) with ordinality as i(item, n)
"""
