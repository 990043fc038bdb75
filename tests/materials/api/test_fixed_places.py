"""Goods that come in go to their item's own place while it has room."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from plantops.materials.v1 import item_settings_pb2, tasks_pb2

from tests.materials.builders import SITE, at, expected, fresh, item, place, q, received, scanned
from tests.materials.places import limited, lock, put_away_task, unlock
from tests.plant import Refused
from tests.world import Plant

ItemSettings = item_settings_pb2.ItemSettings


async def fix(plant: Plant, item_name: str, where: str) -> Any:
    request = item_settings_pb2.CreateItemSettingsRequest(
        parent=SITE, item_settings_id=item_name.rsplit("/", 1)[-1], item_settings=ItemSettings(fixed_location=where)
    )
    return await plant("mara", request)


async def places_of(plant: Plant, receipt: Any) -> list[str]:
    tasks = [await plant("vic", tasks_pb2.GetPutAwayTaskRequest(name=line.put_away_task)) for line in receipt.lines]
    return [task.proposed_location for task in tasks]


@pytest.mark.rule("MAT-100")
async def test_goods_go_to_a_nearly_full_place_of_their_own_until_nothing_fits(store: Plant) -> None:
    name = await item(store, gross_weight=q(10, "KGM"))
    where = at(await limited(store, max_weight=q(30, "KGM")))
    assert (await fix(store, name, where)).fixed_location == where
    await expected(store, name, 9, to="")
    assert (await put_away_task(store, name, 1)).proposed_location == where
    posted = await received(store, scanned(name, 1), scanned(name, 2), scanned(name, 1), scanned(name, 1))
    first, second, third, fourth = await places_of(store, posted)
    assert (first, third) == (where, where)
    assert where not in (second, fourth)
    assert second
    assert fourth


@pytest.mark.rule("MAT-100")
async def test_goods_go_elsewhere_while_their_own_place_is_locked(store: Plant) -> None:
    name, where = await item(store), fresh("place")
    await place(store, where)
    await fix(store, name, at(where))
    await lock(store, where, "INBOUND")
    assert (await put_away_task(store, name, 1)).proposed_location not in ("", at(where))
    await unlock(store, where, "INBOUND")
    assert (await put_away_task(store, name, 1)).proposed_location == at(where)


async def test_a_place_of_its_own_is_a_storage_place_of_the_site(store: Plant) -> None:
    name = await item(store)
    for wrong in (at("dock"), at("nowhere"), "sites/antwerp/locations/shelf"):
        with pytest.raises(Refused) as refused:
            await fix(store, name, wrong)
        assert refused.value.fields == ["item_settings.fixed_location"]
    made = await fix(store, name, at("shelf"))
    for wrong, answered in ((at("dock"), False), ("", True)):
        request = item_settings_pb2.UpdateItemSettingsRequest(
            item_settings=ItemSettings(name=made.name, fixed_location=wrong),
            update_mask=FieldMask(paths=["fixed_location"]),
        )
        if answered:
            assert (await store("mara", request)).fixed_location == ""
        else:
            with pytest.raises(Refused) as refused:
                await store("mara", request)
            assert refused.value.fields == ["item_settings.fixed_location"]
