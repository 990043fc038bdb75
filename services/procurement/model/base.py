"""The base of procurement's tables, in a registry of their own."""

from sqlalchemy import MetaData
from sqlalchemy.orm import registry
from sqlmodel import SQLModel

from services.chassis.resource import NAMING, ResourceColumns


class Table(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMING))):
    """A table of procurement."""


class Resource(ResourceColumns, Table):
    """A named, versioned, audited resource of procurement."""
