"""Periods: the ledger of a site is closed up to a day, with a snapshot that is proved (MAT-195 .. MAT-197)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Date, ForeignKey, Index, Numeric, Text, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from services.chassis.faults import FailedPrecondition, FieldInvalid
from services.chassis.resource import enum_text, instant
from services.chassis.unit import Unit
from services.materials.model import proof
from services.materials.model.base import Resource, Table, listed
from services.materials.model.item import SiteFact, site_fact

MOST_FINDINGS = 20


class PeriodNotReady(FailedPrecondition):
    """Something that began in the period has not ended (MAT-195), or a later period is closed."""

    text = "{period} cannot be {wanted}: {resource} {why}."


class PeriodState(StrEnum):
    CLOSING = "CLOSING"
    CLOSED = "CLOSED"
    OPEN = "OPEN"


SHUT = (PeriodState.CLOSING, PeriodState.CLOSED)


class Period(Resource, table=True):
    """All days up to one, behind the period before. `progress` is the item that the snapshot has come to."""

    __tablename__ = "ledger_period"
    COLLECTION: ClassVar[str] = "periods"
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"progress"})
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset(
        {
            (PeriodState.CLOSING, PeriodState.CLOSED),
            (PeriodState.CLOSING, PeriodState.OPEN),
            (PeriodState.CLOSED, PeriodState.OPEN),
            (PeriodState.OPEN, PeriodState.CLOSING),
        }
    )
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"state", "close_date"})
    __table_args__ = (
        Index("ix_ledger_period_site", "site", "name"),
        *listed("ledger_period", "state", "close_date"),
    )

    state: PeriodState = Field(default=PeriodState.CLOSING, sa_type=enum_text(PeriodState), nullable=False)
    close_date: date = Field(sa_type=Date)
    end_time: datetime = Field(sa_type=instant())
    closer: str = Field(default="", sa_type=Text, nullable=False)
    prove_time: datetime | None = Field(default=None, sa_type=instant())
    progress: str = Field(default="", sa_type=Text, nullable=False)
    balance_count: int | None = Field(default=None, sa_type=BigInteger)
    value: Decimal | None = Field(default=None, sa_type=Numeric(24, 9))
    value_currency_code: str = Field(default="", sa_type=Text, nullable=False)
    findings: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), nullable=False)  # type: ignore[call-overload]
    reopener: str = Field(default="", sa_type=Text, nullable=False)
    reopen_reason: str = Field(default="", sa_type=Text, nullable=False)

    @property
    def first_open_date(self) -> date:
        """The day behind it."""
        return self.close_date + timedelta(days=1)

    def begin(self, closer: str) -> None:
        """Refuse what is effective in it, and let its snapshot be written."""
        if self.state is not PeriodState.CLOSING:
            self.move(PeriodState.CLOSING)
        self.closer, self.progress, self.findings = closer, "", []

    def open(self, by: str = "", reason: str = "", findings: Sequence[str] = ()) -> None:
        """Open it: somebody wants so, or something differs."""
        self.move(PeriodState.OPEN)
        self.reopener, self.reopen_reason, self.findings = by, reason, list(findings)[:MOST_FINDINGS]
        self.prove_time = self.balance_count = self.value = None


class PeriodBalance(Table, table=True):
    """What a balance was at the end of a period."""

    __tablename__ = "period_balance"
    __table_args__ = (Index("ix_period_balance_item", "period", "item"),)

    period: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("ledger_period.name")])
    balance: str = Field(sa_type=Text, primary_key=True)
    item: str = Field(sa_type=Text)
    quantity: Decimal = Field(sa_type=Numeric(26, 6))
    second_quantity: Decimal | None = Field(default=None, sa_type=Numeric(26, 6))


class PeriodValue(Table, table=True):
    """What the company's stock of an item was and was worth at the end of a period."""

    __tablename__ = "period_value"

    period: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("ledger_period.name")])
    item: str = Field(sa_type=Text, primary_key=True)
    quantity: Decimal = Field(sa_type=Numeric(26, 6))
    value: Decimal = Field(sa_type=Numeric(30, 9))


def end_of(day: date, fact: SiteFact) -> datetime:
    """The first instant behind a day of the site."""
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(fact.time_zone)).astimezone(UTC)


_LOCK = text("select pg_advisory_xact_lock(place_key(:site))")
_IN_THE_WAY = text("""
    (select name, 'is a task that was started' as why from put_away_task
     where site = :site and state = 'STARTED' and create_time < :end order by name limit 1)
    union all
    (select name, 'is a receipt that is not posted' from receipt
     where site = :site and state = 'ARRIVED' and arrive_time < :end order by name limit 1)
    union all
    (select name, 'is a count that is not decided' from count_document
     where site = :site and state = 'STARTED' and start_time < :end order by name limit 1)
""")


async def close(unit: Unit, site: str, day: date) -> Period:
    """Begin to close the ledger up to a day. Postings under way end first, and later ones see that it is closed."""
    fact = await site_fact(unit, site)
    if day >= fact.day(unit.now):
        raise FieldInvalid(field="close_date", rule="must be before today", value=day.isoformat())
    await unit.execute(_LOCK, {"site": site})
    end = end_of(day, fact)
    name = f"sites/{site}/{Period.COLLECTION}/{day.isoformat()}"
    last = await last_shut(unit, site)
    if last is not None and (last.state is PeriodState.CLOSING or last.close_date >= day):
        why = "is being closed" if last.state is PeriodState.CLOSING else "is closed already"
        raise PeriodNotReady(period=name, wanted="closed", resource=last.name, why=why)
    for row in await unit.execute(_IN_THE_WAY, {"site": site, "end": end}):
        raise PeriodNotReady(period=name, wanted="closed", resource=row.name, why=row.why)
    found = await unit.find(Period, name)
    if found is None:
        found = unit.add(Period(name=name, close_date=day, end_time=end, value_currency_code=fact.currency_code))
    found.end_time = end
    found.begin(unit.caller.name)
    return found


async def reopen(unit: Unit, row: Period, reason: str) -> None:
    """Delete the snapshot of the newest closed period (MAT-197)."""
    site = row.site or ""
    await unit.execute(_LOCK, {"site": site})
    last = await last_shut(unit, site)
    if last is not None and last.close_date > row.close_date:
        raise PeriodNotReady(period=row.name, wanted="opened", resource=last.name, why="is closed behind it")
    row.open(unit.caller.name, reason)
    await _delete(unit, row)


async def last_shut(unit: Unit, site: str) -> Period | None:
    """The newest period that is closed or about to be."""
    found: Period | None = await unit.first(
        select(Period)
        .where(Period.site == site, Period.state.in_(SHUT))  # type: ignore[arg-type, attr-defined]
        .order_by(Period.close_date.desc())  # type: ignore[attr-defined]
        .limit(1)
    )
    return found


async def closing(unit: Unit) -> list[str]:
    """Periods whose snapshot is not complete."""
    return list(
        await unit.all(
            select(Period.name).where(Period.state == PeriodState.CLOSING).order_by(Period.name)  # type: ignore[call-overload]
        )
    )


async def write_part(unit: Unit, name: str, count: int) -> bool:
    """Write and prove the next part of a snapshot, of about so many entries; whether there is more to do.

    Begun anew after a crash it goes on behind what is written (MAT-196).
    """
    row = await unit.find(Period, name, lock=True)
    if row is None or row.state is not PeriodState.CLOSING:
        return False
    site = row.site or ""
    before = await _before(unit, row)
    bounds = {
        "site": site, "period": name, "end": row.end_time, "before": before.name if before else "",
        "since": before.end_time if before else datetime.min.replace(tzinfo=UTC),
    }  # fmt: skip
    after = row.progress
    findings, until = await proof.differences(unit, site, after, count)
    within = {**bounds, "after": after, "until": until or proof.BEHIND_ALL}
    await unit.execute(_WRITE_BALANCES, within)
    await unit.execute(_WRITE_VALUES, within)
    findings += await _differences(unit, within)
    row.progress = until
    if findings:
        row.open(findings=findings)
        await _delete(unit, row)
    elif not until:
        counted = (await unit.execute(_TOTAL, {"period": name})).one()
        row.move(PeriodState.CLOSED)
        row.prove_time, row.balance_count, row.value = unit.now, counted.balances, counted.value
    return row.state is PeriodState.CLOSING


async def differences(unit: Unit, row: Period, after: str, count: int) -> tuple[list[str], str]:
    """Where the snapshot is not what the whole ledger makes it, part by part as `proof.differences`."""
    until = await proof.part(unit, row.site or "", after, count)
    bounds = {
        "site": row.site,
        "period": row.name,
        "end": row.end_time,
        "after": after,
        "until": until or proof.BEHIND_ALL,
    }
    return await _differences(unit, bounds), until


async def _before(unit: Unit, row: Period) -> Period | None:
    found: Period | None = await unit.first(
        select(Period)
        .where(
            Period.site == row.site,  # type: ignore[arg-type]
            Period.state == PeriodState.CLOSED,  # type: ignore[arg-type]
            Period.close_date < row.close_date,  # type: ignore[arg-type, operator]
        )
        .order_by(Period.close_date.desc())  # type: ignore[attr-defined]
        .limit(1)
    )
    return found


async def _delete(unit: Unit, row: Period) -> None:
    for statement in _DELETE:
        await unit.execute(statement, {"period": row.name})


async def _differences(unit: Unit, bounds: Mapping[str, Any]) -> list[str]:
    known = {name: bounds[name] for name in ("site", "period", "end", "after", "until")}
    found = []
    for sentence, statement in _COMPARE:
        rows = await unit.execute(statement, known)
        found += [f"{sentence}: {', '.join(str(value) for value in row)}" for row in rows]
    return found


_WRITE_BALANCES = text("""
    insert into period_balance (period, item, balance, quantity, second_quantity)
    select :period, min(f.item), f.balance, sum(f.quantity), sum(f.second_quantity) from (
      select x.item, x.balance, x.quantity, x.second_quantity from period_balance x
      where x.period = :before
        and x.item > :after and x.item <= :until
      union all
      select x.item, x.balance, x.quantity, x.second_quantity from movement_entry x
      where x.site = :site and x.effective_time >= :since and x.effective_time < :end
        and x.item > :after and x.item <= :until) f
    group by f.balance having sum(f.quantity) <> 0 or sum(f.second_quantity) <> 0
""")
_WRITE_VALUES = text("""
    insert into period_value (period, item, quantity, value)
    select :period, f.item, sum(f.quantity), sum(f.value) from (
      select x.item, x.quantity, x.value from period_value x where x.period = :before
        and x.item > :after and x.item <= :until
      union all
      select x.item, x.quantity, x.value from value_change x
      where x.site = :site and x.effective_time >= :since and x.effective_time < :end
        and x.item > :after and x.item <= :until) f
    group by f.item having sum(f.quantity) <> 0 or sum(f.value) <> 0
""")
_TOTAL = text("""
    select (select count(*) from period_balance where period = :period) as balances,
           (select coalesce(sum(value), 0) from period_value where period = :period) as value
""")
_DELETE = (
    text("delete from period_balance where period = :period"),
    text("delete from period_value where period = :period"),
)
_COMPARE = (
    (
        "snapshot differs from the ledger",
        text("""
            select coalesce(s.balance, e.balance), coalesce(s.quantity, 0), coalesce(e.quantity, 0)
            from (select * from period_balance x where x.period = :period
        and x.item > :after and x.item <= :until) s
            full join (
              select x.balance, sum(x.quantity) as quantity, sum(x.second_quantity) as second from movement_entry x
              where x.site = :site and x.effective_time < :end
        and x.item > :after and x.item <= :until
              group by x.balance) e
              on e.balance = s.balance
            where coalesce(s.quantity, 0) <> coalesce(e.quantity, 0)
               or coalesce(s.second_quantity, 0) <> coalesce(e.second, 0) order by 1 limit 100
        """),
    ),
    (
        "value in the snapshot differs from the ledger",
        text("""
            select coalesce(s.item, e.item), coalesce(s.quantity, 0), coalesce(e.quantity, 0), coalesce(s.value, 0),
                   coalesce(e.value, 0)
            from (select * from period_value x where x.period = :period
        and x.item > :after and x.item <= :until) s
            full join (
              select x.item, sum(x.quantity) as quantity, sum(x.value) as value from value_change x
              where x.site = :site and x.effective_time < :end
        and x.item > :after and x.item <= :until
              group by x.item) e
              on e.item = s.item
            where coalesce(s.quantity, 0) <> coalesce(e.quantity, 0) or coalesce(s.value, 0) <> coalesce(e.value, 0)
            order by 1 limit 100
        """),
    ),
)
