"""Accepting what was counted, and bringing the book to it line by line: a bad one blocks no other (MAT-149, 150)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from services.chassis.faults import Fault
from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.materials.api.count_entries import Work, shown
from services.materials.model import breaking, count_lines, count_tasks, late_facts, ledger, stock
from services.materials.model import location as locations
from services.materials.model.count import (
    ENDED,
    REASON_CODE,
    ApprovalLimitExceeded,
    CountLine,
    CountOutdated,
    Figures,
    LineState,
    SerialCountedTwice,
)
from services.materials.model.ledger import Line, NegativeInPast, Posting
from services.materials.model.location import Kind, Location
from services.materials.model.lot import Serial
from services.materials.model.movement import MovementKind
from services.materials.rules import counting

ZERO = Decimal(0)


class _RolledBackError(Exception):
    """Only tried."""


@dataclass(slots=True)
class _Case:
    """An entry with its line and what the ledger says of it."""

    entry: Any
    line: CountLine
    figures: Figures


async def _cases(work: Work, batch: Any, check: Any) -> list[_Case]:
    """Entries that a check lets through, with figures; the others are refused."""
    good, seen = [], set()
    for entry in batch.open:
        try:
            line = work.line(entry.request.name)
            if line.name in seen:
                line.move(line.state)
            check(line)
            seen.add(line.name)
            good.append((entry, line))
        except Fault as fault:
            entry.refuse(fault)
    lines = [line for _, line in good]
    twins = await count_lines.twins(work.unit, [line.name for line in lines if line.serial])
    found = await count_lines.figures(work.unit, work.site, lines, work.document.judged_by.window)
    cases = []
    for (entry, line), figures in zip(good, found, strict=True):
        if line.name in twins:
            entry.refuse(SerialCountedTwice(serial=line.serial, other=twins[line.name][0]))
        else:
            cases.append(_Case(entry, line, figures))
    return cases


async def approve(unit: Unit, request: Any, batch: Any) -> None:
    """Accept lines, not by who counted them; what moved about the time of the count is asked once more (MAT-147)."""
    work = await Work.of(unit, request.parent, [entry.request.name for entry in batch.open])
    if not work.under_way(batch):
        return
    parameters, caller = work.document.judged_by, unit.caller
    roles = caller.roles.get("-", frozenset()) | caller.roles.get(work.site, frozenset())
    judged = []
    for case in await _cases(work, batch, lambda line: line.may_be_approved(caller.name)):
        line, figures = case.line, case.figures
        worth = figures.worth((line.counted or ZERO) - figures.book)
        if not counting.may_approve(worth, roles, parameters.limits):
            fault = ApprovalLimitExceeded(
                value=canonical(abs(worth)), currency_code=figures.currency_code, roles=sorted(roles)
            )
            case.entry.refuse(fault)
            continue
        line.judge(figures, parameters)
        line.note = case.entry.request.note or line.note
        if line.state is LineState.COUNTED and figures.moved:
            line.doubt("it moved about the time of the count")
        else:
            line.approve(caller.name, unit.now)
        judged.append(case)
    await count_lines.write(unit, work.lines.values())
    for case in judged:
        case.entry.answer(shown(case.line))


async def post(unit: Unit, request: Any, batch: Any) -> None:
    """Post lines that are approved; each difference is an ADJUST at the time of its count."""
    work = await Work.of(unit, request.parent, [entry.request.name for entry in batch.open])
    if not work.under_way(batch):
        return
    cases = []
    for case in await _cases(work, batch, _approved):
        now = (case.line.counted or ZERO) - case.figures.book
        if now != case.line.difference:
            fault = CountOutdated(
                count_line=case.line.name, difference=canonical(now), approved=canonical(case.line.difference or ZERO)
            )
            case.entry.refuse(fault)
        else:
            cases.append(case)
    postings = await _postings(work, cases)
    await _free(work, cases, postings)
    refused = {case.line.name for case in cases if not case.entry.open}
    done = [posting for name, posting in postings.items() if name not in refused]
    await late_facts.post(unit, work.site, done)
    posted = []
    for case in cases:
        posting = postings.get(case.line.name)
        if posting is not None and posting.fault is not None:
            case.entry.refuse(posting.fault)
        elif case.entry.open:
            worth = sum(((line.cost or ZERO) * (1 if line.from_virtual else -1) for line in _of(posting)), ZERO)
            case.line.post(posting.name if posting is not None else "", worth, unit.now)
            posted.append(case)
    await count_lines.write(unit, [case.line for case in posted])
    for case in posted:
        case.entry.answer(shown(case.line))
    await _tell(work, posted)
    await stock.follow(unit, work.site, done)
    await count_tasks.done(unit, work.site, [case.line for case in posted])


def _of(posting: Posting | None) -> Sequence[Line]:
    return posting.lines if posting is not None else ()


def _approved(line: CountLine) -> None:
    if line.state is not LineState.APPROVED:
        line.move(LineState.POSTED)


async def _tell(work: Work, posted: Sequence[_Case]) -> None:
    """The count says what was posted, and ends with its last line."""
    if not posted:
        return
    unit, document = work.unit, work.document
    known = (await count_lines.posted(unit, [document.name]))[document.name]
    lines = [case.line for case in posted]
    currency = posted[0].figures.currency_code
    unit.emit(document.told(lines, counting.accuracies(known), currency), correlation=document.chain)
    left = await unit.first(
        select(CountLine.name)  # type: ignore[call-overload]
        .where(CountLine.count == document.name, CountLine.state.not_in(ENDED))  # type: ignore[attr-defined]
        .limit(1)
    )
    if left is None:
        document.complete(unit.now)


async def _postings(work: Work, cases: Sequence[_Case]) -> dict[str, Posting]:
    """Movements by line, losses first: a serial is lost before it is found elsewhere. None for no difference."""
    unit = work.unit
    different = [case.line for case in cases if case.line.difference or case.line.second_difference]
    if not different:
        return {}
    adjustment = await locations.virtual(unit, work.site, Kind.ADJUSTMENT)
    serials = await unit.get_many(Serial, {line.serial for line in different if line.serial}, lock=False)
    left_by = {name: serial.left_by for name, serial in serials.items()}
    found: dict[str, Posting] = {}
    for line in sorted(different, key=lambda line: (line.difference or ZERO) > 0):
        lines = _lines(line, adjustment, left_by.get(line.serial, ""))
        posting = Posting.new(
            unit, work.site, MovementKind.ADJUST, *lines, effective_time=line.count_time, reason_code=REASON_CODE,
            source=line.name, correlation=work.document.chain,
        )  # fmt: skip
        if line.serial and lines[0].to_virtual:
            left_by[line.serial] = posting.name
        found[line.name] = posting
    return found


def _lines(line: CountLine, adjustment: Location, left_by: str) -> list[Line]:
    """A loss or a gain; of catch weight both, where the quantities differ the other way."""
    amount, second = line.difference or ZERO, line.second_difference
    if second is None or amount * second >= 0:
        return [_line(line, adjustment, amount, second, left_by)]
    return [_line(line, adjustment, amount, ZERO, left_by), _line(line, adjustment, ZERO, second, left_by)]


def _line(line: CountLine, adjustment: Location, amount: Decimal, second: Decimal | None, left_by: str) -> Line:
    out = (amount or second or ZERO) < 0
    return Line(
        item=line.item, lot=line.lot, serial=line.serial, quantity=abs(amount), unit_code=line.unit_code,
        from_location=line.location if out else adjustment.name, to_location=adjustment.name if out else line.location,
        from_virtual=not out, to_virtual=out, from_status=line.status, to_status=line.status,
        from_handling_unit=line.handling_unit if out else "", to_handling_unit="" if out else line.handling_unit,
        from_owner=line.owner, to_owner=line.owner, from_project=line.project, to_project=line.project,
        second_quantity=None if second is None else abs(second), second_unit_code=line.second_unit_code,
        returns="" if out else left_by,
    )  # fmt: skip


async def _free(work: Work, cases: Sequence[_Case], postings: dict[str, Posting]) -> None:
    """A loss breaks claims (MAT-77); first it is tried whether it may be posted at all."""
    claimed: dict[str, tuple[_Case, Decimal]] = {}
    for case in cases:
        loss = -(case.line.difference or ZERO)
        if loss > 0 and case.figures.on_hand >= loss > case.figures.on_hand - case.figures.reserved:
            claimed[case.line.name] = (case, loss)
    if not claimed:
        return
    tried = [postings[name] for name in claimed]
    kept = [(item.effective_time, [line.cost for line in item.lines]) for item in tried]
    for name, (case, loss) in claimed.items():
        postings[name].lines[0].allocated = loss - (case.figures.on_hand - case.figures.reserved)
    faults: dict[str, Fault | None] = {}
    try:
        async with work.unit.attempt():
            await ledger.post(work.unit, work.site, tried)
            faults = {name: postings[name].fault for name in claimed}
            raise _RolledBackError
    except _RolledBackError:
        pass
    for item, (effective, costs) in zip(tried, kept, strict=True):
        item.fault, item.effective_time, item.lines[0].allocated = None, effective, ZERO
        for line, cost in zip(item.lines, costs, strict=True):
            line.cost = cost
    wanted: dict[str, Decimal | None] = {}
    for name, (case, loss) in claimed.items():
        fault = faults[name]
        if fault is not None and not isinstance(fault, NegativeInPast):
            case.entry.refuse(fault)
        else:
            wanted[case.line.balance] = loss
    await breaking.break_claims(work.unit, work.site, wanted, "stock was missing in a count")
