"""A random course of goods that move, facts that are told at once or later, and counts that overlap."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.materials.builders import at, balances, batch, eur, fresh, item, movement, place, reason
from tests.materials.counting import booked, counted_places, entry, twice
from tests.world import Plant

STEPS = 26


def now() -> Timestamp:
    found = Timestamp()
    found.FromDatetime(datetime.now(UTC))
    return found


@dataclass
class Course:
    """What is really there, what nobody has told yet, and counts that are not posted; all of one stock."""

    plant: Plant
    item: str
    where: str
    random: Random
    there: int = 0
    untold: list[tuple[int, Timestamp]] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)

    async def tell(self, amount: int, when: Timestamp) -> str:
        """A fact comes into the book; gives why not."""
        kind, side = ("OPENING", "to_location") if amount > 0 else ("SCRAP", "from_location")
        what: Any = movement(kind, self.item, abs(amount), effective_time=when, **{side: at(self.where)})
        (outcome,) = await batch(self.plant, [what])
        return reason(outcome)

    async def move(self) -> None:
        """Goods come or go; the book hears of it at once, or later."""
        amount = self.random.choice([self.random.randint(1, 30), -self.random.randint(0, self.there)])
        if amount:
            self.there += amount
            fact = (amount, now())
            if self.random.random() < 0.5 or await self.tell(*fact):
                self.untold.append(fact)

    async def hear(self) -> None:
        """One of the facts that nobody had told comes in."""
        if self.untold:
            fact = self.untold.pop(self.random.randrange(len(self.untold)))
            if await self.tell(*fact):
                self.untold.append(fact)

    async def count(self) -> None:
        """Somebody counts what is there; posted later."""
        mode = self.random.choice(["FROZEN", "CONTINUOUS"])
        count = await counted_places(self.plant, self.where, mode=mode)
        row = entry(self.there, item=self.item, location=at(self.where))
        row.count_time.CopyFrom(now())
        (line,) = await twice(self.plant, count.name, row)
        self.lines.append((count.name, line.name))

    async def post(self) -> None:
        """One of the counts is accepted and posted."""
        if self.lines:
            await booked(self.plant, *self.lines.pop(self.random.randrange(len(self.lines))))

    async def end(self) -> None:
        """All counts are posted and all facts told, what came before what went."""
        while self.lines:
            await self.post()
        for fact in sorted(self.untold, key=lambda known: known[0] < 0):
            assert await self.tell(*fact) == ""


@pytest.mark.rule("MAT-146", "MAT-150", "MAT-56")
async def test_once_all_is_counted_and_told_the_book_says_what_is_there(store: Plant) -> None:
    where = fresh("bin")
    await place(store, where)
    course = Course(store, await item(store, standard_cost=eur(1)), where, Random(3))
    steps = [course.move, course.move, course.hear, course.count, course.post]
    for _ in range(STEPS):
        await course.random.choice(steps)()
    await course.end()
    on_hand = (await balances(store, course.item)).get((where, "UNRESTRICTED"), (0, 0))[0]
    assert on_hand == course.there
