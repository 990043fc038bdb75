"""Back-tests: history as it was known, the candidate beside the revision in force, and nothing changes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from plantops.materials.v1 import policies_pb2

from tests.materials.builders import contents, day, eur, fresh, item, position, reserved, stocked, told
from tests.materials.kanban import loop
from tests.materials.policies import activate, draft, policy
from tests.materials.shipping import goes, sent
from tests.plant import Refused
from tests.world import Plant, site_today


async def played(plant: Plant, name: str, first: int = -10, end: int = 0, **given: Any) -> list[Any]:
    request = policies_pb2.BacktestMaterialsRevisionRequest(
        name=name, start_date=day(site_today() + timedelta(days=first)),
        end_date=day(site_today() + timedelta(days=end)), **given,
    )  # fmt: skip
    return list(await plant("vic", request))


@contextmanager
def recorded(plant: Plant, movements: dict[str, int]) -> Iterator[None]:
    """Movements as if they had been recorded so many days ago."""

    def shift(sign: int) -> None:
        with plant.look("materials") as connection:
            connection.execute("set session_replication_role = replica")  # the ledger refuses changes
            for name, days in movements.items():
                connection.execute(
                    "update movement set record_time = record_time - make_interval(days => %s) where name = %s",
                    [sign * days, name],
                )

    shift(1)
    try:
        yield
    finally:
        shift(-1)


def claimed(plant: Plant, name: str, known: int, needed: int) -> None:
    """A reservation as if it had been made and needed so many days ago."""
    with plant.look("materials") as connection:
        connection.execute(
            "update reservation set create_time = now() - make_interval(days => %s), "
            "need_time = now() - make_interval(days => %s) where name = %s",
            [known, needed, name],
        )


def shown(measures: Any) -> tuple[Any, ...]:
    return (
        measures.stock_out_days, measures.needed.value, measures.covered.value, measures.fill_rate.value,
        measures.mean_quantity.value, measures.mean_value.value, measures.need_count, measures.needs_per_month.value,
    )  # fmt: skip


@pytest.mark.rule("MAT-163")
async def test_a_candidate_is_played_on_history_as_it_was_known_beside_the_one_in_force(store: Plant) -> None:
    name = await item(store, standard_cost=eur(2))
    made = await policy(store, name)
    opening = await stocked(store, name, 12)
    late = await stocked(store, name, 100)  # known five days ago, whenever it was effective
    active = await activate(store, made.name, kind="MIN_MAX", reorder_point=10, maximum=20, lead_days=3)
    candidate = await draft(store, made.name, kind="MIN_MAX", reorder_point=3, maximum=20, lead_days=3)
    for ago in (10, 8, 6, 4, 2):
        claimed(store, (await reserved(store, name, 5)).name, ago, ago)
    with recorded(store, {opening.name: 20, late.name: 5}):
        before, after = contents(store), position(store)
        one, total = await played(store, candidate.name)
        assert (contents(store), told(store, after=after)) == (before, [])
    assert (one.item, one.day_count, total.item) == (name, 10, "")
    assert (one.active.revision, one.candidate.revision) == (active.name, candidate.name)
    # in force: 7 + 7 + 2 + 15 + 10 + 10 + 5 + 5 + 0 + 15 pieces at the ends of the days
    assert shown(one.active) == (0, "25", "25", "1", "7.6", "15.2", 2, "6.0875")
    # the candidate asks on day 2 alone: 18, which come on day 5; on day 4 three pieces wait
    assert shown(one.candidate) == (1, "25", "22", "0.88", "6.3", "12.6", 1, "3.04375")
    assert shown(total.active) == shown(one.active)


@pytest.mark.rule("MAT-163")
async def test_goods_that_left_without_a_claim_are_demand_too(store: Plant) -> None:
    kind = fresh("class")
    names = [await item(store, item_class=kind) for _ in range(2)]
    made = await policy(store, site="", item_class=kind)
    candidate = await draft(store, made.name, kind="PERIODIC", reorder_point=0, maximum=10, review_days=5)
    moved = {}
    for name in names:
        moved[(await stocked(store, name, 8)).name] = 30
        gone = await sent(store, goes(name, 3))
        found = store.value("materials", "select name from movement where source = %s and kind = 'SHIP'", gone.name)
        moved[found] = 4
    with recorded(store, moved):
        *rows, total = await played(store, candidate.name, items=names, site="hamburg")
    assert [row.item for row in rows] == sorted(names)
    assert all((row.candidate.needed.value, row.HasField("active")) == ("3", False) for row in rows)
    assert (total.candidate.needed.value, total.candidate.covered.value) == ("6", "6")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"first": 0, "end": 0}, "end_date"),
        ({"first": -5, "end": 2}, "end_date"),
        ({"first": -1200, "end": -1}, "end_date"),
        ({"items": ["items/other"]}, "items"),
        ({"site": "bremen"}, "site"),
    ],
)
async def test_days_items_and_site_are_those_that_there_are(store: Plant, given: dict[str, Any], field: str) -> None:
    candidate = await draft(store, (await policy(store, await item(store))).name)
    with pytest.raises(Refused) as refused:
        await played(store, candidate.name, **given)
    assert refused.value.fields == [field]


async def test_cards_and_unknown_items_are_not_played(store: Plant) -> None:
    cards = await loop(store, await item(store))
    with pytest.raises(Refused) as refused:
        await played(store, f"{cards}/revisions/r1")
    assert refused.value.fields == ["name"]
    wide = await draft(store, (await policy(store, item_class=fresh("class"))).name)
    for items in ([], ["items/nothing"]):
        with pytest.raises(Refused) as unknown:
            await played(store, wide.name, items=items)
        assert unknown.value.fields == ["items"]
