"""A reading becomes a work order, a shortage, a purchase, a receipt, an inspection, an issue and a measure."""

from google.type.decimal_pb2 import Decimal
from google.type.money_pb2 import Money
from plantops.maintenance.v1 import assets_pb2, chain_pb2, meters_pb2, policies_pb2, sites_pb2, work_orders_pb2
from plantops.materials.v1 import (
    inspections_pb2,
    items_pb2,
    locations_pb2,
    movements_pb2,
    receipts_pb2,
    reservations_pb2,
    tasks_pb2,
)
from plantops.procurement.v1 import purchase_orders_pb2, requisitions_pb2, suppliers_pb2
from plantops.type.v1.quantity_pb2 import Quantity

from tests.world import Plant

SITE = "sites/hamburg"


def pieces(value: str) -> Quantity:
    return Quantity(value=value, unit_code="H87")


async def test_the_loop_closes(plant: Plant) -> None:
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
        await plant(
            "mara",
            locations_pb2.CreateLocationRequest(
                parent=SITE,
                location_id=name,
                location=locations_pb2.Location(title=name, kind=kind, check_code=f"C-{name}"),
            ),
        )
    await plant(
        "ben",
        suppliers_pb2.CreateSupplierRequest(
            supplier_id="acme", supplier=suppliers_pb2.Supplier(number="S1", title="Acme", currency_code="EUR")
        ),
    )
    await plant("otto", suppliers_pb2.ActivateSupplierRequest(name="suppliers/acme"))
    await plant(
        "ben",
        suppliers_pb2.CreateSupplierItemRequest(
            parent="suppliers/acme",
            supplier_item_id="filter",
            supplier_item=suppliers_pb2.SupplierItem(
                item="items/filter",
                unit_code="H87",
                lead_days=3,
                rank=1,
                prices=[
                    suppliers_pb2.SupplierItem.Price(
                        break_quantity=Decimal(value="0"), unit_price=Money(currency_code="EUR", units=75)
                    )
                ],
            ),
        ),
    )
    await plant(
        "paul",
        assets_pb2.CreateAssetRequest(
            parent=SITE,
            asset_id="press",
            asset=assets_pb2.Asset(
                number="P1", title="Press", criticality="A", delivery_location=f"{SITE}/locations/staging"
            ),
        ),
    )
    press = f"{SITE}/assets/press"
    await plant("paul", assets_pb2.ChangeAssetStateRequest(name=press, state="IN_SERVICE"))
    await plant(
        "paul",
        meters_pb2.CreateMeterRequest(
            parent=press, meter_id="hours", meter=meters_pb2.Meter(title="Hours", unit_code="HUR")
        ),
    )
    await plant(
        "paul",
        policies_pb2.CreateMaintenancePolicyRequest(
            maintenance_policy_id="service", maintenance_policy=policies_pb2.MaintenancePolicy(title="Service")
        ),
    )
    revision = await plant(
        "paul",
        policies_pb2.CreateMaintenanceRevisionRequest(
            parent="maintenancePolicies/service",
            maintenance_revision=policies_pb2.MaintenanceRevision(
                kind="METER_FIXED",
                usage_interval=Decimal(value="500"),
                order_title="500 h service",
                order_priority=2,
                steps=[policies_pb2.MaintenanceRevision.Step(text="Change the filter", mandatory=True)],
                part_demands=[
                    policies_pb2.MaintenanceRevision.PartDemand(
                        item="items/filter", quantity=pieces("2"), mandatory=True
                    )
                ],
            ),
        ),
    )
    revision = await plant("paul", policies_pb2.SubmitMaintenanceRevisionRequest(name=revision.name))
    await plant(
        "ada", policies_pb2.ApproveMaintenanceRevisionRequest(name=revision.name, content_hash=revision.content_hash)
    )
    await plant("ada", policies_pb2.ActivateMaintenanceRevisionRequest(name=revision.name))
    await plant(
        "paul",
        policies_pb2.AssignMaintenancePolicyRequest(
            parent=press, policy="maintenancePolicies/service", meter=f"{press}/meters/hours"
        ),
    )

    reading = await plant(
        "tina", meters_pb2.CreateReadingRequest(parent=f"{press}/meters/hours", raw_value=Decimal(value="505"))
    )
    assert len(reading.work_orders) == 1
    order_name = reading.work_orders[0]
    await plant("ada", work_orders_pb2.ApproveWorkOrderRequest(name=order_name))
    await plant.settle()
    print(plant.parked())
    order = await plant("paul", work_orders_pb2.GetWorkOrderRequest(name=order_name))
    print(order)
    needs = await plant("ben", requisitions_pb2.ListRequisitionsRequest(parent=SITE))
    print(needs)
    need = needs.requisitions[0]
    await plant("ada", requisitions_pb2.ApproveRequisitionRequest(name=need.name))
    po = await plant("ben", purchase_orders_pb2.ConvertRequisitionsRequest(parent=SITE, requisitions=[need.name]))
    po = await plant("ben", purchase_orders_pb2.SubmitPurchaseOrderRequest(name=po.name))
    po = await plant("ada", purchase_orders_pb2.ApprovePurchaseOrderRequest(name=po.name, content_hash=po.content_hash))
    po = await plant("ben", purchase_orders_pb2.IssuePurchaseOrderRequest(name=po.name))
    await plant.settle()
    expected = await plant("sam", receipts_pb2.ListExpectedReceiptsRequest(parent=SITE))
    receipt = await plant(
        "sam",
        receipts_pb2.StartReceiptRequest(
            parent=SITE, supplier="suppliers/acme", delivery_note="DN1", location=f"{SITE}/locations/dock"
        ),
    )
    lines = await plant(
        "sam",
        receipts_pb2.BatchAddReceiptLinesRequest(
            parent=receipt.name,
            requests=[
                receipts_pb2.AddReceiptLineRequest(
                    expected_receipt=expected.expected_receipts[0].name,
                    item="items/filter",
                    quantity=pieces("2"),
                    lot_number="L1",
                    request_id="018f2d3a-0000-4000-8000-000000000001",
                )
            ],
        ),
    )
    print(lines)
    receipt = await plant("sam", receipts_pb2.PostReceiptRequest(name=receipt.name))
    print(receipt)
    lots = await plant("ines", inspections_pb2.ListInspectionLotsRequest(parent=SITE))
    lot = lots.inspection_lots[0]
    await plant(
        "ines",
        inspections_pb2.DecideUsageRequest(
            name=lot.name, splits=[inspections_pb2.InspectionLot.Split(outcome="UNRESTRICTED", quantity=pieces("2"))]
        ),
    )
    await plant.settle()
    tasks = await plant("sam", tasks_pb2.ListPutAwayTasksRequest(parent=SITE))
    print(tasks)
    found = await plant("sam", reservations_pb2.ListReservationsRequest(parent=SITE))
    print(found)
    for task in tasks.put_away_tasks:
        await plant(
            "sam",
            tasks_pb2.ConfirmPutAwayRequest(name=task.name, location=f"{SITE}/locations/shelf", check_code="C-shelf"),
        )
    await plant.settle()
    order = await plant("paul", work_orders_pb2.GetWorkOrderRequest(name=order_name))
    print(order)
    found = await plant("sam", reservations_pb2.ListReservationsRequest(parent=SITE))
    await plant("sam", reservations_pb2.IssueReservationRequest(name=found.reservations[0].name, quantity=pieces("2")))
    await plant.settle()
    await plant("tina", work_orders_pb2.StartWorkOrderRequest(name=order_name))
    await plant("tina", work_orders_pb2.RecordStepRequest(name=order_name, step=1, result="done"))
    order = await plant(
        "tina",
        work_orders_pb2.CompleteWorkOrderRequest(name=order_name, outcome="DONE", labor_hours=Decimal(value="1.5")),
    )
    await plant.settle()
    print(order)
    for service, kind in (("maintenance", chain_pb2.ListMaintenanceChainRequest),):
        print(await plant("paul", kind(correlation=order_name)))
    for service in ("maintenance", "materials", "procurement"):
        print(service, plant.rows(service, "select event_type, correlation, resource from journal order by pos"))
    assert plant.parked() == []
    check = await plant("opal", movements_pb2.CheckLedgerRequest(parent=SITE))
    print(check)
