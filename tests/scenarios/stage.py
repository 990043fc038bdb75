"""A small plant for stories: one site, one press, one filter that is bought, and who may do what."""

from typing import Any

from google.type.decimal_pb2 import Decimal
from google.type.money_pb2 import Money
from plantops.maintenance.v1 import assets_pb2, meters_pb2, policies_pb2, sites_pb2
from plantops.materials.v1 import items_pb2, locations_pb2
from plantops.procurement.v1 import suppliers_pb2
from plantops.type.v1.quantity_pb2 import Quantity

from tests.world import Plant

SITE = "sites/hamburg"
PRESS = f"{SITE}/assets/press"
HOURS = f"{PRESS}/meters/hours"
FILTER = "items/filter"
ACME = "suppliers/acme"
POLICY = "maintenancePolicies/service"


def pieces(value: str) -> Quantity:
    """So many pieces."""
    return Quantity(value=value, unit_code="H87")


def place(name: str) -> str:
    """Full name of a location."""
    return f"{SITE}/locations/{name}"


async def set_up(plant: Plant) -> None:
    """Site, item, locations, supplier with a price, press with a meter and a service every 500 hours."""
    await plant(
        "root",
        sites_pb2.CreateSiteRequest(
            site_id="hamburg",
            site=sites_pb2.Site(title="Hamburg", time_zone="Europe/Berlin", currency_code="EUR", country_code="DE"),
        ),
    )
    await plant(
        "mara",
        items_pb2.CreateItemRequest(
            item_id="filter",
            item=items_pb2.Item(
                number="100",
                title="Hydraulic filter",
                base_unit_code="H87",
                tracking="LOT",
                inspect_receipts=True,
                standard_cost=Money(currency_code="EUR", units=80),
            ),
        ),
    )
    await plant.settle()
    for name, kind in (("dock", "DOCK"), ("shelf", "STORAGE"), ("staging", "STAGING")):
        location = locations_pb2.Location(title=name, kind=kind, check_code=f"C-{name}")
        await plant("mara", locations_pb2.CreateLocationRequest(parent=SITE, location_id=name, location=location))
    supplier = suppliers_pb2.Supplier(number="S1", title="Acme", currency_code="EUR")
    await plant("ben", suppliers_pb2.CreateSupplierRequest(supplier_id="acme", supplier=supplier))
    await plant("otto", suppliers_pb2.ActivateSupplierRequest(name=ACME))
    price = suppliers_pb2.SupplierItem.Price(
        break_quantity=Decimal(value="0"), unit_price=Money(currency_code="EUR", units=75)
    )
    row = suppliers_pb2.SupplierItem(item=FILTER, unit_code="H87", lead_days=3, rank=1, prices=[price])
    await plant(
        "ben", suppliers_pb2.CreateSupplierItemRequest(parent=ACME, supplier_item_id="filter", supplier_item=row)
    )
    await _press(plant)
    await plant.settle()


async def _press(plant: Plant) -> None:
    asset = assets_pb2.Asset(number="P1", title="Press", criticality="A", delivery_location=place("staging"))
    await plant("paul", assets_pb2.CreateAssetRequest(parent=SITE, asset_id="press", asset=asset))
    await plant("paul", assets_pb2.ChangeAssetStateRequest(name=PRESS, state="IN_SERVICE"))
    meter = meters_pb2.Meter(title="Hours", unit_code="HUR")
    await plant("paul", meters_pb2.CreateMeterRequest(parent=PRESS, meter_id="hours", meter=meter))
    await plant(
        "paul",
        policies_pb2.CreateMaintenancePolicyRequest(
            maintenance_policy_id="service", maintenance_policy=policies_pb2.MaintenancePolicy(title="Service")
        ),
    )
    contents = policies_pb2.MaintenanceRevision(
        kind="METER_FIXED", usage_interval=Decimal(value="500"), order_title="500 h service", order_priority=2
    )
    contents.steps.add(text="Change the filter", mandatory=True)
    contents.part_demands.add(item=FILTER, quantity=pieces("2"), mandatory=True)
    revision: Any = await plant(
        "paul", policies_pb2.CreateMaintenanceRevisionRequest(parent=POLICY, maintenance_revision=contents)
    )
    revision = await plant("paul", policies_pb2.SubmitMaintenanceRevisionRequest(name=revision.name))
    await plant(
        "ada",
        policies_pb2.ApproveMaintenanceRevisionRequest(name=revision.name, content_hash=revision.content_hash),
    )
    await plant("ada", policies_pb2.ActivateMaintenanceRevisionRequest(name=revision.name))
    await plant("paul", policies_pb2.AssignMaintenancePolicyRequest(parent=PRESS, policy=POLICY, meter=HOURS))
