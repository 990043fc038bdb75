"""Settings of an item at a site: what one plant demands beside what holds everywhere."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import ForeignKey, Index, Numeric, Text, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.chassis.faults import FieldInvalid
from services.chassis.query import among
from services.chassis.resource import enum_text
from services.chassis.unit import Unit
from services.materials.model import layers
from services.materials.model.base import Resource, listed
from services.materials.model.movement import ValuationMethod
from services.materials.rules.capacity import Goods
from services.materials.rules.number_rules import NumberRule
from services.materials.rules.put_away import Asked

MOST_PERCENT = 100


class Shortage(StrEnum):
    """What a production report does when less was staged than was used (MAT-55, MAT-123)."""

    FORBID = "FORBID"
    WARN = "WARN"
    ALLOW = "ALLOW"


class ItemSettings(Resource, table=True):
    """What a site demands of an item; its id is the item's."""

    __tablename__ = "item_settings"
    COLLECTION: ClassVar[str] = "itemSettings"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"item"})
    __table_args__ = (Index("ix_item_settings_site", "site", "name"), *listed("item_settings", "item"))

    item: str = Field(sa_type=Text, sa_column_args=[ForeignKey("item.name")])
    minimum_remaining_life_days: int | None = None
    lot_number_rule: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))  # type: ignore[call-overload]
    shortage: Shortage = Field(default=Shortage.FORBID, sa_type=enum_text(Shortage), nullable=False)
    serial_number_rule: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))  # type: ignore[call-overload]
    count_class: str = Field(default="", sa_type=Text, nullable=False)
    fixed_location: str = Field(default="", sa_type=Text, nullable=False)
    storage_class: str = Field(default="", sa_type=Text, nullable=False)
    valuation_method: ValuationMethod = Field(
        default=ValuationMethod.MOVING_AVERAGE, sa_type=enum_text(ValuationMethod), nullable=False
    )

    over_issue_percent: Decimal | None = Field(default=None, sa_type=Numeric(20, 6))

    def checked(self) -> "ItemSettings":
        """FieldInvalid for a rule that no number could keep."""
        self.shortage = self.shortage if self.shortage in tuple(Shortage) else Shortage.FORBID
        if self.valuation_method not in tuple(ValuationMethod):
            self.valuation_method = ValuationMethod.MOVING_AVERAGE
        for name in ("lot_number_rule", "serial_number_rule"):
            if NumberRule.of(getattr(self, name)).broken():
                rule = "must be more than the prefix has"
                raise FieldInvalid(field=f"item_settings.{name}.length", rule=rule)
        if self.over_issue_percent is not None and not 0 <= self.over_issue_percent <= MOST_PERCENT:
            rule = f"must be from 0 to {MOST_PERCENT}"
            raise FieldInvalid(field="item_settings.over_issue_percent", rule=rule, value=self.over_issue_percent)
        return self


async def value_by(unit: Unit, site: str, item: str, method: ValuationMethod) -> None:
    """Value stock by another method from now on, by somebody's decision; the settings say so too."""
    await layers.value_by(unit, site, item, method, asked=True)
    columns: Any = ItemSettings
    row = await unit.first(select(ItemSettings).where(columns.site == site, columns.item == item).with_for_update())
    if row is None:
        name = unit.new_name(f"sites/{site}", ItemSettings.COLLECTION, item.rpartition("/")[2])
        row = unit.add(ItemSettings(name=name, item=item))
    row.valuation_method = method
    row.touch()


async def over_issue_percent(unit: Unit, site: str, item: str) -> Decimal:
    """How much of an item may be handed out beyond what was requested at a site (MAT-79)."""
    columns: Any = ItemSettings
    found = await unit.first(select(columns.over_issue_percent).where(columns.site == site, columns.item == item))
    return found or Decimal(0)


@dataclass(frozen=True, slots=True)
class NumberRules:
    """What numbers of an item's lots and serials look like at a site; anything unless it says so."""

    lots: NumberRule = field(default_factory=NumberRule)
    serials: NumberRule = field(default_factory=NumberRule)


async def number_rules(unit: Unit, site: str, items: Iterable[str]) -> dict[str, NumberRules]:
    """The rules of items that have settings at a site; in one statement."""
    rows = await unit.all(
        select(ItemSettings).where(ItemSettings.site == site, among(ItemSettings.item, items))  # type: ignore[arg-type, attr-defined]
    )
    return {
        row.item: NumberRules(NumberRule.of(row.lot_number_rule), NumberRule.of(row.serial_number_rule)) for row in rows
    }


async def shortages(unit: Unit, site: str, items: Iterable[str]) -> dict[str, Shortage]:
    """What items do where too little was staged, those that do not refuse alone; one statement."""
    rows = await unit.execute(
        select(ItemSettings.item, ItemSettings.shortage).where(  # type: ignore[call-overload]
            ItemSettings.site == site,
            among(ItemSettings.item, items),  # type: ignore[attr-defined]
            ItemSettings.shortage != Shortage.FORBID,
        )
    )
    return {row.item: row.shortage for row in rows}


async def put_away_of(unit: Unit, site: str, items: Iterable[str]) -> dict[str, Asked]:
    """What put-away asks of items that have settings at a site, without goods yet; one statement (MAT-100)."""
    rows = await unit.execute(
        select(  # type: ignore[call-overload]
            ItemSettings.item, ItemSettings.fixed_location, ItemSettings.storage_class, ItemSettings.count_class
        ).where(ItemSettings.site == site, among(ItemSettings.item, items))  # type: ignore[attr-defined]
    )
    nothing = Goods(item="", quantity=Decimal(0))
    return {row.item: Asked(nothing, row.fixed_location, row.storage_class, row.count_class or "C") for row in rows}
