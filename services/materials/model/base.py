"""The base of materials's tables, in a registry of their own."""

from sqlalchemy import Index, MetaData
from sqlalchemy.orm import registry
from sqlmodel import SQLModel

from services.chassis.resource import NAMING, ResourceColumns


class Table(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMING))):
    """A table of materials."""


class Resource(ResourceColumns, Table):
    """A named, versioned, audited resource of materials."""


def listed(table: str, *columns: str, under: str = "site") -> tuple[Index, ...]:
    """An index for each column that a list may be filtered by, under its parent, in the order of names (PERF-10)."""
    return tuple(Index(f"ix_{table}_{column}", under, column, "name") for column in columns)
