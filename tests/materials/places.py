"""Places as people lock, limit and look for them."""

from typing import Any

import pytest
from google.rpc import error_details_pb2
from plantops.materials.v1 import (
    locations_pb2,
    tasks_pb2,
)

from tests.materials.builders import (
    SITE,
    at,
    expected,
    fresh,
    movement,
    place,
    post,
    q,
    received,
    scanned,
)
from tests.plant import Refused
from tests.world import Plant

Location = locations_pb2.Location
Limits = Location.Limits
Fit = locations_pb2.FindPlaceResponse


async def lock(plant: Plant, where: str, direction: str, **given: Any) -> Any:
    given = {"reason": "water", **given}
    return await plant("sam", locations_pb2.LockLocationRequest(name=at(where), direction=direction, **given))


async def unlock(plant: Plant, where: str, direction: str) -> Any:
    return await plant("sam", locations_pb2.UnlockLocationRequest(name=at(where), direction=direction))


async def deactivate(plant: Plant, where: str) -> Any:
    return await plant("mara", locations_pb2.DeactivateLocationRequest(name=at(where), reason="rebuilt"))


async def reactivate(plant: Plant, where: str) -> Any:
    return await plant("mara", locations_pb2.ReactivateLocationRequest(name=at(where)))


async def limited(plant: Plant, kind: str = "STORAGE", **limits: Any) -> str:
    name = fresh("place")
    await place(plant, name, kind, limits=Limits(**limits))
    return name


async def moved(plant: Plant, item_name: str, out: str, into: str, value: int = 1, **given: Any) -> Any:
    return await post(
        plant, movement("MOVE", item_name, value, from_location=at(out), to_location=at(into), **given), person="sam"
    )


async def found(plant: Plant, item_name: str, value: int | str = 1, **given: Any) -> Any:
    return await plant(
        "sam", locations_pb2.FindPlaceRequest(parent=SITE, item=item_name, quantity=q(value), **given)
    )  # fmt: skip


def reason_of(status: Any) -> str:
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    return info.reason


async def refusal(call: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        await call
    return refused.value


async def put_away_task(plant: Plant, name: str, value: int, where: str = "") -> Any:
    """A task of goods that an order brings, to a named place or to none."""
    await expected(plant, name, value, to=where)
    posted = await received(plant, scanned(name, value))
    return await plant("vic", tasks_pb2.GetPutAwayTaskRequest(name=posted.lines[0].put_away_task))


async def confirm(plant: Plant, task: Any, where: str, **given: Any) -> Any:
    return await plant("sam", tasks_pb2.ConfirmPutAwayRequest(name=task.name, location=at(where), **given))
