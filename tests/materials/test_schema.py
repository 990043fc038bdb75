"""The migrated database, the models and the checked-in schema say the same."""

from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.engines import Engines
from services.materials.model.base import Table
from services.materials.rules import valuation
from tests import schema
from tests.plant import superuser

SERVICE = "materials"


def test_autogenerate_finds_nothing_to_change(templates: Engines) -> None:
    assert schema.differences(SERVICE, schema.migrated_url(templates.postgres_url, SERVICE)) == []


def test_the_migrated_schema_is_the_checked_in_one(templates: Engines) -> None:
    """After a change of models or migrations: python -m tests.schema."""
    migrated = schema.dump(schema.migrated_url(templates.postgres_url, SERVICE))
    assert migrated == schema.path_of(SERVICE).read_text()


def models() -> Any:
    """Mapped classes of the service."""
    return [mapper.class_ for mapper in Table._sa_registry.mappers]


@pytest.fixture
def look(templates: Engines) -> Any:
    with superuser(templates, SERVICE) as connection:
        yield connection


@pytest.mark.rule("REL-68")
def test_the_database_allows_exactly_the_transitions_of_the_models(look: Any) -> None:
    allowed: dict[str, set[tuple[str, str]]] = {}
    for table, before, after in look.execute("select table_name, from_state, to_state from allowed_transition"):
        allowed.setdefault(table, set()).add((before, after))
    declared = {
        model.__tablename__: {(str(before), str(after)) for before, after in model.TRANSITIONS}
        for model in models()
        if getattr(model, "TRANSITIONS", None)
    }
    assert allowed == declared
    guarded = {
        table
        for (table,) in look.execute("select tgrelid::regclass::text from pg_trigger where tgname like '%\\_states'")
    }
    assert guarded == set(declared)


def test_the_database_refuses_a_transition_that_is_not_listed(look: Any) -> None:
    with look.transaction(force_rollback=True):
        look.execute(
            "insert into put_away_task (name, site, version, event_version, correlation, create_time, update_time,"
            " item, lot, from_location, proposed_location, to_location, quantity, unit_code, status, receipt,"
            " receipt_line, movement, state) values ('t', 's', 1, 0, '', now(), now(), 'i', '', 'f', '', '', 1, 'H87',"
            " 'UNRESTRICTED', 'r', 1, '', 'COMPLETED')"
        )
        with pytest.raises(psycopg.errors.CheckViolation, match="may not become"), look.transaction():
            look.execute("update put_away_task set state = 'READY'")


def entry(look: Any, quantity: int = 1, movement: str = "sites/x/movements/a") -> None:
    """A movement and its two sides, written behind the posting function."""
    look.execute(
        "insert into movement (name, site, version, event_version, correlation, create_time, update_time, kind, item,"
        " lot, from_location, to_location, from_status, to_status, quantity, unit_code, effective_time, record_time,"
        " reason_code, source, actor, reverses, cost_currency_code) values (%s, 'x', 1, 0, '', now(), now(), 'MOVE',"
        " 'i', '', 'a', 'b', 'UNRESTRICTED', 'UNRESTRICTED', 1, 'H87', now(), now(), '', '', 'p', '', '')",
        [movement],
    )
    look.execute(
        "insert into movement_entry (movement, side, item, location, lot, status, quantity, unit_code,"
        " effective_time, item_sequence) select %s, side, 'i', 'a', '', 'UNRESTRICTED', value, 'H87', now(), side"
        " from (values (1, -1), (2, %s)) as sides (side, value)",
        [movement, quantity],
    )


@pytest.mark.rule("MAT-41")
@pytest.mark.parametrize("table", ["movement", "movement_entry"])
def test_the_ledger_is_changed_by_nobody_not_even_its_owner(look: Any, table: str) -> None:
    for role in (None, f"{SERVICE}_owner"):
        with look.transaction(force_rollback=True):
            entry(look)
            look.execute("set constraints all immediate")
            if role:
                look.execute(f"set local role {role}")
            for change in (
                f"update {table} set quantity = 2",  # noqa: S608
                f"delete from {table}",  # noqa: S608
                f"truncate {table} cascade",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"), look.transaction():
                    look.execute(change)


@pytest.mark.rule("MAT-41")
@pytest.mark.rule("MAT-44")
def test_the_service_writes_ledger_balances_and_values_by_the_posting_function_alone(look: Any) -> None:
    rights = "select privilege_type from information_schema.role_table_grants where grantee = %s and table_name = %s"
    for table in ("movement", "movement_entry", "balance", "value_balance"):
        found = {row[0] for row in look.execute(rights, [f"{SERVICE}_app", table])}
        assert found == {"SELECT"}, table
    columns = look.execute(
        "select column_name from information_schema.column_privileges"
        " where grantee = %s and table_name = 'balance' and privilege_type = 'UPDATE' order by 1",
        [f"{SERVICE}_app"],
    ).fetchall()
    assert columns == [("reserved",), ("update_time",)]


@pytest.mark.rule("MAT-40")
def test_the_database_refuses_a_movement_that_does_not_sum_to_zero(look: Any) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="do not sum to zero"), look.transaction():
        entry(look, 2)
    with look.transaction(force_rollback=True):
        entry(look, 1)
        with pytest.raises(psycopg.errors.CheckViolation, match="do not sum to zero"), look.transaction():
            look.execute(
                "insert into movement_entry (movement, side, item, location, lot, status, quantity, unit_code,"
                " effective_time, item_sequence)"
                " values ('sites/x/movements/a', 3, 'i', 'a', '', 'UNRESTRICTED', 1, 'H87', now(), 3)"
            )


@pytest.mark.rule("MAT-57")
@pytest.mark.parametrize(
    ("on_hand", "reserved", "refused"), [(-1, 0, True), (1, 2, True), (1, -1, True), (1, 1, False), (0, 0, False)]
)
def test_the_database_refuses_negative_stock_and_more_claims_than_stock(
    look: Any, on_hand: int, reserved: int, refused: bool
) -> None:
    insert = "insert into balance values ('n', 's', 'i', '', 'l', 'UNRESTRICTED', false, %s, %s, 'H87', now())"
    with look.transaction(force_rollback=True):
        if refused:
            with pytest.raises(psycopg.errors.CheckViolation), look.transaction():
                look.execute(insert, [on_hand, reserved])
        else:
            look.execute(insert, [on_hand, reserved])


@pytest.mark.rule("MAT-57", "MAT-55")
@pytest.mark.parametrize(
    ("allowed", "on_hand", "reserved", "weight", "refused"),
    [(True, -1, 0, None, False), (True, -1, 1, None, True), (True, -1, 0, -1, True), (True, 1, 2, None, True),
     (False, -1, 0, None, True)],
)  # fmt: skip
def test_only_marked_stock_is_below_zero_and_none_of_it_is_claimed(
    look: Any, allowed: bool, on_hand: int, reserved: int, weight: int | None, refused: bool
) -> None:
    insert = (
        "insert into balance (name, site, item, lot, location, status, virtual, on_hand, reserved, unit_code,"
        " update_time, negative_allowed, second_on_hand)"
        " values ('n', 's', 'i', '', 'l', 'UNRESTRICTED', false, %s, %s, 'H87', now(), %s, %s)"
    )
    with look.transaction(force_rollback=True):
        if refused:
            with pytest.raises(psycopg.errors.CheckViolation), look.transaction():
                look.execute(insert, [on_hand, reserved, allowed, weight])
        else:
            look.execute(insert, [on_hand, reserved, allowed, weight])


TEXT_SEARCH = {"title"}
CHANGING = {"on_hand", "reserved"}


@pytest.mark.rule("PERF-10")
def test_every_column_that_lists_filter_by_has_an_index(look: Any) -> None:
    """Apart from titles, which are searched in, and from what postings change (PERF-7)."""
    found = look.execute(
        "select i.indrelid::regclass::text, array(select a.attname::text from unnest(i.indkey) with ordinality k(n, o)"
        " join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.n order by k.o) from pg_index i"
    ).fetchall()
    for model in models():
        table = getattr(model, "__tablename__", "")
        for column in getattr(model, "FILTERABLE", frozenset()) - TEXT_SEARCH - CHANGING:
            leading = [columns for name, columns in found if name == table and column in columns[:2]]
            assert any(columns[0] == column or columns[0] in ("site", "policy", "count") for columns in leading), (
                f"{table}.{column}"
            )


@pytest.mark.rule("MAT-180")
@pytest.mark.parametrize("currency", ["EUR", "USD", "JPY", "KRW", "KWD", "TND", "CLP", "XOF", ""])
def test_rule_and_database_give_a_currency_the_same_places(look: Any, currency: str) -> None:
    assert look.execute("select currency_places(%s)", [currency]).fetchone() == (valuation.places(currency),)


@pytest.mark.rule("MAT-181")
@given(
    value=st.decimals(0, 10**9, places=2), whole=st.decimals("0.001", 10**6, places=3),
    part=st.decimals("0.001", 10**6, places=3), digits=st.sampled_from([0, 2, 3]),
)  # fmt: skip
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rule_and_database_take_the_same_share_of_a_value(
    look: Any, value: Decimal, whole: Decimal, part: Decimal, digits: int
) -> None:
    row = look.execute("select value_share(%s, %s, %s, %s)", [value, part, whole, digits]).fetchone()
    assert row == (valuation.share(value, part, whole, digits),)
