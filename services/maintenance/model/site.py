"""Sites and calendars: one home for all services (MNT-207)."""

from datetime import date, datetime, time
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, available_timezones

from google.protobuf.message import Message
from plantops.maintenance.v1.events_pb2 import CalendarChanged, SiteChanged
from sqlalchemy import ARRAY, Date, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.chassis.faults import FieldInvalid
from services.chassis.wire import fill
from services.maintenance.model.base import Resource


class Site(Resource, table=True):
    """A plant with its zone and currency."""

    COLLECTION: ClassVar[str] = "sites"
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"country_code"})

    title: str = Field(sa_type=Text)
    time_zone: str = Field(sa_type=Text)
    currency_code: str = Field(sa_type=Text)
    country_code: str = Field(sa_type=Text)
    calendar: str = Field(default="", sa_type=Text, nullable=False)

    def checked(self) -> "Site":
        """FieldInvalid for a zone that does not exist."""
        if self.time_zone not in available_timezones():
            raise FieldInvalid(field="site.time_zone", rule="must be an IANA time zone", value=self.time_zone)
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The zone of its wall clock."""
        return ZoneInfo(self.time_zone)

    def today(self, now: datetime) -> date:
        """The calendar day at an instant."""
        return now.astimezone(self.zone).date()

    def midnight(self, day: date) -> datetime:
        """First instant of a day."""
        return datetime.combine(day, time(), tzinfo=self.zone)

    def told(self) -> Message:
        """All that others need to know."""
        message = fill(SiteChanged(), self)
        message.site = self.name
        return self.event(message)


class Calendar(Resource, table=True):
    """Working time of a plant."""

    COLLECTION: ClassVar[str] = "calendars"

    title: str = Field(sa_type=Text)
    patterns: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    holidays: list[date] = Field(default_factory=list, sa_type=ARRAY(Date))  # type: ignore[call-overload]
    revision: int = Field(default=1, nullable=False)

    def settled(self) -> "Calendar":
        """Holidays as days, each once and in order, from the data of google.type.Date where they came so."""
        days = {date(**day) if isinstance(day, dict) else day for day in self.holidays}
        self.holidays = sorted(days)
        return self

    def told(self) -> Message:
        """All that others need to know."""
        message = fill(CalendarChanged(), {"patterns": self.patterns, "holidays": self.holidays})
        message.site = f"sites/{self.site}"
        return self.event(message)
