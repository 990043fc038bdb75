"""Many movements in one call: those inside the plant by one function call, others one after the other (MAT-50)."""

from collections.abc import Mapping
from typing import Any

from plantops.materials.v1 import movements_pb2
from sqlalchemy import text

from services.chassis.access import scope_of
from services.chassis.at_once import caller_marks
from services.chassis.batch import BatchAnswer, Entry
from services.chassis.faults import FailedPrecondition, Fault, FieldInvalid
from services.chassis.idempotency import request_hash
from services.chassis.unit import Unit
from services.materials.api import moves
from services.materials.api.postings import Known
from services.materials.model import holding, late_facts, ledger, stock
from services.materials.model.ledger import Posting
from services.materials.model.movement import Movement

_POST = text(moves.NAMED)


class DocumentRefused(FailedPrecondition):
    """A movement of an all-or-nothing batch cannot be posted, so none is."""

    text = "requests[{index}] cannot be posted, so none was: {why}"

    @classmethod
    def by(cls, entry: Entry[Any]) -> "DocumentRefused":
        """Because of an entry."""
        fault = entry.fault
        assert fault is not None
        found = cls(index=entry.index, cause=fault.reason, why=fault.message, **_beside(fault.metadata))
        found.at(f"requests[{entry.index}]", fault.message)
        return found


def _beside(metadata: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in metadata.items() if name not in ("index", "cause", "why")}


async def create(unit: Unit, request: Any) -> BatchAnswer[Any]:
    """Post movements, each with its own outcome, or all or none of them."""
    collection, _, site = request.parent.partition("/")
    if collection != "sites" or not site or "/" in site:  # a stream has no route that says so
        raise FieldInvalid(field="parent", rule="must have the form sites/*", value=request.parent)
    whole = request.all_or_nothing
    refused = unit.refusals(request.requests)
    entries = {index: entry for index, entry in enumerate(request.requests) if index not in refused}
    known = await Known.of(unit, site, entries.values())
    await ledger.in_turn(unit, site, (entry.movement.item for entry in entries.values()))
    done = await _inside(unit, site, known, entries)
    batch = await unit.batch(request.requests, done, refused)
    made: dict[str, tuple[Entry[Any], Posting]] = {}
    for entry in batch.open:
        try:
            posting = known.posting(unit, entry.request)
            made[posting.name] = (entry, posting)
        except Fault as fault:
            entry.refuse(fault)
    postings = [posting for _, posting in made.values()]
    await late_facts.post(unit, site, postings)
    for entry, posting in made.values():
        if posting.fault is not None:
            entry.refuse(posting.fault)
    bad = next((entry for entry in batch if entry.fault is not None), None)
    if whole and bad is not None:
        raise DocumentRefused.by(bad)
    await stock.follow(unit, site, postings)
    await holding.brought(unit, site, (line.to_location for posting in postings for line in posting.lines))
    rows = await unit.get_many(Movement, made, lock=False)
    for name, (entry, _) in made.items():
        if entry.fault is None:
            entry.answer(rows[name])
    return batch.response(movements_pb2.BatchCreateMovementsResponse)


async def _inside(unit: Unit, site: str, known: Known, entries: Mapping[int, Any]) -> dict[int, bytes]:
    """Outcomes, by index, of movements inside the plant that one function call posted.

    Nothing is, where other movements are among them that could come before: each sees those before it.
    """
    found: dict[int, tuple[Posting, Any]] = {}
    twins: set[str] = set()
    for index, entry in entries.items():
        twin, before = entry.request_id.lower(), len(twins)
        twins.add(twin)
        if len(twins) == before:
            return {}
        try:
            posting = known.posting(unit, entry)
        except Fault:
            continue  # refused, or answered before
        if not moves.simple(posting) or known.places[posting.line.to_location].limits is not None:
            return {}
        found[index] = (posting, entry)
    if not found:
        return {}
    assert unit.context.method is not None
    context, caller = unit.context, unit.caller
    elements = [
        moves.columns(
            posting, caller, entry.request_id, request_hash(entry), context.traceparent, context.ip, wrapped=True
        )
        for posting, entry in found.values()
    ]
    what = (site, f"{unit.context.method.full_name}#entry", scope_of(unit.context.method))
    callers = await caller_marks(unit.session, [caller.name])
    values = moves.arguments(what, callers, elements, known.items, known.lots, known.places)
    given = {f"p{number}": value for number, value in zip(moves.NUMBERS, values, strict=True)}
    rows = await unit.execute(_POST, given)
    order = list(found)
    return {order[row.n - 1]: row.answer for row in rows if row.outcome == "POSTED"}
