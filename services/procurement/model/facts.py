"""What procurement knows of sites and items; their homes are maintenance and materials."""

from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from plantops.maintenance.v1.events_pb2 import SiteChanged
from plantops.materials.v1.events_pb2 import ItemChanged
from sqlalchemy import Numeric, Text, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.chassis.faults import FailedPrecondition, FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import decimal_of, json_of
from services.procurement.model.base import Table

ONE = Decimal(1)


class ItemNotActive(FailedPrecondition):
    """An item that is blocked or superseded is not bought."""

    text = "{item} is {state}; it is not bought."


class ItemFact(Table, table=True):
    """An item's units and state."""

    __tablename__ = "item_fact"

    name: str = Field(sa_type=Text, primary_key=True)
    number: str = Field(sa_type=Text)
    title: str = Field(sa_type=Text)
    base_unit_code: str = Field(sa_type=Text)
    base_step: Decimal = Field(default=ONE, sa_type=Numeric(20, 6), nullable=False)
    conversions: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    state: str = Field(sa_type=Text)

    def factor(self, unit_code: str) -> Fraction | None:
        """Base units per unit; None where there is no conversion."""
        if unit_code == self.base_unit_code:
            return Fraction(1)
        for row in self.conversions:
            if row["unit_code"] == unit_code:
                return Fraction(int(row["numerator"]), int(row["denominator"]))
        return None


class SiteFact(Table, table=True):
    """A site's zone and currency."""

    __tablename__ = "site_fact"

    name: str = Field(sa_type=Text, primary_key=True)
    time_zone: str = Field(sa_type=Text)
    currency_code: str = Field(sa_type=Text)


async def learn_site(unit: Unit, event: SiteChanged) -> None:
    """Keep what the event says; the inbox has dropped older versions."""
    await unit.session.merge(SiteFact(name=event.site, time_zone=event.time_zone, currency_code=event.currency_code))


async def learn_item(unit: Unit, event: ItemChanged) -> None:
    """Keep what the event says; the inbox has dropped older versions."""
    await unit.session.merge(
        ItemFact(
            name=event.item,
            number=event.number,
            title=event.title,
            base_unit_code=event.base_unit_code,
            base_step=decimal_of(event.base_step.value) if event.HasField("base_step") else ONE,
            conversions=[json_of(row) for row in event.conversions],
            state=event.state,
        )
    )


async def item(unit: Unit, name: str) -> ItemFact | None:
    """The item of that name, if it was heard of."""
    found: ItemFact | None = await unit.first(select(ItemFact).where(ItemFact.name == name))  # type: ignore[arg-type]
    return found


async def site(unit: Unit, site_id: str) -> SiteFact | None:
    """The site of that id, if it was heard of."""
    found: SiteFact | None = await unit.first(select(SiteFact).where(SiteFact.name == f"sites/{site_id}"))  # type: ignore[arg-type]
    return found


async def known_site(unit: Unit, site_id: str, field: str) -> None:
    """FieldInvalid for a site that was not heard of; the empty id stands for all sites."""
    if site_id and await site(unit, site_id) is None:
        raise FieldInvalid(field=field, rule="must be a site that is known here", value=site_id)


async def day_of(unit: Unit, site_id: str, at: datetime) -> date:
    """The site's calendar day of an instant (PRC-14); UTC while the site was not heard of."""
    fact = await site(unit, site_id)
    return at.astimezone(ZoneInfo(fact.time_zone if fact is not None else "UTC")).date()


async def today(unit: Unit, site_id: str) -> date:
    """The site's calendar day now."""
    return await day_of(unit, site_id, unit.now)
