"""What tests of DIRECT lines need: orders of procurement with such lines, and their way through the plant."""

from typing import Any

from plantops.materials.v1 import direct_lines_pb2 as pb
from plantops.materials.v1 import receipts_pb2, tasks_pb2
from plantops.procurement.v1 import events_pb2 as procurement

from tests.materials.builders import SITE, SUPPLIER, arrived, at, numbered, purchase_order, q, tell, work_order
from tests.world import Plant

State = pb.DirectLine.State


def order_of(
    value: str | int, *, to: str = "", order: str = "", limit: str | int = "", action: str = "", parts: int = 1,
    unit_code: str = "H87", kind: Any = procurement.PurchaseOrderIssued, **given: str,
) -> Any:  # fmt: skip
    """PurchaseOrderIssued with a DIRECT line of so many schedule lines, to a place or ("") to none."""
    event = kind(purchase_order=order or purchase_order(), supplier=SUPPLIER, currency_code="EUR")
    line = event.lines.add(line=1, kind="DIRECT")
    for number in range(parts):
        line.schedules.add(
            schedule=number + 1, quantity=q(value, unit_code), open_quantity=q(value, unit_code),
            accept_limit=q(limit or value, unit_code), delivery_location=at(to) if to else "",
            over_receipt_action=action, text=given.get("text", "Seal kit 4711"),
            work_order=given.get("work_order") or work_order(), demand=given.get("demand", "d7"),
        )  # fmt: skip
    return numbered(event, event.purchase_order)


async def bought(plant: Plant, value: str | int, **given: Any) -> str:
    """Procurement issues an order with a DIRECT line; gives its name."""
    event = order_of(value, **given)
    await tell(plant, "procurement", event, correlation=event.purchase_order)
    return str(event.purchase_order)


async def count_in(plant: Plant, receipt: str, order: str, value: str | int, unit_code: str = "H87") -> list[Any]:
    """Count a part of the order's line in."""
    request = receipts_pb2.ReceiveDirectLineRequest(
        name=receipt, purchase_order=order, order_line=1, quantity=q(value, unit_code), documents=["CERT-1"]
    )
    return list((await plant("sam", request)).direct_lines)


async def posted(plant: Plant, order: str, value: str | int) -> Any:
    """A posted receipt of so much of the order's line."""
    receipt = await arrived(plant)
    await count_in(plant, receipt.name, order, value)
    return await plant("sam", receipts_pb2.PostReceiptRequest(name=receipt.name))


async def came(plant: Plant, value: int, **given: Any) -> Any:
    """A line at the dock."""
    (row,) = (await posted(plant, await bought(plant, value, **given), value)).direct_lines
    return row


async def read(plant: Plant, row: Any) -> Any:
    """The line as it stands."""
    return await plant("vic", pb.GetDirectLineRequest(name=row.name))


async def task_of(plant: Plant, name: str) -> Any:
    """A task."""
    return await plant("vic", tasks_pb2.GetTaskRequest(name=name))


async def tasks_of(plant: Plant, receipt: str) -> list[Any]:
    """Tasks of a receipt."""
    answer = await plant("vic", tasks_pb2.ListTasksRequest(parent=SITE, filter=f'receipt = "{receipt}"'))
    return list(answer.tasks)


async def brought(plant: Plant, row: Any, **given: Any) -> Any:
    """Its task is confirmed by the scans of dock, label and destination; keywords replace some."""
    task = await task_of(plant, row.stage_task)
    scan = {
        "from_location": task.from_location, "goods": row.label_code, "to_location": task.proposed_location,
        "quantity": task.quantity, **given,
    }  # fmt: skip
    return await plant("sam", tasks_pb2.ConfirmTaskRequest(name=task.name, scan=tasks_pb2.TaskScan(**scan)))


async def back(plant: Plant, row: Any, value: str | int, unit_code: str = "H87") -> Any:
    """So much of it goes back."""
    request = pb.ReturnDirectLineRequest(name=row.name, quantity=q(value, unit_code), reason_code="WRONG")
    return await plant("sam", request)


async def handed(plant: Plant, row: Any, person: str = "tina") -> Any:
    """It is fetched."""
    return await plant(person, pb.HandOverDirectLineRequest(name=row.name))
