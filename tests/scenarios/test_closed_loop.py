"""A reading becomes a work order, a shortage, a purchase, a receipt, an inspection, an issue and a measure."""

from typing import Any
from uuid import uuid4

from google.type.decimal_pb2 import Decimal
from plantops.maintenance.v1 import chain_pb2 as maintenance_chain_pb2
from plantops.maintenance.v1 import meters_pb2, work_orders_pb2
from plantops.materials.v1 import (
    balances_pb2,
    inspections_pb2,
    movements_pb2,
    receipts_pb2,
    reservations_pb2,
    tasks_pb2,
)
from plantops.materials.v1 import chain_pb2 as materials_chain_pb2
from plantops.procurement.v1 import chain_pb2 as procurement_chain_pb2
from plantops.procurement.v1 import purchase_orders_pb2, requisitions_pb2

from tests.scenarios import stage
from tests.scenarios.stage import FILTER, HOURS, SITE, pieces, place
from tests.world import Plant


async def test_the_loop_closes_over_three_services(plant: Plant) -> None:
    await stage.set_up(plant)

    # 505 running hours: the service of 500 hours is due
    reading = await plant("tina", meters_pb2.CreateReadingRequest(parent=HOURS, raw_value=Decimal(value="505")))
    (order,) = reading.work_orders
    await plant("ada", work_orders_pb2.ApproveWorkOrderRequest(name=order))
    await plant.settle()
    waiting = await _order(plant, order)
    assert waiting.state == work_orders_pb2.WorkOrder.APPROVED
    assert waiting.wait_reasons
    reservation = await _reservation(plant, order)
    assert (reservation.state, reservation.short.value) == (reservations_pb2.Reservation.SHORT, "2")

    # nobody has the filter: it is requested, ordered by one person and approved by another
    bought = await _buy(plant, order)
    assert (bought.net.units, bought.net.currency_code) == (150, "EUR")

    # it arrives, is inspected, and what waits gets it at once
    await _receive(plant, bought)
    await plant.settle()
    ready = await _order(plant, order)
    assert (ready.state, list(ready.wait_reasons)) == (work_orders_pb2.WorkOrder.READY, [])
    assert ready.part_demands[0].allocated.value == "2"

    # issued, done, paid
    await plant("sam", reservations_pb2.IssueReservationRequest(name=reservation.name, quantity=pieces("2")))
    await plant.settle()
    await plant("tina", work_orders_pb2.StartWorkOrderRequest(name=order))
    await plant("tina", work_orders_pb2.RecordStepRequest(name=order, step=1, result="changed"))
    done = await plant(
        "tina",
        work_orders_pb2.CompleteWorkOrderRequest(name=order, outcome="DONE", labor_hours=Decimal(value="1.5")),
    )
    await plant.settle()
    assert (done.state, done.cost.units) == (work_orders_pb2.WorkOrder.COMPLETED, 150)

    balances = await plant("sam", balances_pb2.ListBalancesRequest(parent=SITE, filter=f'item = "{FILTER}"'))
    assert [row for row in balances.balances if row.on_hand.value != "0"] == []
    held = "select location, on_hand from balance where item = %s and on_hand <> 0 order by location"
    assert plant.rows("materials", held, FILTER) == [(place("v-consumed"), 2), (place("v-supplier"), -2)]
    ledger = await plant("opal", movements_pb2.CheckLedgerRequest(name=SITE))
    assert list(ledger.findings) == []
    assert plant.parked() == []
    await _chain_is_whole(plant, order)


async def _order(plant: Plant, name: str) -> Any:
    return await plant("paul", work_orders_pb2.GetWorkOrderRequest(name=name))


async def _reservation(plant: Plant, order: str) -> Any:
    request = reservations_pb2.ListReservationsRequest(parent=SITE, filter=f'work_order = "{order}"')
    (found,) = (await plant("sam", request)).reservations
    return found


async def _buy(plant: Plant, order: str) -> Any:
    request = requisitions_pb2.ListRequisitionsRequest(parent=SITE, filter=f'work_order = "{order}"')
    (need,) = (await plant("ben", request)).requisitions
    await plant("ada", requisitions_pb2.ApproveRequisitionRequest(name=need.name))
    bought = await plant("ben", purchase_orders_pb2.ConvertRequisitionsRequest(parent=SITE, requisitions=[need.name]))
    bought = await plant("ben", purchase_orders_pb2.SubmitPurchaseOrderRequest(name=bought.name))
    approve = purchase_orders_pb2.ApprovePurchaseOrderRequest(name=bought.name, content_hash=bought.content_hash)
    await plant("ada", approve)
    bought = await plant("ben", purchase_orders_pb2.IssuePurchaseOrderRequest(name=bought.name))
    await plant.settle()
    return bought


async def _receive(plant: Plant, bought: Any) -> None:
    request = receipts_pb2.ListExpectedReceiptsRequest(parent=SITE, filter=f'purchase_order = "{bought.name}"')
    (expected,) = (await plant("sam", request)).expected_receipts
    receipt = await plant(
        "sam", receipts_pb2.StartReceiptRequest(parent=SITE, supplier=bought.supplier, location=place("dock"))
    )
    line = receipts_pb2.AddReceiptLineRequest(
        expected_receipt=expected.name, item=FILTER, quantity=pieces("2"), lot_number="L1", request_id=str(uuid4())
    )
    added = await plant("sam", receipts_pb2.BatchAddReceiptLinesRequest(parent=receipt.name, requests=[line]))
    assert added.outcomes[0].WhichOneof("outcome") == "line"
    await plant("sam", receipts_pb2.PostReceiptRequest(name=receipt.name))
    (lot,) = (await plant("ines", inspections_pb2.ListInspectionLotsRequest(parent=SITE))).inspection_lots
    split = inspections_pb2.InspectionLot.Split(outcome="UNRESTRICTED", quantity=pieces("2"))
    await plant("ines", inspections_pb2.DecideUsageRequest(name=lot.name, splits=[split]))
    (task,) = (await plant("sam", tasks_pb2.ListPutAwayTasksRequest(parent=SITE))).put_away_tasks
    confirm = tasks_pb2.ConfirmPutAwayRequest(name=task.name, location=place("shelf"), check_code="C-shelf")
    await plant("sam", confirm)


async def _chain_is_whole(plant: Plant, order: str) -> None:
    """Every event of the loop stands in the chain of the order, in the journal of who told it."""
    told: list[str] = []
    for request in (
        maintenance_chain_pb2.ListMaintenanceChainRequest(correlation=order),
        materials_chain_pb2.ListMaterialsChainRequest(correlation=order),
        procurement_chain_pb2.ListProcurementChainRequest(correlation=order),
    ):
        entries = (await plant("vic", request)).entries
        assert {entry.correlation for entry in entries} == {order}
        told += [entry.event_type for entry in entries]
    assert told.index("MeterRead") < told.index("WorkOrderCreated")
    assert set(told) >= {
        "MeterRead", "WorkOrderCreated", "WorkOrderApproved", "ReservationShort", "RequisitionCreated",
        "RequisitionApproved", "PurchaseOrderIssued", "ReceiptPosted", "InspectionDecided", "ReservationAllocated",
        "ReservationIssued", "WorkOrderStarted", "WorkOrderCompleted", "PurchaseOrderClosed",
    }  # fmt: skip
