"""Large batches of movements inside the plant go to the database in parts, by item (MAT-50, decision 0026)."""

import random
from collections import Counter
from decimal import Decimal as D
from typing import Any

import pytest

from services.chassis.unit import Unit
from services.materials.api import batch_moves, moves
from services.materials.api.postings import Known
from tests.materials.api.test_batches import BIN, DOCK, SHELF, move, request
from tests.materials.builders import balances, batch, call, item, reason, stocked
from tests.materials.test_invariants import broken
from tests.plant import Refused
from tests.statements import statements_of
from tests.world import Plant

PLACES = (SHELF, BIN, DOCK)


def to_and_fro(names: list[str], size: int) -> list[Any]:
    """Moves of one item after the other, of all to the bin, then of all back, and so on."""
    ways = ((SHELF, BIN), (BIN, SHELF))
    return [move(names[number % 7], 1, *ways[number // 7 % 2]) for number in range(size)]


@pytest.fixture
async def names(store: Plant) -> list[str]:
    """Items with ten pieces each on the shelf."""
    found = [await item(store) for _ in range(7)]
    for name in found:
        await stocked(store, name, 10)
    return found


def calls(statements: Any) -> int:
    return sum("post_moves" in row for row in statements.with_part("post_moves"))


async def there(store: Plant, name: str) -> dict[str, D]:
    return {place: found[0] for (place, _), found in (await balances(store, name)).items() if found[0]}


@pytest.mark.rule("MAT-50")
@pytest.mark.rule("PERF-3")
@pytest.mark.parametrize("seed", range(4))
async def test_each_movement_of_a_large_batch_finds_what_those_before_it_left(
    store: Plant, names: list[str], seed: int
) -> None:
    chance = random.Random(seed)
    stock = {(name, SHELF): 10 for name in names}
    whats, expected = [], []
    for _ in range(batch_moves.LARGE + 40):
        name, count, (out, into) = chance.choice(names), chance.randint(1, 4), chance.sample(PLACES, 2)
        whats.append(move(name, count, out, into))
        enough = stock.get((name, out), 0) >= count
        expected.append("" if enough else "NOT_ENOUGH_STOCK")
        if enough:
            stock[name, out] -= count
            stock[name, into] = stock.get((name, into), 0) + count
    with statements_of(store.processes["materials"].engine) as statements:
        outcomes = await batch(store, whats)
    # of an item of which one is refused the general way does all: it sees what came before
    assert 1 < calls(statements) <= len(batch_moves.SHARES)
    assert [reason(row) for row in outcomes] == expected
    for name in names:
        mine = {place.rsplit("/", 1)[1]: D(stock.get((name, place), 0)) for place in PLACES}
        assert await there(store, name) == {place: value for place, value in mine.items() if value}
    assert not broken(store)


@pytest.mark.rule("MAT-50")
@pytest.mark.rule("PERF-5")
async def test_parts_are_few_and_each_balance_is_written_by_one(store: Plant, names: list[str]) -> None:
    size = 4 * batch_moves.LARGE
    whats = to_and_fro(names, size)
    sent = request(*whats)
    with statements_of(store.processes["materials"].engine) as statements:
        first = await call(store, "stella", sent)
    assert calls(statements) == len(batch_moves.SHARES)
    assert len(statements.with_part("post_moves")) <= 24
    assert Counter(reason(row) for row in first.outcomes) == {"": size}
    assert [row.movement.item for row in first.outcomes] == [what.item for what in whats]
    for name in names:  # one after the other, as they stand in the batch
        numbers = [
            entry.item_sequence for row in first.outcomes for entry in row.movement.entries if entry.item == name
        ]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert await call(store, "stella", sent) == first
    written = store.rows(
        "materials", "select count(distinct m.xid), count(distinct b.xmin::text) from movement m, balance b"
        " where m.item = any(%s) and m.kind = 'MOVE' and b.item = any(%s) and not b.virtual", names, names,
    )  # fmt: skip
    assert written == [(1, 1)]


@pytest.mark.rule("PERF-3")
async def test_what_is_bad_in_the_last_part_keeps_the_whole_document_from_being(store: Plant, names: list[str]) -> None:
    whats = [move(names[number % 7], 1) for number in range(60)]
    too_many = [move(names[6], 1) for _ in range(batch_moves.LARGE)]
    with pytest.raises(Refused) as refused:
        await call(store, "stella", request(*whats, *too_many, all_or_nothing=True))
    assert refused.value.reason == "DOCUMENT_REFUSED"
    assert refused.value.metadata["cause"] == "NOT_ENOUGH_STOCK"
    for name in names:
        assert await there(store, name) == {"shelf": D(10)}


@pytest.mark.rule("PERF-3")
async def test_what_is_known_no_more_is_read_anew_for_all_that_is_left(
    store: Plant, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Known.of

    async def old(unit: Unit, site: str, requests: Any) -> Known:
        known = await read(unit, site, requests)
        unit.session.expunge(known.items[names[3]])
        known.items[names[3]].version += 1
        return known

    monkeypatch.setattr(Known, "of", old)
    whats = to_and_fro(names, 280)
    with statements_of(store.processes["materials"].engine) as statements:
        outcomes = await batch(store, whats)
    assert 1 < calls(statements) < len(batch_moves.SHARES)
    assert {reason(row) for row in outcomes} == {""}
    for name in names:
        assert await there(store, name) == {"shelf": D(10)}
    assert not broken(store)


@pytest.mark.rule("PERF-3")
async def test_a_defect_amid_a_large_batch_leaves_nothing_behind(
    store: Plant, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whats = [move(names[number % 7], 1) for number in range(batch_moves.LARGE)]
    made, seen = moves.columns, []

    def broken_columns(*given: Any, **more: Any) -> Any:
        seen.append(1)
        if len(seen) > batch_moves.LARGE * 0.7:
            raise RuntimeError("a defect")
        return made(*given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(moves, "columns", broken_columns)
        with pytest.raises(Refused) as refused:
            await call(store, "stella", request(*whats))
        assert refused.value.reason == "INTERNAL"
    for name in names:
        assert await there(store, name) == {"shelf": D(10)}
    assert [reason(row) for row in await batch(store, [move(names[0], 1)])] == [""]
