"""The migrated database, the models and the checked-in schema say the same."""

from cli.engines import Engines
from tests import schema

SERVICE = "materials"


def test_autogenerate_finds_nothing_to_change(templates: Engines) -> None:
    assert schema.differences(SERVICE, schema.migrated_url(templates.postgres_url, SERVICE)) == []


def test_the_migrated_schema_is_the_checked_in_one(templates: Engines) -> None:
    """After a change of models or migrations: python -m tests.schema."""
    migrated = schema.dump(schema.migrated_url(templates.postgres_url, SERVICE))
    assert migrated == schema.path_of(SERVICE).read_text()
