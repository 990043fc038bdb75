"""Assets, meters and readings."""

from typing import Any

from plantops.maintenance.v1 import meters_pb2
from sqlalchemy import select

from services.chassis.faults import Fault, FieldInvalid, ResourceNotFound
from services.chassis.unit import Unit
from services.chassis.wire import decimal_of, python_of, values_for
from services.maintenance.model import asset as assets
from services.maintenance.model import generation, meter
from services.maintenance.model.asset import Asset
from services.maintenance.model.meter import Meter, Reading
from services.maintenance.model.site import Site


class AssetService:
    """Equipment of the plants."""

    async def get_asset(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Asset, request.name)

    async def list_assets(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Asset, request)

    async def create_asset(self, request: Any, unit: Unit) -> Any:
        await unit.get(Site, request.parent, lock=False)
        name = unit.new_name(request.parent, Asset.COLLECTION, request.asset_id)
        asset = Asset(name=name, site=request.parent.split("/")[1], **values_for(Asset, request.asset))
        await assets.settle(unit, asset)
        unit.emit(unit.add(asset).told())
        return asset

    async def update_asset(self, request: Any, unit: Unit) -> Any:
        asset = await unit.get(Asset, request.asset.name, etag=request.asset.etag)
        unit.update(asset, request.asset, request.update_mask)
        await assets.settle(unit, asset)
        unit.emit(asset.told())
        return asset

    async def change_asset_state(self, request: Any, unit: Unit) -> Any:
        asset = await unit.get(Asset, request.name, etag=request.etag)
        state = assets.State(
            type(request).DESCRIPTOR.fields_by_name["state"].enum_type.values_by_number[request.state].name
        )
        if state is assets.State.DECOMMISSIONED:
            child = await unit.first(
                select(Asset.name).where(  # type: ignore[call-overload]
                    Asset.parent_asset == asset.name, Asset.state != assets.State.DECOMMISSIONED
                )
            )
            if child is not None:
                raise assets.AssetHasChildren(asset=asset.name, child=child)
        unit.emit(asset.move(state).told())
        return asset


class MeterService:
    """Meters of assets and their readings."""

    async def get_meter(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Meter, request.name)

    async def list_meters(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Meter, request, parent_column=Meter.asset)

    async def create_meter(self, request: Any, unit: Unit) -> Any:
        await unit.get(Asset, request.parent)
        name = unit.new_name(request.parent, Meter.COLLECTION, request.meter_id)
        found = Meter(name=name, asset=request.parent, **values_for(Meter, request.meter))
        for field in ("rollover", "max_rate"):
            value = getattr(found, field)
            if value is not None and value <= 0:
                raise FieldInvalid(field=f"meter.{field}", rule="must be more than 0", value=value)
        return unit.add(found)

    async def list_readings(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Reading, request, parent_column=Reading.meter)

    async def create_reading(self, request: Any, unit: Unit) -> Any:
        return await _record(unit, await unit.get(Meter, request.parent), request)

    async def batch_create_readings(self, request: Any, unit: Unit) -> Any:
        batch = await unit.batch(request.requests)
        known = await unit.get_many(Meter, [entry.request.parent for entry in batch.open])
        for entry in batch.open:
            found = known.get(entry.request.parent)
            if found is None:
                entry.refuse(ResourceNotFound(resource=entry.request.parent))
                continue
            try:
                async with unit.attempt():
                    entry.answer(await _record(unit, found, entry.request))
            except Fault as fault:
                entry.refuse(fault)
        return batch.response(meters_pb2.BatchCreateReadingsResponse)

    async def release_reading(self, request: Any, unit: Unit) -> Any:
        reading = await unit.get(Reading, request.name)
        found = await unit.get(Meter, reading.meter)
        reading.release(unit.caller.name, request.reason)
        before = await unit.first(
            select(Reading)
            .where(
                Reading.meter == found.name,  # type: ignore[arg-type]
                Reading.state == meter.State.ACCEPTED,  # type: ignore[arg-type]
                Reading.measure_time < reading.measure_time,  # type: ignore[arg-type]
            )
            .order_by(Reading.measure_time.desc())  # type: ignore[attr-defined]
            .limit(1)
        )
        await meter.accept(unit, found, reading, before)
        return await _follow(unit, found, reading)

    async def discard_reading(self, request: Any, unit: Unit) -> Any:
        return (await unit.get(Reading, request.name)).discard(request.reason)


async def _record(unit: Unit, found: Meter, request: Any) -> Reading:
    value = decimal_of(request.raw_value.value, "raw_value.value")
    if value < 0:
        raise FieldInvalid(field="raw_value.value", rule="must not be negative", value=value)
    at = python_of(request.measure_time) if request.HasField("measure_time") else None
    reading = await meter.record(unit, found, value, at, request.source or "MANUAL")
    if reading.state is meter.State.QUARANTINED:
        return reading
    return await _follow(unit, found, reading)


async def _follow(unit: Unit, found: Meter, reading: Reading) -> Reading:
    """What an accepted reading causes: the fact, and the orders that fall due."""
    made = await generation.after_reading(unit, found, reading)
    chain = made[0].name if made else reading.name
    unit.emit(reading.told(found), correlation=chain, also=[order.name for order in made[1:]])
    return reading
