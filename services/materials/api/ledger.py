"""Movements, balances and the check of the ledger."""

from decimal import Decimal
from typing import Any

from plantops.materials.v1 import balances_pb2, movements_pb2
from sqlalchemy import select, text

from services.chassis import query
from services.chassis.access import denied
from services.chassis.faults import Fault, FieldInvalid, TimeInFuture
from services.chassis.unit import Unit
from services.chassis.wire import decimal_of, enum_name, fill, python_of
from services.materials.model import location as locations
from services.materials.model import stock
from services.materials.model.item import Item, Lot, State, Tracking
from services.materials.model.ledger import AlreadyReversed, Balance, Movement, MovementKind, Posting, Status
from services.materials.model.location import Kind, Location

APPROVE = "materials.movements.approve"
BY_HAND = {
    MovementKind.MOVE: (None, None),
    MovementKind.STATUS_CHANGE: (None, None),
    MovementKind.SCRAP: (None, Kind.SCRAP),
    MovementKind.ADJUST: (Kind.ADJUSTMENT, Kind.ADJUSTMENT),
    MovementKind.OPENING: (Kind.OPENING, None),
}
WITH_APPROVAL = frozenset({MovementKind.SCRAP, MovementKind.ADJUST, MovementKind.OPENING})
BY_DOCUMENT = frozenset({MovementKind.REVERSAL, MovementKind.RECEIPT, MovementKind.ISSUE, MovementKind.RETURN_TO_STOCK})
WITH_REASON = frozenset({MovementKind.SCRAP, MovementKind.ADJUST})


class MovementService:
    """The append-only ledger of stock."""

    async def get_movement(self, request: Any, unit: Unit) -> Any:
        found = await unit.get(Movement, request.name)
        message = fill(movements_pb2.Movement(), found)
        message.reversed_by = (
            await unit.first(select(Movement.name).where(Movement.reverses == found.name)) or ""  # type: ignore[call-overload]
        )
        return message

    async def list_movements(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Movement, request)

    async def create_movement(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[1]
        posting = await _posting(unit, site, request.movement)
        await stock.move(unit, site, [posting])
        return await unit.get(Movement, posting.name, lock=False)

    async def batch_create_movements(self, request: Any, unit: Unit) -> Any:
        batch = await unit.batch(request.requests)
        site = request.parent.split("/")[1]
        made: dict[str, Any] = {}
        for entry in batch.open:
            try:
                posting = await _posting(unit, site, entry.request.movement)
                async with unit.attempt():
                    await stock.move(unit, site, [posting])
                made[posting.name] = entry
            except Fault as fault:
                entry.refuse(fault)
        rows = await unit.get_many(Movement, made, lock=False)
        for name, entry in made.items():
            entry.answer(rows[name])
        return batch.response(movements_pb2.BatchCreateMovementsResponse)

    async def reverse_movement(self, request: Any, unit: Unit) -> Any:
        found = await unit.get(Movement, request.name, lock=False)
        if found.kind in (
            MovementKind.REVERSAL,
            MovementKind.RECEIPT,
            MovementKind.ISSUE,
            MovementKind.RETURN_TO_STOCK,
        ):
            raise AlreadyReversed(movement=found.name, why=f"a {found.kind} is taken back through its document")
        if await unit.first(select(Movement.name).where(Movement.reverses == found.name)):  # type: ignore[call-overload]
            raise AlreadyReversed(movement=found.name, why="it was reversed before")
        places = await unit.get_many(Location, [found.from_location, found.to_location], lock=False)
        posting = Posting(
            name=unit.new_name(f"sites/{found.site}", Movement.COLLECTION), kind=MovementKind.REVERSAL,
            item=found.item, lot=found.lot, quantity=found.quantity, unit_code=found.unit_code,
            from_location=found.to_location, to_location=found.from_location,
            from_status=found.to_status, to_status=found.from_status,
            from_virtual=places[found.to_location].virtual, to_virtual=places[found.from_location].virtual,
            reason_code=request.reason, reverses=found.name, source=found.source, cost=found.cost,
            currency_code=found.cost_currency_code,
        )  # fmt: skip
        await stock.move(unit, found.site or "", [posting])
        return await unit.get(Movement, posting.name, lock=False)

    async def check_ledger(self, request: Any, unit: Unit) -> Any:
        answer = movements_pb2.CheckLedgerResponse()
        site = request.name.split("/")[1]
        for sentence, statement in _CHECKS:
            for row in await unit.execute(text(statement), {"site": site}):
                answer.findings.append(f"{sentence}: {', '.join(str(value) for value in row)}")
        counted = (await unit.execute(_COUNTS, {"site": site})).one()
        answer.movement_count, answer.balance_count = counted.movements, counted.balances
        return answer


async def _posting(unit: Unit, site: str, message: Any) -> Posting:
    """A movement made by hand: kind, places, quantity and permission are checked."""
    kind = MovementKind(enum_name(message, "kind"))
    if kind not in BY_HAND:
        allowed = ", ".join(sorted(BY_HAND))
        raise FieldInvalid(field="movement.kind", rule=f"may be {allowed}; others come from documents", value=kind)
    if kind in WITH_APPROVAL and not unit.caller.may(APPROVE, site):
        raise denied(APPROVE)
    if kind in WITH_REASON and not message.reason_code:
        raise FieldInvalid(field="movement.reason_code", rule=f"is required for {kind}")
    item = await unit.find(Item, message.item, lock=False)
    if item is None:
        raise FieldInvalid(field="movement.item", rule="must be an item", value=message.item)
    if item.state is State.BLOCKED and kind is MovementKind.OPENING:
        raise FieldInvalid(field="movement.item", rule="must not be blocked", value=message.item)
    amount = item.base(decimal_of(message.quantity.value), message.quantity.unit_code, "movement.quantity.value")
    if amount <= 0:
        raise FieldInvalid(field="movement.quantity.value", rule="must be more than 0", value=message.quantity.value)
    if (item.tracking is Tracking.LOT) != bool(message.lot):
        rule = "is required: the item is tracked by lot" if item.tracking is Tracking.LOT else "must be empty"
        raise FieldInvalid(field="movement.lot", rule=rule, value=message.lot)
    if message.lot and await unit.find(Lot, message.lot, lock=False) is None:
        raise FieldInvalid(field="movement.lot", rule="must be a lot of the item", value=message.lot)
    at = python_of(message.effective_time) if message.HasField("effective_time") else None
    if at is not None and at > unit.now:
        raise TimeInFuture(field="movement.effective_time", value=at.isoformat(), limit=unit.now.isoformat())
    from_kind, to_kind = BY_HAND[kind]
    source = await _place(unit, site, message.from_location, from_kind, "from_location", kind)
    target_name = message.from_location if kind is MovementKind.STATUS_CHANGE else message.to_location
    target = await _place(unit, site, target_name, to_kind, "to_location", kind)
    before = Status(enum_name(message, "from_status")) if message.from_status else Status.UNRESTRICTED
    after = Status(enum_name(message, "to_status")) if message.to_status else before
    if (source.name, before) == (target.name, after):
        raise FieldInvalid(field="movement.to_location", rule="must differ from where the stock is", value=target.name)
    return Posting(
        name=unit.new_name(f"sites/{site}", Movement.COLLECTION), kind=kind, item=item.name, lot=message.lot,
        quantity=amount, unit_code=item.base_unit_code, from_location=source.name, to_location=target.name,
        from_status=before, to_status=after, from_virtual=source.virtual, to_virtual=target.virtual,
        effective_time=at, reason_code=message.reason_code, source=message.source,
    )  # fmt: skip


async def _place(unit: Unit, site: str, name: str, virtual: Kind | None, field: str, kind: MovementKind) -> Location:
    if not name and virtual is not None:
        return await locations.virtual(unit, site, virtual)
    found = await unit.find(Location, name, lock=False) if name.startswith(f"sites/{site}/locations/") else None
    if found is None:
        raise FieldInvalid(field=f"movement.{field}", rule="must be a location of the site", value=name)
    if found.virtual:
        raise FieldInvalid(field=f"movement.{field}", rule=f"is chosen by the kind {kind}; leave it empty", value=name)
    return found.usable()


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
        "an ended reservation holds stock",
        """
        select r.name, r.state from reservation r join allocation a on a.reservation = r.name
        where r.site = :site and r.state in ('RELEASED', 'ISSUED') limit 100
        """,
    ),
)
_COUNTS = text("""
    select (select count(*) from movement where site = :site) as movements,
           (select count(*) from balance where site = :site) as balances
""")
