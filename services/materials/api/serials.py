"""Serials: single units, where they are and what happened to them."""

from datetime import datetime
from typing import Any

from plantops.materials.v1 import serials_pb2
from sqlalchemy import text

from services.chassis import query
from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import fill
from services.materials.model import holding
from services.materials.model.item import Item
from services.materials.model.lot import Lot, Register, Serial

_STEPS = text("""
    select m.name as movement, m.kind, o.location as from_location, e.location as to_location,
           o.status as from_status, e.status as to_status, o.handling_unit as from_handling_unit,
           e.handling_unit as to_handling_unit, e.effective_time, m.record_time, m.actor, m.reason_code, m.source,
           m.reverses, e.returns, e.side
    from movement_entry e
    join movement_entry o on o.movement = e.movement and o.side = e.side - 1
    join movement m on m.name = e.movement
    where e.serial = :serial and e.side % 2 = 0
      and (cast(:sites as text[]) is null or e.site = any(cast(:sites as text[])))
      and (e.effective_time, m.record_time, m.name, e.side) > (:effective, :record, :movement, :side)
    order by e.effective_time, m.record_time, m.name, e.side limit :size
""")
_BEGIN = datetime.fromisoformat("0001-01-01T00:00:00+00:00")


class SerialService:
    """Single units of items."""

    async def get_serial(self, request: Any, unit: Unit) -> Any:
        row = await unit.get(Serial, request.name)
        message = fill(serials_pb2.Serial(), row)
        message.holds.extend(await holding.on(unit, row.name, row.lot))
        return message

    async def list_serials(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Serial, request, parent_column=Serial.item)

    async def create_serial(self, request: Any, unit: Unit) -> Any:
        item = await unit.get(Item, request.parent)  # locked: nobody else makes serials of it
        if not item.tracking.by_serial:
            raise FieldInvalid(field="parent", rule="must be an item that is tracked by serial", value=item.name)
        lot = await unit.find(Lot, request.serial.lot, lock=False) if request.serial.lot else None
        if item.tracking.by_lot != bool(request.serial.lot) or (request.serial.lot and lot is None):
            rule = "must be a lot of the item" if item.tracking.by_lot else "must be empty: the item has no lots"
            raise FieldInvalid(field="serial.lot", rule=rule, value=request.serial.lot)
        if lot is not None and lot.item != item.name:
            raise FieldInvalid(field="serial.lot", rule="must be a lot of the item", value=lot.name)
        register = await Register.of(unit, [item.name], [request.serial.number])
        return register.make(item.name, request.serial.number, request.serial.lot, request.serial_id)

    async def get_serial_history(self, request: Any, unit: Unit) -> Any:
        size = query.page_size(request)
        bound = f"{unit.caller.name} history {request.name}"
        sites = unit.caller.sites(unit.context.action)
        after: Any = {"effective": _BEGIN, "record": _BEGIN, "movement": "", "side": 0}
        if request.page_token:
            place = query.open_token(request.page_token, bound, unit.context.page_token_key, 4)
            after = dict(zip(after, [*map(datetime.fromisoformat, place[:2]), *place[2:]], strict=True))
        serial = await unit.get(Serial, request.name)
        asked = {"serial": serial.name, "size": size + 1, "sites": None if sites is None else sorted(sites)}
        rows = (await unit.execute(_STEPS, {**asked, **after})).all()
        answer = serials_pb2.GetSerialHistoryResponse()
        for row in rows[:size]:
            fill(answer.steps.add(), row._mapping)
        if len(rows) > size:
            last = rows[size - 1]
            place = [last.effective_time.isoformat(), last.record_time.isoformat(), last.movement, last.side]
            answer.next_page_token = query.seal_token(place, bound, unit.context.page_token_key)
        return answer
