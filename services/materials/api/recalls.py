"""Recall cases, step by step, and exercises."""

from typing import Any

from plantops.materials.v1 import recalls_pb2

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import fill
from services.materials.model import recalling
from services.materials.model.item import site_fact
from services.materials.model.lot import Lot
from services.materials.model.recall import RecallCase, State

SHOWN = 500


class RecallService:
    """Lots that are called back."""

    async def get_recall_case(self, request: Any, unit: Unit) -> Any:
        return await _shown(unit, await unit.get(RecallCase, request.name))

    async def list_recall_cases(self, request: Any, unit: Unit) -> Any:
        return await unit.list(RecallCase, request)

    async def open_recall(self, request: Any, unit: Unit) -> Any:
        return await _shown(unit, await _opened(unit, request, hold_receipts=request.hold_receipts))

    async def trace_recall(self, request: Any, unit: Unit) -> Any:
        case = await unit.get(RecallCase, request.name, etag=request.etag)
        case.move(State.TRACED)
        await recalling.find(unit, case)
        return await _shown(unit, case)

    async def contain_recall(self, request: Any, unit: Unit) -> Any:
        case = await unit.get(RecallCase, request.name, etag=request.etag)
        case.move(State.CONTAINED)
        await recalling.contain(unit, case)
        return await _shown(unit, case)

    async def notify_recall(self, request: Any, unit: Unit) -> Any:
        case = await unit.get(RecallCase, request.name, etag=request.etag)
        await recalling.notify(unit, case, request.parties)
        return await _shown(unit, case)

    async def reconcile_recall(self, request: Any, unit: Unit) -> Any:
        case = await unit.get(RecallCase, request.name, etag=request.etag)
        await recalling.reconcile(unit, case)
        return await _shown(unit, case)

    async def close_recall(self, request: Any, unit: Unit) -> Any:
        case = await unit.get(RecallCase, request.name, etag=request.etag)
        case.move(State.CLOSED)
        case.conclusion = request.conclusion
        return await _shown(unit, case)

    async def run_mock_recall(self, request: Any, unit: Unit) -> Any:
        case = await _opened(unit, request, mock=True)
        await recalling.mock(unit, case)
        return await _shown(unit, case)


async def _opened(unit: Unit, request: Any, *, mock: bool = False, hold_receipts: bool = False) -> RecallCase:
    await site_fact(unit, request.parent.split("/")[1])
    lot = await unit.find(Lot, request.lot, lock=False)
    if lot is None:
        raise FieldInvalid(field="lot", rule="must be known", value=request.lot)
    if hold_receipts and not lot.supplier:
        raise FieldInvalid(field="hold_receipts", rule="needs a lot whose supplier is known", value=True)
    case = RecallCase(
        name=unit.new_name(request.parent, RecallCase.COLLECTION), lot=lot.name, item=lot.item, reason=request.reason,
        mock=mock, hold_receipts=hold_receipts, person=unit.caller.name,
    )  # fmt: skip
    unit.add(case)
    await unit.flush()
    return case


async def _shown(unit: Unit, case: RecallCase) -> recalls_pb2.RecallCase:
    await unit.flush()
    message = fill(recalls_pb2.RecallCase(), case)
    for lot in await recalling.lots_of(unit, case, SHOWN):
        fill(message.lots.add(), lot)
    for party in await recalling.parties_of(unit, case, SHOWN):
        fill(message.parties.add(), party)
    return message
