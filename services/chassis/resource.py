"""The base of every resource row: name, versions, times, states as pairs; the row is the aggregate.

`version` is the etag and guards against lost updates; `event_version` counts the resource's events
without a hole (REL-3). They are different columns. A method that changes a row returns the event that
the change causes.
"""

from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar, Self, TypeVar

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from plantops.type.v1 import event_pb2
from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.orm import declared_attr
from sqlalchemy.orm.attributes import flag_modified
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

from services.chassis.faults import TransitionNotAllowed

__all__ = ["NAMING", "ResourceColumns", "enum_text", "instant", "key_of"]

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

M = TypeVar("M", bound=Message)


class EnumText(TypeDecorator[StrEnum]):
    """A StrEnum kept as text: new values need no type change in the database."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: StrEnum | str | None, dialect: Dialect) -> str | None:
        return None if value is None else str(self.kind(value).value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        return None if value is None else self.kind(value)


def enum_text(kind: type[StrEnum]) -> Any:
    """Column type for a StrEnum: `state: State = Field(sa_type=enum_text(State))`."""
    return EnumText(kind)


def instant() -> Any:
    """Column type for an aware UTC instant."""
    return DateTime(timezone=True)


class ResourceColumns(SQLModel):
    """Columns and behaviour that all resources share; a service mixes it into its own base."""

    COLLECTION: ClassVar[str] = ""
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset()
    FILTERABLE: ClassVar[frozenset[str]] = frozenset()
    HIDDEN: ClassVar[frozenset[str]] = frozenset()

    name: str = Field(primary_key=True, sa_type=Text)
    site: str | None = Field(default=None, sa_type=Text)
    version: int = Field(default=1, nullable=False)
    event_version: int = Field(default=0, nullable=False)
    correlation: str = Field(default="", sa_type=Text, nullable=False)
    create_time: datetime = Field(default=None, sa_type=instant(), nullable=False)
    update_time: datetime = Field(default=None, sa_type=instant(), nullable=False)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:
        table = getattr(cls, "__table__", None)
        return {} if table is None else {"version_id_col": table.c.version}

    @property
    def id(self) -> str:
        """Last segment of the name."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def etag(self) -> str:
        """Quoted row version (AIP-154)."""
        return f'"{self.version}"'

    @property
    def chain(self) -> str:
        """Correlation that this resource belongs to: its own name unless it joined a chain."""
        return self.correlation or self.name

    @property
    def following(self) -> str:
        """States that may follow the present one, for those who are told that another may not."""
        present = getattr(self, "state")  # noqa: B009
        return ", ".join(sorted(str(after) for before, after in self.TRANSITIONS if before == present)) or "nothing"

    def move(self, to: StrEnum) -> Self:
        """Go to a state along a listed pair, else TransitionNotAllowed with what is allowed (REL-68)."""
        present = getattr(self, "state")  # noqa: B009
        if (present, to) not in self.TRANSITIONS:
            raise TransitionNotAllowed(resource=self.name, state=str(present), allowed=self.following, wanted=str(to))
        self.state = to
        return self

    def event(self, message: M) -> M:
        """Give the event this resource's name as key and the next event version (REL-3)."""
        key, unordered = key_of(message.DESCRIPTOR)
        if not getattr(message, key):
            setattr(message, key, self.name)
        if not unordered:
            self.event_version += 1
            message.version = self.event_version  # type: ignore[attr-defined]
        return message

    def touch(self) -> None:
        """Count a change of child rows as a change of this resource: version and audit follow."""
        flag_modified(self, "update_time")


@cache
def key_of(descriptor: Descriptor) -> tuple[str, bool]:
    """(key field, unordered) of an event; an unordered one without key takes its first field."""
    options = descriptor.GetOptions()
    key: str = options.Extensions[event_pb2.key]
    unordered: bool = options.Extensions[event_pb2.unordered]
    if not key and not unordered:
        raise TypeError(f"{descriptor.full_name} declares neither its key nor that it is unordered (REL-36)")
    return key or descriptor.fields[0].name, unordered
