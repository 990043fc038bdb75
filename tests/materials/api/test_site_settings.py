"""What a site decides about its stock, and stock as it was at an instant, as known at another."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from plantops.materials.v1 import balances_pb2, settings_pb2

from tests.materials.builders import SITE, ago, at, fresh, item, movement, place, post, site, stocked
from tests.plant import Refused
from tests.world import Plant

NAME = f"{SITE}/materialsSettings"


async def decide(store: Plant, **fields: Any) -> Any:
    wanted = settings_pb2.MaterialsSettings(name=fields.pop("name", NAME), **fields)
    return await store("mara", settings_pb2.UpdateMaterialsSettingsRequest(materials_settings=wanted))


@pytest.mark.rule("MAT-58")
async def test_a_site_decides_how_far_back_a_movement_may_be_effective(store: Plant) -> None:
    elsewhere = await site(store, "settled")
    name, where = await item(store), f"{elsewhere}/locations/shelf"

    async def opened(**back: float) -> Any:
        what = movement("OPENING", name, 1, to_location=where, effective_time=ago(**back))
        return await post(store, what, parent=elsewhere)

    mine = f"{elsewhere}/materialsSettings"
    assert (await store("vic", settings_pb2.GetMaterialsSettingsRequest(name=mine))).backdating_days == 7
    with pytest.raises(Refused) as refused:
        await opened(days=7, minutes=1)
    assert refused.value.reason == "BACKDATE_TOO_FAR"
    await decide(store, name=mine, backdating_days=30)
    await opened(days=29)
    await decide(store, name=mine, backdating_days=0)
    with pytest.raises(Refused) as refused:
        await opened(seconds=5)
    assert refused.value.reason == "BACKDATE_TOO_FAR"
    shown = await store("vic", settings_pb2.GetMaterialsSettingsRequest(name=mine))
    assert (shown.backdating_days, shown.receipts_first) == (0, False)


@pytest.mark.rule("MAT-49")
@pytest.mark.parametrize(("first", "reason"), [(True, ""), (False, "NEGATIVE_IN_PAST")])
async def test_receipts_come_first_at_equal_times_where_the_site_says_so(
    store: Plant, first: bool, reason: str
) -> None:
    """At one instant 5 are issued and 5 come in, recorded in this order; an issue before both needs the order."""
    elsewhere = await site(store, f"equal-{first}".lower())
    await decide(store, name=f"{elsewhere}/materialsSettings", receipts_first=first)
    name, where = await item(store), f"{elsewhere}/locations/shelf"
    then = ago(hours=2)

    async def record(kind: str, value: int, when: Timestamp, **places: str) -> Any:
        return await post(store, movement(kind, name, value, effective_time=when, **places), parent=elsewhere)

    await record("OPENING", 5, ago(hours=9), to_location=where)
    await record("SCRAP", 5, then, from_location=where)
    await record("OPENING", 5, then, to_location=where)
    try:
        await record("SCRAP", 5, ago(hours=3), from_location=where)
        found = ""
    except Refused as refused:
        found = refused.reason
    assert found == reason


async def test_settings_of_an_unknown_site_and_out_of_range_are_refused(store: Plant) -> None:
    with pytest.raises(Refused) as refused:
        await decide(store, backdating_days=367)
    assert refused.value.reason == "FIELD_INVALID"
    with pytest.raises(Refused) as refused:
        await decide(store, name="sites/nowhere/materialsSettings", backdating_days=3)
    assert refused.value.reason == "RESOURCE_NOT_FOUND"


async def then(store: Plant, name: str, **given: Any) -> dict[str, Decimal]:
    request = balances_pb2.QueryBalancesRequest(parent=SITE, item=name, **given)
    answer = await store("vic", request)
    return {row.location.rsplit("/", 1)[-1]: Decimal(row.on_hand.value) for row in answer.balances}


def now() -> Timestamp:
    found = Timestamp()
    found.FromDatetime(datetime.now(UTC))
    return found


@pytest.mark.rule("MAT-42")
@pytest.mark.rule("MAT-187")
async def test_stock_is_asked_for_as_effective_and_as_known(store: Plant) -> None:
    """Opened yesterday with 10, moved 4 now; later somebody records that 3 were scrapped an hour ago."""
    name = await item(store)
    await stocked(store, name, 10, effective_time=ago(days=1))
    await post(store, movement("MOVE", name, 4, from_location=at("shelf"), to_location=at("bin")))
    known = now()
    await post(store, movement("SCRAP", name, 3, from_location=at("shelf"), effective_time=ago(hours=1)))
    assert await then(store, name) == {"shelf": 3, "bin": 4}
    assert await then(store, name, known_time=known) == {"shelf": 6, "bin": 4}
    assert await then(store, name, effective_time=ago(minutes=30)) == {"shelf": 7}
    assert await then(store, name, effective_time=ago(minutes=30), known_time=known) == {"shelf": 10}
    assert await then(store, name, effective_time=ago(days=2)) == {}
    assert await then(store, name, location=at("bin")) == {"bin": 4}


@pytest.mark.rule("MAT-187")
async def test_a_query_goes_on_where_the_page_before_ended(store: Plant) -> None:
    name = await item(store)
    for number in range(5):
        shelf = fresh("shelf")
        await place(store, shelf)
        await stocked(store, name, number + 1, shelf)
    found: list[str] = []
    token = ""
    while True:
        request = balances_pb2.QueryBalancesRequest(parent=SITE, item=name, page_size=2, page_token=token)
        answer = await store("vic", request)
        found += [row.on_hand.value for row in answer.balances]
        token = answer.next_page_token
        if not token:
            break
    assert sorted(found) == ["1", "2", "3", "4", "5"]
    request.item, request.page_token = "items/other", "abc"
    with pytest.raises(Refused) as refused:
        await store("vic", request)
    assert refused.value.reason == "FIELD_INVALID"
