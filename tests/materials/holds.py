"""Holds as people place and release them."""

from collections.abc import Sequence
from typing import Any

import pytest
from plantops.materials.v1 import balances_pb2, holds_pb2, movements_pb2

from services.materials import jobs
from tests.materials.builders import SITE, at, call, contents, movement, post
from tests.plant import Refused
from tests.world import Plant

Hold = holds_pb2.Hold


async def hold(plant: Plant, person: str = "sam", *, reason: str = "found cracks", **given: Any) -> Any:
    """Place a hold."""
    made = Hold(reason=reason, **given)
    return await call(plant, person, holds_pb2.CreateHoldRequest(parent=SITE, hold=made))


async def release(plant: Plant, name: str, person: str = "ada", *, reason: str = "tested again") -> Any:
    """Release a hold."""
    return await call(plant, person, holds_pb2.ReleaseHoldRequest(name=name, reason=reason))


async def refused(plant: Plant, request: Any, person: str = "stella") -> Refused:
    """How a command is refused; nothing is changed by it."""
    before = contents(plant)
    with pytest.raises(Refused) as found:
        await call(plant, person, request)
    assert contents(plant) == before
    return found.value


def moving(kind: str, item_name: str, value: str | int = 1, **given: Any) -> movements_pb2.CreateMovementRequest:
    """A movement by hand as a request; of the shelf unless said otherwise."""
    given = {"from_location": at("shelf"), **given}
    return movements_pb2.CreateMovementRequest(parent=SITE, movement=movement(kind, item_name, value, **given))


async def stopped(plant: Plant, item_name: str, **given: Any) -> str:
    """The hold that stops an issue of one to the bin, "" when it moves; it moves back then."""
    given = {"from_location": at("shelf"), "to_location": at("bin"), **given}
    try:
        await post(plant, movement("MOVE", item_name, 1, **given))
    except Refused as found:
        return found.metadata["hold"]
    back = {**given, "from_location": given["to_location"], "to_location": given["from_location"]}
    if "from_handling_unit" in given:
        back = {**back, "to_handling_unit": back.pop("from_handling_unit")}
    await post(plant, movement("MOVE", item_name, 1, **back))
    return ""


async def lots_of(plant: Plant, item_name: str) -> dict[tuple[str, str], tuple[str, str]]:
    """(place, lot) -> (on hand, reserved) of an item."""
    answer = await plant("vic", balances_pb2.ListBalancesRequest(parent=SITE, filter=f'item = "{item_name}"'))
    return {
        (row.location.rsplit("/", 1)[-1], row.lot): (row.on_hand.value, row.reserved.value) for row in answer.balances
    }


def placed(answer: Any) -> list[tuple[str, str]]:
    """(place, quantity) of the stock in a hold or an event."""
    return [(row.location.rsplit("/", 1)[-1], row.quantity.value) for row in answer.stocks]


async def settle(plant: Plant) -> None:
    """What the job does when it is its turn."""
    await jobs.settle_holds(plant.processes["materials"].commands.open_unit)


def names(rows: Sequence[Any]) -> list[str]:
    return sorted(row.name for row in rows)
