"""What maintenance does by itself, through the death of the service and its return."""

from datetime import timedelta
from typing import Any

import pytest

from services.chassis.serve import process_of
from tests.maintenance import builders as make
from tests.world import Plant, site_today


async def restart(plant: Plant) -> None:
    """Another process of the service on the same data."""
    before = plant.processes["maintenance"]
    for key in [key for key in plant.clients if key[0] == "maintenance"]:
        await plant.clients.pop(key).close()
    plant.processes["maintenance"] = process_of("maintenance", before.config)
    await plant.processes["maintenance"].start()


@pytest.mark.rule("MNT-122")
@pytest.mark.rule("MNT-120")
async def test_a_service_that_was_away_makes_what_fell_due_meanwhile_once(plant: Plant) -> None:
    await make.sites(plant)
    today = site_today()
    policy = await make.policy(plant, kind="FIXED", interval_days=30)
    anchors = {await make.asset(plant): today - timedelta(days=days) for days in (29, 30, 61)}
    bound = [await make.assign(plant, asset, policy, anchor_date=make.day(anchor)) for asset, anchor in anchors.items()]
    before = [await make.occurrences(plant, row.name) for row in bound]
    assert [len(rows) for rows in before] == [0, 1, 2]
    await plant.processes["maintenance"].stop()
    with plant.look("maintenance") as connection:  # two days pass
        connection.execute("update policy_assignment set anchor_date = anchor_date - 2, next_date = next_date - 2")
    await restart(plant)

    async def ledger() -> list[Any]:
        return [await make.occurrences(plant, row.name) for row in bound]

    after = await plant.eventually(ledger, lambda rows: len(rows[0]) == 1, seconds=40)
    assert after[1:] == before[1:]
    await plant.processes["maintenance"].stop()
    await restart(plant)
    assert await ledger() == after
    assert plant.value("maintenance", "select count(*) from work_order") == 3
