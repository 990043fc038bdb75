"""What tests of maintenance need, made through the public rpcs; ids are unique unless given."""

from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.decimal_pb2 import Decimal
from plantops.maintenance.v1 import assets_pb2, meters_pb2, occurrences_pb2, policies_pb2, sites_pb2, work_orders_pb2
from plantops.type.v1.quantity_pb2 import Quantity

from services.chassis.resource import key_of
from tests.world import Plant

_ids = count(1)

HAMBURG = "sites/hamburg"
ANTWERP = "sites/antwerp"
WorkOrder = work_orders_pb2.WorkOrder
Revision = policies_pb2.MaintenanceRevision


def new_id(prefix: str) -> str:
    """An id that no other test of this process has."""
    return f"{prefix}-{next(_ids)}"


def number(value: object) -> Decimal:
    """google.type.Decimal."""
    return Decimal(value=str(value))


def pieces(value: object) -> Quantity:
    """A quantity in pieces."""
    return Quantity(value=str(value), unit_code="H87")


def day(value: date) -> Date:
    """google.type.Date."""
    return Date(year=value.year, month=value.month, day=value.day)


def at(value: datetime) -> Timestamp:
    """google.protobuf.Timestamp."""
    found = Timestamp()
    found.FromDatetime(value)
    return found


def hours_ago(hours: float) -> datetime:
    """An instant in the past."""
    return datetime.now(UTC) - timedelta(hours=hours)


async def sites(plant: Plant) -> None:
    """Hamburg and Antwerp; people/eve works in Antwerp only."""
    for id_, zone in (("hamburg", "Europe/Berlin"), ("antwerp", "Europe/Brussels")):
        site = sites_pb2.Site(title=id_.title(), time_zone=zone, currency_code="EUR", country_code="DE")
        await plant("root", sites_pb2.CreateSiteRequest(site_id=id_, site=site))


async def asset(plant: Plant, *, site: str = HAMBURG, state: str = "IN_SERVICE", **given: Any) -> str:
    """An asset; gives its name."""
    id_ = new_id("asset")
    values = {"number": id_.upper(), "title": "Press", "criticality": "B"} | given
    made = await plant(
        "paul", assets_pb2.CreateAssetRequest(parent=site, asset_id=id_, asset=assets_pb2.Asset(**values))
    )
    if state != "PLANNED":
        await plant("paul", assets_pb2.ChangeAssetStateRequest(name=made.name, state=state))
    name: str = made.name
    return name


async def meter(plant: Plant, parent: str, **given: Any) -> str:
    """An hour meter; gives its name."""
    values = {"title": "Hours", "unit_code": "HUR"} | given
    request = meters_pb2.CreateMeterRequest(parent=parent, meter_id=new_id("meter"), meter=meters_pb2.Meter(**values))
    name: str = (await plant("paul", request)).name
    return name


async def read(plant: Plant, parent: str, value: object, time: datetime | None = None, by: str = "tina") -> Any:
    """A reading."""
    request = meters_pb2.CreateReadingRequest(parent=parent, raw_value=number(value))
    if time is not None:
        request.measure_time.CopyFrom(at(time))
    return await plant(by, request)


async def draft(plant: Plant, policy: str, **given: Any) -> Any:
    """A draft by people/paul."""
    values = {"kind": "METER_FIXED", "order_title": "Service"} | given
    request = policies_pb2.CreateMaintenanceRevisionRequest(parent=policy, maintenance_revision=Revision(**values))
    return await plant("paul", request)


async def activate(plant: Plant, policy: str, **given: Any) -> Any:
    """A revision in force: written by paul, approved and activated by ada."""
    made = await draft(plant, policy, **given)
    made = await plant("paul", policies_pb2.SubmitMaintenanceRevisionRequest(name=made.name))
    approve = policies_pb2.ApproveMaintenanceRevisionRequest(name=made.name, content_hash=made.content_hash)
    await plant("ada", approve)
    return await plant("ada", policies_pb2.ActivateMaintenanceRevisionRequest(name=made.name))


async def policy(plant: Plant, *, statutory: bool = False, **given: Any) -> str:
    """A policy with a revision in force; gives its name."""
    request = policies_pb2.CreateMaintenancePolicyRequest(
        maintenance_policy_id=new_id("policy"),
        maintenance_policy=policies_pb2.MaintenancePolicy(title="Service", statutory=statutory),
    )
    name: str = (await plant("paul", request)).name
    await activate(plant, name, **given)
    return name


async def assign(plant: Plant, asset: str, policy: str, **given: Any) -> Any:
    """A policy bound to an asset."""
    request = policies_pb2.AssignMaintenancePolicyRequest(parent=asset, policy=policy, **given)
    return await plant("paul", request)


async def metered(plant: Plant, *, anchor: object = 0, **given: Any) -> tuple[str, str, Any]:
    """An asset with an hour meter and a policy of 250 h on it: asset, meter, assignment."""
    place = await asset(plant)
    gauge = await meter(plant, place)
    values = {"kind": "METER_FIXED", "usage_interval": number(250)} | given
    bound = await assign(plant, place, await policy(plant, **values), meter=gauge, anchor_usage=number(anchor))
    return place, gauge, bound


async def occurrences(plant: Plant, assignment: str) -> list[Any]:
    """The ledger of an assignment in the order of its numbers."""
    request = occurrences_pb2.ListOccurrencesRequest(
        parent=HAMBURG, filter=f'assignment = "{assignment}"', page_size=500
    )
    rows = (await plant("paul", request)).occurrences
    return sorted(rows, key=lambda row: (row.series, row.number))


async def order(plant: Plant, asset: str, **given: Any) -> Any:
    """A planned order by people/paul."""
    values = {"asset": asset, "kind": "IMPROVEMENT", "title": "Paint"} | given
    site = "/".join(asset.split("/")[:2])
    return await plant("paul", work_orders_pb2.CreateWorkOrderRequest(parent=site, work_order=WorkOrder(**values)))


async def get(plant: Plant, name: str) -> Any:
    """A work order as it stands."""
    return await plant("paul", work_orders_pb2.GetWorkOrderRequest(name=name))


async def ready(plant: Plant, asset: str, **given: Any) -> Any:
    """A ready order."""
    made = await order(plant, asset, **given)
    return await plant("ada", work_orders_pb2.ApproveWorkOrderRequest(name=made.name))


async def started(plant: Plant, name: str, **given: Any) -> Any:
    """A ready order, begun by people/tina."""
    return await plant("tina", work_orders_pb2.StartWorkOrderRequest(name=name, **given))


async def completed(plant: Plant, name: str, outcome: str = "DONE", **given: Any) -> Any:
    """A begun order, completed by people/tina."""
    return await plant("tina", work_orders_pb2.CompleteWorkOrderRequest(name=name, outcome=outcome, **given))


async def carried_out(plant: Plant, name: str, outcome: str = "DONE", **given: Any) -> Any:
    """A planned order, approved, begun and completed."""
    await plant("ada", work_orders_pb2.ApproveWorkOrderRequest(name=name))
    await started(plant, name)
    return await completed(plant, name, outcome, **given)


async def told(plant: Plant, service: str, *events: Any, correlation: str = "") -> None:
    """Let a real service tell events, and wait until maintenance has applied them."""
    async with plant.processes[service].commands.open_unit() as unit:
        unit.emit(*events, correlation=correlation)
    query = "select coalesce(max(version), 0) from applied where consumer = %s and aggregate = %s"
    for event in events:
        aggregate = getattr(event, key_of(event.DESCRIPTOR)[0])

        async def applied(aggregate: str = aggregate) -> Any:
            return plant.value("maintenance", query, f"maintenance-{service}", aggregate)

        await plant.eventually(applied, lambda version, event=event: version >= event.version)  # type: ignore[misc]


def journal(plant: Plant, correlation: str) -> list[str]:
    """Event types of a chain in the order of maintenance's journal."""
    query = "select event_type from journal where correlation = %s order by pos"
    return [row[0] for row in plant.rows("maintenance", query, correlation)]
