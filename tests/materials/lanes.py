"""Calls of many people to one or two processes of materials."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from plantops.materials.v1 import movements_pb2

from services.chassis.serve import Process
from tests.materials.builders import (
    HEAD,
    SITE,
    at,
    item,
    stocked,
)
from tests.plant import Client, Refused
from tests.world import CAST, Plant

Create = movements_pb2.CreateMovementRequest
SHELF, BIN = at("shelf"), at("bin")


def request(what: movements_pb2.Movement, parent: str = SITE) -> Create:
    return Create(parent=parent, movement=what, request_id=str(uuid4()))


def client_of(store: Plant, process: Process, person: str = "people/stella") -> Client:
    roles = HEAD if person == "people/stella" else CAST[person]
    return Client(process, store.issuer.token(person, roles))


async def opened(store: Plant) -> str:
    """An item of which one is on the shelf."""
    name = await item(store)
    await stocked(store, name, 1)
    return name


@contextmanager
def held(store: Plant, item_name: str) -> Iterator[None]:
    """Somebody else holds the stock of an item meanwhile."""
    with store.look("materials") as connection, connection.transaction():
        connection.execute("select 1 from value_balance where item = %s for update", (item_name,))
        yield


async def blocked(store: Plant, count: int = 1) -> None:
    """Wait until so many transactions wait for that stock."""
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"

    async def read() -> int:
        return int(store.value("materials", waiting))

    await store.eventually(read, lambda found: found >= count)


async def queued(store: Plant, process: Process, count: int) -> None:
    """Wait until so many calls wait in the lanes."""

    async def read() -> int:
        return sum(len(lane.queue) for lane in process.commands.lanes.lanes)

    await store.eventually(read, lambda found: found == count)


async def done(client: Client, sent: Create) -> tuple[str, str]:
    """(reason or "", answer or refusal) of a call."""
    try:
        return "", str(timeless(await client(sent)))
    except Refused as refused:
        return refused.reason, f"{refused.code} {refused.message}"


async def sure(client: Client, sent: Create) -> Any:
    """Send a movement, again when the machine is too busy to take it."""
    while True:
        try:
            return await client(sent, timeout=60)
        except Refused as refused:
            if refused.code != "RESOURCE_EXHAUSTED":
                raise
            await asyncio.sleep(0.05)


def timeless(message: Any) -> Any:
    for field in ("effective_time", "record_time", "create_time", "update_time", "etag", "name", "hash"):
        if field in message.DESCRIPTOR.fields_by_name:
            message.ClearField(field)
    return message
