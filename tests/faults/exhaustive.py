"""F2 in full: kill -9 at each named fault point, while each kind of command or event is under way, one at a time.

One plant, one process armed at a time: the process that a fault has killed is started again with the next one, so
that a case costs little more than a restart. Each case tells a story that comes by the point.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from services.chassis import bus
from tests.faults import checkers, seed_run
from tests.faults.commands import Caller, Refused, Unanswered
from tests.faults.injector import Injector
from tests.faults.plan import Plan
from tests.faults.plant import SERVICES, Ground, plant
from tests.faults.stories import Actor, Stage

COMMAND_POINTS = ("unit.after_idempotency_insert", "unit.before_commit", "unit.after_commit")
EVENT_POINTS = ("inbox.after_insert", "inbox.after_commit_before_ack")
RELAY_POINTS = ("relay.before_publish", "relay.after_publish_before_store", "relay.after_store")

COMMANDS: Mapping[str, Mapping[str, str]] = {
    "maintenance": {
        "CreateReading": "reading", "CreateWorkOrder": "order", "ApproveWorkOrder": "order", "StartWorkOrder": "order",
        "CompleteWorkOrder": "order", "CancelWorkOrder": "order_cancelled", "RecordStep": "breakdown",
    },
    "materials": {
        "CreateMovement": "move", "IssueReservation": "order", "StartReceipt": "purchase",
        "BatchAddReceiptLines": "purchase", "PostReceipt": "purchase", "ConfirmPutAway": "purchase",
        "DecideUsage": "breakdown",
    },
    "procurement": {
        "CreateRequisition": "purchase", "ApproveRequisition": "purchase", "ConvertRequisitions": "purchase",
        "SubmitPurchaseOrder": "purchase", "ApprovePurchaseOrder": "purchase", "IssuePurchaseOrder": "purchase",
        "RevisePurchaseOrder": "purchase_amended", "CancelPurchaseOrder": "purchase_cancelled",
    },
}  # fmt: skip
"""Kind of command -> the story that gives it."""

EVENTS: Mapping[str, str] = {
    "WorkOrderCreated": "order", "WorkOrderApproved": "order", "WorkOrderStarted": "order",
    "WorkOrderCompleted": "order", "WorkOrderCancelled": "order_cancelled", "ReservationAllocated": "order",
    "ReservationShort": "breakdown", "ReservationIssued": "order", "ReservationReleased": "order_cancelled",
    "RequisitionCreated": "purchase", "RequisitionApproved": "purchase", "PurchaseOrderIssued": "purchase",
    "PurchaseOrderChanged": "purchase_amended", "PurchaseOrderCancelled": "purchase_cancelled",
    "PurchaseOrderClosed": "purchase", "ReceiptPosted": "purchase", "InspectionDecided": "breakdown",
}  # fmt: skip
"""Event -> a story that leads to it."""


@dataclass(frozen=True, slots=True)
class Case:
    """One fault: in which process, where, during what, and the story that is told meanwhile."""

    process: str
    point: str
    kind: str
    story: str

    @property
    def fault(self) -> str:
        """As PLANTOPS_FAULT has it."""
        return f"{self.point}@{self.kind}:1:kill" if self.kind else f"{self.point}:1:kill"


def cases() -> list[Case]:
    """All of them."""
    found = [
        Case(service, point, kind, story)
        for service in SERVICES
        for kind, story in COMMANDS[service].items()
        for point in COMMAND_POINTS
    ]
    for service, sources in bus.received().items():
        kinds = sorted(kind for types in sources.values() for kind in types if kind in EVENTS)
        found += [Case(service, point, kind, EVENTS[kind]) for kind in kinds for point in EVENT_POINTS]
    found += [
        Case(service, point, "", story)
        for service, story in (("maintenance", "order"), ("materials", "order"), ("procurement", "purchase"))
        for point in RELAY_POINTS
    ]
    doors = {kind: story for kinds in COMMANDS.values() for kind, story in kinds.items()}
    doors.pop("BatchAddReceiptLines")  # a batch has no id of its own and is not sent through the gateway here
    found += [Case("gateway", "gateway.after_commit_before_reply", kind, story) for kind, story in doors.items()]
    return found


async def run(base: Ground, say: Callable[[str], None], wanted: Sequence[Case] = ()) -> dict[str, Any]:
    """Every case on one plant; the checkers look after each dozen and at the end."""
    findings: list[str] = []
    missed: list[str] = []
    begin = time.monotonic()
    todo = list(wanted or cases())
    async with plant(base) as made, Caller(made, random.Random(2), patience=seed_run.rest_seconds()) as caller:
        stage = Stage(caller, Plan(2, 1, (), (), (), {}), "all")
        await stage.set_up()
        injector = Injector(made, caller, caller.chance)
        for number, case in enumerate(todo, 1):
            worker = made.supervisor[case.process]
            worker.fault = case.fault
            await injector._kill(case.process)
            await made.ready()
            deaths = worker.deaths
            caller.gateway_share = 1.0 if case.process == "gateway" else 0.0
            actor = Actor(caller, stage.cast, stage.cast.sites[0], caller.chance, number)
            try:
                await getattr(actor, case.story)()
            except (Refused, Unanswered) as error:
                findings.append(f"{case.fault} in {case.process}, {case.story}: {error}")
            if worker.deaths == deaths:  # some events come a moment after their story
                await asyncio.sleep(1)
            if worker.deaths == deaths:
                missed.append(f"{case.fault} in {case.process} ({case.story})")
            if number % 12 == 0 or number == len(todo):
                found = await _checked(made, caller)
                findings += found
                say(f"exhaustive {number:>3} of {len(todo)}  {len(missed)} not reached  {len(findings)} findings")
    return {
        "cases": len(todo), "not reached": missed, "findings": findings,
        "seconds": round(time.monotonic() - begin, 1), "points": [asdict(case) for case in todo],
    }  # fmt: skip


async def _checked(made: Any, caller: Caller) -> list[str]:
    until = time.monotonic() + seed_run.rest_seconds()
    while still := await seed_run.moving(made):
        if time.monotonic() > until:
            return [f"not at rest: {still}"]
        await asyncio.sleep(0.1)
    told = await seed_run.told_events(made)

    def look() -> list[str]:
        with seed_run.books(made, caller, told) as found:
            return [text for texts in checkers.run(found).values() for text in texts]

    return await asyncio.to_thread(look)
