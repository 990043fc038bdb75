"""Many movements in one call: those inside the plant by a function of their own, others one by one (MAT-50)."""

from typing import Any

from plantops.materials.v1 import movements_pb2

from services.chassis.batch import BatchAnswer, Entry
from services.chassis.faults import FailedPrecondition, Fault, FieldInvalid
from services.chassis.unit import Unit
from services.materials.api import batch_moves
from services.materials.api.postings import Known
from services.materials.model import holding, late_facts, ledger, stock
from services.materials.model.ledger import Posting
from services.materials.model.movement import Movement


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
    done = await batch_moves.post(unit, site, known, entries)
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
