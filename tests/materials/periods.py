"""What tests of periods and values need: an accountant, days of the site, and movements of then."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp
from plantops.maintenance.v1 import events_pb2 as maintenance
from plantops.materials.v1 import movements_pb2, periods_pb2, settings_pb2

from services.materials import jobs
from tests.materials.builders import SITE, ago, at, call, day, movement, numbered, post, tell
from tests.world import Plant, site_today

ROLES = {"-": ["accountant"]}


async def accountant(plant: Plant) -> None:
    """Carl keeps the books, and the site takes what happened a month ago."""
    carl = maintenance.PersonChanged(person="people/carl", state="ACTIVE")
    carl.grants.add(role="accountant", site="-").from_time.CopyFrom(ago(days=1))
    await tell(plant, "maintenance", numbered(carl, "people/carl"))
    settings = settings_pb2.MaterialsSettings(name=f"{SITE}/materialsSettings", backdating_days=60)
    await plant("mara", settings_pb2.UpdateMaterialsSettingsRequest(materials_settings=settings))


async def carl(plant: Plant, request: Any) -> Any:
    """A call of the accountant."""
    return await plant.client("materials", "people/carl", ROLES)(request)


def back(days: int) -> date:
    """A day of the site so many days ago."""
    return site_today() - timedelta(days=days)


def noon(days: int) -> Timestamp:
    """Noon of that day."""
    found = Timestamp()
    found.FromDatetime(datetime.combine(back(days), time(12), ZoneInfo("Europe/Berlin")))
    return found


async def close(plant: Plant, days: int) -> Any:
    """Close up to a day so many days ago, as far as it goes."""
    made = await carl(plant, periods_pb2.ClosePeriodRequest(parent=SITE, close_date=day(back(days))))
    return await written(plant, made.name)


async def written(plant: Plant, name: str) -> Any:
    """A period when its snapshot was written or refused."""
    await jobs.close_periods(plant.processes["materials"].commands.open_unit)

    async def shown() -> Any:
        return await carl(plant, periods_pb2.GetPeriodRequest(name=name))

    return await plant.eventually(shown, lambda found: found.state != periods_pb2.Period.CLOSING)


async def reopen(plant: Plant, name: str) -> Any:
    """Open a period again."""
    return await plant("ada", periods_pb2.ReopenPeriodRequest(name=name, reason="a receipt is missing"))


async def opened(plant: Plant, item_name: str, value: str | int, days: int) -> Any:
    """Opening stock of then."""
    return await post(plant, movement("OPENING", item_name, value, to_location=at("shelf"), effective_time=noon(days)))


async def scrapped(plant: Plant, item_name: str, value: str | int, days: int) -> Any:
    """Scrap of then."""
    return await post(plant, movement("SCRAP", item_name, value, from_location=at("shelf"), effective_time=noon(days)))


async def reversed_(plant: Plant, name: str) -> Any:
    """The reversal of a movement."""
    return await call(plant, "stella", movements_pb2.ReverseMovementRequest(name=name, reason="wrong"))
