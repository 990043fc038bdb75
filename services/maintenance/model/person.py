"""People and their dated grants; a powerful grant waits for a second person (MNT-208, SEC-18)."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from google.protobuf.message import Message
from plantops.maintenance.v1.events_pb2 import PersonChanged
from sqlalchemy import ForeignKey, Text
from sqlmodel import Field, Relationship

from services.chassis.access import EVERYWHERE, Grant, roles
from services.chassis.faults import (
    FieldInvalid,
    PermissionDenied,
    ResourceNotFound,
    SegregationOfDuties,
    TransitionNotAllowed,
)
from services.chassis.resource import enum_text, instant
from services.maintenance.model.base import Resource, Table

NEEDS_SECOND_PERSON = frozenset({"approver", "accountant", "administrator"})


class GrantToSelf(PermissionDenied):
    """Nobody grants to self (SEC-18)."""

    text = "{person} cannot grant to self."


class State(StrEnum):
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"


class GrantState(StrEnum):
    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    REVOKED = "REVOKED"


GRANT_PAIRS = frozenset(
    {
        (GrantState.PENDING, GrantState.ACTIVE),
        (GrantState.PENDING, GrantState.REVOKED),
        (GrantState.ACTIVE, GrantState.REVOKED),
    }
)


class PersonGrant(Table, table=True):
    """A role of a person at a site for a time."""

    __tablename__ = "person_grant"

    person: str = Field(sa_type=Text, primary_key=True, sa_column_args=[ForeignKey("person.name")])
    number: int = Field(primary_key=True)
    role: str = Field(sa_type=Text)
    site: str = Field(sa_type=Text)
    from_time: datetime = Field(sa_type=instant())
    to_time: datetime | None = Field(default=None, sa_type=instant())
    state: GrantState = Field(sa_type=enum_text(GrantState))
    granted_by: str = Field(sa_type=Text)
    confirmed_by: str = Field(default="", sa_type=Text, nullable=False)


class Person(Resource, table=True):
    """A person; the id is never used again."""

    COLLECTION: ClassVar[str] = "people"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset(
        {(State.ACTIVE, State.SUSPENDED), (State.SUSPENDED, State.ACTIVE)}
    )
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"state"})

    display_name: str = Field(sa_type=Text)
    state: State = Field(default=State.ACTIVE, sa_type=enum_text(State), nullable=False)
    grants: list[PersonGrant] = Relationship(
        sa_relationship_kwargs={"lazy": "selectin", "order_by": "PersonGrant.number", "cascade": "all"}
    )

    def grant(
        self, role: str, site: str, by: str, now: datetime, from_time: datetime | None, to_time: datetime | None
    ) -> Message:
        """Add a grant; PENDING where a second person is needed."""
        if role not in roles():
            raise FieldInvalid(field="role", rule=f"must be one of {', '.join(sorted(roles()))}", value=role)
        if site != EVERYWHERE and ("/" in site or not site):
            raise FieldInvalid(field="site", rule="must be a site id or -", value=site)
        if by == self.name:
            raise GrantToSelf(person=self.name)
        begins = from_time or now
        if to_time is not None and to_time <= begins:
            raise FieldInvalid(field="to_time", rule="must be later than from_time", value=to_time)
        self.grants.append(
            PersonGrant(
                person=self.name,
                number=len(self.grants) + 1,
                role=role,
                site=site,
                from_time=begins,
                to_time=to_time,
                state=GrantState.PENDING if role in NEEDS_SECOND_PERSON else GrantState.ACTIVE,
                granted_by=by,
            )
        )
        self.touch()
        return self.told()

    def confirm(self, number: int, by: str) -> Message:
        """Put a pending grant in force as another person than who granted and who is granted."""
        found = self._grant(number)
        if by in (found.granted_by, self.name):
            raise SegregationOfDuties(duty="granting and confirming a role", earlier_act=found.granted_by)
        self._move(found, GrantState.ACTIVE)
        found.confirmed_by = by
        self.touch()
        return self.told()

    def revoke(self, number: int, now: datetime) -> Message:
        """End a grant."""
        found = self._grant(number)
        self._move(found, GrantState.REVOKED)
        if found.to_time is None or found.to_time > now:
            found.to_time = max(now, found.from_time)
        self.touch()
        return self.told()

    def _move(self, grant: PersonGrant, to: GrantState) -> None:
        allowed = sorted(str(after) for before, after in GRANT_PAIRS if before is grant.state)
        if (grant.state, to) not in GRANT_PAIRS:
            raise TransitionNotAllowed(
                resource=f"{self.name} grant {grant.number}", state=str(grant.state),
                allowed=", ".join(allowed) or "nothing", wanted=str(to),
            )  # fmt: skip
        grant.state = to

    def _grant(self, number: int) -> PersonGrant:
        for grant in self.grants:
            if grant.number == number:
                return grant
        raise ResourceNotFound(resource=f"{self.name} grant {number}")

    def told(self) -> Message:
        """State and all grants in force, as others need them."""
        message = PersonChanged(display_name=self.display_name, state=self.state.value)
        for grant in self.in_force():
            row = message.grants.add(role=grant.role, site=grant.site)
            row.from_time.FromDatetime(grant.from_time)
            if grant.to_time is not None:
                row.to_time.FromDatetime(grant.to_time)
        return self.event(message)

    def in_force(self) -> list[Grant]:
        """Grants that count, now or later."""
        return [
            Grant(grant.role, grant.site, grant.from_time, grant.to_time)
            for grant in self.grants
            if grant.state is GrantState.ACTIVE
        ]
