"""Waves: planning picks for several reservations, and releasing them (MAT-110)."""

from typing import Any

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.materials.model import wave as waves
from services.materials.model.item import site_fact
from services.materials.model.wave import Wave, WaveLine


class WaveService:
    """Picks that are released together."""

    async def get_wave(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Wave, request.name)

    async def list_waves(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Wave, request)

    async def create_wave(self, request: Any, unit: Unit) -> Any:
        site = request.parent.split("/")[1]
        await site_fact(unit, site)
        if not request.wave.lines:
            raise FieldInvalid(field="wave.lines", rule="is required")
        name = unit.new_name(request.parent, Wave.COLLECTION)
        wave = Wave(
            name=name, site=site, number=await unit.next_number("WV"), staging_location=request.wave.staging_location,
            cluster=request.wave.cluster,
            lines=[
                WaveLine(wave=name, reservation=line.reservation, handling_unit=line.handling_unit)
                for line in request.wave.lines
            ],
        )  # fmt: skip
        return unit.add(await waves.checked(unit, wave))

    async def release_wave(self, request: Any, unit: Unit) -> Any:
        wave, rows = await waves.take_up(unit, request.name, etag=request.etag)
        await waves.release(unit, wave, rows)
        return wave
