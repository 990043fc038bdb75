"""Facts that come in after a count was posted and are from before it: booked with their opposite (MAT-150).

The count had seen them already: without the opposite the book would say them twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import text

from services.chassis.db import json_text
from services.chassis.faults import Fault
from services.chassis.unit import Unit
from services.materials.model import count_lines, ledger
from services.materials.model import location as locations
from services.materials.model.count import RESTATED, CountDocument, CountLine
from services.materials.model.ledger import Line, NegativeInPast, Posting, WeightNegativeInPast
from services.materials.model.location import Kind, Location
from services.materials.model.movement import MovementKind
from services.materials.rules import counting

_POSTED = text("""
    select x.n, y.number, k.sign, c.name
    from jsonb_to_recordset(cast(:facts as jsonb)) x(n int, effective_time timestamptz, lines jsonb)
    cross join lateral jsonb_array_elements(x.lines) with ordinality y(line, number)
    cross join lateral posting_lines(jsonb_build_array(y.line)) l
    cross join lateral (values
      (-1, l.from_virtual, balance_key(:site, l.item, l.from_location, l.lot, l.from_status, l.serial,
                                       l.from_handling_unit, l.from_owner, l.from_project)),
      (1, l.to_virtual, balance_key(:site, l.item, l.to_location, l.lot, l.to_status, l.serial, l.to_handling_unit,
                                    l.to_owner, l.to_project))) k(sign, virtual, key)
    cross join lateral (
      select c.name from count_line c
      where c.balance = k.key and c.state = 'POSTED' and c.count_time >= x.effective_time
      order by c.count_time, c.name limit 1) c
    where not k.virtual
    order by x.n, y.number, k.sign
""")
_INSTANT = timedelta(microseconds=1)


class _AgainError(Exception):
    """Something was refused: without it once more."""


@dataclass(slots=True)
class _Fact:
    """A posting, and which of its sides a posted count had seen: (line, +1 into or -1 out of the stock, count line)."""

    posting: Posting
    effective_time: datetime
    sides: list[tuple[Line, int, CountLine]] = field(default_factory=list)
    opposites: list[tuple[Posting, int, CountLine]] = field(default_factory=list)
    early: bool = False
    fault: Fault | None = None


async def post_all(unit: Unit, site: str, postings: Sequence[Posting]) -> None:
    """Post movements of one document: all, or the first fault is raised."""
    await post(unit, site, postings)
    for item in postings:
        if item.fault is not None:
            raise item.fault


async def post(unit: Unit, site: str, postings: Sequence[Posting]) -> None:
    """`ledger.post`, and of what a posted count had seen already the opposite beside it, both or none.

    The opposites are told here, and the counts that are stated anew.
    """
    seen = await _seen(unit, site, postings)
    if not seen:
        await ledger.post(unit, site, postings)
        return
    adjustment = await locations.virtual(unit, site, Kind.ADJUSTMENT)
    kept = [(item.effective_time, [line.cost for line in item.lines]) for item in postings]
    while True:
        for item, (effective, costs) in zip(postings, kept, strict=True):
            item.fault, item.effective_time = None, effective
            for line, cost in zip(item.lines, costs, strict=True):
                line.cost = cost
        order = []
        for number, item in enumerate(postings):
            fact = seen.get(number)
            if fact is None:
                order.append(item)
            elif fact.fault is None:
                order += _in_order(unit, site, fact, adjustment)
        try:
            async with unit.attempt():
                await ledger.post(unit, site, order)
                refused = [fact for fact in seen.values() if _refused(fact)]
                if refused:
                    raise _AgainError
        except _AgainError:
            continue
        break
    for fact in seen.values():
        fact.posting.fault = fact.fault
    await _restate(unit, [fact for fact in seen.values() if fact.fault is None])


async def _seen(unit: Unit, site: str, postings: Sequence[Posting]) -> dict[int, _Fact]:
    """Postings of which a posted count had seen a side; the items are held then."""
    dated = [(number, item) for number, item in enumerate(postings) if item.effective_time is not None]
    if not dated:
        return {}
    await ledger.hold(unit, site, [line.item for item in postings for line in item.lines])
    facts = ",".join(
        f'{{"n":{number},"effective_time":{json_text(item.effective_time)},"lines":{ledger.content_of(item.lines)}}}'
        for number, item in dated
    )
    rows = (await unit.execute(_POSTED, {"site": site, "facts": f"[{facts}]"})).all()
    if not rows:
        return {}
    lines = await unit.get_many(CountLine, {row.name for row in rows}, lock=True)
    found: dict[int, _Fact] = {}
    for row in rows:
        item = postings[row.n]
        assert item.effective_time is not None
        fact = found.setdefault(row.n, _Fact(item, item.effective_time))
        fact.sides.append((item.lines[row.number - 1], row.sign, lines[row.name]))
    return found


def _in_order(unit: Unit, site: str, fact: _Fact, adjustment: Location) -> list[Posting]:
    """A fact among its opposites: what it takes is there before, what it brings goes after it.

    A serial leaves where the count found it before it comes back to where the count missed it.
    """
    fact.opposites = []
    lost: dict[str, str] = {}
    for line, sign, count_line in sorted(fact.sides, key=lambda side: -side[1]):
        known = lost.get(line.serial, count_line.movement) if line.serial and sign < 0 else ""
        opposite = _opposite(unit, site, fact, line, sign, count_line, adjustment, known)
        if line.serial and sign > 0:
            lost[line.serial] = opposite.name
        fact.opposites.append((opposite, -sign, count_line))
    gains = [posting for posting, sign, _ in fact.opposites if sign > 0]
    losses = [posting for posting, sign, _ in fact.opposites if sign < 0]
    if any(line.serial for line in fact.posting.lines):
        return [*losses, *gains, fact.posting]
    return [*gains, fact.posting, *losses]


def _opposite(
    unit: Unit, site: str, fact: _Fact, line: Line, sign: int, count_line: CountLine, adjustment: Location, returns: str
) -> Posting:
    """An ADJUST against one side at the instant of the count.

    A gain stands in front of what the count posted then, so that the stock is never below nothing; where the book had
    not enough before either, it is as early as the fact.
    """
    side = "from" if sign < 0 else "to"
    place, status, handling_unit, owner, project = (
        getattr(line, f"{side}_{name}") for name in ("location", "status", "handling_unit", "owner", "project")
    )
    out = sign > 0
    new = Line(
        item=line.item, lot=line.lot, serial=line.serial, quantity=line.quantity, unit_code=line.unit_code,
        from_location=place if out else adjustment.name, to_location=adjustment.name if out else place,
        from_virtual=not out, to_virtual=out, from_status=status, to_status=status,
        from_handling_unit=handling_unit if out else "", to_handling_unit="" if out else handling_unit,
        from_owner=owner, to_owner=owner, from_project=project, to_project=project,
        second_quantity=line.second_quantity, second_unit_code=line.second_unit_code, returns=returns,
    )  # fmt: skip
    assert count_line.count_time is not None
    at = count_line.count_time
    if not out:
        at = fact.effective_time if fact.early else max(at - _INSTANT, fact.effective_time)
    return Posting.new(
        unit, site, MovementKind.ADJUST, new, effective_time=at, reason_code=RESTATED, source=count_line.name,
        correlation=fact.posting.correlation,
    )  # fmt: skip


def _refused(fact: _Fact) -> bool:
    """Whether it, or an opposite of it, was refused now: left out then, or tried with earlier opposites."""
    if fact.fault is not None:
        return False
    fault = next(
        (item.fault for item in (fact.posting, *(row[0] for row in fact.opposites)) if item.fault is not None), None
    )
    if fault is None:
        return False
    if isinstance(fault, (NegativeInPast, WeightNegativeInPast)) and not fact.early:
        fact.early = True
    else:
        fact.fault = fault
    return True


async def _restate(unit: Unit, facts: Sequence[_Fact]) -> None:
    """The posted lines say another difference now, and their counts another accuracy."""
    opposites = [(fact, *row) for fact in facts for row in fact.opposites]
    if not opposites:
        return
    documents = await unit.get_many(CountDocument, {line.count for _, _, _, line in opposites}, lock=True)
    lines = {}
    for fact, posting, sign, line in opposites:
        tolerance = documents[line.count].judged_by.tolerance
        amount = posting.line.quantity * -sign
        line.restate(amount, fact.effective_time, posting.worth * sign, tolerance)
        lines[line.name] = line
    await count_lines.write(unit, lines.values())
    known = await count_lines.posted(unit, documents)
    for name, document in sorted(documents.items()):
        mine = [line for line in lines.values() if line.count == name]
        accuracies = counting.accuracies(known[name])
        unit.emit(document.told(mine, accuracies, mine[0].value_currency_code), correlation=document.chain)
    ledger.tell(unit, [posting for _, posting, _, _ in opposites])
