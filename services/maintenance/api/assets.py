"""Assets, meters and readings."""

from typing import Any

from plantops.maintenance.v1 import meters_pb2

from services.chassis.faults import Fault, FieldInvalid, ResourceNotFound
from services.chassis.unit import Unit
from services.chassis.wire import decimal_of, enum_name, python_of, values_for
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
        site = await unit.get(Site, request.parent, lock=False)
        await assets.hold_tree(unit, site.id)
        name = unit.new_name(request.parent, Asset.COLLECTION, request.asset_id)
        asset = Asset(name=name, site=site.id, **values_for(Asset, request.asset))
        await assets.settle(unit, asset)
        unit.emit(unit.add(asset).told())
        return asset

    async def update_asset(self, request: Any, unit: Unit) -> Any:
        await assets.hold_tree(unit, request.asset.name.split("/")[1])
        asset = await unit.get(Asset, request.asset.name, etag=request.asset.etag)
        unit.update(asset, request.asset, request.update_mask)
        await assets.settle(unit, asset)
        unit.emit(asset.told())
        return asset

    async def change_asset_state(self, request: Any, unit: Unit) -> Any:
        await assets.hold_tree(unit, request.name.split("/")[1])
        asset = await unit.get(Asset, request.name, etag=request.etag)
        state = assets.State(enum_name(request, "state"))
        if state is assets.State.DECOMMISSIONED:
            await assets.refuse_children(unit, asset)
        unit.emit(asset.move(state).told())
        if asset.maintained:
            await generation.after_return(unit, asset)
        return asset


class MeterService:
    """Meters of assets and their readings."""

    async def get_meter(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Meter, request.name)

    async def list_meters(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Meter, request, parent_column=Meter.asset)

    async def create_meter(self, request: Any, unit: Unit) -> Any:
        (await unit.get(Asset, request.parent, lock=False)).workable("a new meter")
        name = unit.new_name(request.parent, Meter.COLLECTION, request.meter_id)
        found = Meter(name=name, asset=request.parent, **values_for(Meter, request.meter))
        for field in ("tolerance", "initial_value"):
            value = getattr(found, field)
            if value is not None and value < 0:
                raise FieldInvalid(field=f"meter.{field}", rule="must not be negative", value=value)
        for field in ("rollover", "max_rate"):
            value = getattr(found, field)
            if value is not None and value <= 0:
                raise FieldInvalid(field=f"meter.{field}", rule="must be more than 0", value=value)
        if found.rollover is not None and (found.initial_value or 0) >= found.rollover:
            raise FieldInvalid(
                field="meter.initial_value", rule="must be less than the rollover", value=found.initial_value
            )
        return unit.add(found)

    async def list_readings(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Reading, request, parent_column=Reading.meter)

    async def create_reading(self, request: Any, unit: Unit) -> Any:
        found = await unit.get(Meter, request.parent)
        reading = _taken(unit, found, request)
        log = (await meter.logs(unit, {found.name: found}, reading.measure_time))[found.name]
        log.put(unit.add(reading))
        await _follow(unit, found, reading, await generation.watches(unit, [found.name]))
        return reading

    async def batch_create_readings(self, request: Any, unit: Unit) -> Any:
        """Entries are judged one after the other in memory; the number of statements does not grow with them."""
        batch = await unit.batch(request.requests)
        known = await unit.get_many(Meter, [entry.request.parent for entry in batch.open])
        taken: list[tuple[Any, Reading]] = []
        for entry in batch.open:
            found = known.get(entry.request.parent)
            if found is None:
                entry.refuse(ResourceNotFound(resource=entry.request.parent))
                continue
            try:
                taken.append((entry, _taken(unit, found, entry.request)))
            except Fault as fault:
                entry.refuse(fault)
        if taken:
            since = min(reading.measure_time for _, reading in taken)
            logs = await meter.logs(unit, {reading.meter: known[reading.meter] for _, reading in taken}, since)
            watched = await generation.watches(unit, sorted(logs))
            for entry, reading in taken:
                logs[reading.meter].put(unit.add(reading))
                await _follow(unit, known[reading.meter], reading, watched)
                entry.answer(reading)
        return batch.response(meters_pb2.BatchCreateReadingsResponse)

    async def release_reading(self, request: Any, unit: Unit) -> Any:
        found = await unit.get(Meter, request.name.rsplit("/", 2)[0])
        reading = await unit.get(Reading, request.name)
        log = (await meter.logs(unit, {found.name: found}, reading.measure_time))[found.name]
        reading.release(unit.caller.name, request.reason)
        log.accept(reading)
        await _follow(unit, found, reading, await generation.watches(unit, [found.name]))
        return reading

    async def discard_reading(self, request: Any, unit: Unit) -> Any:
        return (await unit.get(Reading, request.name)).discard(request.reason)


def _taken(unit: Unit, found: Meter, request: Any) -> Reading:
    value = decimal_of(request.raw_value.value, "raw_value.value")
    at = python_of(request.measure_time) if request.HasField("measure_time") else None
    return meter.take(unit, found, value, at, request.source or "MANUAL")


async def _follow(unit: Unit, found: Meter, reading: Reading, watched: generation.Watches) -> None:
    """What an accepted reading causes: first the fact, then the orders that fall due by it."""
    if reading.state is not meter.State.ACCEPTED:
        return
    made = await generation.after_reading(unit, found, reading, watched)
    names = [order.name for order in made]
    unit.emit(reading.told(found), correlation=names[0] if names else reading.name, also=names[1:])
    generation.tell(unit, made)
