"""Sealing: movements get their numbers and hashes in the order of their commit, seconds after it (MAT-43).

What is sealed lies below a horizon: every transaction before it has ended, so that no earlier movement can appear
later. Posting waits for nothing of this.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Integer, Numeric, Text, cast, false, func, or_, select, text, type_coerce
from sqlalchemy.dialects.postgresql import insert

from services.chassis.query import among
from services.chassis.unit import Unit
from services.materials.model.movement import Entry, Head, Movement, MovementKind, Revaluation, Seal
from services.materials.rules import seal

BATCH = 500

_HORIZON = text("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
_SEAL = text("""
    insert into ledger_seal (site, ledger_number, movement, form, hash, seal_time)
    select :site, :first + k.n, k.movement, :form, k.hash, :time
    from unnest(cast(:movements as text[]), cast(:hashes as bytea[])) with ordinality k(movement, hash, n)
""")


async def seal_some(unit: Unit, site: str) -> int:
    """Seal the next movements of a site, at most a batch; how many. Another sealer of the site is waited for."""
    await unit.execute(insert(Head).values(site=site, horizon=0).on_conflict_do_nothing())
    head: Head = await unit.first(select(Head).where(Head.site == site).with_for_update())  # type: ignore[arg-type]
    horizon = int((await unit.execute(_HORIZON)).scalar_one())
    known = Movement.xid.is_(None) if head.horizon == 0 else false()  # type: ignore[union-attr]
    rows = (
        await unit.execute(
            select(*_MOVEMENT)
            .outerjoin(Seal, Seal.movement == Movement.name)  # type: ignore[arg-type]
            .where(
                Movement.site == site,  # type: ignore[arg-type]
                Seal.movement.is_(None),  # type: ignore[attr-defined]
                or_(known, (Movement.xid >= head.horizon) & (Movement.xid < horizon)),  # type: ignore[operator, arg-type]
            )
            .order_by(Movement.xid.asc().nulls_first(), Movement.record_time, Movement.name)  # type: ignore[union-attr, arg-type]
            .limit(BATCH)
        )
    ).all()
    if rows:
        await _seal(unit, site, rows)
    if len(rows) < BATCH:
        head.horizon = horizon
    return len(rows)


async def _seal(unit: Unit, site: str, rows: Sequence[Any]) -> None:
    """Number and chain movements behind the last sealed one."""
    last = await last_seal(unit, site)
    number, before = (last.ledger_number, last.hash) if last is not None else (0, b"")
    names = [row[0] for row in rows]
    entries: dict[str, list[seal.Plain]] = {name: [] for name in names}
    query = (
        select(Entry.movement, *_ENTRY)  # type: ignore[call-overload]
        .where(among(Entry.movement, names))
        .order_by(Entry.movement, Entry.side)  # type: ignore[arg-type]
    )
    for found in (await unit.execute(query)).all():
        entries[found[0]].append(found[1:])
    for name, value in (await _values(unit, rows)).items():
        entries[name].append(seal.revalued(value))
    hashes = []
    for row in rows:
        before = seal.chained(before, seal.encoded(tuple(row), entries[row[0]]))
        hashes.append(before)
    sealed = {
        "site": site, "first": number, "form": seal.FORM, "time": unit.now, "movements": names, "hashes": hashes,
    }  # fmt: skip
    await unit.execute(_SEAL, sealed)


def _columns(model: Any, names: Sequence[str]) -> list[Any]:
    """Fields as `seal.plain` gives them, made by the database: this is done for every movement."""
    return [_plain(getattr(model, name)).label(name) for name in names]


def _plain(column: Any) -> Any:
    if isinstance(column.type, DateTime):
        return func.to_char(func.timezone("utc", column), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    if isinstance(column.type, Numeric):
        return cast(func.trim_scale(column), Text)
    return column if isinstance(column.type, Integer) else type_coerce(column, Text)


async def _values(unit: Unit, rows: Sequence[Any]) -> dict[str, Revaluation]:
    """What movements of value alone changed."""
    names = [row.name for row in rows if row.kind == MovementKind.REVALUE]
    if not names:
        return {}
    found = await unit.all(select(Revaluation).where(Revaluation.movement.in_(names)))  # type: ignore[attr-defined]
    return {row.movement: row for row in found}


async def last_seal(unit: Unit, site: str) -> Seal | None:
    """The newest seal of a site."""
    found: Seal | None = await unit.first(
        select(Seal).where(Seal.site == site).order_by(Seal.ledger_number.desc()).limit(1)  # type: ignore[arg-type, attr-defined]
    )
    return found


_MOVEMENT, _ENTRY = _columns(Movement, seal.MOVEMENT), _columns(Entry, seal.ENTRY)


@dataclass(frozen=True, slots=True)
class Verified:
    """What a look at a part of the ledger showed; `wrong` is empty when all is as it was sealed."""

    count: int
    last: int
    hash: str = ""
    bad_number: int = 0
    bad_movement: str = ""
    wrong: str = ""


async def verify(unit: Unit, site: str, first: int, count: int) -> Verified:
    """Compute numbers and hashes anew from a number on; stops at the first that is not what was sealed."""
    before = b""
    if first > 1:
        found = await unit.first(select(Seal).where(Seal.site == site, Seal.ledger_number == first - 1))  # type: ignore[arg-type]
        if found is None:
            return Verified(0, first - 1, "", first - 1, "", "the seal is missing")
        before = found.hash
    rows: Sequence[Any] = (
        await unit.execute(
            select(Seal, Movement)
            .outerjoin(Movement, Movement.name == Seal.movement)  # type: ignore[arg-type]
            .where(Seal.site == site, Seal.ledger_number >= first)  # type: ignore[arg-type]
            .order_by(Seal.ledger_number)  # type: ignore[arg-type]
            .limit(count)
        )
    ).all()
    values = await _values(unit, [movement for _, movement in rows if movement is not None])
    wanted = first
    for kept, movement in rows:
        if kept.ledger_number != wanted:
            return Verified(wanted - first, wanted - 1, before.hex(), wanted, "", "the seal is missing")
        if movement is None:
            return Verified(wanted - first, wanted - 1, before.hex(), wanted, kept.movement, "the movement is missing")
        content = seal.canonical(movement, movement.entries, values.get(movement.name))
        if movement.site != site or seal.chained(before, content) != kept.hash:
            why = "movement or entries are not what was sealed"
            return Verified(wanted - first, wanted - 1, before.hex(), wanted, kept.movement, why)
        before = kept.hash
        wanted += 1
    return Verified(len(rows), wanted - 1, before.hex())


_PASSED_OVER = text("""
    select m.name from movement m join ledger_head h on h.site = m.site left join ledger_seal s on s.movement = m.name
    where m.site = :site and s.movement is null and (m.xid is null or m.xid < h.horizon) and h.horizon > 0
    order by m.record_time, m.name limit 1
""")
_WAITING = text("""
    select count(*) as open, min(m.record_time) as oldest from movement m
    left join ledger_seal s on s.movement = m.name
    left join ledger_head h on h.site = m.site
    where m.site = :site and s.movement is null
      and (m.xid >= coalesce(h.horizon, 0) or (m.xid is null and coalesce(h.horizon, 0) = 0))
""")
_OPEN = text("""
    select s.name from site_fact s left join ledger_head h on 'sites/' || h.site = s.name
    where exists (select from movement m
                  where 'sites/' || m.site = s.name and (h.horizon is null or h.horizon = 0 or m.xid >= h.horizon))
    order by s.name
""")


async def passed_over(unit: Unit, site: str) -> str:
    """A movement without a seal that lies before the sealed ones, written by somebody else than the service; or ""."""
    return (await unit.execute(_PASSED_OVER, {"site": site})).scalar() or ""


async def waiting(unit: Unit, site: str) -> tuple[int, datetime | None]:
    """How many movements of a site wait for their seal, and when the oldest of them was recorded."""
    row = (await unit.execute(_WAITING, {"site": site})).one()
    return int(row.open), row.oldest


async def unsealed_sites(unit: Unit) -> list[str]:
    """Sites at which movements wait for their seal."""
    return [name.removeprefix("sites/") for (name,) in await unit.execute(_OPEN)]
