"""Handling units as people make, pack, move and close them."""

from decimal import Decimal as D
from typing import Any
from uuid import uuid4

import pytest
from plantops.materials.v1 import (
    handling_units_pb2,
)

from tests.materials.builders import (
    SITE,
    at,
    call,
    contents,
)
from tests.plant import Refused
from tests.world import Plant

pb = handling_units_pb2
Unit = pb.HandlingUnit
PREFIX = "0614141"


async def get(plant: Plant, name: str) -> Any:
    return await plant("vic", pb.GetHandlingUnitRequest(name=name))


async def nest(plant: Plant, name: str, outer: str) -> Any:
    return await plant("sam", pb.NestHandlingUnitRequest(name=name, parent_handling_unit=outer))


async def move(plant: Plant, name: str, where: str, **given: Any) -> Any:
    return await plant("sam", pb.MoveHandlingUnitRequest(name=name, location=at(where), **given))


async def close(plant: Plant, name: str, **given: Any) -> Any:
    return await plant("sam", pb.CloseHandlingUnitRequest(name=name, **given))


async def reopen(plant: Plant, name: str) -> Any:
    return await plant("sam", pb.ReopenHandlingUnitRequest(name=name))


async def refused(plant: Plant, request: Any, person: str = "sam") -> Refused:
    """The refusal of a command, which changes nothing."""
    before = contents(plant)
    with pytest.raises(Refused) as found:
        await call(plant, person, request)
    assert contents(plant) == before
    return found.value


async def create(plant: Plant, *units: Any, **given: Any) -> list[Any]:
    """Outcomes of a batch of new units."""
    requests = [pb.CreateHandlingUnitRequest(parent=SITE, handling_unit=one, request_id=str(uuid4())) for one in units]
    answer = await plant("sam", pb.BatchCreateHandlingUnitsRequest(parent=SITE, requests=requests, **given))
    return list(answer.outcomes)


def where(plant: Plant, item_name: str) -> dict[tuple[str, str], tuple[D, D]]:
    """(place, unit) -> (on hand, reserved) of an item."""
    rows = plant.rows(
        "materials",
        "select location, handling_unit, sum(on_hand), sum(reserved) from balance"
        " where item = %s and not virtual and on_hand <> 0 group by 1, 2",
        item_name,
    )
    return {(location.rsplit("/", 1)[-1], unit): (on_hand, held) for location, unit, on_hand, held in rows}


def raise_of(outcomes: list[Any]) -> None:
    """The refusal of the only outcome."""
    (outcome,) = outcomes
    assert outcome.HasField("status")
    raise refusal(outcome)


def refusal(outcome: Any) -> Refused:
    return Refused("", outcome.status, {})
