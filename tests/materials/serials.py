"""What tests of serials need beside the builders."""

from collections.abc import Sequence
from typing import Any

import pytest
from plantops.materials.v1 import movements_pb2, serials_pb2

from tests.materials.builders import SITE, at, call, contents, fresh, item, movement
from tests.plant import Refused
from tests.world import Plant


async def tool(plant: Plant, tracking: str = "SERIAL", **given: Any) -> str:
    """An item whose units are told apart."""
    return await item(plant, "tool", tracking=tracking, **given)


async def serial(plant: Plant, parent: str, number: str = "", **given: Any) -> str:
    """A serial of an item; gives its name."""
    made = serials_pb2.Serial(number=number or fresh("S"), **given)
    return str((await plant("sam", serials_pb2.CreateSerialRequest(parent=parent, serial=made))).name)


async def serials(plant: Plant, parent: str, count: int, **given: Any) -> list[str]:
    """Some serials, in the order of their names."""
    return sorted([await serial(plant, parent, **given) for _ in range(count)])


def moving(kind: str, item_name: str, names: Sequence[str], **given: Any) -> movements_pb2.CreateMovementRequest:
    """A movement of serials as one request."""
    what = movement(kind, item_name, len(names), **given)
    return movements_pb2.CreateMovementRequest(parent=SITE, movement=what, serials=names)


async def move(plant: Plant, kind: str, item_name: str, names: Sequence[str], **given: Any) -> Any:
    """Move serials by hand."""
    return await call(plant, "stella", moving(kind, item_name, names, **given))


async def opened(plant: Plant, item_name: str, names: Sequence[str], where: str = "shelf", **given: Any) -> Any:
    """Serials as opening stock."""
    return await move(plant, "OPENING", item_name, names, to_location=at(where), **given)


async def stand(plant: Plant, name: str) -> tuple[str, str, str]:
    """(place, status, movement by which it left) of a serial."""
    row = await plant("vic", serials_pb2.GetSerialRequest(name=name))
    status = serials_pb2.Serial.Status.Name(row.status).removeprefix("STATUS_UNSPECIFIED")
    return row.location.rsplit("/", 1)[-1], status, row.left_by


async def steps(plant: Plant, name: str, size: int = 0) -> list[Any]:
    """The history of a serial, read page by page."""
    found: list[Any] = []
    token = ""
    while True:
        request = serials_pb2.GetSerialHistoryRequest(name=name, page_size=size, page_token=token)
        page = await plant("vic", request)
        found += page.steps
        token = page.next_page_token
        if not token:
            return found


async def refusal(plant: Plant, request: Any, person: str = "stella") -> Refused:
    """How a request is refused; nothing is changed by it."""
    before = contents(plant)
    with pytest.raises(Refused) as refused:
        await call(plant, person, request)
    assert contents(plant) == before
    return refused.value


async def reverse(plant: Plant, name: str) -> Any:
    return await call(plant, "stella", movements_pb2.ReverseMovementRequest(name=name, reason="wrong"))
