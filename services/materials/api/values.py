"""What stock is worth, and what changes that beside movements of goods."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from plantops.materials.v1 import values_pb2
from sqlalchemy import select, text

from services.chassis import operations, query
from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import amount_of, enum_name, fill, python_of
from services.materials.model import item_settings, layers, ledger, revaluing
from services.materials.model.item import site_fact
from services.materials.model.movement import Movement, ValuationMethod, ValueBalance
from services.materials.model.receipt import Receipt, ReceiptState
from services.materials.model.revaluing import Revalue
from services.materials.rules import fifo, valuation

ZERO = Decimal(0)
_FIRST = datetime.min.replace(tzinfo=UTC)
PART = 500
"""Numbers of the ledger in one part of an export."""


class ValueService:
    """The value of stock, by site and item."""

    async def get_value(self, request: Any, unit: Unit) -> Any:
        site = request.name.split("/")[1]
        currency = (await site_fact(unit, site, field="name")).currency_code
        size = query.page_size(request)
        known = {**as_asked(site, request), "item": request.item}
        bound, after = operations.bound_to(unit, *(str(value) for value in known.values())), ""
        if request.page_token:
            (after,) = query.open_token(request.page_token, bound, unit.context.page_token_key, 1)
        rows = (await unit.execute(VALUES, {**known, "after": after, "size": size + 1})).mappings().all()
        answer = values_pb2.GetValueResponse()
        for row in rows[:size]:
            fill(answer.values.add(), {**row, "value_currency_code": currency})
        if len(rows) > size:
            token = query.seal_token([rows[size - 1]["item"]], bound, unit.context.page_token_key)
            answer.next_page_token = token
        return answer

    async def add_landed_cost(self, request: Any, unit: Unit) -> Any:
        site = request.name.split("/")[1]
        receipt = await unit.get(Receipt, request.name, lock=False)
        line = next((row for row in receipt.lines if row.line == request.receipt_line), None)
        if line is None:
            rule = f"must be a line of {receipt.name}"
            raise FieldInvalid(field="receipt_line", rule=rule, value=request.receipt_line)
        if receipt.state is not ReceiptState.POSTED or line.owner or not line.movement:
            rule = "must be a posted line of goods that the company owns"
            raise FieldInvalid(field="receipt_line", rule=rule, value=request.receipt_line)
        currency, amount = await _amount(unit, site, request.amount, "amount")
        if amount == 0:
            raise FieldInvalid(field="amount", rule="must not be 0", value=amount)
        digits = valuation.places(currency)
        there = await _stock(unit, site, line.item)
        part, open_layers = ZERO, await layers.left(unit, site, line.item)
        if there.valuation_method == ValuationMethod.FIFO:
            own = [layer for layer in open_layers if layer.movement == line.movement]
            remaining, worth = (sum((getattr(x, name) for x in own), ZERO) for name in ("quantity", "value"))
            part = valuation.landed(amount, line.quantity, remaining, worth, digits)
            fifo.revalued(own, part, digits=digits)
            await layers.keep(unit, site, [(line.item, open_layers, None)])
        else:
            remaining = min(line.quantity - line.returned, there.quantity)
            part = valuation.landed(amount, line.quantity, remaining, there.value, digits)
        row = Revalue(
            line.item, part, amount - part, currency, cause=line.movement, reason_code=request.reason,
            source=receipt.name, correlation=receipt.chain,
        )  # fmt: skip
        await revaluing.post(unit, site, [row])
        return await unit.get(Movement, row.movement, lock=False)

    async def revalue_item(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[1]
        currency, value = await _amount(unit, site, request.value, "value")
        there = await _stock(unit, site, request.item)
        if value < 0 or there.quantity <= 0:
            rule = "must not be below 0" if value < 0 else "needs stock that carries it"
            raise FieldInvalid(field="value", rule=rule, value=value)
        change = value - there.value
        method = enum_name(request, "valuation_method") if request.valuation_method else there.valuation_method
        if there.valuation_method == method == ValuationMethod.FIFO:
            open_layers = await layers.left(unit, site, request.item)
            fifo.revalued(open_layers, change, digits=valuation.places(currency))
            await layers.keep(unit, site, [(request.item, open_layers, None)])
        row = Revalue(request.item, change, -change, currency, reason_code=request.reason)
        await revaluing.post(unit, site, [row])
        if method != there.valuation_method:
            await item_settings.value_by(unit, site, request.item, ValuationMethod(method))
        return await unit.get(Movement, row.movement, lock=False)

    async def list_layers(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[1]
        currency = (await site_fact(unit, site)).currency_code
        size = query.page_size(request)
        bound = operations.bound_to(unit, site, request.item)
        after = ["", _FIRST.isoformat(), "0", "0"]
        if request.page_token:
            after = query.open_token(request.page_token, bound, unit.context.page_token_key, 4)
        place = {
            "after": after[0], "time": datetime.fromisoformat(after[1]), "sequence": int(after[2]),
            "part": int(after[3]),
        }  # fmt: skip
        where = {"site": site, "item": request.item, "size": size + 1, **place}
        rows = (await unit.execute(_LAYERS, where)).mappings().all()
        answer = values_pb2.ListLayersResponse()
        for row in rows[:size]:
            fill(
                answer.layers.add(),
                {**row, "value_currency_code": currency, "remaining_value_currency_code": currency},
            )
        if len(rows) > size:
            last = rows[size - 1]
            key = [last["item"], last["layer_time"].isoformat(), str(last["sequence"]), str(last["part"])]
            answer.next_page_token = query.seal_token(key, bound, unit.context.page_token_key)
        return answer

    async def export_postings(self, request: Any, unit: Unit) -> AsyncIterator[values_pb2.ExportPostingsResponse]:
        """Postings of the sealed ledger, in parts."""
        site = request.parent.split("/")[1]
        currency = (await site_fact(unit, site)).currency_code
        after, more = request.after_number, True
        while more:
            part = {"site": site, "after": after, "size": PART}
            last = (await unit.execute(_LAST, part)).scalar_one()
            more = last - after == PART
            answer = values_pb2.ExportPostingsResponse(last_number=last)
            for row in (await unit.execute(_BOOKS, part)).mappings():
                if not answer.postings or answer.postings[-1].ledger_number != row["ledger_number"]:
                    fill(answer.postings.add(), row)
                fill(answer.postings[-1].lines.add(), {**row, "amount_currency_code": currency})
            after = last
            yield answer


async def _amount(unit: Unit, site: str, given: Any, field: str) -> tuple[str, Decimal]:
    """The site's currency and an amount in it."""
    currency = (await site_fact(unit, site)).currency_code
    amount = amount_of(given)
    digits = valuation.places(currency)
    if given.currency_code != currency or amount != valuation.rounded(amount, digits):
        rule = f"must be in {currency}, with at most {digits} decimals"
        raise FieldInvalid(field=field, rule=rule, value=f"{amount} {given.currency_code}")
    return currency, amount


async def _stock(unit: Unit, site: str, item: str) -> Any:
    """Quantity and value of an item at a site, held until the end; FieldInvalid where there never was any."""
    there = select(ValueBalance).where(ValueBalance.site == site, ValueBalance.item == item)  # type: ignore[arg-type]
    if await unit.first(there) is None:
        raise FieldInvalid(field="item", rule="must be an item that the site had in stock", value=item)
    await ledger.hold(unit, site, [item])
    return (await unit.execute(_STOCK, {"site": site, "item": item})).one()


def as_asked(site: str, request: Any) -> dict[str, Any]:
    """Parameters of VALUES: all items of a site at the instants of a request."""
    instants = {"effective": _instant(request, "effective_time"), "known": _instant(request, "known_time")}
    return {"site": site, "item": "", **instants}


def _instant(request: Any, field: str) -> Any:
    return python_of(getattr(request, field)) if request.HasField(field) else datetime.max.replace(tzinfo=UTC)


_STOCK = text("select quantity, value, valuation_method from value_balance where site = :site and item = :item")
_LAYERS = text("""
    select l.item, l.movement, l.layer_time, l.sequence, l.part, l.quantity, l.value, l.remaining_quantity,
           l.remaining_value, i.base_unit_code as quantity_unit_code,
           i.base_unit_code as remaining_quantity_unit_code
    from value_layer l join item i on i.name = l.item
    where l.site = :site and l.remaining_quantity > 0 and (cast(:item as text) = '' or l.item = :item)
      and (l.item, l.layer_time, l.sequence, l.part) > (:after, :time, :sequence, :part)
    order by l.item, l.layer_time, l.sequence, l.part limit :size
""")
VALUES = text("""
    select c.item, i.base_unit_code as quantity_unit_code, sum(c.quantity) as quantity, sum(c.value) as value
    from value_change c join movement m on m.name = c.movement join item i on i.name = c.item
    where c.site = :site and c.item > :after and (cast(:item as text) = '' or c.item = :item)
      and c.effective_time <= :effective and m.record_time <= :known
    group by c.item, i.base_unit_code having sum(c.quantity) <> 0 or sum(c.value) <> 0
    order by c.item limit :size
""")

_LAST = text("""
    select coalesce(max(ledger_number), :after) from ledger_seal
    where site = :site and ledger_number > :after and ledger_number - :after <= :size
""")
_BOOKS = text("""
    with sealed as (
      select s.ledger_number, m.name, m.kind, m.effective_time, m.source, m.reverses
      from ledger_seal s join movement m on m.name = s.movement
      where s.site = :site and s.ledger_number > :after and s.ledger_number - :after <= :size
    ), amounts as (
      select s.name, e.item, e.value as amount,
             case l.kind when 'SUPPLIER' then 'RECEIPT_CLEARING' when 'CONSUMED' then 'CONSUMPTION'
               when 'PRODUCTION' then 'PRODUCTION'
               when 'SCRAP' then case when s.source like '%/productionOrders/%' then 'PRODUCTION' else 'SCRAP' end
               when 'ADJUSTMENT' then 'STOCK_DIFFERENCE'
               when 'OPENING' then 'OPENING' when 'CUSTOMER' then 'COST_OF_SALES' when 'INTER_SITE' then 'INTER_SITE'
               else case when e.owner = '' then 'STOCK' else 'RECEIPT_CLEARING' end end as account
      from sealed s join movement_entry e on e.movement = s.name join location l on l.name = e.location
      where e.value is not null
      union all
      select s.name, e.item, x.amount, x.account
      from sealed s join movement_entry e on e.movement = s.name
      join value_variance v on (v.site, v.item, v.sequence) = (e.site, e.item, e.item_sequence),
      lateral (values ('STOCK', -v.amount), ('VARIANCE', v.amount)) x(account, amount)
      union all
      select s.name, r.item, x.amount, x.account
      from sealed s join revaluation r on r.movement = s.name,
      lateral (values ('STOCK', r.value), ('VARIANCE', r.variance),
                      (case when s.source like '%/productionOrders/%' then 'PRODUCTION' else 'INVOICE_CLEARING' end,
                       -r.value - r.variance)) x(account, amount)
    )
    select s.ledger_number, s.name as movement, s.kind, s.effective_time, s.source, s.reverses, a.account, a.item,
           sum(a.amount) as amount
    from sealed s join amounts a on a.name = s.name
    group by 1, 2, 3, 4, 5, 6, 7, 8 having sum(a.amount) <> 0 order by s.ledger_number, a.item, a.account
""")
