"""What each database role may do, compared with the table below; nobody enters another service's database (SEC-44)."""

import itertools
from typing import Any

import psycopg
import pytest

from cli import databases
from cli.databases import LOGINS, SERVICES
from cli.engines import Engines
from tests.plant import PASSWORDS, superuser

APP = {
    "outbox": "INSERT", "audit": "INSERT", "journal": "INSERT SELECT", "allowed_transition": "SELECT",
    "relay_position": "SELECT", "relay_lease": "", "inbox": "INSERT SELECT UPDATE", "applied": "INSERT SELECT UPDATE",
    "dead_letter": "INSERT SELECT UPDATE", "consumer_position": "INSERT SELECT UPDATE",
    "principal_state": "INSERT SELECT UPDATE", "job_run": "INSERT SELECT UPDATE", "caught_up": "INSERT SELECT UPDATE",
    "waiting_event": "DELETE INSERT SELECT UPDATE", "idempotency": "DELETE INSERT SELECT UPDATE",
    "principal_grant": "DELETE INSERT SELECT UPDATE", "alembic_version": "SELECT",
}  # fmt: skip
RELAY = {
    "outbox": "SELECT",
    "audit": "SELECT",
    "relay_position": "SELECT UPDATE",
    "relay_lease": "INSERT SELECT UPDATE",
}
RIGHTS = ("DELETE", "INSERT", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE")


@pytest.fixture(params=SERVICES)
def look(templates: Engines, request: pytest.FixtureRequest) -> Any:
    with superuser(templates, request.param) as connection:
        yield request.param, connection


def rights(connection: psycopg.Connection[Any], role: str, table: str) -> str:
    row = connection.execute(
        "select string_agg(r, ' ' order by r) from unnest(%s::text[]) r where has_table_privilege(%s, %s, r)",
        [list(RIGHTS), role, f"public.{table}"],
    ).fetchone()
    return (row[0] if row else "") or ""


@pytest.mark.rule("SEC-44")
@pytest.mark.rule("SEC-45")
def test_rights_on_the_chassis_tables_are_as_listed(look: tuple[str, psycopg.Connection[Any]]) -> None:
    service, connection = look
    for table, wanted in APP.items():
        assert rights(connection, f"{service}_app", table) == wanted, table
        if table != "alembic_version":
            assert rights(connection, f"{service}_relay", table) == RELAY.get(table, ""), table


@pytest.mark.rule("SEC-45")
def test_no_service_role_may_change_the_schema_or_empty_a_table(look: tuple[str, psycopg.Connection[Any]]) -> None:
    service, connection = look
    tables = [
        name
        for (name,) in connection.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v')"
        )
    ]
    assert len(tables) > 20
    for login, table in itertools.product(("app", "relay"), tables):
        assert not {"TRUNCATE", "TRIGGER", "REFERENCES"} & set(
            rights(connection, f"{service}_{login}", table).split()
        ), table
    for login in LOGINS:
        role = f"{service}_{login}"
        row = connection.execute(
            "select rolsuper, rolbypassrls, rolcreatedb, rolcreaterole from pg_roles where rolname = %s", [role]
        ).fetchone()
        assert row == (False, False, False, False), role
    for login in ("app", "relay"):
        row = connection.execute(
            "select has_schema_privilege(%(r)s, 'public', 'CREATE'), pg_has_role(%(r)s, %(o)s, 'MEMBER')",
            {"r": f"{service}_{login}", "o": f"{service}_owner"},
        ).fetchone()
        assert row == (False, False)
    owners = connection.execute(
        "select distinct relowner::regrole::text from pg_class where relnamespace = 'public'::regnamespace"
        " and relkind in ('r', 'p', 'S')"
    ).fetchall()
    assert owners == [(f"{service}_owner",)]


@pytest.mark.rule("SEC-45")
def test_no_role_enters_another_services_database(templates: Engines) -> None:
    for service, login, other in itertools.product(SERVICES, LOGINS, SERVICES):
        urls = databases.urls(templates.postgres_url, service, PASSWORDS, other)
        if service == other:
            psycopg.connect(getattr(urls, login)).close()
        else:
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(getattr(urls, login))


@pytest.mark.rule("REL-83")
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_role_has_no_ddl(templates: Engines, service: str) -> None:
    for login in ("app", "relay"):
        urls = databases.urls(templates.postgres_url, service, PASSWORDS)
        with psycopg.connect(getattr(urls, login), autocommit=True) as connection:
            for statement in (
                "create table x (y int)", "alter table audit add column z int", "drop table audit",
                f"set role {service}_owner", "alter table audit disable trigger all",
            ):  # fmt: skip
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)


@pytest.mark.rule("REL-53")
@pytest.mark.parametrize("service", SERVICES)
def test_time_limits_are_set_per_role(templates: Engines, service: str) -> None:
    urls = databases.urls(templates.postgres_url, service, PASSWORDS)
    for login, settings in databases.TIMEOUTS.items():
        with psycopg.connect(getattr(urls, login)) as connection:
            for name, value in settings.items():
                row = connection.execute("select current_setting(%s)", [name]).fetchone()
                assert row == (value,), f"{login} {name}"
    assert {"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"} <= set(
        databases.TIMEOUTS["app"]
    )


@pytest.mark.rule("REL-83")
def test_bootstrapping_twice_changes_nothing(templates: Engines) -> None:
    databases.bootstrap(templates.postgres_url, PASSWORDS)
    databases.bootstrap(templates.postgres_url, PASSWORDS)
    urls = databases.urls(templates.postgres_url, "materials", PASSWORDS)
    psycopg.connect(urls.app).close()
