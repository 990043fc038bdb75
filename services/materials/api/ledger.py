"""Movements, balances and the check of the ledger."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from plantops.materials.v1 import balances_pb2, movements_pb2
from sqlalchemy import select, text

from services.chassis import lanes, operations, query
from services.chassis.unit import Unit
from services.chassis.wire import date_message, fill, python_of
from services.materials.api import batches, moves, owner_change, together
from services.materials.api.postings import Known
from services.materials.model import holding, proof, sealing, stock
from services.materials.model import location as locations
from services.materials.model.handling_unit import HandlingUnit
from services.materials.model.in_process import KITS
from services.materials.model.inspection import InspectionLot
from services.materials.model.item import site_fact
from services.materials.model.ledger import NotEnoughStock, Posting, SerialExists, line_of
from services.materials.model.movement import (
    THERE,
    AlreadyReversed,
    Balance,
    BelongsToDocument,
    Movement,
    MovementKind,
    StockMovedOn,
)
from services.materials.model.production import ProductionOrder
from services.materials.model.production_report import ProductionReport
from services.materials.model.transfer import Transfer

OF_DOCUMENTS = frozenset(
    {
        MovementKind.RECEIPT, MovementKind.ISSUE, MovementKind.RETURN_TO_STOCK, MovementKind.TRANSFER_SHIP,
        MovementKind.TRANSFER_RECEIVE, MovementKind.SHIP, MovementKind.RETURN_FROM_CUSTOMER,
        MovementKind.RETURN_TO_SUPPLIER,
    }
)  # fmt: skip

TAKING_BACK = (
    InspectionLot.COLLECTION, HandlingUnit.COLLECTION, Transfer.COLLECTION, ProductionOrder.COLLECTION,
    ProductionReport.COLLECTION, KITS,
)  # fmt: skip
"""Documents whose movements are not taken back alone: a unit is moved back as a whole (MAT-21)."""


class MovementService:
    """The append-only ledger of stock."""

    async def get_movement(self, request: Any, unit: Unit) -> Any:
        found = await unit.get(Movement, request.name)
        message = fill(movements_pb2.Movement(), found)
        message.reversed_by = await _reversal_of(unit, found.name)
        return message

    async def list_movements(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Movement, request)

    @lanes.together(together.place_of, together.create_movements, moves.Moves)
    async def create_movement(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[1]
        posting = (await Known.of(unit, site, [request])).posting(unit, request)
        await stock.move(unit, site, [posting])
        await holding.brought(unit, site, (line.to_location for line in posting.lines))
        return await unit.get(Movement, posting.name, lock=False)

    async def batch_create_movements(self, request: Any, unit: Unit) -> Any:
        return await batches.create(unit, request)

    async def stream_movements(self, requests: AsyncIterator[Any], open_unit: Any) -> AsyncIterator[Any]:
        async for request in requests:
            async with open_unit(request) as unit:
                answer = await batches.create(unit, request)
                message = await answer.batch.finish(answer.kind)
            yield message

    async def reverse_movement(self, request: Any, unit: Unit) -> Any:
        found = await unit.get(Movement, request.name, lock=False)
        if found.kind is MovementKind.REVERSAL:
            raise AlreadyReversed(movement=found.name, why="it is a reversal itself")
        if found.kind is MovementKind.REVALUE:
            raise AlreadyReversed(movement=found.name, why="a change of value is taken back by another one")
        if await _reversal_of(unit, found.name):
            raise AlreadyReversed(movement=found.name, why="it was reversed before")
        if found.kind in OF_DOCUMENTS or any(f"/{name}/" in found.source for name in TAKING_BACK):
            raise BelongsToDocument(movement=found.name, document=found.source)
        places = await locations.named(unit, {entry.location for entry in found.entries})
        lines = [line_of(pair, places).negated() for pair in reversed(found.lines)]
        posting = Posting.new(
            unit, found.site or "", MovementKind.REVERSAL, *lines, reason_code=request.reason, reverses=found.name,
            source=found.source, correlation=found.correlation,
        )  # fmt: skip
        try:
            await stock.move(unit, found.site or "", [posting])
        except (NotEnoughStock, SerialExists) as gone:
            raise StockMovedOn(**gone.metadata | {"resource": found.name, "why": gone.message}) from None
        return await unit.get(Movement, posting.name, lock=False)

    async def change_owner(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Movement, await owner_change.changed(unit, request), lock=False)

    async def verify_ledger(self, request: Any, unit: Unit) -> Any:
        site = request.name.split("/")[1]
        await site_fact(unit, site, field="name")
        count = request.count or 1000
        open_count, oldest = await sealing.waiting(unit, site)  # first: what is sealed meanwhile is looked at too
        found = await sealing.verify(unit, site, request.first_number or 1, count)
        answer = movements_pb2.VerifyLedgerResponse(
            verified_count=found.count, last_number=found.last, last_hash=found.hash, bad_number=found.bad_number,
            bad_movement=found.bad_movement, finding=found.wrong,
        )  # fmt: skip
        if not found.wrong and found.count == count:
            answer.next_number = found.last + 1
        elif not found.wrong and (name := await sealing.passed_over(unit, site)):
            answer.bad_movement, answer.finding = name, "the movement was never sealed and lies before those that are"
        answer.unsealed_count = open_count
        if oldest is not None:
            answer.oldest_unsealed_time.FromDatetime(oldest)
        return answer

    async def list_ledger_heads(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[1]
        zone = (await site_fact(unit, site)).time_zone
        size = query.page_size(request)
        bound, before = operations.bound_to(unit, site), None
        if request.page_token:
            (before,) = query.open_token(request.page_token, bound, unit.context.page_token_key, 1)
        rows = (await unit.execute(_HEADS, {"site": site, "zone": zone, "before": before, "size": size + 1})).all()
        answer = movements_pb2.ListLedgerHeadsResponse()
        for row in rows[:size]:
            head = answer.ledger_heads.add(ledger_number=row.ledger_number, hash=row.hash.hex())
            head.day.CopyFrom(date_message(row.day))
        if len(rows) > size:
            token = query.seal_token([str(rows[size - 1].day)], bound, unit.context.page_token_key)
            answer.next_page_token = token
        return answer

    async def check_ledger(self, request: Any, unit: Unit) -> Any:
        answer = movements_pb2.CheckLedgerResponse()
        site = request.name.split("/")[1]
        bound, after = operations.bound_to(unit, site), ""
        if request.page_token:
            (after,) = query.open_token(request.page_token, bound, unit.context.page_token_key, 1)
        findings, until = await proof.differences(unit, site, after, request.entry_count)
        answer.findings.extend(findings)
        if until:
            answer.next_page_token = query.seal_token([until], bound, unit.context.page_token_key)
        if after:
            return answer
        if (last := await proof.last(unit, site)) is not None:
            answer.last_proof_time.FromDatetime(last.prove_time)
            answer.last_proof_finding_count = last.differences
        counted = (await unit.execute(_COUNTS, {"site": site})).one()
        answer.movement_count, answer.balance_count = counted.movements, counted.balances
        return answer


async def _reversal_of(unit: Unit, movement: str) -> str:
    return (
        await unit.first(
            select(Movement.name).where(Movement.reverses == movement, Movement.reverses != "")  # type: ignore[call-overload]
        )
        or ""
    )


class BalanceService:
    """Stock on hand and what can be promised of it."""

    async def list_balances(self, request: Any, unit: Unit) -> Any:
        where = [Balance.virtual.is_(False), THERE]  # type: ignore[attr-defined]
        statement = select(Balance).where(*where)
        parent = request.parent
        if parent != "sites/-":
            statement = statement.where(Balance.site == parent.split("/")[1])  # type: ignore[arg-type]
        elif (sites := unit.caller.sites(unit.context.action)) is not None:
            statement = statement.where(Balance.site.in_(sorted(sites)))  # type: ignore[attr-defined]
        return await query.fetch(
            unit.session, Balance, balances_pb2.Balance.DESCRIPTOR, request, statement,
            principal=f"{unit.caller.name} balances", key=unit.context.page_token_key,
        )  # fmt: skip

    async def query_balances(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[1]
        await site_fact(unit, site)
        size = query.page_size(request)
        known = {
            "site": site, "item": request.item, "location": request.location,
            "effective": _instant(unit, request, "effective_time"), "known": _instant(unit, request, "known_time"),
        }  # fmt: skip
        bound, after = operations.bound_to(unit, *(str(value) for value in known.values())), ""
        if request.page_token:
            (after,) = query.open_token(request.page_token, bound, unit.context.page_token_key, 1)
        rows = (await unit.execute(_THEN, {**known, "after": after, "size": size + 1})).mappings().all()
        answer = balances_pb2.QueryBalancesResponse()
        for row in rows[:size]:
            fill(answer.balances.add(), row)
        if len(rows) > size:
            token = query.seal_token([rows[size - 1]["name"]], bound, unit.context.page_token_key)
            answer.next_page_token = token
        return answer


def _instant(unit: Unit, request: Any, field: str) -> Any:
    """An instant of the request; without one the latest there is."""
    return python_of(getattr(request, field)) if request.HasField(field) else datetime.max.replace(tzinfo=UTC)


_THEN = text("""
    select b.name, b.item, b.lot, b.serial, b.location, b.handling_unit, b.status, b.owner, b.project, b.unit_code,
           sum(e.quantity) as on_hand, sum(e.second_quantity) as second_on_hand, b.second_on_hand_unit_code,
           max(m.record_time) as update_time
    from balance b
    join movement_entry e on e.balance = b.name and e.effective_time <= :effective
    join movement m on m.name = e.movement and m.record_time <= :known
    where b.site = :site and not b.virtual and b.name > :after
      and (cast(:item as text) = '' or b.item = :item) and (cast(:location as text) = '' or b.location = :location)
    group by b.name having sum(e.quantity) <> 0 or sum(e.second_quantity) <> 0 order by b.name limit :size
""")

_HEADS = text("""
    select distinct on (day) (s.seal_time at time zone :zone)::date as day, s.ledger_number, s.hash
    from ledger_seal s
    where s.site = :site and (cast(:before as text) is null
                              or (s.seal_time at time zone :zone)::date < cast(cast(:before as text) as date))
    order by day desc, s.ledger_number desc limit :size
""")

_COUNTS = text("""
    select (select count(*) from movement where site = :site) as movements,
           (select count(*) from balance where site = :site) as balances
""")
