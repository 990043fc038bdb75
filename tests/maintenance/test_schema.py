"""The migrated database, the models and the checked-in schema say the same."""

import pytest

import services.maintenance.api
from cli.engines import Engines
from services.chassis import bind
from services.chassis.resource import ResourceColumns
from services.maintenance.model.base import Table
from tests import schema
from tests.plant import superuser

SERVICE = "maintenance"


def test_autogenerate_finds_nothing_to_change(templates: Engines) -> None:
    assert schema.differences(SERVICE, schema.migrated_url(templates.postgres_url, SERVICE)) == []


def test_the_migrated_schema_is_the_checked_in_one(templates: Engines) -> None:
    """After a change of models or migrations: python -m tests.schema."""
    migrated = schema.dump(schema.migrated_url(templates.postgres_url, SERVICE))
    assert migrated == schema.path_of(SERVICE).read_text()


def machines() -> list[type[ResourceColumns]]:
    """Every resource with states."""
    bind.load(services.maintenance.api)
    found: list[type[ResourceColumns]] = [
        mapper.class_ for mapper in Table._sa_registry.mappers if issubclass(mapper.class_, ResourceColumns)
    ]
    return [kind for kind in found if kind.TRANSITIONS]


@pytest.mark.rule("REL-68")
def test_models_and_database_allow_the_same_moves(templates: Engines) -> None:
    modelled = {
        (str(kind.__tablename__), str(before), str(after)) for kind in machines() for before, after in kind.TRANSITIONS
    }
    with superuser(templates, SERVICE) as connection:
        rows = connection.execute("select table_name, from_state, to_state from allowed_transition").fetchall()
        guarded = connection.execute(
            "select tgrelid::regclass::text from pg_trigger where tgname like '%\\_states'"
        ).fetchall()
    assert modelled == set(rows)
    assert {table for (table,) in guarded} == {table for table, _, _ in modelled}
    assert len(modelled) > 50
