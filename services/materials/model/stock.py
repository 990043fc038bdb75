"""What follows from stock that comes and goes: who waits is served, policies are asked (MAT-77, 78, 164)."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import func, select, text

from services.chassis.query import among
from services.chassis.unit import Unit
from services.materials.model import (
    allocating,
    allocation_policy,
    availability,
    claim_rows,
    late_facts,
    ledger,
    replenishing,
    revaluing,
    substituting,
)
from services.materials.model.base import Resource
from services.materials.model.item import site_fact
from services.materials.model.ledger import Posting
from services.materials.model.receipt import ExpectedReceipt, ExpectedState
from services.materials.model.reservation import WAITING, Cover, Reservation, State
from services.materials.rules.allocation import Candidate

R = TypeVar("R", bound=Resource)

ZERO = Decimal(0)


async def take_up(unit: Unit, model: type[R], name: str, *, etag: str = "") -> R:
    """A document of one item, locked behind the lock of that item's stock (PERF-4)."""
    columns: Any = model
    found = (await unit.execute(select(columns.site, columns.item).where(columns.name == name))).first()
    if found is not None:
        await ledger.hold(unit, found.site, [found.item])
    return await unit.get(model, name, etag=etag)


async def move(unit: Unit, site: str, postings: Sequence[Posting], told: Callable[[], None] | None = None) -> None:
    """Post movements of one document, all or none; tell the document's own event, its movements, what follows."""
    await late_facts.post_all(unit, site, postings)
    if told is not None:
        told()
    await follow(unit, site, postings)


async def follow(unit: Unit, site: str, postings: Sequence[Posting]) -> None:
    """Tell posted movements, then serve who waits and ask the policies of what was lost."""
    ledger.tell(unit, postings)
    await revaluing.follow(unit, site, postings)
    posted = [item for item in postings if item.fault is None]
    await serve(
        unit, site, {line.item for item in posted for line in item.lines if line.adds_free_stock},
        [item.source for item in posted],
    )  # fmt: skip
    lost = {name for item in posted for name in item.loses_stock}
    if lost:
        await unit.flush()
        await replenishing.ask(unit, site, *lost)


async def serve(unit: Unit, site: str, items: Iterable[str], sources: Collection[str] = ()) -> None:
    """Give free stock to the reservations that wait for it, in the order of their claim (MAT-78).

    Goods of `sources`, receipts or inspection lots, go first to those that they were ordered for, where the policy
    honours that. Soft claims that were short take no stock, but are promised what there is.
    """
    wanted = set(items)
    rows = await allocating.waiting(unit, site, wanted) if wanted else []
    if not rows:
        return
    fact = await site_fact(unit, site)
    rules = await allocation_policy.rules_of(unit, site, {row.item for row in rows})
    orders = await _orders(unit, sources) if any(rule.honour_pegging for rule in rules.values()) else set()
    soft = [row for row in rows if row.soft(unit.now)]
    hard = sorted(
        (row for row in rows if not row.soft(unit.now)),
        key=lambda row: (row.item, not allocating.pegged(row, orders, rules)),
    )
    if hard:
        free = await allocating.candidates(unit, site, {row.item for row in hard})
        await allocating.allocate(unit, hard, allocating.Stock(free, rules), fact, told=False)
    for row in hard:
        if row.judge() and row.state is State.ALLOCATED:
            unit.emit(row.told_allocated(), correlation=row.correlation)
    await claim_rows.write(unit, hard)
    short = [row for row in soft if row.state is State.SHORT]
    if short:
        await availability.promise(unit, site, short, fact)
        for row in short:
            row.judge()
        await claim_rows.write(unit, short)


_ORDERS = text("""
    select purchase_order from receipt_line where receipt = any(cast(:sources as text[]))
    union
    select l.purchase_order from inspection_lot i
    join receipt_line l on l.receipt = i.receipt and l.line = i.receipt_line
    where i.name = any(cast(:sources as text[]))
""")


async def _orders(unit: Unit, sources: Collection[str]) -> set[str]:
    """The orders that goods of receipts and inspection lots came for."""
    rows = await unit.execute(_ORDERS, {"sources": sorted(set(sources) - {""})})
    return {row.purchase_order for row in rows if row.purchase_order}


async def claim(unit: Unit, row: Reservation, alternates: substituting.Offers | None = None) -> None:
    """Judge a reservation: take stock, else say what covers the missing part (MAT-168)."""
    await claim_all(unit, row.site or "", [row], alternates=alternates)


async def stand_in(unit: Unit, site: str, item: str) -> None:
    """Alternates that came meanwhile cover what reservations lack that wait for an item and allow them."""
    given = await substituting.hold(unit, site, [item], [item])
    rows = [row for row in await allocating.waiting(unit, site, [item]) if not row.soft(unit.now)]
    await substituting.cover(unit, site, rows, given, await site_fact(unit, site), told=False)
    for row in rows:
        if row.allow_alternates and row.judge() and row.state is State.ALLOCATED:
            unit.emit(row.told_allocated(), correlation=row.correlation)
    await claim_rows.write(unit, rows)


async def schedule(unit: Unit, site: str, rows: Sequence[Reservation]) -> None:
    """Say from when on reservations take stock, by the policies in force now (MAT-76)."""
    rules = await allocation_policy.rules_of(unit, site, {row.item for row in rows})
    for row in rows:
        if not row.substitutes:  # it stands in for one that takes stock
            row.schedule(rules[row.item], unit.now)


async def claim_all(
    unit: Unit,
    site: str,
    rows: Sequence[Reservation],
    *,
    spared: Mapping[str, Decimal | None] | None = None,
    alternates: substituting.Offers | None = None,
) -> None:
    """Judge reservations in the order of their claim, with as many statements for many as for one.

    Hard ones take stock, soft ones are promised what will be there (MAT-72). Of balances that are `spared`, so much is
    not taken, or nothing at all for None. The caller holds the items, and `alternates` where these are given: else the
    job that makes claims hard sees to them. What reservations of alternates lose goes back to whom they substitute.
    """
    ranked = sorted(rows, key=allocating.turn)
    await claim_rows.write(unit, ranked)
    await unit.flush()
    fact = await site_fact(unit, site)
    soft = [row for row in ranked if row.soft(unit.now)]
    hard = [row for row in ranked if not row.soft(unit.now)]
    if soft:
        await availability.promise(unit, site, soft, fact)
        await claim_rows.write(unit, soft)
    if hard:
        items = {row.item for row in hard}
        rules = await allocation_policy.rules_of(unit, site, items)
        free = _left(await allocating.candidates(unit, site, items), spared or {})
        await allocating.allocate(unit, hard, allocating.Stock(free, rules), fact, told=True)
        if alternates:
            await claim_rows.write(unit, hard)
            await substituting.cover(unit, site, hard, alternates, fact, told=True)
    settled = [row for row in ranked if row.substitutes]
    others = [row for row in ranked if not row.substitutes]
    await substituting.settle(unit, settled)
    for row in others:
        if not row.soft(unit.now):
            row.share(supply_covered=row.supply_covered)
            if alternates is None and row.allow_alternates and row.missing > 0:
                row.hard_time = unit.now
        row.judge()
    for row in settled:
        if row.state in WAITING:
            row.judge()
    await claim_rows.write(unit, ranked)
    if others:
        await _cover(unit, site, others)


async def _cover(unit: Unit, site: str, rows: Sequence[Reservation]) -> None:
    """Say of judged reservations what covers the missing part (MAT-168), tell, and ask the policies of their items."""
    requests, needed = await replenishing.judge(unit, site, {row.item for row in rows})
    short = [row for row in rows if row.state is State.SHORT]
    supplies = await _expected(unit, site, [row for row in short if row.item not in requests])
    for row in rows:
        if row.state is State.ALLOCATED:
            unit.emit(row.told_allocated(), correlation=row.correlation)
        elif row.state is State.SHORT:
            row.cause = row.cause or "not enough free stock"
            request, supply = requests.get(row.item), supplies.get(row.name)
            if request is not None:
                row.cover_by(Cover.COVERED_BY_POLICY, request.name, request.need_date)
            elif supply is not None:
                row.cover_by(Cover.COVERED_BY_SUPPLY, supply.name, supply.expected_date)
            else:
                row.cover_by(Cover.UNCOVERED)
            unit.emit(row.told_short(), correlation=row.correlation)
    await claim_rows.write(unit, rows)
    for request, event in needed:
        unit.emit(event, correlation=request.chain)
    await unit.flush()


def _left(free: dict[str, list[Candidate]], spared: Mapping[str, Decimal | None]) -> dict[str, list[Candidate]]:
    """Free stock without what others are about to take."""
    for found in free.values():
        for candidate in found:
            amount = spared.get(candidate.balance, ZERO)
            candidate.free = ZERO if amount is None else max(candidate.free - amount, ZERO)
    return free


async def claim_anew(unit: Unit, site: str, rows: Sequence[Reservation], cause: str) -> None:
    """Give back what reservations hold and claim it again, in the order of their claim; then serve who waits.

    Beside `break_claims`: the stock stays usable, only not for these. The caller holds the items.
    """
    await allocating.give_back(unit, *rows)
    for row in rows:
        row.cause = cause
    if rows:
        await claim_all(unit, site, rows)
    await serve(unit, site, {row.item for row in rows})


async def uncover(unit: Unit, site: str, items: Iterable[str], order: str, cause: str) -> None:
    """What an order was to bring will not come: who waited for it is open again, policies are asked (MAT-169).

    The caller holds the items.
    """
    wanted = sorted(set(items))
    rows: Sequence[Reservation] = await unit.all(
        select(Reservation)
        .where(
            Reservation.site == site,  # type: ignore[arg-type]
            Reservation.item.in_(wanted),  # type: ignore[attr-defined]
            Reservation.state == State.SHORT,  # type: ignore[arg-type]
            Reservation.supply.in_(  # type: ignore[attr-defined]
                [order, *await _names_of(unit, order)],
            ),
        )
        .order_by(Reservation.name)
        .with_for_update(of=Reservation)
    )
    for row in rows:
        row.cover_by(Cover.UNCOVERED)
        row.cause = cause
        unit.emit(row.told_short(), correlation=row.correlation)
    await unit.flush()
    await replenishing.ask(unit, site, *wanted)


async def _names_of(unit: Unit, order: str) -> Sequence[str]:
    return await unit.all(
        select(ExpectedReceipt.name).where(ExpectedReceipt.purchase_order == order)  # type: ignore[call-overload]
    )


async def _expected(unit: Unit, site: str, rows: Sequence[Reservation]) -> dict[str, ExpectedReceipt]:
    """Reservation -> an open order that brings more than those that wait need; the earliest one."""
    if not rows:
        return {}
    items = sorted({row.item for row in rows})
    orders: dict[str, list[ExpectedReceipt]] = {}
    for order in await unit.all(
        select(ExpectedReceipt)
        .where(
            ExpectedReceipt.site == site,  # type: ignore[arg-type]
            among(ExpectedReceipt.item, items),
            ExpectedReceipt.state == ExpectedState.OPEN,  # type: ignore[arg-type]
            ExpectedReceipt.set_aside.is_(False),  # type: ignore[attr-defined]
        )
        .order_by(ExpectedReceipt.expected_date, ExpectedReceipt.name)  # type: ignore[arg-type]
    ):
        orders.setdefault(order.item, []).append(order)
    short: dict[str, Decimal] = {}
    for each in await unit.execute(
        select(Reservation.item, func.sum(Reservation.short + Reservation.supply_covered).label("short"))  # type: ignore[call-overload]
        .where(
            Reservation.site == site,
            among(Reservation.item, items),
            Reservation.state == State.SHORT,
        )
        .group_by(Reservation.item)
    ):
        short[each.item] = each.short
    found = {}
    for row in rows:
        coming = orders.get(row.item, [])
        if coming and sum((order.awaited_base for order in coming), ZERO) >= short.get(row.item, ZERO):
            found[row.name] = coming[0]
    return found
