"""What materials does by itself, on time."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

import structlog
from sqlalchemy import select, text

from services.chassis.faults import Fault
from services.chassis.jobs import job
from services.materials.model import (
    breaking,
    decision,
    enforcing,
    filling,
    holding,
    kanban,
    ledger,
    need_cover,
    period,
    proof,
    replenishing,
    sealing,
    softness,
    stock,
    substituting,
)
from services.materials.model import task as tasks
from services.materials.model.item import SiteFact
from services.materials.model.options import options

log = structlog.get_logger("ledger")


@job(every=timedelta(seconds=2))
async def seal_ledgers(open_unit: Any) -> None:
    """Number and chain what was posted since, site by site, a batch in each unit (MAT-43)."""
    async with open_unit() as unit:
        sites = await sealing.unsealed_sites(unit)
    for site in sites:
        sealed = sealing.BATCH
        while sealed == sealing.BATCH:
            async with open_unit() as unit:
                sealed = await sealing.seal_some(unit, site)


@job(every=timedelta(minutes=10))
async def prove_ledgers(open_unit: Any) -> None:
    """Once a day every ledger is compared with what was made of it; a difference is an alarm (MAT-45)."""
    async with open_unit() as unit:
        sites = await proof.due(unit)
    for site in sites:
        findings: list[str] = []
        after: str | None = None
        while after != "":
            async with open_unit() as unit:
                found, after = await proof.differences(unit, site, after or "", proof.PART)
            findings += found
        async with open_unit() as unit:
            await proof.keep(unit, site, findings)
        if findings:
            log.error("the ledger differs", site=f"sites/{site}", findings=findings[:5], count=len(findings))
    async with open_unit() as unit:
        if unit.context.metrics is not None:
            unit.context.metrics.set("plantops_proof_differences", await proof.total(unit))


@job(every=timedelta(seconds=2))
async def close_periods(open_unit: Any) -> None:
    """Snapshots of periods that are being closed are written and proved, a part in each unit (MAT-196)."""
    async with open_unit() as unit:
        names = await period.closing(unit)
    for name in names:
        more = True
        while more:
            async with open_unit() as unit:
                more = await period.write_part(unit, name, proof.PART)


@job(every=timedelta(seconds=5))
async def open_expired_leases(open_unit: Any) -> None:
    """Tasks whose lease ran out are open again (MAT-105)."""
    async with open_unit() as unit:
        await tasks.open_expired(unit)


PLACES, PART = 500, 50
"""Items of policies that are looked at together, and of those that need something, asked in one unit."""


async def _in_need(
    open_unit: Any, model: Any, look: Callable[[Any, str, Sequence[str]], Awaitable[list[str]]]
) -> AsyncIterator[tuple[str, list[str]]]:
    """Sites with items that need something, a part after the other; seen without locks."""
    async with open_unit() as unit:
        places = await model.places(unit)
    for site, found in groupby(places, key=itemgetter(0)):
        items = [item for _, item in found]
        for first in range(0, len(items), PLACES):
            async with open_unit() as unit:
                needy = await look(unit, site, items[first : first + PLACES])
            for start in range(0, len(needy), PART):
                yield site, needy[start : start + PART]


@job(every=timedelta(seconds=30))
async def ask_policies(open_unit: Any) -> None:
    """Policies in force look at their positions, many at a time without locks; those in need are asked (MAT-164)."""
    async for site, items in _in_need(open_unit, replenishing, replenishing.needy):
        async with open_unit() as unit:
            await replenishing.ask(unit, site, *items)


@job(every=timedelta(minutes=1))
async def put_revisions_in_force(open_unit: Any) -> None:
    """Approved revisions of replenishment policies come into force at their start, each in a unit (MAT-161)."""
    async with open_unit() as unit:
        names = await enforcing.due(unit)
    for name in names:
        try:
            async with open_unit() as unit:
                await enforcing.put_in_force(unit, name)
        except Fault as fault:
            log.warning("a revision does not come into force", revision=name, why=fault.message)


@job(every=timedelta(hours=1))
async def purge_decisions(open_unit: Any) -> None:
    """Decisions that are older than they are to be kept are deleted, a part in each unit (MAT-162)."""
    async with open_unit() as unit:
        days = options(unit).decision_days
        sites = await unit.all(select(SiteFact.name)) if days else []  # type: ignore[call-overload]
    for site in sites:
        deleted = decision.PART
        while deleted == decision.PART:
            async with open_unit() as unit:
                deleted = await decision.purge(unit, site.removeprefix("sites/"), days)


@job(every=timedelta(seconds=30))
async def fill_places(open_unit: Any) -> None:
    """Pick faces that are low, and places of empty cards, are filled by tasks (MAT-170, MAT-171)."""
    async for site, items in _in_need(open_unit, filling, filling.low):
        async with open_unit() as unit:
            await filling.fill(unit, site, *items)
    async with open_unit() as unit:
        cards = await kanban.waiting(unit, PLACES)
    for site, waiting in groupby(cards, key=itemgetter(0)):
        async with open_unit() as unit:
            await kanban.ask_again(unit, site, *(item for _, item in waiting))


@job(every=timedelta(seconds=30))
async def settle_holds(open_unit: Any) -> None:
    """What came under a hold by a move or by what was made of a lot is told, and claims on it are broken (MAT-63)."""
    async with open_unit() as unit:
        sites = await holding.sites(unit)
    for site in sites:
        async with open_unit() as unit:
            await holding.settle(unit, site)


@job(every=timedelta(minutes=5))
async def break_expired(open_unit: Any) -> None:
    """Claims on lots whose last usable day is over are broken, a lot in each unit (MAT-77, MAT-86)."""
    async with open_unit() as unit:
        lots = await breaking.expired(unit)
    for (site, item, lot), balances in lots.items():
        async with open_unit() as unit:
            await ledger.hold(unit, site, [item])
            await breaking.break_claims(unit, site, dict.fromkeys(balances), f"{lot} has expired")


_DUE = text("""
    select distinct site, item from reservation
    where state in ('PENDING', 'SHORT') and (hard_time <= now() or expire_time <= now() and hard_time > now())
    order by site, item limit 200
""")


@job(every=timedelta(seconds=15))
async def harden_claims(open_unit: Any) -> None:
    """Soft claims whose window has come take stock; those that lived too long end; an item in each unit (MAT-76).

    Alternates that came meanwhile stand in for what is short, where the demand allows (MAT-10).
    """
    async with open_unit() as unit:
        places = list(await unit.execute(_DUE))
    for site, item in places:
        async with open_unit() as unit:
            await softness.harden(unit, site, item)
    async with open_unit() as unit:
        offered = await substituting.offered(unit)
    for site, item in offered:
        async with open_unit() as unit:
            await stock.stand_in(unit, site, item)


@job(every=timedelta(seconds=20))
async def note_needs(open_unit: Any) -> None:
    """What covers a demand when it is needed is noted at that moment, for the figures (MAT-331)."""
    async with open_unit() as unit:
        await need_cover.note(unit)
