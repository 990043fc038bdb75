"""Assets through the rpcs: a tree without circles, states, what is told."""

import asyncio
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from plantops.maintenance.v1 import assets_pb2, events_pb2

from services.maintenance.model.asset import PAIRS, State
from tests.maintenance import builders as make
from tests.plant import Refused
from tests.world import Plant

Asset = assets_pb2.Asset


@pytest.fixture(scope="module", autouse=True)
async def two_sites(plant: Plant) -> None:
    await make.sites(plant)


async def move(plant: Plant, name: str, parent: str) -> Any:
    return await plant("paul", assets_pb2.UpdateAssetRequest(asset=Asset(name=name, parent_asset=parent)))


async def state(plant: Plant, name: str, to: str, **given: Any) -> Any:
    return await plant("paul", assets_pb2.ChangeAssetStateRequest(name=name, state=to, **given))


async def test_an_asset_is_told_whole(plant: Plant) -> None:
    parent = await make.asset(plant)
    name = await make.asset(
        plant,
        parent_asset=parent,
        tag="4012345000009",
        cost_centre="1200",
        delivery_location="sites/hamburg/locations/s",
    )
    query = "select payload from outbox where aggregate_id = %s order by pos"
    created, changed = (
        events_pb2.AssetChanged.FromString(bytes(row[0])) for row in plant.rows("maintenance", query, name)
    )
    asset = await plant("vic", assets_pb2.GetAssetRequest(name=name))
    for field in ("number", "title", "parent_asset", "tag", "delivery_location", "cost_centre"):
        assert getattr(changed, field) == getattr(asset, field) != ""
    assert (created.state, changed.state, changed.criticality) == ("PLANNED", "IN_SERVICE", "B")
    assert (created.version, changed.version) == (1, 2)


@pytest.mark.rule("MNT-20")
async def test_no_asset_contains_itself(plant: Plant) -> None:
    top = await make.asset(plant)
    middle = await make.asset(plant, parent_asset=top)
    bottom = await make.asset(plant, parent_asset=middle)
    for parent in (top, middle, bottom):
        with pytest.raises(Refused) as refused:
            await move(plant, top, parent)
        assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "CYCLE")
        assert refused.value.metadata["path"].split(" -> ")[0] == top
    assert (await move(plant, bottom, top)).parent_asset == top


@pytest.mark.rule("MNT-20")
async def test_concurrent_moves_close_no_circle(plant: Plant) -> None:
    for _ in range(5):
        ring = [await make.asset(plant) for _ in range(4)]
        moves = [move(plant, name, ring[(index + 1) % 4]) for index, name in enumerate(ring)]
        outcomes = await asyncio.gather(*moves, return_exceptions=True)
        refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
        assert [fault.reason for fault in refused] == ["CYCLE"]


async def test_an_asset_moves_to_the_top_again(plant: Plant) -> None:
    name = await make.asset(plant, parent_asset=await make.asset(plant))
    request = assets_pb2.UpdateAssetRequest(asset=Asset(name=name), update_mask=FieldMask(paths=["parent_asset"]))
    assert (await plant("paul", request)).parent_asset == ""


@pytest.mark.rule("MNT-20")
async def test_a_parent_is_known_and_of_the_same_site(plant: Plant) -> None:
    name = await make.asset(plant)
    with pytest.raises(Refused) as foreign:
        await move(plant, name, await make.asset(plant, site=make.ANTWERP))
    assert (foreign.value.code, foreign.value.metadata["field"]) == ("INVALID_ARGUMENT", "asset.parent_asset")
    with pytest.raises(Refused) as unknown:
        await move(plant, name, f"{make.HAMBURG}/assets/none")
    assert unknown.value.code == "NOT_FOUND"


@pytest.mark.rule("MNT-23")
@pytest.mark.parametrize("wanted", State)
@pytest.mark.parametrize("before", State)
async def test_an_asset_moves_along_its_states_only(plant: Plant, before: State, wanted: State) -> None:
    name = await make.asset(plant, state="IN_SERVICE" if before is not State.PLANNED else "PLANNED")
    if before not in (State.PLANNED, State.IN_SERVICE):
        await state(plant, name, before)
    if (before, wanted) in PAIRS:
        assert Asset.State.Name((await state(plant, name, wanted)).state) == wanted
        return
    with pytest.raises(Refused) as refused:
        await state(plant, name, wanted)
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED")


@pytest.mark.rule("MNT-22")
async def test_an_asset_with_children_is_not_decommissioned(plant: Plant) -> None:
    parent = await make.asset(plant)
    child = await make.asset(plant, parent_asset=parent)
    with pytest.raises(Refused) as refused:
        await state(plant, parent, "DECOMMISSIONED")
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "ASSET_HAS_CHILDREN")
    assert refused.value.metadata["child"] == child
    await state(plant, child, "DECOMMISSIONED")
    await state(plant, parent, "DECOMMISSIONED")


@pytest.mark.rule("MNT-22")
async def test_nothing_comes_below_what_is_gone(plant: Plant) -> None:
    gone = await make.asset(plant, state="DECOMMISSIONED")
    for attempt in (make.asset(plant, parent_asset=gone), move(plant, await make.asset(plant), gone)):
        with pytest.raises(Refused) as refused:
            await attempt
        assert refused.value.reason == "ASSET_DECOMMISSIONED"
    with pytest.raises(Refused) as refused:
        await make.order(plant, gone)
    assert refused.value.reason == "ASSET_DECOMMISSIONED"


@pytest.mark.rule("MNT-22")
async def test_a_child_and_the_end_of_its_parent_at_once_leave_no_orphan(plant: Plant) -> None:
    for _ in range(5):
        parent = await make.asset(plant)
        outcomes = await asyncio.gather(
            state(plant, parent, "DECOMMISSIONED"),
            make.asset(plant, parent_asset=parent, state="PLANNED"),
            return_exceptions=True,
        )
        reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, Refused)]
        assert reasons in (["ASSET_HAS_CHILDREN"], ["ASSET_DECOMMISSIONED"])


async def test_a_stale_etag_changes_nothing(plant: Plant) -> None:
    name = await make.asset(plant)
    asset = await plant("paul", assets_pb2.GetAssetRequest(name=name))
    await state(plant, name, "STANDBY", etag=asset.etag)
    for attempt in (
        state(plant, name, "IN_SERVICE", etag=asset.etag),
        plant("paul", assets_pb2.UpdateAssetRequest(asset=Asset(name=name, title="Other", etag=asset.etag))),
    ):
        with pytest.raises(Refused) as refused:
            await attempt
        assert (refused.value.code, refused.value.reason) == ("ABORTED", "ETAG_MISMATCH")
    after = await plant("paul", assets_pb2.GetAssetRequest(name=name))
    assert (after.state, after.title) == (Asset.STANDBY, "Press")


async def test_a_number_is_given_once_in_a_site(plant: Plant) -> None:
    number = make.new_id("N")
    await make.asset(plant, number=number)
    with pytest.raises(Refused) as refused:
        await make.asset(plant, number=number)
    assert refused.value.code == "ALREADY_EXISTS"
    await make.asset(plant, number=number, site=make.ANTWERP)


async def test_assets_of_all_sites_are_those_one_may_see(plant: Plant) -> None:
    await make.asset(plant)
    foreign = await make.asset(plant, site=make.ANTWERP)
    rows = (await plant("eve", assets_pb2.ListAssetsRequest(parent="sites/-", page_size=500))).assets
    assert {row.name.split("/")[1] for row in rows} == {"antwerp"}
    assert foreign in {row.name for row in rows}
    found = await plant("eve", assets_pb2.ListAssetsRequest(parent=make.ANTWERP, filter='state = "IN_SERVICE"'))
    assert {row.state for row in found.assets} == {Asset.IN_SERVICE}
