"""Random packing, nesting, closing and moving against a forest in plain Python: after every step both say the same."""

import os
import random
from dataclasses import dataclass, field
from decimal import Decimal as D
from typing import Any

import pytest
from plantops.materials.v1 import handling_units_pb2 as pb

from tests.materials.builders import (
    approve,
    at,
    check,
    handling_units,
    item,
    packed,
    q,
    stocked,
    unit_type,
    work_order,
)
from tests.plant import Refused
from tests.world import Plant

KINDS = ("pack", "pack", "pack", "unpack", "nest", "nest", "unnest", "close", "reopen", "reopen", "move", "move")
COVERED = {
    "pack": {"", "HANDLING_UNIT_CLOSED", "HANDLING_UNIT_ELSEWHERE"}, "unpack": {""}, "close": {""}, "reopen": {""},
    "nest": {"", "CYCLE", "HANDLING_UNIT_ELSEWHERE"}, "unnest": {""}, "move": {"", "HANDLING_UNIT_NESTED"},
}  # fmt: skip
"""What a course has to come by."""
PLACES = ("dock", "shelf", "bin")
STEPS = 240 if os.environ.get("PLANTOPS_TEST_PROFILE") == "deep" else 60


@dataclass
class Forest:
    """What should be: units with their parents, places of the roots, states, and stock by item, place and unit."""

    parent: dict[str, str] = field(default_factory=dict)
    place: dict[str, str] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    stock: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def around(self, name: str) -> list[str]:
        """The unit and those around it."""
        found = [name]
        while found[-1] in self.parent:
            found.append(self.parent[found[-1]])
        return found

    def inside(self, name: str) -> set[str]:
        """The unit and those inside."""
        return {one for one in self.units if name in self.around(one)}

    @property
    def units(self) -> set[str]:
        return {*self.parent, *self.place}

    def stands(self, name: str) -> str:
        return self.place[self.around(name)[-1]]

    def open(self, name: str) -> bool:
        return not any(one in self.closed for one in self.around(name))

    def shift(self, item_name: str, count: int, source: tuple[str, str], target: tuple[str, str]) -> str:
        """Stock from (place, unit) to (place, unit); the reason when there is too little."""
        if self.stock.get((item_name, *source), 0) < count:
            return "NOT_ENOUGH_STOCK"
        for (place, unit), change in ((source, -count), (target, count)):
            key = (item_name, place, unit)
            self.stock[key] = self.stock.get(key, 0) + change
            if self.stock[key] == 0:
                del self.stock[key]
        return ""


class Course:
    """Random steps; each is done by the service and by the model, which have to agree on outcome and stock."""

    def __init__(self, plant: Plant, seed: int) -> None:
        self.plant = plant
        self.chance = random.Random(seed)
        self.forest = Forest()
        self.items: list[str] = []
        self.names: list[str] = []
        self.outcomes: dict[str, set[str]] = {}

    async def begin(self) -> None:
        kind = await unit_type(self.plant)
        for where in ("dock", "shelf"):
            for made in await handling_units(self.plant, kind, 3, where):
                self.names.append(made.name)
                self.forest.place[made.name] = where
        for count in (40, 25):
            name = await item(self.plant)
            await stocked(self.plant, name, count, "dock")
            await stocked(self.plant, name, count, "shelf")
            self.forest.stock |= {(name, "dock", ""): count, (name, "shelf", ""): count}
            self.items.append(name)
        await approve(self.plant, work_order(), {"d1": (self.items[0], 30)})

    def unit(self) -> str:
        return self.chance.choice(self.names)

    async def step(self) -> None:
        kind = self.chance.choice(KINDS)
        wanted, request = getattr(self, kind)()
        before = self.posted()
        try:
            await self.plant("sam", request)
            found = ""
        except Refused as refused:
            found = refused.reason
        assert found == wanted, f"{kind}: {found} instead of {wanted}: {request}"
        self.outcomes.setdefault(kind, set()).add(found)
        assert self.posted() - before <= 1  # one movement whatever moves (MAT-21)
        assert self.there() == self.forest.stock

    def posted(self) -> int:
        return int(self.plant.value("materials", "select count(*) from movement"))

    def there(self) -> dict[tuple[str, str, str], int]:
        rows = self.plant.rows(
            "materials",
            "select item, location, handling_unit, sum(on_hand) from balance"
            " where item = any(%s) and not virtual group by 1, 2, 3 having sum(on_hand) <> 0",
            self.items,
        )
        return {(name, where.rsplit("/", 1)[-1], unit): int(count) for name, where, unit, count in rows}

    # each step gives what the model says, and the request; the model changes when nothing speaks against it

    def pack(self) -> tuple[str, Any]:
        name, count, what = self.unit(), self.chance.randint(1, 9), self.chance.choice(self.items)
        other = self.chance.choice(["", "", *(one for one in self.names if one != name)])
        request = pb.PackHandlingUnitRequest(name=name, from_handling_unit=other, contents=[packed(what, count)])
        if not self.forest.open(name) or (other and not self.forest.open(other)):
            elsewhere = other and self.forest.open(name) and self.forest.stands(other) != self.forest.stands(name)
            return ("HANDLING_UNIT_ELSEWHERE" if elsewhere else "HANDLING_UNIT_CLOSED"), request
        here = self.forest.stands(name)
        if other and self.forest.stands(other) != here:
            return "HANDLING_UNIT_ELSEWHERE", request
        return self.forest.shift(what, count, (here, other), (here, name)), request

    def unpack(self) -> tuple[str, Any]:
        name = self.unit()
        here = self.forest.stands(name)
        if self.chance.random() < 0.3:
            request = pb.UnpackHandlingUnitRequest(name=name)
            if not self.forest.open(name):
                return "HANDLING_UNIT_CLOSED", request
            held = [(what, count) for (what, _, unit), count in self.forest.stock.items() if unit == name]
            for what, count in held:
                self.forest.shift(what, count, (here, name), (here, ""))
            return "" if held else "FIELD_INVALID", request
        what, count = self.chance.choice(self.items), self.chance.randint(1, 4)
        request = pb.UnpackHandlingUnitRequest(name=name, contents=[packed(what, count)])
        if not self.forest.open(name):
            return "HANDLING_UNIT_CLOSED", request
        return self.forest.shift(what, count, (here, name), (here, "")), request

    def nest(self) -> tuple[str, Any]:
        name, outer = self.unit(), self.unit()
        request = pb.NestHandlingUnitRequest(name=name, parent_handling_unit=outer)
        forest = self.forest
        if name in forest.around(outer):
            return "CYCLE", request
        if name in forest.parent:
            return "HANDLING_UNIT_NESTED", request
        if not forest.open(outer):
            return "HANDLING_UNIT_CLOSED", request
        if forest.stands(outer) != forest.stands(name):
            return "HANDLING_UNIT_ELSEWHERE", request
        forest.parent[name] = outer
        del forest.place[name]
        return "", request

    def unnest(self) -> tuple[str, Any]:
        name = self.unit()
        request = pb.UnnestHandlingUnitRequest(name=name)
        if name not in self.forest.parent:
            return "FIELD_INVALID", request
        outer = self.forest.parent[name]
        if not self.forest.open(outer):
            return "HANDLING_UNIT_CLOSED", request
        self.forest.place[name] = self.forest.stands(name)
        del self.forest.parent[name]
        return "", request

    def close(self) -> tuple[str, Any]:
        name = self.unit()
        again = name in self.forest.closed
        self.forest.closed.add(name)
        return "TRANSITION_NOT_ALLOWED" if again else "", pb.CloseHandlingUnitRequest(
            name=name, gross_weight=q(9, "KGM")
        )

    def reopen(self) -> tuple[str, Any]:
        name = self.unit()
        shut = name in self.forest.closed
        self.forest.closed.discard(name)
        return "" if shut else "TRANSITION_NOT_ALLOWED", pb.ReopenHandlingUnitRequest(name=name)

    def move(self) -> tuple[str, Any]:
        name, where = self.unit(), self.chance.choice(PLACES)
        detach = self.chance.random() < 0.5
        request = pb.MoveHandlingUnitRequest(name=name, location=at(where), detach=detach)
        forest = self.forest
        if name in forest.parent and not detach:
            return "HANDLING_UNIT_NESTED", request
        if name in forest.parent and not forest.open(forest.parent[name]):
            return "HANDLING_UNIT_CLOSED", request
        here = forest.stands(name)
        if here == where:
            return "FIELD_INVALID", request
        inside = forest.inside(name)
        for (what, place, unit), count in list(forest.stock.items()):
            if unit in inside:
                assert place == here
                forest.shift(what, count, (place, unit), (where, unit))
        forest.parent.pop(name, None)
        forest.place[name] = where
        return "", request


@pytest.mark.rule("MAT-20", "MAT-21", "MAT-22")
@pytest.mark.parametrize("seed", [4])
async def test_whatever_is_packed_nested_and_moved_stock_and_claims_are_where_the_model_says(
    store: Plant, seed: int
) -> None:
    course = Course(store, seed)
    await course.begin()
    for number in range(STEPS):
        await course.step()
        if number % 20 == 0:
            assert await check(store) == []
    assert await check(store) == []
    for kind, least in COVERED.items():
        assert least <= course.outcomes[kind], kind
    (claimed,) = store.rows(
        "materials", "select sum(allocated), sum(short) from reservation where item = %s", course.items[0]
    )
    assert claimed == (D(30), D(0))  # no claim was lost on the way
