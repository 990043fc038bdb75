"""Needs that events tell of: one requisition for what no order brings yet (PRC-55, PRC-57, PRC-59, PRC-67)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import select

from services.chassis.unit import Unit
from services.procurement.model import approval, sourcing
from services.procurement.model.order_line import Line
from services.procurement.model.purchase_order import PurchaseOrder
from services.procurement.model.purchase_order import State as OrderState
from services.procurement.model.requisition import Requisition, SourceKind, State
from services.procurement.rules import cover

ZERO = Decimal(0)
OPEN = (State.SUBMITTED, State.APPROVED)


@dataclass(frozen=True, slots=True)
class Source:
    """Who asks: a reservation or a supply request, with its version and what a new requisition is made of."""

    kind: SourceKind
    name: str
    version: int
    site: str
    item: str
    unit_code: str
    given: dict[str, Any] = field(default_factory=dict)


async def follow(unit: Unit, source: Source, total: Decimal) -> None:
    """Set what a source asks for now: what orders bring already stays, the rest is one requisition.

    An order is never changed here; what its requisitions are still needed for is noted, so that a cancelled
    order gives back no need that has ended.
    """
    rows = await _of(unit, source.kind, source.name)
    waiting = next((row for row in rows if row.state in OPEN), None)
    ordered = [row for row in rows if row.state is State.CLOSED]
    brought = await _adjust(unit, ordered, total)
    rest = total - brought
    if waiting is not None:
        _know(waiting, source)
        await change(unit, waiting, rest)
    elif rest > 0:
        refused = next((row for row in reversed(rows) if row.state is State.REJECTED), None)
        words = [f"asked again after {refused.name} was rejected: {refused.decision_reason}"] if refused else []
        await create(unit, source, rest, words)


async def covered(unit: Unit, source: Source) -> None:
    """Somebody else supplies the need from now on: what is not ordered is not bought (PRC-55)."""
    for row in await _of(unit, source.kind, source.name):
        if row.state in OPEN:
            row.move(State.CANCELLED)


async def end(unit: Unit, needs: Sequence[Requisition]) -> None:
    """The needs have ended: what is not ordered is cancelled, what is ordered is needed no more (PRC-59)."""
    for need in needs:
        if need.state in OPEN:
            need.move(State.CANCELLED)
        elif need.state is State.CLOSED:
            need.needed = ZERO


async def create(unit: Unit, source: Source, quantity: Decimal, words: Sequence[str] = ()) -> None:
    """A new requisition; decided at once where a rule does so."""
    need = Requisition(
        name=unit.new_name(f"sites/{source.site}", Requisition.COLLECTION),
        site=source.site,
        number=await unit.next_number("RQ"),
        item=source.item,
        quantity=quantity,
        needed=quantity,
        unit_code=source.unit_code,
        source_kind=source.kind,
        source=source.name,
        source_version=source.version,
        correlation=unit.correlation,
        **source.given,
    )
    await _propose(unit, need, words)
    unit.add(need)
    unit.emit(need.created(), correlation=need.chain)
    await unit.flush()
    await approval.decide(unit, need)


async def change(unit: Unit, need: Requisition, quantity: Decimal) -> None:
    """Another total for a need that is not ordered; an approval does not hold for more (PRC-57, PRC-59, PRC-75)."""
    if quantity <= 0:
        need.move(State.CANCELLED)
        return
    if quantity == need.quantity:
        return
    before, raised = need.estimate, quantity > need.quantity
    need.quantity = need.needed = quantity
    await _propose(unit, need, [])
    dearer = before is None or need.estimate is None or need.estimate > before
    if need.state is State.APPROVED and (raised or dearer):
        need.withdraw("the need was raised: it is decided again")
    unit.emit(need.created(), correlation=need.chain)
    if need.state is State.SUBMITTED:
        await approval.decide(unit, need)


async def give_back(unit: Unit, order: PurchaseOrder) -> None:
    """A cancelled order gives its needs back; with one that waits for the same source they become one (PRC-59)."""
    rows: Sequence[Requisition] = await unit.all(
        select(Requisition)
        .where(Requisition.purchase_order == order.name, Requisition.state == State.CLOSED)  # type: ignore[arg-type]
        .order_by(Requisition.name)
        .with_for_update()
    )
    for need in rows:
        waiting = await _waiting(unit, need)
        if waiting is None or need.needed == 0:
            need.give_back()
            continue
        more = waiting.quantity
        waiting.move(State.CANCELLED)
        await unit.flush()  # frees the source's place for the one that goes on
        need.give_back()
        await change(unit, need, need.quantity + more)


async def trim(unit: Unit, order: PurchaseOrder, line: Line) -> None:
    """A line brings less: its references shrink from the last need on, and the rest is asked for anew (PRC-61)."""
    needs = await unit.get_many(Requisition, [row["requisition"] for row in line.references])
    ordered = sorted(needs.values(), key=_turn)
    top = Fraction(line.quantity - line.short_closed) * line.factor
    shares = cover.coming([Fraction(need.needed) for need in ordered], Fraction(0), top)
    kept: dict[str, Decimal] = {}
    for need, share in zip(ordered, shares, strict=True):
        covered_now = cover.floor(share)
        kept[need.name] = cover.floor(share / line.factor)
        lost = need.needed - covered_now
        if lost > 0:
            need.needed = covered_now
            await _again(unit, need, lost, order)
    line.references = [
        {**row, "quantity": {**row["quantity"], "value": f"{kept[row['requisition']].normalize():f}"}}
        for row in line.references
        if kept.get(row["requisition"], ZERO) > 0
    ]


async def _again(unit: Unit, need: Requisition, lost: Decimal, order: PurchaseOrder) -> None:
    waiting = await _waiting(unit, need)
    if waiting is not None:
        await change(unit, waiting, waiting.quantity + lost)
        return
    names = (
        "need_date", "delivery_location", "reason", "work_order", "demand", "demand_version", "requester",
    )  # fmt: skip
    source = Source(
        need.source_kind, need.source, need.source_version, need.site or "", need.item, need.unit_code,
        {name: getattr(need, name) for name in names},
    )  # fmt: skip
    await create(unit, source, lost, [f"left over from {order.name}"])


async def _waiting(unit: Unit, need: Requisition) -> Requisition | None:
    if not need.source:
        return None
    rows = await _of(unit, need.source_kind, need.source)
    return next((row for row in rows if row.state in OPEN), None)


async def _of(unit: Unit, kind: SourceKind, source: str) -> Sequence[Requisition]:
    found: Sequence[Requisition] = await unit.all(
        select(Requisition)
        .where(Requisition.source_kind == kind, Requisition.source == source)  # type: ignore[arg-type]
        .order_by(Requisition.name)
        .with_for_update()
    )
    return found


def _know(need: Requisition, source: Source) -> None:
    """The newest version, day and place of a need that is not ordered."""
    need.source_version = source.version
    for name in ("need_date", "delivery_location", "demand_version"):
        if source.given.get(name):
            setattr(need, name, source.given[name])


async def _propose(unit: Unit, need: Requisition, words: Sequence[str]) -> None:
    await sourcing.propose(unit, need)
    need.explanation = [*words, *need.explanation]


async def _adjust(unit: Unit, ordered: Sequence[Requisition], total: Decimal) -> Decimal:
    """How much of the total orders bring, after noting what their requisitions are needed for now."""
    brought = await _brought(unit, ordered)
    surplus = sum(brought.values(), ZERO) - max(total, ZERO)
    for need in sorted(ordered, key=_turn, reverse=True):
        if surplus > 0:
            less = min(surplus, brought[need.name], need.needed)
            need.needed -= less
            brought[need.name] -= less
            surplus -= less
        elif surplus < 0:
            more = min(-surplus, await _spare(unit, need))
            need.needed += more
            brought[need.name] += more
            surplus += more
    return sum(brought.values(), ZERO)


async def _spare(unit: Unit, need: Requisition) -> Decimal:
    """What an ordered requisition may be needed for again: within its quantity and what its line brings to nobody."""
    found = await _line_of(unit, need)
    if found is None:
        return ZERO
    order, line = found
    if order.state is OrderState.CLOSED or line.short_closed > 0:
        return ZERO
    needs = await unit.get_many(Requisition, [row["requisition"] for row in line.references], lock=False)
    taken = sum((row.needed for row in needs.values()), ZERO)
    free = cover.floor(Fraction(line.quantity) * line.factor) - taken
    return max(ZERO, min(need.quantity - need.needed, free))


async def _brought(unit: Unit, ordered: Sequence[Requisition]) -> dict[str, Decimal]:
    """What orders still bring to each requisition; for a supply request, whose total never falls, all of it."""
    found: dict[str, Decimal] = {}
    for need in ordered:
        if need.source_kind is SourceKind.REPLENISHMENT:
            found[need.name] = need.needed
            continue
        on_line = await _line_of(unit, need)
        if on_line is None or on_line[0].state is OrderState.CLOSED:
            found[need.name] = ZERO
            continue
        line = on_line[1]
        others = await unit.get_many(Requisition, [row["requisition"] for row in line.references], lock=False)
        turn = sorted(others.values(), key=_turn)
        top = Fraction(line.quantity - line.short_closed - line.rejected) * line.factor
        shares = cover.coming([Fraction(row.needed) for row in turn], Fraction(line.accepted) * line.factor, top)
        found[need.name] = next(
            (cover.floor(share) for row, share in zip(turn, shares, strict=True) if row.name == need.name), ZERO
        )
    return found


async def _line_of(unit: Unit, need: Requisition) -> tuple[PurchaseOrder, Line] | None:
    order = await unit.find(PurchaseOrder, need.purchase_order, lock=False)
    for line in order.lines if order is not None else ():
        if any(row["requisition"] == need.name for row in line.references):
            assert order is not None
            return order, line
    return None


def _turn(need: Requisition) -> tuple[date, str]:
    """The order in which needs are served: by day, then by name (PRC-63)."""
    return need.need_date or date.max, need.name
