"""Movements as people post and reverse them."""

from typing import Any

import pytest
from plantops.materials.v1 import movements_pb2

from tests.materials.builders import (
    at,
    call,
    contents,
    movement,
    post,
)
from tests.plant import Refused
from tests.world import Plant

Movement = movements_pb2.Movement


async def moved(plant: Plant, item_name: str, value: str | int, **given: Any) -> Any:
    """From the shelf to the bin, unless said otherwise."""
    given = {"from_location": at("shelf"), "to_location": at("bin"), **given}
    return await post(plant, movement("MOVE", item_name, value, **given))


async def reverse(plant: Plant, name: str, person: str = "stella") -> Any:
    return await call(plant, person, movements_pb2.ReverseMovementRequest(name=name, reason="wrong bin"))


async def refused_post(plant: Plant, what: Any, **given: Any) -> Refused:
    """The refusal of a movement, which leaves ledger and balances as they were."""
    before = contents(plant)
    with pytest.raises(Refused) as refused:
        await post(plant, what, **given)
    assert contents(plant) == before
    assert refused.value.metadata
    return refused.value
