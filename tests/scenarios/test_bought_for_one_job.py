"""A part that no catalogue knows is bought for one repair: it never becomes stock, and half of it is the wrong one."""

import pytest
from plantops.maintenance.v1 import events_pb2 as maintenance
from plantops.materials.v1 import tasks_pb2

from tests.materials import builders, direct
from tests.materials.builders import at, expected, item, numbered, place, received, scanned, tell, told, work_order
from tests.materials.direct import State, back, bought, brought, handed, read, tasks_of
from tests.materials.put_away import in_force, settings, step, task_of, zone
from tests.world import Plant


@pytest.mark.played_partner
@pytest.mark.rule("MAT-102")
@pytest.mark.rule("MAT-100")
async def test_a_bushing_for_the_press_and_oil_for_the_cold_store(plant: Plant) -> None:
    builders.begin()
    await builders.site(plant)
    await place(plant, "workshop", "STAGING")
    job = work_order()

    # two bushings are bought for the job, drums of oil for the store; both come with one delivery note
    order = await bought(plant, 2, to="workshop", work_order=job, text="Bushing, drawing 4711-B")
    oil = await item(plant, "oil")
    cellar, (drums, _) = await zone(plant, None, None)
    await in_force(plant, step("ZONE", cellar, storage_class="COLD"), step("OVERFLOW", "bin"), at_site=builders.SITE)
    await settings(plant, oil, storage_class="COLD")
    await expected(plant, oil, 3, to="")

    # the storekeeper scans; the oil goes to the cellar as the policy says
    delivery = await received(plant, scanned(oil, 3))
    assert (await task_of(plant, delivery.lines[0])).proposed_location == at(drums)

    # the bushings get a label each reads, and one task to the workshop; the books know nothing of them
    before = builders.position(plant)
    (part,) = (await direct.posted(plant, order, 2)).direct_lines
    assert "Bushing, drawing 4711-B, for" in part.label_text
    (event,) = told(plant, "ReceiptPosted", after=before)
    assert [(line.demand, line.order_quantity.value) for line in event.lines] == [("d7", "2")]
    await brought(plant, part)
    assert (await read(plant, part)).location == at("workshop")

    # one is the wrong one and goes back; the fitter takes the other
    before = builders.position(plant)
    await back(plant, part, 1)
    (event,) = told(plant, "ReceiptPosted", after=before)
    assert [(line.returned_line, line.order_quantity.value) for line in event.lines] == [(1, "-1")]
    (again,) = (await direct.posted(plant, order, 1)).direct_lines
    assert (await handed(plant, part)).state == State.HANDED_OVER

    # the job ends before the new one was fetched: somebody is asked
    ended = numbered(maintenance.WorkOrderCompleted(work_order=job), job)
    await tell(plant, "maintenance", ended, correlation=job)
    kinds = [tasks_pb2.Task.Kind.Name(task.kind) for task in await tasks_of(plant, again.receipt)]
    assert sorted(kinds) == ["EXCEPTION_TASK", "STAGE"]
    assert await builders.check(plant) == []
