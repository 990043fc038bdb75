"""From approved needs to an order, and what is changed in it (PRC-39, PRC-64, PRC-124, PRC-127)."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from services.chassis.faults import FieldInvalid, QuantityNotOnGrid
from services.chassis.unit import Unit
from services.chassis.wire import canonical
from services.procurement.model import duties, facts, needs, sourcing
from services.procurement.model.order_line import ZERO, Line
from services.procurement.model.purchase_order import PurchaseOrder, State
from services.procurement.model.requisition import NoSource, Requisition, SourceKind
from services.procurement.model.supplier import CurrencyMismatch, NoPrice, Supplier, SupplierItem
from services.procurement.rules import cover, price, source


async def convert(unit: Unit, site: str, wanted: Sequence[Requisition], supplier_name: str) -> PurchaseOrder:
    """One order of one supplier; MOQ and breaks apply to the sum per item, cover stays per need (PRC-64)."""
    name = unit.new_name(f"sites/{site}", PurchaseOrder.COLLECTION)
    seller = supplier_name or wanted[0].supplier
    for need in wanted:
        need.order(name)
        if not supplier_name and need.supplier != seller:
            rule = f"must all be of {seller or 'no supplier'}; name the supplier"
            raise FieldInvalid(field="requisitions", rule=rule, value=need.name)
    if not seller:
        raise _no_source(wanted[0].item, wanted[0].quantity, wanted[0].unit_code)
    supplier = (await unit.get(Supplier, seller)).orderable()
    chains = sorted({need.chain for need in wanted})
    asked = [need.requester for need in wanted if need.source_kind is SourceKind.PERSON]
    order = PurchaseOrder(
        name=name,
        number=await unit.next_number("PO"),
        supplier=supplier.name,
        currency_code=supplier.currency_code,
        requester=unit.caller.name,
        author=unit.caller.name,
        authors=duties.joined(duties.persons(unit.caller), asked),
        lines=[],
        chains=chains,
        correlation=chains[0] if len(chains) == 1 else name,
    )
    day = await facts.today(unit, site)
    for item in sorted({need.item for need in wanted}):
        await _line(unit, order, site, [need for need in wanted if need.item == item], day)
    order.add_up()
    return unit.add(order)


def _no_source(item: str, quantity: Decimal, unit_code: str) -> NoSource:
    return NoSource(item=item, quantity=canonical(quantity), unit_code=unit_code)


async def _line(unit: Unit, order: PurchaseOrder, site: str, wanted: Sequence[Requisition], day: date) -> None:
    item, unit_code = wanted[0].item, wanted[0].unit_code
    total = sum((need.quantity for need in wanted), ZERO)
    row = await sourcing.item_of(unit, order.supplier, item, site)
    if row is None:
        raise _no_source(item, total, unit_code)
    if row.currency_code != order.currency_code:
        raise CurrencyMismatch(
            field="supplier", given=row.currency_code, wanted=order.currency_code, supplier=order.supplier
        )
    try:
        offer = source.offer_of(row.candidate(), total, day)
    except price.NoPrice as error:
        raise NoPrice(supplier_item=row.name, why=str(error)) from None
    places = {need.delivery_location for need in wanted}
    over = row.over_percent or ZERO
    order.lines.append(
        Line(
            purchase_order=order.name,
            line=10 * (len(order.lines) + 1),
            item=item,
            supplier_item=row.name,
            part_number=row.part_number,
            quantity=offer.quantity,
            unit_code=row.unit_code,
            base_numerator=row.base_numerator,
            base_denominator=row.base_denominator,
            unit_price=offer.price.unit_price,
            currency_code=order.currency_code,
            price_base_quantity=row.terms.price_base,
            net=offer.total,
            delivery_location=places.pop() if len(places) == 1 else "",
            requested_date=min((need.need_date for need in wanted if need.need_date), default=None),
            expected_date=offer.arrival,
            over_percent=over,
            accept_limit=price.accept_limit(offer.quantity, over),
            references=[_reference(need, row) for need in wanted],
        )
    )


def _reference(need: Requisition, row: SupplierItem) -> dict[str, Any]:
    covered = cover.floor(Fraction(need.quantity) / row.factor)
    return {
        "requisition": need.name,
        "work_order": need.work_order,
        "demand": need.demand,
        "demand_version": need.demand_version,
        "reservation": need.reservation,
        "supply_request": need.supply_request,
        "quantity": {"value": canonical(covered), "unit_code": row.unit_code},
    }


async def revise(
    unit: Unit, order: PurchaseOrder, number: int, wanted: Decimal | None, day: date | None, reason: str
) -> None:
    """Change a line: before issue the approval is withdrawn and the price found anew, after it less is in force."""
    if order.state is State.ISSUED:
        line = order.find_line(number)
        order.revise_issued(line, wanted, day, unit.caller)
    else:
        if order.state is not State.DRAFT:
            order.withdraw(f"changed by {unit.caller.name}: {reason}")
        line = order.find_line(number)
        unit_price = line.unit_price if wanted is None else await _price(unit, order, line, wanted)
        order.change(line, wanted, unit_price, day, unit.caller)
    if wanted is not None:
        await needs.trim(unit, order, line)
    if order.state is State.ISSUED:
        await put_in_force(unit, order)


async def _price(unit: Unit, order: PurchaseOrder, line: Line, wanted: Decimal) -> Decimal:
    """Price of the break that a stated quantity selects; the quantity has to stand on the supplier's grid (PRC-7)."""
    field = "quantity.value"
    if wanted <= 0:
        raise FieldInvalid(field=field, rule="must be more than 0", value=canonical(wanted))
    row = await unit.get(SupplierItem, line.supplier_item, lock=False)
    terms = row.terms
    if wanted < terms.minimum:
        rule = f"must be at least {canonical(terms.minimum)}, the supplier's minimum"
        raise FieldInvalid(field=field, rule=rule, value=canonical(wanted))
    if price.order_quantity(wanted, terms.minimum, terms.multiple) != wanted:
        raise QuantityNotOnGrid(field=field, value=canonical(wanted), grid=canonical(terms.multiple))
    try:
        found = price.quote(terms, wanted, await facts.today(unit, order.site or ""))
    except price.NoPrice as error:
        raise NoPrice(supplier_item=row.name, why=str(error)) from None
    line.price_base_quantity = terms.price_base
    return found.price.unit_price


async def short_close(unit: Unit, order: PurchaseOrder, number: int) -> None:
    """No more is expected on a line: its needs are open again; an order that is done closes (PRC-125, PRC-126)."""
    order.require(State.ISSUED, to="a short-closed line")
    line = order.find_line(number)
    order.short_close(line, unit.caller)
    await needs.trim(unit, order, line)
    await put_in_force(unit, order)
    await close_if_done(unit, order)


async def put_in_force(unit: Unit, order: PurchaseOrder) -> None:
    """The next revision of an issued order: kept, and told."""
    kept, event = order.in_force(unit.now)
    unit.add(kept)
    tell(unit, order, event)


async def close_if_done(unit: Unit, order: PurchaseOrder) -> None:
    """CLOSED comes by itself when nothing is open and all that came is decided (PRC-126)."""
    if order.state is State.ISSUED and order.done:
        tell(unit, order, order.close("nothing is open any more"))


def tell(unit: Unit, order: PurchaseOrder, event: Any) -> None:
    """An event of an order, in all chains that it belongs to."""
    unit.emit(event, correlation=order.chain, also=order.chains)
