"""The migrated database, the models and the checked-in schema say the same."""

import psycopg
import pytest

from cli.engines import Engines
from services.procurement.model.policy import Revision
from services.procurement.model.purchase_order import PurchaseOrder
from services.procurement.model.requisition import Requisition
from services.procurement.model.supplier import Supplier
from tests import schema

SERVICE = "procurement"


def test_autogenerate_finds_nothing_to_change(templates: Engines) -> None:
    assert schema.differences(SERVICE, schema.migrated_url(templates.postgres_url, SERVICE)) == []


def test_the_migrated_schema_is_the_checked_in_one(templates: Engines) -> None:
    """After a change of models or migrations: python -m tests.schema."""
    migrated = schema.dump(schema.migrated_url(templates.postgres_url, SERVICE))
    assert migrated == schema.path_of(SERVICE).read_text()


@pytest.mark.rule("REL-68")
def test_the_database_allows_the_moves_of_the_models_and_no_others(templates: Engines) -> None:
    tables = {model.__tablename__: model for model in (PurchaseOrder, Requisition, Revision, Supplier)}
    with psycopg.connect(schema.migrated_url(templates.postgres_url, SERVICE)) as connection:
        rows = connection.execute("select table_name, from_state, to_state from allowed_transition").fetchall()
    found: dict[str, set[tuple[str, str]]] = {}
    for table, before, after in rows:
        found.setdefault(table, set()).add((before, after))
    assert found == {
        table: {(str(before), str(after)) for before, after in model.TRANSITIONS} for table, model in tables.items()
    }
