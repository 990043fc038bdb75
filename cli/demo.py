"""`plantops demo`: one chain of work through a running plant, as the people of the plant would do it.

A reading on an excavator makes a work order due; a part is missing, is bought, received by scan, inspected and
put away; the order is done and measured. Scans and readings go through the gateway, the rest over gRPC.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from google.type.date_pb2 import Date
from google.type.decimal_pb2 import Decimal as DecimalText
from plantops.maintenance.v1 import measures_pb2, meters_pb2, occurrences_pb2, work_orders_pb2
from plantops.maintenance.v1 import policies_pb2 as plans_pb2
from plantops.materials.v1 import inspections_pb2, receipts_pb2, reservations_pb2, tasks_pb2
from plantops.procurement.v1 import purchase_orders_pb2, requisitions_pb2
from plantops.type.v1.quantity_pb2 import Quantity

from cli.check import check
from cli.home import Home
from cli.samples import equipment, stock
from cli.session import Refused, Session
from services.chassis.wire import canonical

SITE = "sites/hamburg"
POLICY = "excavator-500h"
PART = stock.items()[0]
WAIT_SECONDS = 90.0

LOOP = (
    "MeterRead", "WorkOrderCreated", "WorkOrderApproved", "ReservationShort", "ReservationAllocated",
    "RequisitionCreated", "RequisitionApproved", "PurchaseOrderIssued", "ReceiptPosted", "InspectionDecided",
    "ReservationIssued", "WorkOrderStarted", "WorkOrderCompleted",
)  # fmt: skip
"""Events that the chain has to hold."""

CAUSES = (
    ("MeterRead", "WorkOrderCreated"), ("WorkOrderCreated", "WorkOrderApproved"),
    ("WorkOrderApproved", "ReservationShort"), ("ReservationShort", "RequisitionCreated"),
    ("RequisitionCreated", "RequisitionApproved"), ("RequisitionApproved", "PurchaseOrderIssued"),
    ("PurchaseOrderIssued", "ReceiptPosted"), ("ReceiptPosted", "InspectionDecided"),
    ("WorkOrderStarted", "WorkOrderCompleted"), ("ReservationAllocated", "ReservationIssued"),
)  # fmt: skip
"""(cause, effect): the first cause comes before the last effect in the timeline."""


class DemoFailed(Exception):
    """The chain did not go as it must; the text says where."""


async def demo(home: Home, *, pause: float = 0.0) -> int:
    """Drive one chain and check it; 0 when everything is as it must be."""
    async with Session.of(home) as session:
        try:
            await Demo(session, pause).run()
        except (DemoFailed, Refused) as error:
            print(f"\nplantops demo: {error}")
            return 1
        print()
        return await check(session, SITE)


class Demo:
    """One run."""

    def __init__(self, session: Session, pause: float) -> None:
        self.session = session
        self.pause = pause
        self.number = 0

    async def run(self) -> None:
        """The chain, step by step."""
        order = await self._reading_makes_an_order()
        await self._approve(order)
        await self._buy(order)
        await self._receive(order)
        await self._carry_out(order)
        await self._measure(order)
        await self._timeline(order)

    async def tell(self, service: str, what: str, resource: str, text: str = "") -> None:
        """Print one step."""
        self.number += 1
        now = datetime.now(UTC).strftime("%H:%M:%S.%f")[:-3]
        print(f"[{self.number:2}] {now} {service:<12} {what:<22} {resource}", flush=True)
        if text:
            print(f"     {text}", flush=True)
        await asyncio.sleep(self.pause)

    async def until(self, what: str, read: Callable[[], Awaitable[Any]]) -> Any:
        """Read until something is there: events need their time to the other service."""
        until = time.monotonic() + WAIT_SECONDS
        while True:
            found = await read()
            if found:
                return found
            if time.monotonic() > until:
                raise DemoFailed(f"{what} did not happen within {WAIT_SECONDS:g} s")
            await asyncio.sleep(0.05)

    # --- the steps ------------------------------------------------------------------------------------------

    async def _reading_makes_an_order(self) -> str:
        assignment, asset = await self._free_excavator()
        tag = next(item.number for item in equipment.ASSETS if asset.endswith(f"/{item.id}"))
        match = await self._scan("people/tina", f"EQ-{tag}")
        verbs = ", ".join(action["verb"] for action in match["actions"])
        await self.tell("gateway", "ResolveScan", match["resource"], f"EQ-{tag} is {match['title']}: {verbs}")

        meter = await self.session.call("people/tina", meters_pb2.GetMeterRequest(name=assignment.meter))
        missing = Decimal(assignment.next_usage.value) - Decimal(meter.usage.value)
        shown = Decimal(meter.last_value.value or meter.initial_value.value) + missing + 5
        reading = await self._read(assignment.meter, shown)
        order: str = reading["workOrders"][0]
        await self.tell(
            "maintenance",
            "MeterRead",
            reading["name"],
            f"{canonical(shown)} h, due at {assignment.next_usage.value} h of use",
        )
        await self.tell("maintenance", "WorkOrderCreated", order)
        return order

    async def _scan(self, person: str, code: str) -> Any:
        """What a code is; while a service that may know it is away, the scanner asks again."""

        async def match() -> Any:
            answer = await self.session.http(person, "GET", f"/v1/{SITE}/scans:resolve?code={code}")
            found = answer.content["matches"]
            if not found and not answer.content["unavailable"]:
                raise DemoFailed(f"nobody knows the code {code}")
            return found[0] if found else None

        return await self.until(f"the answer to the scan of {code}", match)

    async def _read(self, meter: str, shown: Decimal) -> Any:
        """Enter a reading; one that is too high for the hours passed is quarantined and released by the planner."""
        answer = await self.session.http(
            "people/tina",
            "POST",
            f"/v1/{meter}/readings",
            {"rawValue": {"value": canonical(shown)}, "source": "MANUAL"},
        )
        reading = answer.content
        if reading["state"] == "QUARANTINED":
            await self.tell("maintenance", "Reading quarantined", reading["name"], reading["reason"])
            request = meters_pb2.ReleaseReadingRequest(name=reading["name"], reason="demonstration: hours were made up")
            released = await self.session.call("people/paul", request)
            return {"name": released.name, "workOrders": list(released.work_orders)}
        return reading

    async def _free_excavator(self) -> tuple[Any, str]:
        """The excavator whose next service is the least used one, with no order open."""
        best: tuple[int, Any, str] | None = None
        for name in equipment.EXCAVATORS:
            asset = f"{SITE}/assets/{name}"
            assignment = await self.session.call(
                "people/paul",
                plans_pb2.GetPolicyAssignmentRequest(name=f"{asset}/policyAssignments/{POLICY}"),
            )
            if best is None or assignment.next_number < best[0]:
                best = (assignment.next_number, assignment, asset)
        assert best is not None
        return best[1], best[2]

    async def _approve(self, order: str) -> None:
        found = await self.session.call("people/ada", work_orders_pb2.ApproveWorkOrderRequest(name=order))
        await self.tell("maintenance", "WorkOrderApproved", order, f"{found.number} by {found.approver}")

        async def reservations() -> list[Any]:
            rows = await self._reservations(order)
            return (
                rows if len(rows) == len(found.part_demands) and all(row.state != row.PENDING for row in rows) else []
            )

        for row in await self.until("the reservation of the parts", reservations):
            event = "ReservationAllocated" if row.state == row.ALLOCATED else "ReservationShort"
            await self.tell(
                "materials", event, row.name, f"{row.item}: {row.requested.value} {row.requested.unit_code}"
            )

        async def waits() -> Any:
            now = await self.session.call("people/paul", work_orders_pb2.GetWorkOrderRequest(name=order))
            return now if any(reason for reason in now.wait_reasons) else None

        await self.until("the wait for the missing part", waits)

    async def _reservations(self, order: str) -> list[Any]:
        request = reservations_pb2.ListReservationsRequest(parent=SITE, filter=f'work_order = "{order}"')
        return list((await self.session.call("people/sam", request)).reservations)

    async def _buy(self, order: str) -> None:
        async def requisitions() -> list[Any]:
            request = requisitions_pb2.ListRequisitionsRequest(parent=SITE, filter=f'work_order = "{order}"')
            return list((await self.session.call("people/ben", request)).requisitions)

        need = (await self.until("the requisition", requisitions))[0]
        await self.tell(
            "procurement", "RequisitionCreated", need.name, need.explanation[-2] if len(need.explanation) > 1 else ""
        )
        if need.state == need.SUBMITTED:
            await self.session.call("people/ada", requisitions_pb2.ApproveRequisitionRequest(name=need.name))
        await self.tell("procurement", "RequisitionApproved", need.name)
        request = purchase_orders_pb2.ConvertRequisitionsRequest(parent=SITE, requisitions=await self._open_needs())
        bought = await self.session.call("people/ben", request)
        bought = await self.session.call("people/ben", purchase_orders_pb2.SubmitPurchaseOrderRequest(name=bought.name))
        if bought.state == bought.PENDING_APPROVAL:
            approve = purchase_orders_pb2.ApprovePurchaseOrderRequest(
                name=bought.name, content_hash=bought.content_hash
            )
            bought = await self.session.call("people/ada", approve)
        issue = purchase_orders_pb2.IssuePurchaseOrderRequest(name=bought.name, channel="e-mail")
        bought = await self.session.call("people/ben", issue)
        total = f"{bought.net.units}.{bought.net.nanos // 10_000_000:02} {bought.net.currency_code}"
        await self.tell(
            "procurement", "PurchaseOrderIssued", bought.name, f"{bought.number} to {bought.supplier}: {total}"
        )
        self.purchase_order = bought

    async def _open_needs(self) -> list[str]:
        """All needs of the part: those of a run that broke off come first to what arrives, so they are bought too."""
        wanted = f'item = "items/{PART.id}" AND (state = SUBMITTED OR state = APPROVED)'
        request = requisitions_pb2.ListRequisitionsRequest(parent=SITE, filter=wanted)
        needs = (await self.session.call("people/ben", request)).requisitions
        for need in needs:
            if need.state == need.SUBMITTED:
                await self.session.call("people/ada", requisitions_pb2.ApproveRequisitionRequest(name=need.name))
        return [need.name for need in needs]

    async def _receive(self, order: str) -> None:
        bought = self.purchase_order

        async def expected() -> list[Any]:
            request = receipts_pb2.ListExpectedReceiptsRequest(parent=SITE, filter=f'purchase_order = "{bought.name}"')
            return list((await self.session.call("people/sam", request)).expected_receipts)

        await self.until("the expected receipt", expected)
        match = await self._scan("people/sam", bought.number)
        await self.tell("gateway", "ResolveScan", match["resource"], f"{bought.number} scanned at the dock")
        receipt = await self.session.call(
            "people/sam",
            receipts_pb2.StartReceiptRequest(
                parent=SITE,
                supplier=bought.supplier,
                delivery_note=f"DN {bought.number}",
                location=f"{SITE}/locations/dock-1",
            ),
        )
        match = await self._scan("people/sam", PART.gtin)
        await self.tell("gateway", "ResolveScan", match["resource"], f"GTIN {PART.gtin} is {match['title']}")
        await self._scan_in(receipt.name, bought)
        receipt = await self.session.call("people/sam", receipts_pb2.PostReceiptRequest(name=receipt.name))
        await self.tell(
            "materials",
            "ReceiptPosted",
            receipt.name,
            f"{receipt.number}: {receipt.lines[0].quantity.value} into inspection",
        )

        async def lots() -> list[Any]:
            request = inspections_pb2.ListInspectionLotsRequest(parent=SITE, filter=f'receipt = "{receipt.name}"')
            return list((await self.session.call("people/ines", request)).inspection_lots)

        for lot in await self.until("the inspection", lots):
            split = inspections_pb2.InspectionLot.Split(
                outcome="UNRESTRICTED", quantity=lot.quantity, note="certificate present"
            )
            decide = inspections_pb2.DecideUsageRequest(name=lot.name, splits=[split])
            lot = await self.session.call("people/ines", decide)
            await self.tell("materials", "InspectionDecided", lot.name, f"{lot.decided.value} accepted")

        tasks = tasks_pb2.ListPutAwayTasksRequest(parent=SITE, filter=f'receipt = "{receipt.name}"')
        bins = {location.id: location for location in stock.locations()}
        for task in (await self.session.call("people/sam", tasks)).put_away_tasks:
            target = task.proposed_location or f"{SITE}/locations/f-12-1"
            place = bins[target.rsplit("/", 1)[-1]]
            confirm = tasks_pb2.ConfirmPutAwayRequest(name=task.name, location=target, check_code=place.check_code)
            done = await self.session.call("people/sam", confirm)
            await self.tell(
                "materials", "put away (movement)", done.movement, f"{done.quantity.value} to {done.to_location}"
            )

    async def _scan_in(self, receipt: str, bought: Any) -> None:
        """Every open delivery of the part: this order's, and that of a run that broke off."""
        wanted = f'item = "items/{PART.id}" AND supplier = "{bought.supplier}" AND state = OPEN'
        request = receipts_pb2.ListExpectedReceiptsRequest(parent=SITE, filter=wanted)
        lines = []
        for schedule in (await self.session.call("people/sam", request)).expected_receipts:
            rest = Decimal(schedule.quantity.value) - Decimal(schedule.received.value or "0")
            quantity = Quantity(value=canonical(rest), unit_code=schedule.quantity.unit_code)
            lines.append(
                receipts_pb2.AddReceiptLineRequest(
                    expected_receipt=schedule.name, item=schedule.item, quantity=quantity,
                    lot_number=f"L{bought.number}", request_id=str(uuid4()),
                )
            )  # fmt: skip
        add = receipts_pb2.BatchAddReceiptLinesRequest(parent=receipt, requests=lines)
        for outcome in (await self.session.call("people/sam", add)).outcomes:
            if outcome.WhichOneof("outcome") == "status":
                raise DemoFailed(f"a scanned line was refused: {outcome.status.message}")

    async def _carry_out(self, order: str) -> None:
        async def ready() -> Any:
            found = await self.session.call("people/paul", work_orders_pb2.GetWorkOrderRequest(name=order))
            return found if found.state == found.READY else None

        found = await self.until("the order to become ready", ready)
        await self.tell("maintenance", "work order READY", order, "all parts are allocated")
        for row in await self._reservations(order):
            rest = Quantity(value=row.allocated.value, unit_code=row.allocated.unit_code)
            await self.session.call(
                "people/sam", reservations_pb2.IssueReservationRequest(name=row.name, quantity=rest)
            )
            await self.tell("materials", "ReservationIssued", row.name, f"{rest.value} {rest.unit_code} of {row.item}")
        await self.session.call("people/tina", work_orders_pb2.StartWorkOrderRequest(name=order))
        await self.tell("maintenance", "WorkOrderStarted", order)
        for step in found.steps:
            record = work_orders_pb2.RecordStepRequest(name=order, step=step.number, result="done")
            await self.session.call("people/tina", record)

        async def booked() -> Any:
            now = await self.session.call("people/paul", work_orders_pb2.GetWorkOrderRequest(name=order))
            return now if all(demand.state == demand.ISSUED for demand in now.part_demands) else None

        await self.until("the cost of the parts", booked)
        done = await self.session.call(
            "people/tina",
            work_orders_pb2.CompleteWorkOrderRequest(
                name=order, outcome="DONE", labor_hours=DecimalText(value="5.5"), finding="Filter clogged, oil clean"
            ),
        )
        cost = f"{done.cost.units}.{done.cost.nanos // 10_000_000:02} {done.cost.currency_code}"
        await self.tell("maintenance", "WorkOrderCompleted", order, f"{done.number}, parts {cost}")

    async def _measure(self, order: str) -> None:
        why = await self.session.call("people/paul", occurrences_pb2.ExplainWorkOrderRequest(name=order))
        await self.tell("maintenance", "ExplainWorkOrder", why.decision, "; ".join(why.explanation))
        today = datetime.now(UTC).date()
        ends, begins = today + timedelta(days=60), today - timedelta(days=365)
        measure = await self.session.call(
            "people/paul",
            measures_pb2.GetMaintenanceMeasureRequest(
                parent=SITE,
                measure="pm_compliance",
                start_date=Date(year=begins.year, month=begins.month, day=begins.day),
                end_date=Date(year=ends.year, month=ends.month, day=ends.day),
            ),
        )
        await self.tell(
            "maintenance",
            "measure pm_compliance",
            SITE,
            f"{measure.value.value or 'INSUFFICIENT_DATA'} {measure.unit_code} from {measure.record_count} occurrences",
        )

    async def _timeline(self, order: str) -> None:
        async def whole() -> Any:
            answer = await self.session.http("people/vic", "GET", f"/v1/chain?correlation={order}")
            kinds = {entry["eventType"] for entry in answer.content["entries"]}
            return answer.content["entries"] if set(LOOP) <= kinds else None

        entries = await self.until("the whole timeline", whole)
        print(f"\nTimeline of {order}")
        for entry in entries:
            when = entry["occurTime"][11:23]
            what = f"{entry['service']:<12} {entry['eventType']:<22} {entry['resource']}"
            print(f"  {when:<12} {what}  by {entry['actor']}")
        kinds = [entry["eventType"] for entry in entries]
        places = {entry["eventId"]: index for index, entry in enumerate(entries)}
        for index, entry in enumerate(entries):
            if places.get(entry.get("causation", ""), -1) > index:
                raise DemoFailed(f"{entry['eventType']} stands before its cause in the timeline")
        for cause, effect in CAUSES:
            if kinds.index(cause) > len(kinds) - 1 - kinds[::-1].index(effect):
                raise DemoFailed(f"{effect} stands before {cause} in the timeline")
        print(f"  {len(entries)} events of three services, every effect after its cause")
        if self.session.repeated:
            print(f"  {self.session.repeated} calls were repeated while a part of the plant was away")
