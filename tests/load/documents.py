"""Random documents of a store: receipts, moves, units, put-away, demands, issues, reversals, counts, holds.

Each kind is one coroutine that calls as a client would. What the service refuses with a reason is counted; any other
error is kept as a failure.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import grpc
from google.rpc import error_details_pb2, status_pb2
from plantops.maintenance.v1 import events_pb2 as maintenance
from plantops.materials.v1 import (
    counts_pb2,
    handling_unit_types_pb2,
    handling_units_pb2,
    holds_pb2,
    movements_pb2,
    receipts_pb2,
    reservations_pb2,
    tasks_pb2,
)
from plantops.type.v1.quantity_pb2 import Quantity

from services.chassis import clock
from services.chassis.outbox import OutboxRow
from tests.load import store
from tests.load.stage import BOSS, Caller

HERE = f"sites/{store.SITE}"
DOCK = f"{HERE}/locations/dock"
TINA, ADA = "people/tina", "people/ada"
"""Who counts again and releases what the boss held, and who accepts what was counted."""
TYPED = frozenset(
    {
        grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ABORTED, grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.NOT_FOUND,
    }
)  # fmt: skip
"""How a service says no to a request that is right in itself."""


def pieces(value: int) -> Quantity:
    """A quantity in pieces."""
    return Quantity(value=str(value), unit_code="H87")


def reason_of(status: status_pb2.Status) -> str:
    """Reason of a refusal, "" when it has none."""
    info = error_details_pb2.ErrorInfo()
    return next((str(info.reason) for detail in status.details if detail.Unpack(info)), "")


@dataclass
class Documents:
    """What callers do, and what they know of."""

    callers: Mapping[str, Sequence[Caller]]
    """Processes, as each person calls them."""
    publish: Callable[[OutboxRow], Awaitable[None]]
    parts: list[str]
    lots: list[str]
    tools: list[str]
    choice: random.Random
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    moves: list[str] = field(default_factory=list)
    claims: list[str] = field(default_factory=list)
    serials: list[tuple[str, str]] = field(default_factory=list)

    async def prepare(self, count: int = 40) -> None:
        """Handling units to pack."""
        kind = handling_unit_types_pb2.HandlingUnitType(title="pallet", reusable=True)
        made = await self.call(
            handling_unit_types_pb2.CreateHandlingUnitTypeRequest(handling_unit_type=kind, request_id=str(uuid4()))
        )
        unit = handling_units_pb2.HandlingUnit(handling_unit_type=made.name, location=store.SHELF)
        requests = [
            handling_units_pb2.CreateHandlingUnitRequest(parent=HERE, handling_unit=unit, request_id=str(uuid4()))
            for _ in range(count)
        ]
        answer = await self.call(handling_units_pb2.BatchCreateHandlingUnitsRequest(parent=HERE, requests=requests))
        self.units = [outcome.handling_unit.name for outcome in answer.outcomes]
        assert all(self.units), answer

    async def call(self, request: Any, by: str = BOSS) -> Any:
        """One call at any of the processes."""
        if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:
            request.request_id = str(uuid4())
        return await self.choice.choice(self.callers[by])(request)

    async def work(self, until: Callable[[], bool]) -> None:
        """One document after the other."""
        kinds = list(KINDS)
        weights = [KINDS[kind] for kind in kinds]
        while not until():
            (kind,) = self.choice.choices(kinds, weights)
            try:
                await kind(self)
                self.done[kind.__name__] += 1
            except grpc.aio.AioRpcError as error:
                self._note(kind.__name__, error)
                if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                    await asyncio.sleep(0.1)

    def _note(self, kind: str, error: grpc.aio.AioRpcError) -> None:
        packed = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
        reason = reason_of(status_pb2.Status.FromString(packed)) if packed else ""
        if error.code() in TYPED and reason:
            self.refused[f"{kind}: {reason}"] += 1
        else:
            self.failed.append(f"{kind}: {error.code().name} {reason} {error.details()}")

    def told(self, kind: str, answer: Any) -> None:
        """Note what became of the entries of a batch."""
        for outcome in answer.outcomes:
            if outcome.HasField("status"):
                reason = reason_of(outcome.status)
                if reason and outcome.status.code not in (3, 13):  # bad input, defect
                    self.refused[f"{kind}: {reason}"] += 1
                else:
                    self.failed.append(f"{kind}: {outcome.status.message}")

    def keep(self, known: list[Any], more: Any, most: int = 500) -> None:
        """Remember what was made, the latest alone: the soak's own memory may not grow either."""
        known.extend(more)
        del known[:-most]

    def some(self, count: int) -> list[str]:
        """Items without lots or serials."""
        return [self.choice.choice(self.parts) for _ in range(count)]


async def receive(at: Documents) -> None:
    """A receipt of many lines, untracked, by lot and by serial, put away or reversed."""
    receipt = await at.call(receipts_pb2.StartReceiptRequest(parent=HERE, supplier="suppliers/acme", location=DOCK))
    lines = [receipts_pb2.AddReceiptLineRequest(item=item, quantity=pieces(3)) for item in at.some(10)]
    lines += [
        receipts_pb2.AddReceiptLineRequest(item=item, quantity=pieces(2), lot_number=f"L{at.choice.randrange(50)}")
        for item in at.choice.sample(at.lots, 3)
    ]
    numbers = [uuid4().hex[:12].upper() for _ in range(3)]
    tool = at.choice.choice(at.tools)
    lines.append(receipts_pb2.AddReceiptLineRequest(item=tool, quantity=pieces(3), serial_numbers=numbers))
    for line in lines:
        line.request_id = str(uuid4())
    answer = await at.call(receipts_pb2.BatchAddReceiptLinesRequest(parent=receipt.name, requests=lines))
    at.told("receive", answer)
    posted = await at.call(receipts_pb2.PostReceiptRequest(name=receipt.name))
    if at.choice.random() < 0.1:
        await at.call(receipts_pb2.ReverseReceiptRequest(name=receipt.name, reason="wrong goods"))
        return
    for line in posted.lines:
        if line.put_away_task and at.choice.random() < 0.5:
            await at.call(tasks_pb2.ConfirmPutAwayRequest(name=line.put_away_task, location=store.SHELF))
            at.keep(at.serials, ((tool, serial) for serial in line.serials))


def _move(at: Documents, item: str, count: int, **given: Any) -> Any:
    out, into = at.choice.sample([store.SHELF, store.BIN], 2)
    what = movements_pb2.Movement(
        kind="MOVE", item=item, quantity=pieces(count), from_location=out, to_location=into, **given
    )
    return movements_pb2.CreateMovementRequest(parent=HERE, movement=what, request_id=str(uuid4()))


async def move(at: Documents) -> None:
    """One move."""
    made = await at.call(_move(at, at.choice.choice(at.parts), at.choice.randint(1, 5)))
    at.keep(at.moves, [made.name])


async def move_many(at: Documents) -> None:
    """A batch in any order of items."""
    requests = [_move(at, item, at.choice.randint(1, 5)) for item in at.some(20)]
    answer = await at.call(movements_pb2.BatchCreateMovementsRequest(parent=HERE, requests=requests))
    at.told("move_many", answer)


async def move_serial(at: Documents) -> None:
    """A tool goes elsewhere."""
    if at.serials:
        item, serial = at.choice.choice(at.serials)
        await at.call(_move(at, item, 1, serial=serial))


async def pack(at: Documents) -> None:
    """A handling unit is filled, moved with all that is in it, and emptied."""
    if not at.units:
        return
    unit = at.units.pop(at.choice.randrange(len(at.units)))  # nobody else's meanwhile: it is where it was packed
    try:
        await _packed(at, unit)
    finally:
        at.units.append(unit)


async def _packed(at: Documents, unit: str) -> None:
    contents = [
        handling_units_pb2.HandlingUnitContent(item=item, quantity=pieces(at.choice.randint(1, 3)))
        for item in set(at.some(5))
    ]
    done = await at.call(handling_units_pb2.PackHandlingUnitRequest(name=unit, contents=contents))
    place = store.BIN if done.handling_unit.location == store.SHELF else store.SHELF
    await at.call(handling_units_pb2.MoveHandlingUnitRequest(name=unit, location=place))
    await at.call(handling_units_pb2.UnpackHandlingUnitRequest(name=unit))


async def demand(at: Documents) -> None:
    """Maintenance approves an order that needs parts; materials reserves them."""
    order = f"{HERE}/workOrders/{uuid4()}"
    event = maintenance.WorkOrderApproved(
        work_order=order, demand_version=1, priority=at.choice.randint(1, 5), version=1
    )
    for number, item in enumerate(at.some(3)):
        event.part_demands.add(demand=f"d{number}", item=item, quantity=pieces(at.choice.randint(1, 4)))
    await at.publish(
        OutboxRow(
            event=event, event_id=clock.uuid7(), aggregate=order, aggregate_version=1, unordered=False, site=store.SITE,
            correlation=order, also=(), actor="people/boss", causation=None, occurred_at=datetime.now(UTC),
            traceparent="",
        )
    )  # fmt: skip


async def issue(at: Documents) -> None:
    """Allocated parts are handed out; some come back, some are given up."""
    request = reservations_pb2.ListReservationsRequest(parent=HERE, filter="state = ALLOCATED", page_size=20)
    found = [row.name for row in (await at.call(request)).reservations]
    if not found:
        return
    name = at.choice.choice(found)
    if at.choice.random() < 0.1:
        await at.call(reservations_pb2.ReleaseReservationRequest(name=name, reason="not needed"))
        return
    await at.call(reservations_pb2.IssueReservationRequest(name=name, quantity=pieces(1)))
    if at.choice.random() < 0.3:
        await at.call(reservations_pb2.ReturnIssueRequest(name=name, quantity=pieces(1), location=store.SHELF))


async def reverse(at: Documents) -> None:
    """A move is taken back."""
    if at.moves:
        name = at.moves.pop(at.choice.randrange(len(at.moves)))
        await at.call(movements_pb2.ReverseMovementRequest(name=name, reason="mistake"))


async def count(at: Documents) -> None:
    """Some items of a place are counted while they move; it is given up where something stays undecided."""
    what = counts_pb2.Count(
        mode=at.choice.choice(("FROZEN", "CONTINUOUS")), items=sorted(set(at.some(4))), book_shown=True,
        places=[counts_pb2.Count.Place(location=at.choice.choice((store.SHELF, store.BIN)))],
    )  # fmt: skip
    made = await at.call(counts_pb2.CreateCountRequest(parent=HERE, count=what))
    try:
        await at.call(counts_pb2.StartCountRequest(name=made.name))
        await _count(at, made.name)
        if (await at.call(counts_pb2.GetCountRequest(name=made.name))).state == counts_pb2.Count.STARTED:
            await at.call(counts_pb2.CompleteCountRequest(name=made.name))
    except grpc.aio.AioRpcError:
        await at.call(counts_pb2.CancelCountRequest(name=made.name, reason="undecided"))
        raise


async def _count(at: Documents, name: str) -> None:
    """Counted, again by another person where asked, accepted by a third, booked."""

    async def lines() -> Sequence[Any]:
        request = counts_pb2.ListCountLinesRequest(parent=name, page_size=200)
        return list((await at.call(request)).count_lines)

    for who in (BOSS, TINA):
        if entries := [_counted(line) for line in await lines() if line.state in _TO_COUNT]:
            at.told("count", await at.call(counts_pb2.BatchRecordCountsRequest(parent=name, requests=entries), who))
    accepted = [
        counts_pb2.ApproveCountRequest(name=line.name, request_id=str(uuid4()))
        for line in await lines() if line.state in (_LINE.COUNTED, _LINE.AMBIGUOUS)
    ]  # fmt: skip
    if accepted:
        at.told("count", await at.call(counts_pb2.BatchApproveCountsRequest(parent=name, requests=accepted), ADA))
    booked = [
        counts_pb2.PostCountRequest(name=line.name, request_id=str(uuid4()))
        for line in await lines() if line.state == _LINE.APPROVED
    ]  # fmt: skip
    if booked:
        at.told("count", await at.call(counts_pb2.BatchPostCountsRequest(parent=name, requests=booked)))


_LINE = counts_pb2.CountLine
_TO_COUNT = (_LINE.OPEN, _LINE.RECOUNT)


def _counted(line: Any) -> Any:
    """What people find: as a rule what should be there, and both the same. What is in units they leave out."""
    if line.handling_unit:
        return counts_pb2.RecordCountRequest(
            line=line.name, skipped=True, note="counted with its unit", request_id=str(uuid4())
        )
    should = int(line.snapshot.value or 0) if line.HasField("snapshot") else 0
    found = max(0, should + random.Random(line.name).choice((0, 0, 0, 0, -1, 1)))
    return counts_pb2.RecordCountRequest(line=line.name, counted=pieces(found), request_id=str(uuid4()))


async def hold(at: Documents) -> None:
    """What a supplier delivered of an item is held, found faultless, and released."""
    what = holds_pb2.Hold(item=at.choice.choice(at.parts), supplier="suppliers/acme", reason="complaint")
    made = await at.call(holds_pb2.CreateHoldRequest(parent=HERE, hold=what))
    try:
        await move(at)
    finally:
        await at.call(holds_pb2.ReleaseHoldRequest(name=made.name, reason="faultless"), TINA)


KINDS: dict[Callable[[Documents], Awaitable[None]], int] = {
    receive: 4, move: 20, move_many: 3, move_serial: 6, pack: 6, demand: 6, issue: 8, reverse: 4, count: 1, hold: 1,
}  # fmt: skip
