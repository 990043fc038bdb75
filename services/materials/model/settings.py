"""What a site decides about its stock."""

from enum import StrEnum
from typing import ClassVar

from sqlalchemy import CheckConstraint
from sqlmodel import Field

from services.chassis.resource import enum_text
from services.chassis.unit import Unit
from services.materials.model.base import Resource

BACKDATING_DAYS = 7


class Receiving(StrEnum):
    """How goods are counted in (MAT-96)."""

    FREE = "FREE"
    GUIDED = "GUIDED"
    BLIND = "BLIND"


class SiteSettings(Resource, table=True):
    """How far back a movement may be effective, what comes first at equal times, how goods are counted in."""

    __tablename__ = "site_settings"
    __table_args__ = (CheckConstraint("backdating_days between 0 and 366", name="backdating_days"),)
    COLLECTION: ClassVar[str] = "materialsSettings"

    backdating_days: int = Field(default=BACKDATING_DAYS, nullable=False)
    receipts_first: bool = Field(default=False, nullable=False)
    receiving: Receiving = Field(default=Receiving.FREE, sa_type=enum_text(Receiving), nullable=False)

    def checked(self) -> "SiteSettings":
        """What is not said is FREE."""
        self.receiving = self.receiving if self.receiving in tuple(Receiving) else Receiving.FREE
        return self


async def site_settings(unit: Unit, site: str, *, lock: bool | None = None) -> SiteSettings:
    """A site's settings; those that hold unless it decides otherwise, not yet written, where it has none."""
    name = f"sites/{site}/{SiteSettings.COLLECTION}"
    found = await unit.find(SiteSettings, name, lock=lock)
    return found or SiteSettings(name=name, site=site, backdating_days=BACKDATING_DAYS)
