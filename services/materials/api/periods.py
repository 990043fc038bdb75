"""Closing the ledger of a site up to a day."""

from typing import Any

from plantops.materials.v1 import periods_pb2

from services.chassis import operations, query
from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import to_date
from services.materials.model import period
from services.materials.model.period import Period, PeriodState


class PeriodService:
    """Periods, each with a snapshot that proves it."""

    async def get_period(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Period, request.name)

    async def list_periods(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Period, request)

    async def close_period(self, request: Any, unit: Unit) -> Any:
        try:
            day = to_date(request.close_date)
        except ValueError:
            day = None
        if day is None:
            raise FieldInvalid(field="close_date", rule="must be a day", value=str(request.close_date))
        return await period.close(unit, request.parent.split("/")[1], day)

    async def reopen_period(self, request: Any, unit: Unit) -> Any:
        row = await unit.get(Period, request.name, etag=request.etag)
        await period.reopen(unit, row, request.reason)
        return row

    async def prove_period(self, request: Any, unit: Unit) -> Any:
        bound, after = operations.bound_to(unit, request.name), ""
        if request.page_token:
            (after,) = query.open_token(request.page_token, bound, unit.context.page_token_key, 1)
        row = await unit.get(Period, request.name)
        if row.state is not PeriodState.CLOSED:
            row.move(PeriodState.CLOSED)
        findings, until = await period.differences(unit, row, after, request.entry_count)
        answer = periods_pb2.ProvePeriodResponse(findings=findings)
        if until:
            answer.next_page_token = query.seal_token([until], bound, unit.context.page_token_key)
        return answer
