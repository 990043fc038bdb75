"""Lines of counts, read and written with as many statements for many as for one (MAT-145, MAT-146, PERF-1)."""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import inspect, text
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.exc import StaleDataError

from services.chassis import audit
from services.chassis.db import json_text
from services.chassis.unit import Unit
from services.materials.model.count import CountDocument, CountLine, Figures, LineState, Mode
from services.materials.rules.counting import Counted

_LEAVES = text("""
    with recursive below as (
      select l.name, l.kind from location l where l.site = :site and l.name = any(cast(:names as text[]))
      union
      select l.name, l.kind from location l join below b on b.name = l.parent_location
    )
    select name from below where kind <> 'GROUP' and not (kind = any(cast(:virtual as text[]))) order by name
""")
_ITEMS = text("""
    select distinct b.item from balance b
    where b.site = :site and b.location = any(cast(:locations as text[])) and not b.virtual
      and (b.on_hand <> 0 or b.second_on_hand <> 0)
      and (cardinality(cast(:items as text[])) = 0 or b.item = any(cast(:items as text[])))
""")
_OPEN = text("""
    insert into count_line (
      name, site, version, event_version, correlation, create_time, update_time, count, state, balance, item, location,
      lot, serial, handling_unit, status, owner, project, unit_code, second_unit_code, found, book_shown, count_class,
      snapshot, second_snapshot, snapshot_sequence, counter, counters, value_currency_code, book_value, accurate,
      recount_reason, exception, approver, movement, note)
    select :count || '/lines/' || lpad(row_number() over (
             order by l.path_order, b.location, b.item, b.lot, b.serial, b.name)::text, 5, '0'),
           :site, 1, 0, '', now(), now(), :count, 'OPEN', b.name, b.item, b.location,
           b.lot, b.serial, b.handling_unit, b.status, b.owner, b.project, b.unit_code, b.second_on_hand_unit_code,
           false, :book_shown, coalesce(nullif(s.count_class, ''), 'C'),
           case when :now then b.on_hand end, case when :now then b.second_on_hand end, v.sequence, '', '{}', '', 0,
           false, '', '', '', '', ''
    from balance b
    join location l on l.name = b.location
    join value_balance v on v.site = b.site and v.item = b.item
    left join item_settings s on s.site = b.site and s.item = b.item
    where b.site = :site and b.location = any(cast(:locations as text[])) and b.item = any(cast(:items as text[]))
      and not b.virtual and (b.on_hand <> 0 or b.second_on_hand <> 0)
    returning name
""")
_FIGURES = text("""
    select x.n, v.sequence, f.currency_code, coalesce(b.on_hand, 0) as on_hand, coalesce(b.reserved, 0) as reserved,
           coalesce(b.second_on_hand, 0) as second_on_hand, since.*, later.*,
           case when v.quantity > 0 then v.value / v.quantity
                when i.standard_cost_currency_code = f.currency_code then i.standard_cost else 0 end as price
    from jsonb_to_recordset(cast(:rows as jsonb)) x(
      n int, item text, balance text, sequence bigint, count_time timestamptz, first_count_time timestamptz)
    join value_balance v on v.site = :site and v.item = x.item
    join item i on i.name = x.item
    join site_fact f on f.name = 'sites/' || :site
    left join balance b on b.name = x.balance
    cross join lateral (
      select coalesce(sum(e.quantity), 0) as since, coalesce(sum(e.second_quantity), 0) as second_since
      from movement_entry e
      where e.site = :site and e.item = x.item and e.item_sequence > x.sequence and e.balance = x.balance
        and e.effective_time <= x.count_time) since
    cross join lateral (
      select coalesce(sum(e.quantity) filter (where e.effective_time > x.count_time), 0) as later,
             coalesce(sum(e.second_quantity) filter (where e.effective_time > x.count_time), 0) as second_later,
             coalesce(sum(e.quantity) filter (where e.effective_time > x.first_count_time), 0) as later_than_first,
             coalesce(bool_or(e.effective_time between x.count_time - cast(:around as interval)
                                               and x.count_time + cast(:around as interval)), false) as moved
      from movement_entry e
      where e.balance = x.balance
        and e.effective_time >= least(x.count_time - cast(:around as interval), x.first_count_time)) later
    order by x.n
""")
_PASS = text("""
    update count_line c set state = x.state
    from unnest(cast(:names as text[]), cast(:states as text[])) x(name, state) where c.name = x.name
""")
_WRITE = text("""
    update count_line c set
      version = x.version, update_time = x.update_time, state = x.state, snapshot = x.snapshot,
      second_snapshot = x.second_snapshot, snapshot_sequence = x.snapshot_sequence, counted = x.counted,
      second_counted = x.second_counted, count_time = x.count_time, counter = x.counter, counters = x.counters,
      book = x.book, difference = x.difference, second_difference = x.second_difference,
      restated_difference = x.restated_difference, value = x.value, value_currency_code = x.value_currency_code,
      book_value = x.book_value, first_counted = x.first_counted, first_count_time = x.first_count_time,
      first_book = x.first_book, accurate = x.accurate, recount_reason = x.recount_reason, exception = x.exception,
      approver = x.approver, approve_time = x.approve_time, movement = x.movement, post_time = x.post_time,
      note = x.note
    from jsonb_populate_recordset(null::count_line, cast(:rows as jsonb)) x
    where c.name = x.name and c.version = x.version - 1 returning c.name
""")
_COUNTED = text("""
    select count as document, count_class, accurate, coalesce(value, 0) as value, book_value from count_line
    where count = any(cast(:counts as text[])) and state = 'POSTED' order by name
""")
_TWINS = text("""
    select l.name, o.name as other, o.location from count_line l
    join count_line o on o.serial = l.serial and o.name <> l.name and o.counted > 0
    join count_document d on d.name = o.count
    where l.name = any(cast(:names as text[])) and l.serial <> '' and l.counted > 0
      and (d.state = 'STARTED' and o.state in ('COUNTED', 'AMBIGUOUS', 'APPROVED')
           or o.state = 'POSTED' and o.count = l.count)
""")


async def leaves(unit: Unit, site: str, names: Iterable[str], virtual: Iterable[str]) -> list[str]:
    """Real places of a site, and those in groups of it."""
    rows = await unit.execute(_LEAVES, {"site": site, "names": sorted(set(names)), "virtual": sorted(virtual)})
    return [row.name for row in rows]


async def items_at(unit: Unit, site: str, locations: Sequence[str], only: Sequence[str]) -> list[str]:
    """Items that the book has at places."""
    rows = await unit.execute(_ITEMS, {"site": site, "locations": list(locations), "items": list(only)})
    return [row.item for row in rows]


async def open_lines(unit: Unit, document: CountDocument, locations: Sequence[str], items: Sequence[str]) -> int:
    """A line for all that the book has at places, with quantity and number; the caller holds the items (MAT-145)."""
    rows = await unit.execute(
        _OPEN,
        {
            "count": document.name, "site": document.site, "locations": list(locations), "items": list(items),
            "now": document.mode is not Mode.CONTINUOUS, "book_shown": document.book_shown,
        },
    )  # fmt: skip
    return len(rows.all())


async def figures(
    unit: Unit,
    site: str,
    lines: Sequence[CountLine],
    window: timedelta,
    anew: Callable[[CountLine], bool] | None = None,
) -> list[Figures]:
    """What the ledger says of lines with a count time; the caller holds the items.

    A line without a snapshot takes it now, and so do those that take it `anew`. Lines that are being changed are not
    written by it.
    """
    rows = [
        {
            "n": number, "item": line.item, "balance": line.balance, "sequence": line.snapshot_sequence,
            "count_time": line.count_time, "first_count_time": line.first_count_time or line.count_time,
        }
        for number, line in enumerate(lines)
    ]  # fmt: skip
    if not rows:
        return []
    with unit.session.sync_session.no_autoflush:
        found = await unit.execute(_FIGURES, {"site": site, "rows": json_text(rows), "around": window})
    return [_figures(line, row, anew is not None and anew(line)) for line, row in zip(lines, found, strict=True)]


def _figures(line: CountLine, row: Any, fresh: bool) -> Figures:
    snapshot, second, sequence = line.snapshot, line.second_snapshot, line.snapshot_sequence
    since, second_since = row.since, row.second_since
    if fresh or snapshot is None:
        snapshot, second, sequence = row.on_hand - row.later, row.second_on_hand - row.second_later, row.sequence
        since = second_since = Decimal(0)
    second = second or Decimal(0)
    return Figures(
        snapshot, sequence, snapshot + since, row.on_hand - row.later_than_first, second, second + second_since,
        row.moved, row.on_hand, row.reserved, row.price or Decimal(0), row.currency_code,
    )  # fmt: skip


async def twins(unit: Unit, names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Lines of serials that were counted elsewhere too: line -> (other line, its place) (MAT-148)."""
    rows = await unit.execute(_TWINS, {"names": sorted(names)})
    return {row.name: (row.other, row.location) for row in rows}


async def posted(unit: Unit, counts: Iterable[str]) -> dict[str, list[Counted]]:
    """What the posted lines of counts say, by count."""
    names = sorted(set(counts))
    found: dict[str, list[Counted]] = {name: [] for name in names}
    for row in await unit.execute(_COUNTED, {"counts": names}):
        found[row.document].append(Counted(row.count_class, row.accurate, row.value, row.book_value))
    return found


async def write(unit: Unit, lines: Iterable[CountLine]) -> None:
    """Write known lines that were changed, guarded by their versions; the session's rows stand as written."""
    changed = [line for line in lines if inspect(line).persistent and inspect(line).modified]  # type: ignore[attr-defined]
    if not changed:
        return
    values = []
    passing: dict[str, str] = {}
    for line in changed:
        line.update_time = unit.now
        before, after = audit.changes(line)
        unit.audit(line.name, "", before, after, line.version + 1)
        known = (before or {}).get("state")
        if known in (LineState.OPEN, LineState.RECOUNT) and line.state not in (LineState.COUNTED, LineState.SKIPPED):
            passing[line.name] = line.state.value  # it goes by way of COUNTED
        state = LineState.COUNTED if line.name in passing else line.state
        values.append(_values(line) | {"version": line.version + 1, "state": state})
    with unit.session.sync_session.no_autoflush:
        written = (await unit.execute(_WRITE, {"rows": json_text(values)})).all()
        if passing:
            await unit.execute(_PASS, {"names": list(passing), "states": list(passing.values())})
    if len(written) < len(changed):
        raise StaleDataError(f"{len(changed) - len(written)} of {len(changed)} lines were changed meanwhile")
    for line in changed:
        for name, value in _values(line).items():
            set_committed_value(line, name, value)
        set_committed_value(line, "version", line.version + 1)


def _values(line: CountLine) -> dict[str, Any]:
    return {column.key: getattr(line, column.key) for column in inspect(line).mapper.column_attrs}  # type: ignore[attr-defined]
