"""Traces: to customers and assets, and back to suppliers."""

from collections.abc import AsyncIterator
from typing import Any, TypeVar

from plantops.materials.v1 import genealogy_pb2

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import canonical, python_of, quantity
from services.materials.model import tracing
from services.materials.model.item import Item
from services.materials.model.lot import Lot, Serial
from services.materials.model.tracing import DEPTH, NODES, Bounds, Page, Trace
from services.materials.rules.mass_balance import FIELDS

R = TypeVar("R", genealogy_pb2.TraceForwardResponse, genealogy_pb2.TraceBackwardResponse)


class GenealogyService:
    """What became of lots, and what they came from."""

    async def trace_forward(self, request: Any, unit: Unit) -> AsyncIterator[genealogy_pb2.TraceForwardResponse]:
        """Pages, the last one with the number of lots reached."""
        async for page in _traced(request, unit, genealogy_pb2.TraceForwardResponse, forward=True):
            yield page

    async def trace_backward(self, request: Any, unit: Unit) -> AsyncIterator[genealogy_pb2.TraceBackwardResponse]:
        """Pages, the last one with the number of lots reached."""
        async for page in _traced(request, unit, genealogy_pb2.TraceBackwardResponse, forward=False):
            yield page

    async def get_mass_balance(self, request: Any, unit: Unit) -> Any:
        lot = await unit.get(Lot, request.name)
        item = await unit.get(Item, lot.item)
        found = (await tracing.mass_balances(unit, [lot.name]))[lot.name]
        answer = genealogy_pb2.GetMassBalanceResponse(lot=lot.name, item=item.name)
        for name in (*FIELDS, "gap"):
            getattr(answer, name).CopyFrom(quantity(getattr(found, name), item.base_unit_code))
        return answer


async def _traced(request: Any, unit: Unit, kind: type[R], *, forward: bool) -> AsyncIterator[R]:
    trace = Trace(unit, await known(unit, request.name), forward, _bounds(request))
    async for page in trace.pages():
        answer = kind(edges=[_edge(row) for row in page.edges])
        answer.ends.extend(_end(row, page) for row in page.ends)
        yield answer
    yield kind(complete=trace.complete, node_count=trace.reached)


async def known(unit: Unit, name: str) -> str:
    """The name of a lot or a serial; NOT_FOUND when there is none, FieldInvalid for something else."""
    collection = name.split("/")[2] if name.count("/") == 3 else ""
    if collection == Lot.COLLECTION:
        return (await unit.get(Lot, name, lock=False)).name
    if collection == Serial.COLLECTION:
        return (await unit.get(Serial, name, lock=False)).name
    raise FieldInvalid(field="name", rule="must be a lot or a serial", value=name)


def _bounds(request: Any) -> Bounds:
    start = python_of(request.start_time, "start_time") if request.HasField("start_time") else None
    end = python_of(request.end_time, "end_time") if request.HasField("end_time") else None
    if start is not None and end is not None and end <= start:
        raise FieldInvalid(field="end_time", rule="must be after start_time", value=end)
    return Bounds(request.depth or DEPTH, request.max_node_count or NODES, start, end, request.certain_only)


def _edge(row: Any) -> genealogy_pb2.GenealogyEdge:
    edge = genealogy_pb2.GenealogyEdge(
        input_lot=row.input_lot, output_lot=row.output_lot, item=row.item,
        quantity={"value": canonical(row.quantity), "unit_code": row.unit_code}, certain=row.certain,
        certain_path=row.certain_path, depth=row.depth, movement=row.movement, operation=row.operation,
        production_order=row.production_order, handling_unit=row.handling_unit,
    )  # fmt: skip
    edge.effective_time.FromDatetime(row.effective_time)
    return edge


def _end(row: Any, page: Page) -> genealogy_pb2.TraceEnd:
    end = genealogy_pb2.TraceEnd(
        kind=row.kind, lot=row.lot, serial=row.serial, party=row.party, document=row.document,
        work_order=row.work_order, quantity={"value": canonical(row.quantity), "unit_code": row.unit_code},
        returned_quantity={"value": canonical(row.returned_quantity), "unit_code": row.unit_code},
        certain=row.lot in page.certain,
    )  # fmt: skip
    end.effective_time.FromDatetime(row.effective_time)
    return end
