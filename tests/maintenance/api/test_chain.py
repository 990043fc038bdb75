"""The chain of work, what a code stands for, and the key figures of recorded orders."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from plantops.maintenance.v1 import chain_pb2, measures_pb2, occurrences_pb2, work_orders_pb2

from tests.maintenance import builders as make
from tests.plant import Refused
from tests.world import Plant, site_today

Measure = measures_pb2.MaintenanceMeasure
WORK_ORDERS = "plantops.maintenance.v1.WorkOrderService/"


@pytest.fixture(scope="module", autouse=True)
async def two_sites(plant: Plant) -> None:
    await make.sites(plant)


async def test_a_chain_is_told_in_its_order_page_by_page(plant: Plant) -> None:
    _, gauge, _ = await make.metered(plant)
    order = (await make.read(plant, gauge, 250)).work_orders[0]
    await make.carried_out(plant, order)
    found: list[Any] = []
    token = ""
    while True:
        request = chain_pb2.ListMaintenanceChainRequest(correlation=order, page_size=2, page_token=token)
        page = await plant("vic", request)
        found += page.entries
        token = page.next_page_token
        if not token:
            break
    assert [entry.event_type for entry in found] == [
        "MeterRead", "WorkOrderCreated", "WorkOrderApproved", "WorkOrderStarted", "WorkOrderCompleted",
    ]  # fmt: skip
    assert [entry.actor for entry in found] == ["people/tina"] * 2 + ["people/ada"] + ["people/tina"] * 2
    assert {entry.service for entry in found} == {"maintenance"}
    with pytest.raises(Refused) as refused:
        await plant("eve", chain_pb2.ListMaintenanceChainRequest(correlation=order))
    assert refused.value.code == "PERMISSION_DENIED"
    with pytest.raises(Refused) as wrong:
        await plant("vic", chain_pb2.ListMaintenanceChainRequest(correlation=order, page_token="x"))
    assert wrong.value.fields == ["page_token"]


async def lookup(plant: Plant, code: str, site: str = make.HAMBURG) -> list[Any]:
    request = chain_pb2.LookupMaintenanceCodeRequest(parent=site, code=code)
    return list((await plant("vic", request)).matches)


async def test_a_tag_or_number_stands_for_its_asset_in_its_site(plant: Plant) -> None:
    tag = make.new_id("40123450")
    name = await make.asset(plant, tag=tag)
    for code in (tag, name.rsplit("/", 1)[-1].upper(), f" {tag} "):
        (match,) = await lookup(plant, code)
        assert (match.kind, match.resource, match.state) == ("asset", name, "IN_SERVICE")
        assert [(action.verb, action.rpc) for action in match.actions] == [("report", WORK_ORDERS + "CreateWorkOrder")]
    assert await lookup(plant, tag, make.ANTWERP) == []
    gone = await make.asset(plant, tag=make.new_id("40"), state="DECOMMISSIONED")
    (match,) = await lookup(plant, gone.rsplit("/", 1)[-1])
    assert list(match.actions) == []


async def test_a_work_order_number_offers_what_can_be_done_now(plant: Plant) -> None:
    order = await make.order(plant, await make.asset(plant))

    async def verbs() -> list[str]:
        (match,) = await lookup(plant, order.number)
        assert (match.kind, match.resource) == ("work_order", order.name)
        assert all(action.rpc.startswith(WORK_ORDERS) for action in match.actions)
        return [action.verb for action in match.actions]

    assert await verbs() == ["approve", "cancel"]
    await plant("ada", work_orders_pb2.ApproveWorkOrderRequest(name=order.name))
    assert await verbs() == ["start", "complete", "cancel"]
    await make.started(plant, order.name)
    assert await verbs() == ["pause", "complete"]
    await plant("tina", work_orders_pb2.PauseWorkOrderRequest(name=order.name, reason="lunch"))
    assert await verbs() == ["resume", "complete"]
    await make.completed(plant, order.name)
    assert await verbs() == ["close"]


# --- measures -------------------------------------------------------------------------------------------------


async def measure(plant: Plant, name: str, asset: str, first: date, last: date, **given: Any) -> Any:
    request = measures_pb2.GetMaintenanceMeasureRequest(
        parent=given.get("site", make.HAMBURG), measure=name, asset=asset, start_date=make.day(first),
        end_date=make.day(last),
    )  # fmt: skip
    return await plant("vic", request)


async def failure(plant: Plant, asset: str, end: datetime, down: object | None, kind: str = "CORRECTIVE") -> None:
    order = await make.ready(plant, asset, kind=kind)
    await make.started(plant, order.name, start_time=make.at(end - timedelta(hours=2)))
    given = {"down_hours": make.number(down)} if down is not None else {}
    mode = "leak" if kind == "CORRECTIVE" else ""
    await make.completed(plant, order.name, finish_time=make.at(end), failure_mode=mode, **given)


@pytest.mark.rule("MNT-282")
@pytest.mark.rule("MNT-284")
async def test_a_week_with_two_failures(plant: Plant) -> None:
    """168 h required, failures down 3 h and 3 h, and a planned stop that is no failure."""
    asset = await make.asset(plant)
    first = site_today() - timedelta(days=60)
    noon = datetime(first.year, first.month, first.day, 12, tzinfo=UTC)
    await failure(plant, asset, noon + timedelta(days=1), 3)
    await failure(plant, asset, noon + timedelta(days=3), 3)
    await failure(plant, asset, noon + timedelta(days=4), 4, kind="PREVENTIVE")
    await failure(plant, asset, noon + timedelta(days=9), 50)
    inside = (first, first + timedelta(days=7))
    mtbf = await measure(plant, "mtbf", asset, *inside)
    assert (mtbf.status, mtbf.record_count, mtbf.unit_code, mtbf.definition) == (Measure.VALUE, 2, "HUR", "MNT-282/1")
    assert (mtbf.numerator.value, mtbf.denominator.value, mtbf.value.value) == ("162", "2", "81")
    assert [(row.reason.split(":")[0], row.record_count) for row in mtbf.exclusions] == [("not corrective", 1)]
    mttr = await measure(plant, "mttr", asset, *inside)
    assert (mttr.numerator.value, mttr.denominator.value, mttr.value.value) == ("6", "2", "3")
    await failure(plant, asset, noon + timedelta(days=5), None)
    mttr = await measure(plant, "mttr", asset, *inside)
    assert (mttr.value.value, mttr.record_count) == ("3", 2)
    assert [row.reason for row in mttr.exclusions][-1] == "corrective without recorded down time"


@pytest.mark.rule("MNT-282")
@pytest.mark.rule("MNT-284")
@pytest.mark.rule("MNT-287")
@pytest.mark.parametrize("name", ["mtbf", "mttr", "pm_compliance"])
async def test_without_data_there_is_no_value(plant: Plant, name: str) -> None:
    asset = await make.asset(plant)
    found = await measure(plant, name, asset, date(2026, 1, 1), date(2026, 2, 1))
    assert (found.status, found.HasField("value"), found.record_count) == (Measure.INSUFFICIENT_DATA, False, 0)
    assert list(found.exclusions) == []


@pytest.mark.rule("MNT-287")
async def test_compliance_counts_what_was_due_and_done_by_its_date(plant: Plant) -> None:
    asset = await make.asset(plant)
    today = site_today()
    policy = await make.policy(plant, kind="FIXED", interval_days=30, lead_days=40, catch_up="ALL")
    bound = await make.assign(plant, asset, policy, anchor_date=make.day(today - timedelta(days=85)))
    rows = await make.occurrences(plant, bound.name)
    assert [row.due_date for row in rows] == [make.day(today + timedelta(days=days)) for days in (-55, -25, 5, 35)]
    window = (today - timedelta(days=90), today + timedelta(days=90))
    found = await measure(plant, "pm_compliance", asset, *window)
    assert (found.value.value, found.numerator.value, found.record_count) == ("0", "0", 2)
    assert [(row.reason, row.record_count) for row in found.exclusions] == [
        ("required later than today and still open", 2)
    ]
    for row, days in ((rows[0], 56), (rows[1], 20), (rows[2], 1)):
        await plant("ada", work_orders_pb2.ApproveWorkOrderRequest(name=row.work_order))
        finish = datetime.now(UTC) - timedelta(days=days)
        await make.started(plant, row.work_order, start_time=make.at(finish - timedelta(hours=1)))
        await make.completed(plant, row.work_order, finish_time=make.at(finish))
    found = await measure(plant, "pm_compliance", asset, *window)
    assert (found.value.value, found.numerator.value, found.denominator.value) == ("66.666667", "200", "3")
    await plant("paul", work_orders_pb2.CancelWorkOrderRequest(name=rows[3].work_order, reason="sold"))
    assert (await make.occurrences(plant, bound.name))[3].state == occurrences_pb2.Occurrence.CANCELLED


async def test_a_measure_of_a_foreign_or_unknown_asset_is_not_found(plant: Plant) -> None:
    foreign = await make.asset(plant, site=make.ANTWERP)
    for asset in (foreign, f"{make.HAMBURG}/assets/none"):
        with pytest.raises(Refused) as refused:
            await measure(plant, "mtbf", asset, date(2026, 1, 1), date(2026, 2, 1))
        assert refused.value.code == "NOT_FOUND"


@pytest.mark.parametrize(
    ("name", "last", "field"), [("mtbf", date(2026, 1, 1), "end_date"), ("oee", date(2026, 2, 1), "measure")]
)
async def test_a_measure_that_cannot_be_names_its_field(plant: Plant, name: str, last: date, field: str) -> None:
    with pytest.raises(Refused) as refused:
        await measure(plant, name, "", date(2026, 1, 1), last)
    assert refused.value.fields == [field]
