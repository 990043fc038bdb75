"""Movements of many people at once: those that nothing else follows from are posted together (PERF-2)."""

from collections.abc import Sequence
from typing import Any

from plantops.materials.v1 import movements_pb2

from services.chassis.faults import Fault
from services.chassis.lanes import Member, Place
from services.materials.api.postings import Known
from services.materials.model import holding, ledger
from services.materials.model.ledger import Posting
from services.materials.model.movement import Movement, MovementKind

KINDS = frozenset(
    movements_pb2.Movement.Kind.Value(kind)
    for kind in (
        MovementKind.MOVE, MovementKind.STATUS_CHANGE, MovementKind.OPENING, MovementKind.SCRAP, MovementKind.ADJUST,
    )
)  # fmt: skip


def place_of(request: Any) -> Place | None:
    """The lane of a movement: that of its item at its site; None with serials, handling units or an earlier instant.

    What happened before may have been counted already (MAT-150).
    """
    message = request.movement
    if message.HasField("effective_time"):
        return None
    if message.kind not in KINDS or request.serials or message.serial or message.returns:
        return None
    if message.from_handling_unit or message.to_handling_unit:
        return None
    return Place(request.parent, message.item)


async def create_movements(members: Sequence[Member]) -> None:
    """Check and post each, in their order; what somebody waits for, or a policy looks after, is left to a unit."""
    unit = members[0].unit
    site = members[0].request.parent.split("/")[1]
    known = await Known.of(unit, site, [member.request for member in members])
    made: dict[str, tuple[Member, Posting]] = {}
    for member in members:
        try:
            posting = known.posting(member.unit, member.request)
            made[posting.name] = (member, posting)
        except Fault as fault:
            member.refuse(fault)
    if not made:
        return
    asked = [(member.unit.caller.name, posting) for member, posting in made.values()]
    apart = await ledger.post_commands(unit, site, asked)
    posted = {name: both for name, both in made.items() if name not in apart and both[1].fault is None}
    for member, posting in made.values():
        if posting.fault is not None:
            member.refuse(posting.fault)
    moved = [posting.line.to_location for _, posting in posted.values() if posting.kind is MovementKind.MOVE]
    if moved:
        await holding.brought(unit, site, moved)
    rows = await unit.get_many(Movement, posted, lock=False)
    for name, (member, posting) in posted.items():
        ledger.tell(member.unit, [posting])
        member.answer(rows[name])
