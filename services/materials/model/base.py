"""The base of materials's tables, in a registry of their own."""

from sqlalchemy import Index, MetaData, literal_column
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


def unusual(table: str, column: str, usual: str, under: str = "site") -> Index:
    """The index of a column of which nearly all rows hold one value: of the others; the model's USUAL says which."""
    where = literal_column(column) != usual
    return Index(f"ix_{table}_{column}_unusual", under, column, "name", postgresql_where=where)
