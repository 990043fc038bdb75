"""Databases and roles of a plant: made once by a superuser, every time with the same result (SEC-44).

Each service has a database of its own and four roles: `<service>_owner` owns all objects and cannot log in,
`_migrator` acts as owner, `_app` serves calls, `_relay` publishes. Nobody else may connect.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

import psycopg
from psycopg import sql

SERVICES = ("maintenance", "materials", "procurement")
LOGINS = ("migrator", "app", "relay")

TIMEOUTS: Mapping[str, Mapping[str, str]] = {
    "migrator": {"lock_timeout": "2s"},
    "app": {
        "statement_timeout": "30s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "10s",
        "transaction_timeout": "30s",
    },
    "relay": {"statement_timeout": "10s", "transaction_timeout": "10s"},
}
"""Per role (REL-53); a call narrows statement_timeout to its own deadline."""


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """The addresses of one service's database, one per role that logs in."""

    migrator: str
    app: str
    relay: str


def url_of(superuser_url: str, user: str, password: str, database: str) -> str:
    """The same server under another role and database."""
    place = urlsplit(superuser_url)
    host = place.hostname or "127.0.0.1"
    return f"postgresql://{user}:{quote(password)}@{host}:{place.port or 5432}/{database}"


def urls(superuser_url: str, service: str, passwords: Mapping[str, str], database: str = "") -> DatabaseUrls:
    """Addresses of a service's database; `passwords` by role name; another database for tests' clones."""
    name = database or service
    made = {
        login: url_of(superuser_url, f"{service}_{login}", passwords[f"{service}_{login}"], name) for login in LOGINS
    }
    return DatabaseUrls(**made)


class UrlUnfit(Exception):
    """An address of a service's database is not that of the role that it should name."""


def passwords_of(service: str, given: DatabaseUrls) -> dict[str, str]:
    """Password by role name, from the addresses that the service is given; UrlUnfit names a wrong role."""
    found: dict[str, str] = {}
    for login in LOGINS:
        place = urlsplit(getattr(given, login))
        role = f"{service}_{login}"
        if place.username != role or not place.password or place.path != f"/{service}":
            raise UrlUnfit(
                f"{service}: the address of {login} must be postgresql://{role}:PASSWORD@HOST:5432/{service}"
            )
        found[role] = unquote(place.password)
    return found


def wait_for(url: str, seconds: float) -> None:
    """Wait until a server takes connections; the last refusal when it does not in time."""
    until = time.monotonic() + seconds
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise
        time.sleep(0.5)


def apply(superuser_url: str, service: str, given: DatabaseUrls, wait: float = 0) -> None:
    """Make one service's roles and database as `bootstrap` does, with the passwords of its addresses."""
    passwords = passwords_of(service, given)
    url = _in(superuser_url, "postgres")  # an operator's secret may name a database that is not there
    wait_for(url, wait)
    bootstrap(url, passwords, [service])


def bootstrap(superuser_url: str, passwords: Mapping[str, str], services: Iterable[str] = SERVICES) -> None:
    """Make roles, databases and extensions; what exists is brought to the wanted form."""
    with psycopg.connect(superuser_url, autocommit=True) as server:
        for service in services:
            _roles(server, service, passwords)
            _database(server, service)
    for service in services:
        with psycopg.connect(_in(superuser_url, service), autocommit=True) as database:
            _inside(database, service)


def _roles(server: psycopg.Connection, service: str, passwords: Mapping[str, str]) -> None:
    owner = f"{service}_owner"
    _role(server, owner, "nologin", None)
    for login in LOGINS:
        name = f"{service}_{login}"
        _role(server, name, "login", passwords[name])
        for setting, value in TIMEOUTS[login].items():
            server.execute(
                sql.SQL("alter role {} set {} = {}").format(sql.Identifier(name), sql.SQL(setting), sql.Literal(value))
            )
    server.execute(sql.SQL("grant {} to {}").format(sql.Identifier(owner), sql.Identifier(f"{service}_migrator")))


def _role(server: psycopg.Connection, name: str, login: str, password: str | None) -> None:
    known = server.execute("select 1 from pg_roles where rolname = %s", [name]).fetchone()
    server.execute(
        sql.SQL("{} role {} {} nosuperuser nocreatedb nocreaterole nobypassrls password {}").format(
            sql.SQL("alter" if known else "create"),
            sql.Identifier(name),
            sql.SQL(login),
            sql.Literal(password),
        )
    )


def _database(server: psycopg.Connection, service: str) -> None:
    if not server.execute("select 1 from pg_database where datname = %s", [service]).fetchone():
        server.execute(
            sql.SQL(
                "create database {} owner {} template template0 encoding 'UTF8' "
                "locale_provider builtin builtin_locale 'C.UTF-8' locale 'C'"
            ).format(sql.Identifier(service), sql.Identifier(f"{service}_owner"))
        )
    grant(server, service, service)


def grant(server: psycopg.Connection, service: str, database: str) -> None:
    """Let the service's roles, and nobody else, connect to a database."""
    name = sql.Identifier(database)
    server.execute(sql.SQL("revoke all on database {} from public").format(name))
    for login in LOGINS:
        server.execute(sql.SQL("grant connect on database {} to {}").format(name, sql.Identifier(f"{service}_{login}")))


def _inside(database: psycopg.Connection, service: str) -> None:
    owner = sql.Identifier(f"{service}_owner")
    database.execute("create extension if not exists btree_gist")
    database.execute("revoke all on schema public from public")
    database.execute(sql.SQL("alter schema public owner to {}").format(owner))
    for login in LOGINS:
        database.execute(sql.SQL("grant usage on schema public to {}").format(sql.Identifier(f"{service}_{login}")))


def _in(superuser_url: str, database: str) -> str:
    place = urlsplit(superuser_url)
    return place._replace(path=f"/{database}").geturl()
