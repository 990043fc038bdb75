"""What a site decides about its stock."""

from typing import Any

from sqlalchemy import select

from services.chassis.faults import EtagMismatch, ResourceNotFound
from services.chassis.unit import Unit
from services.materials.model import settings
from services.materials.model.item import SiteFact


class MaterialsSettingsService:
    """What a site decides about its stock."""

    async def get_materials_settings(self, request: Any, unit: Unit) -> Any:
        site = request.name.split("/")[1]
        await _known(unit, site)
        return await settings.site_settings(unit, site)

    async def update_materials_settings(self, request: Any, unit: Unit) -> Any:
        site = request.materials_settings.name.removeprefix("sites/").partition("/")[0]
        await _known(unit, site)
        found = await settings.site_settings(unit, site)
        if request.materials_settings.etag not in ("", found.etag):
            raise EtagMismatch(resource=found.name, etag=request.materials_settings.etag, current=found.etag)
        if found.create_time is None:
            unit.add(found)
        return unit.update(found, request.materials_settings, request.update_mask).checked()


async def _known(unit: Unit, site: str) -> None:
    if await unit.first(select(SiteFact.name).where(SiteFact.name == f"sites/{site}")) is None:  # type: ignore[call-overload]
        raise ResourceNotFound(resource=f"sites/{site}")
