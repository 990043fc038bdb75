"""Movements inside the plant, of many people, by one call of one function of the database (PERF-1).

What only the database knows - times and the numbers of entries - is put behind what is prepared here: fields of a
protobuf message may be joined in any order, and these have fixed lengths.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from plantops.materials.v1 import movements_pb2
from plantops.type.v1.quantity_pb2 import Quantity
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import lazyload

from services.chassis import access, clock
from services.chassis.at_once import MOST_KEPT
from services.chassis.db import json_text
from services.chassis.lanes import Member
from services.chassis.outbox import OutboxRow
from services.chassis.wire import canonical
from services.materials.api.postings import Known
from services.materials.model import ledger
from services.materials.model.item import Item
from services.materials.model.ledger import Posting
from services.materials.model.location import Kind, Location
from services.materials.model.lot import Lot
from services.materials.model.movement import MovementKind, Status

KINDS = frozenset(movements_pb2.Movement.Kind.Value(kind) for kind in (MovementKind.MOVE, MovementKind.STATUS_CHANGE))
NUMBERS = range(1, 43)
"""Numbers of the function's parameters."""
POST = f"select * from post_moves({', '.join(f'${number}' for number in NUMBERS)})"  # noqa: S608
NAMED = f"select * from post_moves({', '.join(f':p{number}' for number in NUMBERS)})"  # noqa: S608
"""The call as the driver takes it, and as a session does."""
_ENTRIES, _SEQUENCE = b"\x9a\x01", b"\x80\x01"
"""Tags of Movement.entries and Movement.Entry.item_sequence."""
_NUMBER = 5
"""Bytes of the number of an entry, which the function puts behind the tag."""
_TIMES = 2 * 14 + 2 * 15
"""Bytes of the four times that the function adds to an answer."""
_MOVEMENT = b"\x0a"
"""Tag of BatchCreateMovementsResponse.Outcome.movement."""
_STATUS = movements_pb2.Movement.Status
_NEVER = datetime.min


class Moves:
    """What movements inside the plant speak of, kept by name with its version, and how they are posted."""

    statement = POST

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._lots: dict[str, Lot] = {}
        self._places: dict[str, Location] = {}
        self._known: dict[str, Known] = {}

    def fits(self, request: Any) -> bool:
        """Whether a movement is one of those that the function posts."""
        asked = request.movement
        return (
            asked.kind in KINDS and not asked.HasField("effective_time") and not asked.HasField("second_quantity")
            and asked.from_status != _STATUS.INSPECTION and not asked.owner
        )  # fmt: skip

    def names(self, request: Any) -> Iterable[str]:
        """What a movement speaks of."""
        asked = request.movement
        return [name for name in (asked.item, asked.lot, asked.from_location, asked.to_location) if name]

    def wants(self, request: Any) -> Iterable[str]:
        """Names that are not kept."""
        kept = (self._items, self._lots, self._places)
        return [name for name in self.names(request) if not any(name in known for known in kept)]

    async def load(self, session: AsyncSession, names: Iterable[str]) -> None:
        """Read items, lots and places by name, each kind in one statement."""
        wanted = sorted(names)
        kept: tuple[tuple[dict[str, Any], Any, list[str]], ...] = (
            (self._items, Item, [name for name in wanted if name.startswith("items/") and "/lots/" not in name]),
            (self._lots, Lot, [name for name in wanted if "/lots/" in name]),
            (self._places, Location, [name for name in wanted if f"/{Location.COLLECTION}/" in name]),
        )
        for known, model, mine in kept:
            if len(known) + len(mine) > MOST_KEPT:
                known.clear()
            if mine:
                statement = select(model).where(model.name.in_(mine))
                if model is Location:
                    statement = statement.options(lazyload(Location.locks))  # type: ignore[arg-type]
                known.update({row.name: row for row in (await session.execute(statement)).scalars()})

    def forget(self, names: Iterable[str]) -> None:
        """Facts that are not so any more."""
        for name in names:
            for kept in (self._items, self._lots, self._places):
                kept.pop(name, None)  # type: ignore[attr-defined]

    def element(self, member: Member, caller: access.Caller) -> Sequence[Any] | None:
        """The columns of one movement, checked as every other; None for what the function does not do."""
        request = member.request
        asked = request.movement
        site = request.parent.split("/")[1]
        item = self._items.get(asked.item)
        if item is None or item.catch_weight is not None or (asked.lot and asked.lot not in self._lots):
            return None
        for name in (asked.from_location, asked.to_location):
            if name and not self._usual(site, name):
                return None
        known = self._known.get(site)
        if known is None:
            facts = (self._items, self._lots, self._places)
            known = self._known[site] = Known(site, "", *facts, {}, {}, {}, {}, {}, timedelta())
        posting = known.posting(_Alone(caller), request)  # type: ignore[arg-type]
        if not simple(posting):
            return None
        return columns(posting, caller, request.request_id, member.hash, member.call.traceparent, member.call.ip)

    def _usual(self, site: str, name: str) -> bool:
        """Whether it is a place of the site that asks for nothing more than a look."""
        place = self._places.get(name)
        # who waits is served when goods are under way no more
        return place is not None and place.site == site and place.limits is None and place.kind is not Kind.TRANSIT

    def arguments(
        self, names: list[str], marks: list[str], members: Sequence[Member], elements: Sequence[Sequence[Any]]
    ) -> Sequence[Any]:
        """Arguments of the function."""
        request, method = members[0].request, members[0].method
        return arguments(
            (request.parent.split("/")[1], method.full_name, access.scope_of(method)), (names, marks), elements,
            self._items, self._lots, self._places,
        )  # fmt: skip


def simple(posting: Posting) -> bool:
    """Whether it is one of those that the function posts."""
    if posting.kind not in (MovementKind.MOVE, MovementKind.STATUS_CHANGE) or len(posting.lines) != 1:
        return False
    line = posting.line
    beside = (
        line.serial, line.from_handling_unit, line.to_handling_unit, line.from_owner, line.to_owner, line.from_project,
        line.to_project, line.returns, line.from_virtual, line.to_virtual, line.allocated, posting.effective_time,
        posting.source, posting.reverses, posting.correlation,
    )  # fmt: skip
    return not any(beside) and line.second_quantity is None and line.from_status is not Status.INSPECTION


def plain(request: Any, known: Known) -> bool:
    """Whether a movement becomes a simple posting, or is refused, and no place it goes to has limits."""
    asked = request.movement
    item = known.items.get(asked.item)
    target = known.places.get(asked.to_location or asked.from_location)
    beside = (
        asked.HasField("effective_time"), asked.HasField("second_quantity"), asked.serial, request.serials,
        asked.from_handling_unit, asked.to_handling_unit, asked.owner, asked.from_status == _STATUS.INSPECTION,
        item is not None and item.catch_weight is not None, target is not None and target.limits is not None,
    )  # fmt: skip
    return asked.kind in KINDS and not any(beside)


Named = Mapping[str, Any]


def arguments(
    what: tuple[str, str, str], callers: tuple[list[str], list[str]], elements: Sequence[Sequence[Any]],
    items: Named, lots: Named, places: Named,
) -> Sequence[Any]:  # fmt: skip
    """Arguments of the function: site, method and action; what was known; the movements."""
    given = list(zip(*elements, strict=True))
    facts: list[list[Any]] = []
    for known, names in (
        (items, {*given[5]}), (lots, {*given[6]} - {""}), (places, {*given[7], *given[8]}),
    ):  # fmt: skip
        named = sorted(names)
        facts += [named, [known[name].version for name in named]]
    return (*what, *callers, *facts, *given)


def columns(
    posting: Posting, caller: access.Caller, request_id: str, request_hash: bytes, traceparent: str, ip: str,
    wrapped: bool = False,
) -> Sequence[Any]:  # fmt: skip
    """What the function is given of a movement; its answer is wrapped as the outcome of an entry of a batch."""
    line, name = posting.line, posting.name
    entered = line.entered
    assert entered is not None
    site = name.split("/")[1]
    event = OutboxRow(
        ledger.told(posting), _NO_ID, name, 0, True, site, name, (), caller.name, None, _NEVER, traceparent
    )
    head, out, into = _answer(posting, caller, wrapped)
    return (
        caller.device or caller.name, UUID(request_id), request_hash, name, posting.kind, line.item, line.lot,
        line.from_location, line.to_location, line.from_status, line.to_status, str(line.quantity),
        line.unit_code, str(entered.quantity), entered.unit_code, entered.numerator, entered.denominator,
        posting.reason_code, posting.device, caller.name, caller.device, caller.on_behalf_of, caller.role_names, ip,
        json_text(ledger.audited(posting)), event.subject("materials"), event.opened_headers("materials"),
        event.event.SerializeToString(), head, out, into,
    )  # fmt: skip


_NO_ID = uuid4()


class _Alone:
    """What the check of a movement needs of a unit, where no time is stated."""

    def __init__(self, caller: access.Caller) -> None:
        self.caller = caller

    def new_name(self, parent: str, collection: str) -> str:
        """As Unit.new_name."""
        return f"{parent}/{collection}/{clock.new_id()}"


def _answer(posting: Posting, caller: access.Caller, wrapped: bool) -> tuple[bytes, bytes, bytes]:
    """The answer without times, and its two entries but for the number that ends each."""
    line = posting.line
    entered = line.entered
    assert entered is not None
    moved, stated = canonical(line.quantity), canonical(entered.quantity)
    head = movements_pb2.Movement(
        name=posting.name, kind=posting.kind, item=line.item, lot=line.lot, from_location=line.from_location,
        to_location=line.to_location, from_status=line.from_status, to_status=line.to_status,
        quantity=Quantity(value=moved, unit_code=line.unit_code), reason_code=posting.reason_code,
        actor=caller.name, device=posting.device, etag='"1"',
    )  # fmt: skip
    sides = []
    for sign, place, status in (("-", line.from_location, line.from_status), ("", line.to_location, line.to_status)):
        content = movements_pb2.Movement.Entry(
            item=line.item, lot=line.lot, location=place, status=status,
            quantity=Quantity(value=sign + moved, unit_code=line.unit_code),
            entered_quantity=Quantity(value=sign + stated, unit_code=entered.unit_code),
            factor_numerator=entered.numerator, factor_denominator=entered.denominator,
        ).SerializeToString()  # fmt: skip
        sides.append(_ENTRIES + _varint(len(content) + len(_SEQUENCE) + _NUMBER) + content + _SEQUENCE)
    content = head.SerializeToString()
    if wrapped:
        content = _MOVEMENT + _varint(len(content) + _TIMES + sum(map(len, sides)) + 2 * _NUMBER) + content
    return content, sides[0], sides[1]


def _varint(value: int) -> bytes:
    """A length below 2^14 in base 128."""
    return bytes([value]) if value < 128 else bytes([value & 127 | 128, value >> 7])
