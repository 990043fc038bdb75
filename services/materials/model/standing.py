"""Assets that stand still: what goes to their orders waits; what a started order needs comes first (MAT-112)."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Text, text
from sqlmodel import Field

from services.chassis.resource import instant
from services.chassis.unit import Unit
from services.materials.model.base import Table
from services.materials.model.task import audit_all


class StandingAsset(Table, table=True):
    """An asset that stands still, as maintenance told."""

    __tablename__ = "standing_asset"

    asset: str = Field(sa_type=Text, primary_key=True)
    since: datetime | None = Field(default=None, sa_type=instant())


_STANDS = text("""
    insert into standing_asset (asset, since) select name, :since from unnest(cast(:assets as text[])) name
    on conflict (asset) do update set since = excluded.since
""")
_RUNS = text("delete from standing_asset where asset = any(cast(:assets as text[]))")
_WAIT = text("""
    with stopped as (
      select t.name from put_away_task t join reservation r on r.name = t.reservation
      where t.site = :site and t.state in ('READY', 'LEASED') and t.kind in ('PICK', 'STAGE')
        and r.asset = any(cast(:assets as text[])) and not r.started
      order by t.name for update of t
    )
    update put_away_task t
    set state = 'WAITING', note = :note, lease_person = '', lease_device = '', lease_expire_time = null,
        version = t.version + 1, update_time = now()
    from stopped s where t.name = s.name and t.state in ('READY', 'LEASED') returning t.name, t.version
""")
_RESUME = text("""
    with resumed as (
      select t.name from put_away_task t join reservation r on r.name = t.reservation
      where t.site = :site and t.state = 'WAITING' and t.kind in ('PICK', 'STAGE')
        and r.asset = any(cast(:assets as text[]))
      order by t.name for update of t
    )
    update put_away_task t set state = 'READY', note = '', version = t.version + 1, update_time = now()
    from resumed s where t.name = s.name and t.state = 'WAITING' returning t.name, t.version
""")
_STARTED = text("""
    update reservation set started = true, version = version + 1, update_time = now()
    where work_order = :work_order and not started returning name, version
""")
_HURRY = text("""
    with wanted as (
      select t.name from put_away_task t join reservation r on r.name = t.reservation
      where t.site = :site and r.work_order = :work_order and t.kind in ('PICK', 'STAGE')
        and t.state in ('PLANNED', 'READY', 'LEASED', 'STARTED', 'WAITING', 'EXCEPTION')
      order by t.name for update of t
    )
    update put_away_task t
    set priority = 1, state = case when t.state = 'WAITING' then 'READY' else t.state end,
        note = case when t.state = 'WAITING' then '' else t.note end, version = t.version + 1, update_time = now()
    from wanted w where t.name = w.name returning t.name, t.version
""")
_WAITS = text("""
    select r.name from reservation r join standing_asset s on s.asset = r.asset
    where r.name = any(cast(:names as text[])) and not r.started
""")


async def stop(unit: Unit, asset: str, others: Iterable[str], since: datetime | None) -> int:
    """Picks and staging for orders on assets that stand wait, unless the order was started: that one helps them up."""
    assets = sorted({asset, *others})
    site = asset.split("/")[1]
    await unit.execute(_STANDS, {"assets": assets, "since": since})
    note = f"{asset} stands still"
    rows = await unit.execute(_WAIT, {"site": site, "assets": assets, "note": note})
    return audit_all(unit, rows, {"state": "WAITING", "note": note})


async def resume(unit: Unit, asset: str, others: Iterable[str]) -> int:
    """They run again: what waited for them goes on."""
    assets = sorted({asset, *others})
    await unit.execute(_RUNS, {"assets": assets})
    rows = await unit.execute(_RESUME, {"site": asset.split("/")[1], "assets": assets})
    return audit_all(unit, rows, {"state": "READY"})


async def hurry(unit: Unit, work_order: str) -> int:
    """Picks and staging of an order that was started come first, and do not wait; the caller holds its items."""
    where = {"site": work_order.split("/")[1], "work_order": work_order}
    audit_all(unit, await unit.execute(_STARTED, where), {"started": True})
    return audit_all(unit, await unit.execute(_HURRY, where), {"priority": 1})


async def waiting(unit: Unit, reservations: Iterable[str]) -> set[str]:
    """Those of the reservations whose asset stands still; one statement."""
    rows = await unit.execute(_WAITS, {"names": sorted(set(reservations) - {""})})
    return {row.name for row in rows}
