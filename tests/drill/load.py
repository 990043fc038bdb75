"""Commands at all three services from several workers, with the instant at which each was acknowledged.

Each command carries a mark of its own into its effect, so that the effect can be counted afterwards.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
from google.protobuf.message import Message
from plantops.maintenance.v1 import work_orders_pb2
from plantops.materials.v1 import movements_pb2
from plantops.procurement.v1 import requisitions_pb2
from plantops.type.v1.quantity_pb2 import Quantity

from cli.home import Home
from cli.samples import equipment, stock
from cli.session import Refused, Session

SITE = "sites/hamburg"
MAINTAINERS, STOREKEEPERS, BUYERS = 3, 3, 2
PAUSE = 0.01
"""Seconds between two commands of a worker: the machine has to take backups too."""


@dataclass
class Command:
    """One command: what it asks, its mark, and when it was answered (seconds of the epoch)."""

    kind: str
    mark: str
    person: str
    sent: float = 0.0
    acknowledged: float | None = None
    outcome: str = "unknown"
    name: str = ""
    request: Message | None = None

    def told(self) -> dict[str, Any]:
        """For the report: enough to enter it again."""
        return {
            "kind": self.kind,
            "mark": self.mark,
            "person": self.person,
            "acknowledged": self.acknowledged,
            "outcome": self.outcome,
            "name": self.name,
            "request_id": getattr(self.request, "request_id", ""),
        }


class Load:
    """Workers that go on until they are stopped or the plant is gone."""

    def __init__(self, folder: Path, run: str) -> None:
        self.home = Home(folder)
        self.run = run
        self.commands: list[Command] = []
        self._stopping = False
        self._workers: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Start the workers."""
        for number in range(MAINTAINERS):
            self._workers.append(asyncio.create_task(self._maintain(number)))
        for number in range(STOREKEEPERS):
            self._workers.append(asyncio.create_task(self._store(number)))
        for number in range(BUYERS):
            self._workers.append(asyncio.create_task(self._buy(number)))

    async def end(self) -> None:
        """Stop the workers after the command in hand."""
        self._stopping = True
        await asyncio.gather(*self._workers)

    def check(self) -> None:
        """Raise what ended a worker before its time."""
        for worker in self._workers:
            if worker.done() and (error := worker.exception()) is not None:
                raise error

    async def repeat(self, commands: Sequence[Command]) -> list[str]:
        """Send commands again as they were, with their request ids; gives the refusals."""
        refused: list[str] = []
        limit = asyncio.Semaphore(8)
        async with Session(self.home) as session:

            async def once(command: Command) -> None:
                assert command.request is not None
                async with limit:
                    try:
                        await session.call(command.person, command.request)
                    except Refused as refusal:
                        refused.append(f"{command.mark}: {refusal}")

            await asyncio.gather(*(once(command) for command in commands))
        return refused

    @property
    def acknowledged(self) -> list[Command]:
        """Commands that were answered with OK."""
        return [command for command in self.commands if command.outcome == "acknowledged"]

    # --- workers --------------------------------------------------------------------------------------------

    async def _maintain(self, number: int) -> None:
        """Work orders with a part, approved: materials reserves, and what is missing becomes a requisition."""
        part = [item for item in stock.items() if item.item_class == "seal" and not item.lots][number]
        asset = f"{SITE}/assets/{equipment.EXCAVATORS[number]}"
        async for session, mark in self._turns(f"wo{number}"):
            order = work_orders_pb2.WorkOrder(asset=asset, kind="CORRECTIVE", title=mark, priority=3)
            order.part_demands.add(item=f"items/{part.id}", quantity=Quantity(value="1", unit_code=part.unit_code))
            create = work_orders_pb2.CreateWorkOrderRequest(parent=SITE, work_order=order)
            made = await self._ask(session, "create", mark, "people/paul", create)
            if made is not None:
                approve = work_orders_pb2.ApproveWorkOrderRequest(name=made.name)
                await self._ask(session, "approve", f"{mark} approved", "people/ada", approve)

    async def _store(self, number: int) -> None:
        """Movements of one piece to another bin and back."""
        item, place, _ = [row for row in stock.openings() if row[0].title.startswith("Washer")][number]
        home, other = f"{SITE}/locations/{place}", f"{SITE}/locations/f-12-{number + 1}"
        forth = True
        async for session, mark in self._turns(f"mv{number}"):
            movement = movements_pb2.Movement(
                kind="MOVE", item=f"items/{item.id}", reason_code=mark,
                from_location=home if forth else other, to_location=other if forth else home,
                quantity=Quantity(value="1", unit_code=item.unit_code),
            )  # fmt: skip
            request = movements_pb2.CreateMovementRequest(parent=SITE, movement=movement)
            if await self._ask(session, "move", mark, "people/sam", request) is not None:
                forth = not forth

    async def _buy(self, number: int) -> None:
        """Requisitions of a person."""
        item = [item for item in stock.items() if item.item_class == "bearing"][number]
        async for session, mark in self._turns(f"rq{number}"):
            need = requisitions_pb2.Requisition(
                item=f"items/{item.id}", quantity=Quantity(value="2", unit_code=item.unit_code), reason=mark
            )
            request = requisitions_pb2.CreateRequisitionRequest(parent=SITE, requisition=need)
            await self._ask(session, "require", mark, "people/ben", request)

    async def _turns(self, worker: str) -> AsyncIterator[tuple[Session, str]]:
        """A session and a new mark for each turn of a worker."""
        async with Session(self.home, patience=0.0) as session:
            turn = 0
            while not self._stopping:
                turn += 1
                yield session, f"{self.run} {worker} {turn}"
                await asyncio.sleep(PAUSE)

    async def _ask(self, session: Session, kind: str, mark: str, person: str, request: Message) -> Any:
        command = Command(kind, mark, person, sent=time.time())
        self.commands.append(command)
        request.request_id = str(uuid4())  # type: ignore[attr-defined]
        command.request = request
        try:
            answer = await session.call(person, request)
        except Refused as refusal:
            if refusal.code in {code.name for code in _UNKNOWN} or refusal.code == "503":
                await asyncio.sleep(0.2)
                return None
            command.outcome = f"refused: {refusal}"
            return None
        except OSError:
            return None
        command.acknowledged, command.outcome, command.name = time.time(), "acknowledged", answer.name
        return answer


_UNKNOWN = (
    grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED,
    grpc.StatusCode.ABORTED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL,
)  # fmt: skip
"""Codes after which the caller cannot tell whether the command had its effect."""
