"""Sites, calendars and people: master data of the whole plant."""

from typing import Any

from services.chassis import access
from services.chassis.faults import ResourceNotFound
from services.chassis.unit import Unit
from services.chassis.wire import python_of, values_for
from services.maintenance.model.person import Person, State
from services.maintenance.model.site import Calendar, Site


class SiteService:
    """The plants of the enterprise."""

    async def get_site(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Site, request.name)

    async def list_sites(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Site, request)

    async def create_site(self, request: Any, unit: Unit) -> Any:
        site = Site(name=unit.new_name("", Site.COLLECTION, request.site_id), **values_for(Site, request.site))
        site.site = site.id
        unit.emit(unit.add(site.checked()).told())
        return site

    async def update_site(self, request: Any, unit: Unit) -> Any:
        site = await unit.get(Site, request.site.name, etag=request.site.etag)
        unit.update(site, request.site, request.update_mask)
        if site.calendar and not await unit.find(Calendar, site.calendar, lock=False):
            raise ResourceNotFound(resource=site.calendar)
        unit.emit(site.told())
        return site


class CalendarService:
    """Working times of the plants."""

    async def get_calendar(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Calendar, request.name)

    async def list_calendars(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Calendar, request)

    async def create_calendar(self, request: Any, unit: Unit) -> Any:
        await unit.get(Site, request.parent, lock=False)
        name = unit.new_name(request.parent, Calendar.COLLECTION, request.calendar_id)
        calendar = unit.add(Calendar(name=name, **values_for(Calendar, request.calendar)).settled())
        unit.emit(calendar.told())
        return calendar

    async def update_calendar(self, request: Any, unit: Unit) -> Any:
        calendar = await unit.get(Calendar, request.calendar.name, etag=request.calendar.etag)
        unit.update(calendar, request.calendar, request.update_mask)
        calendar.revision += 1
        unit.emit(calendar.settled().told())
        return calendar


class PersonService:
    """People and what they may do where."""

    async def get_person(self, request: Any, unit: Unit) -> Any:
        return await unit.get(Person, request.name)

    async def list_people(self, request: Any, unit: Unit) -> Any:
        return await unit.list(Person, request)

    async def create_person(self, request: Any, unit: Unit) -> Any:
        name = unit.new_name("", Person.COLLECTION, request.person_id)
        person = unit.add(Person(name=name, grants=[], **values_for(Person, request.person)))
        return await _tell(unit, person, person.told())

    async def grant_role(self, request: Any, unit: Unit) -> Any:
        person = await unit.get(Person, request.name)
        begin = python_of(request.from_time) if request.HasField("from_time") else None
        end = python_of(request.to_time) if request.HasField("to_time") else None
        event = person.grant(request.role, request.site, unit.caller.name, unit.now, begin, end)
        return await _tell(unit, person, event)

    async def confirm_grant(self, request: Any, unit: Unit) -> Any:
        person = await unit.get(Person, request.name)
        return await _tell(unit, person, person.confirm(request.grant, unit.caller.name))

    async def revoke_grant(self, request: Any, unit: Unit) -> Any:
        person = await unit.get(Person, request.name)
        return await _tell(unit, person, person.revoke(request.grant, unit.now))

    async def suspend_person(self, request: Any, unit: Unit) -> Any:
        person = await unit.get(Person, request.name)
        return await _tell(unit, person, person.move(State.SUSPENDED).told())

    async def resume_person(self, request: Any, unit: Unit) -> Any:
        person = await unit.get(Person, request.name)
        return await _tell(unit, person, person.move(State.ACTIVE).told())


async def _tell(unit: Unit, person: Person, event: Any) -> Person:
    """Tell the others, and let the grants count here at once."""
    unit.emit(event)
    await access.put_principal(unit, person.name, person.state.value, person.in_force())
    return person
