"""The steps of a recall: finding, holding, telling, accounting (MAT-138)."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from services.chassis.access import denied
from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.materials.model import holding, tracing
from services.materials.model.hold import Hold, Scope
from services.materials.model.item import Item, site_fact
from services.materials.model.lot import Lot
from services.materials.model.recall import PartyNotNotified, RecallCase, RecallLot, RecallParty, State
from services.materials.model.tracing import Trace

TO_HOLD = "materials.holds.create"


async def find(unit: Unit, case: RecallCase) -> Sequence[RecallParty]:
    """Trace forward, and note lots and parties that are new; each lot with where all of it is. Gives all parties."""
    began = (await unit.execute(select(func.clock_timestamp()))).scalar_one()
    trace = Trace(unit, case.lot, forward=True)
    reached = {case.lot: True}
    ends = {}
    async for page in trace.pages():
        reached.update(page.reached)
        ends.update({(end.document, end.lot, end.serial): (end, page.reached[end.lot]) for end in page.ends})
    await _lots(unit, case, reached)
    parties = {(row.document, row.lot, row.serial): row for row in await parties_of(unit, case)}
    for key, (end, certain) in ends.items():
        if key not in parties:
            parties[key] = RecallParty(
                recall_case=case.name, document=end.document, lot=end.lot, serial=end.serial, party=end.party,
                quantity=end.quantity, unit_code=end.unit_code, certain=certain,
            )  # fmt: skip
            unit.session.add(parties[key])
        parties[key].quantity = end.quantity
    case.complete, case.party_count = trace.complete, len(parties)
    await unit.flush()
    ended = (await unit.execute(select(func.clock_timestamp()))).scalar_one()
    case.locate_duration = case.locate_duration or max(ended - began, timedelta(microseconds=1))
    return list(parties.values())


async def _lots(unit: Unit, case: RecallCase, reached: dict[str, bool]) -> None:
    known = {row.lot: row for row in await lots_of(unit, case)}
    items = await unit.get_many(Item, {"/".join(name.split("/")[:2]) for name in reached}, lock=False)
    balances = await tracing.mass_balances(unit, list(reached))
    for line, (name, certain) in enumerate(reached.items(), 1):
        row = known.get(name)
        if row is None:
            unit_code = items["/".join(name.split("/")[:2])].base_unit_code
            row = known[name] = RecallLot(
                recall_case=case.name, lot=name, line=line, certain=certain, unit_code=unit_code
            )
            unit.session.add(row)
        there = balances[name]
        row.came = there.opened + there.received + there.produced + there.adjusted
        row.found = there.on_hand + there.in_transit + there.in_process
        row.shipped, row.consumed, row.scrapped = there.shipped, there.consumed, there.scrapped
        row.returned, row.gap = there.returned, there.gap
    case.lot_count = len(known)
    case.gap_count = sum(row.gap != 0 for row in known.values())


async def contain(unit: Unit, case: RecallCase) -> None:
    """Hold the lot with what is and will be made of it, and receipts to come; PERMISSION_DENIED for who may not."""
    site = case.site or ""
    if not unit.caller.may(TO_HOLD, site):
        raise denied(TO_HOLD)
    about: dict[str, Any] = {
        "item": case.item,
        "reason": f"Recall {case.name}: {case.reason}"[:4000],
        "person": unit.caller.name,
    }
    name = unit.new_name(f"sites/{site}", Hold.COLLECTION)
    hold = unit.add(Hold(name=name, scope=Scope.LOT, lot=case.lot, include_descendants=True, **about))
    await holding.place(unit, hold)
    case.hold = hold.name
    if case.hold_receipts:
        lot = await unit.get(Lot, case.lot, lock=False)
        today = (await site_fact(unit, site)).day(unit.now)
        name = unit.new_name(f"sites/{site}", Hold.COLLECTION)
        to_come = unit.add(Hold(name=name, scope=Scope.SUPPLIER, supplier=lot.supplier, from_date=today, **about))
        await holding.place(unit, to_come)
        case.receipt_hold = to_come.name


async def notify(unit: Unit, case: RecallCase, names: Collection[str]) -> None:
    """Note who was told; FieldInvalid for somebody who got nothing. When all were told, the case moves on."""
    parties = await parties_of(unit, case)
    if unknown := sorted(set(names) - {row.party for row in parties}):
        raise FieldInvalid(field="parties", rule="must be parties of the case", value=unknown)
    if case.state not in (State.CONTAINED, State.NOTIFIED):
        case.move(State.NOTIFIED)  # says why not
    for row in parties:
        if row.party in names:
            row.notify_time = row.notify_time or unit.now
    case.touch()
    if case.state is State.CONTAINED and all(row.notify_time is not None for row in parties):
        case.move(State.NOTIFIED)


async def reconcile(unit: Unit, case: RecallCase) -> None:
    """Look for all once more; PartyNotNotified for who got any meanwhile."""
    case.move(State.RECONCILED)
    left = next((row for row in await find(unit, case) if row.notify_time is None), None)
    if left is not None:
        raise PartyNotNotified(party=left.party, lot=left.lot, document=left.document)


async def mock(unit: Unit, case: RecallCase) -> None:
    """All steps, each seen by the database, without holds and without telling anybody."""
    await find(unit, case)
    for state in list(State)[1:]:
        case.move(state)
        await unit.flush()


async def lots_of(unit: Unit, case: RecallCase, most: int | None = None) -> Sequence[RecallLot]:
    """Lots of a case, the nearest first."""
    rows = select(RecallLot).where(RecallLot.recall_case == case.name)  # type: ignore[arg-type]
    return await unit.all(rows.order_by(RecallLot.line, RecallLot.lot).limit(most))  # type: ignore[arg-type]


async def parties_of(unit: Unit, case: RecallCase, most: int | None = None) -> Sequence[RecallParty]:
    """Parties of a case, those not told first."""
    rows = select(RecallParty).where(RecallParty.recall_case == case.name)  # type: ignore[arg-type]
    told = RecallParty.notify_time.is_not(None)  # type: ignore[union-attr]
    return await unit.all(rows.order_by(told, RecallParty.party, RecallParty.document, RecallParty.lot).limit(most))  # type: ignore[arg-type]
