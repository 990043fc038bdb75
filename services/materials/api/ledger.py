"""Movements, balances and the check of the ledger."""

from decimal import Decimal
from typing import Any

from plantops.materials.v1 import balances_pb2, movements_pb2
from sqlalchemy import ARRAY, Text, TextClause, bindparam, select, text

from services.chassis import query
from services.chassis.faults import Fault
from services.chassis.unit import Unit
from services.chassis.wire import fill
from services.materials.api.postings import Known
from services.materials.model import ledger, stock
from services.materials.model.ledger import (
    AlreadyReversed,
    Balance,
    BelongsToDocument,
    Movement,
    MovementKind,
    NotEnoughStock,
    Posting,
    StockMovedOn,
)
from services.materials.model.location import VIRTUAL, Location
from services.materials.model.receipt import InspectionLot

OF_DOCUMENTS = frozenset({MovementKind.RECEIPT, MovementKind.ISSUE, MovementKind.RETURN_TO_STOCK})


class MovementService:
    """The append-only ledger of stock."""

    async def get_movement(self, request: Any, unit: Unit) -> Any:
        found = await unit.get(Movement, request.name)
        message = fill(movements_pb2.Movement(), found)
        message.reversed_by = await _reversal_of(unit, found.name)
        return message

    async def list_movements(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Movement, request)

    async def create_movement(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[1]
        posting = (await Known.of(unit, site, [request.movement])).posting(unit, request.movement)
        await stock.move(unit, site, [posting])
        return await unit.get(Movement, posting.name, lock=False)

    async def batch_create_movements(self, request: Any, unit: Unit) -> Any:
        batch = await unit.batch(request.requests)
        site = request.parent.split("/")[1]
        known = await Known.of(unit, site, [entry.request.movement for entry in batch.open])
        made: dict[str, tuple[Any, Posting]] = {}
        for entry in batch.open:
            try:
                posting = known.posting(unit, entry.request.movement)
                made[posting.name] = (entry, posting)
            except Fault as fault:
                entry.refuse(fault)
        postings = [posting for _, posting in made.values()]
        await ledger.post(unit, site, postings)
        await stock.follow(unit, site, postings)
        rows = await unit.get_many(Movement, made, lock=False)
        for name, (entry, posting) in made.items():
            if posting.fault is not None:
                entry.refuse(posting.fault)
            else:
                entry.answer(rows[name])
        return batch.response(movements_pb2.BatchCreateMovementsResponse)

    async def reverse_movement(self, request: Any, unit: Unit) -> Any:
        found = await unit.get(Movement, request.name, lock=False)
        if found.kind is MovementKind.REVERSAL:
            raise AlreadyReversed(movement=found.name, why="it is a reversal itself")
        if await _reversal_of(unit, found.name):
            raise AlreadyReversed(movement=found.name, why="it was reversed before")
        if found.kind in OF_DOCUMENTS or f"/{InspectionLot.COLLECTION}/" in found.source:
            raise BelongsToDocument(movement=found.name, document=found.source)
        places = await unit.get_many(Location, [found.from_location, found.to_location], lock=False)
        posting = Posting(
            name=unit.new_name(f"sites/{found.site}", Movement.COLLECTION), kind=MovementKind.REVERSAL,
            item=found.item, lot=found.lot, quantity=found.quantity, unit_code=found.unit_code,
            from_location=found.to_location, to_location=found.from_location,
            from_status=found.to_status, to_status=found.from_status,
            from_virtual=places[found.to_location].virtual, to_virtual=places[found.from_location].virtual,
            reason_code=request.reason, reverses=found.name, source=found.source, cost=found.cost,
            correlation=found.correlation,
        )  # fmt: skip
        try:
            await stock.move(unit, found.site or "", [posting])
        except NotEnoughStock as gone:
            raise StockMovedOn(resource=found.name, why=gone.message, **gone.metadata) from None
        return await unit.get(Movement, posting.name, lock=False)

    async def check_ledger(self, request: Any, unit: Unit) -> Any:
        answer = movements_pb2.CheckLedgerResponse()
        site = request.name.split("/")[1]
        for sentence, statement in _CHECKS:
            for row in await unit.execute(_check(statement), {"site": site}):
                answer.findings.append(f"{sentence}: {', '.join(str(value) for value in row)}")
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
        where = [Balance.virtual.is_(False), Balance.on_hand != Decimal(0)]  # type: ignore[attr-defined]
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


_CHECKS = (
    (
        "balance differs from the ledger",
        """
        select coalesce(b.name, e.item || ' ' || e.location), coalesce(b.on_hand, 0), coalesce(e.total, 0)
        from (select * from balance where site = :site) b
        full join (select item, location, lot, status, sum(quantity) as total from movement_entry
                   where location like 'sites/' || :site || '/%' group by 1, 2, 3, 4) e
          on (e.item, e.location, e.lot, e.status) = (b.item, b.location, b.lot, b.status)
        where coalesce(b.on_hand, 0) <> coalesce(e.total, 0) limit 100
        """,
    ),
    (
        "movement does not sum to zero",
        """
        select e.movement, e.item, e.lot, sum(e.quantity) from movement_entry e
        join movement m on m.name = e.movement and m.site = :site
        group by 1, 2, 3 having sum(e.quantity) <> 0 limit 100
        """,
    ),
    (
        "reserved differs from the allocations",
        """
        select b.name, b.reserved, coalesce(a.total, 0) from balance b
        left join (select balance, sum(quantity) as total from allocation group by 1) a on a.balance = b.name
        where b.site = :site and not b.virtual and b.reserved <> coalesce(a.total, 0) limit 100
        """,
    ),
    (
        "reservation does not add up",
        """
        select r.name, r.allocated, coalesce(sum(a.quantity), 0) from reservation r
        left join allocation a on a.reservation = r.name where r.site = :site
        group by 1, 2 having r.allocated <> coalesce(sum(a.quantity), 0) limit 100
        """,
    ),
    (
        "value of the stock differs from its movements",
        """
        select v.item, v.quantity, s.quantity, v.value + v.variance, s.value
        from value_balance v
        join (select m.item, sum(x.sign * m.quantity) as quantity, sum(x.sign * m.cost) as value
              from movement m
              join location f on f.name = m.from_location join location t on t.name = m.to_location,
              lateral (select case when f.kind = any(:virtual) then 1 else -1 end as sign) x
              where m.site = :site and (f.kind = any(:virtual)) <> (t.kind = any(:virtual)) group by 1) s
          on s.item = v.item
        where v.site = :site and (v.quantity <> s.quantity or v.value + v.variance <> s.value) limit 100
        """,
    ),
    (
        "stock was less than nothing at an instant",
        """
        select distinct r.item, r.location, r.lot from (
          select e.item, e.location, e.lot,
                 sum(e.quantity) over (partition by e.item, e.location, e.lot, e.status
                                       order by e.effective_time) as running
          from movement_entry e join location l on l.name = e.location and l.site = :site
          where l.kind <> all(:virtual)) r
        where r.running < 0 limit 100
        """,
    ),
    (
        "an ended reservation holds stock",
        """
        select r.name, r.state from reservation r join allocation a on a.reservation = r.name
        where r.site = :site and r.state in ('RELEASED', 'ISSUED') limit 100
        """,
    ),
)


def _check(statement: str) -> TextClause:
    found = text(statement)
    if ":virtual" in statement:
        found = found.bindparams(bindparam("virtual", sorted(VIRTUAL), type_=ARRAY(Text)))
    return found


_COUNTS = text("""
    select (select count(*) from movement where site = :site) as movements,
           (select count(*) from balance where site = :site) as balances
""")
