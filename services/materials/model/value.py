"""Value of stock per site and item, by moving average (MAT-180 .. MAT-182)."""

from decimal import Decimal
from typing import Any

from sqlalchemy import Numeric, Text, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Field

from services.chassis.unit import Unit
from services.materials.model.base import Table
from services.materials.model.item import Item, SiteFact
from services.materials.model.ledger import Posting
from services.materials.rules import valuation


class ValueBalance(Table, table=True):
    """Quantity and value of an item at a site."""

    __tablename__ = "value_balance"

    site: str = Field(sa_type=Text, primary_key=True)
    item: str = Field(sa_type=Text, primary_key=True)
    quantity: Decimal = Field(sa_type=Numeric(20, 6))
    value: Decimal = Field(sa_type=Numeric(24, 9))
    currency_code: str = Field(sa_type=Text)


async def take(unit: Unit, site: str, posting: Posting) -> Decimal | None:
    """Cost of what leaves the stock; None while the item has no value."""
    row = await _row(unit, site, posting.item)
    if row is None:
        return None
    stock, cost = valuation.issue(valuation.Stock(row.quantity, row.value), posting.quantity)
    row.quantity, row.value = stock.quantity, stock.value
    posting.cost, posting.currency_code = cost, row.currency_code
    return cost


async def put(unit: Unit, site: str, posting: Posting, value: Decimal | None) -> None:
    """Add what comes in at its value; without one at the item's standard cost, if it has one."""
    row = await _row(unit, site, posting.item)
    if row is None:
        return
    if value is None:
        item = await unit.get(Item, posting.item, lock=False)
        if item.standard_cost is not None and item.standard_cost_currency_code == row.currency_code:
            value = item.standard_cost * posting.quantity
        elif row.quantity > 0:
            value = row.value * posting.quantity / row.quantity
        else:
            value = Decimal(0)
    stock = valuation.receive(valuation.Stock(row.quantity, row.value), posting.quantity, value)
    row.quantity, row.value = stock.quantity, stock.value
    posting.cost, posting.currency_code = valuation.rounded(value), row.currency_code


async def _row(unit: Unit, site: str, item: str) -> Any:
    fact = await unit.first(select(SiteFact).where(SiteFact.name == f"sites/{site}"))  # type: ignore[arg-type]
    if fact is None:
        return None
    await unit.execute(
        insert(ValueBalance)
        .values(site=site, item=item, quantity=Decimal(0), value=Decimal(0), currency_code=fact.currency_code)
        .on_conflict_do_nothing()
    )
    return await unit.first(
        select(ValueBalance)
        .where(ValueBalance.site == site, ValueBalance.item == item)  # type: ignore[arg-type]
        .with_for_update()
    )
