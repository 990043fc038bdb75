"""What a site decides about its stock."""

from typing import ClassVar

from sqlalchemy import CheckConstraint
from sqlmodel import Field

from services.chassis.unit import Unit
from services.materials.model.base import Resource

BACKDATING_DAYS = 7


class SiteSettings(Resource, table=True):
    """How far back a movement may be effective, and whether receipts come first at equal times (MAT-49, MAT-58)."""

    __tablename__ = "site_settings"
    __table_args__ = (CheckConstraint("backdating_days between 0 and 366", name="backdating_days"),)
    COLLECTION: ClassVar[str] = "materialsSettings"

    backdating_days: int = Field(default=BACKDATING_DAYS, nullable=False)
    receipts_first: bool = Field(default=False, nullable=False)


async def site_settings(unit: Unit, site: str, *, lock: bool | None = None) -> SiteSettings:
    """A site's settings; those that hold unless it decides otherwise, not yet written, where it has none."""
    name = f"sites/{site}/{SiteSettings.COLLECTION}"
    found = await unit.find(SiteSettings, name, lock=lock)
    return found or SiteSettings(name=name, site=site, backdating_days=BACKDATING_DAYS)
