"""Schema migrations: Alembic, one history per service, run by the migrator under an advisory lock (REL-83).

The migrator acts as owner, so that every object belongs to a role that cannot log in. Services only check.
"""

import importlib
import random
import re
import time
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine, pool, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.db import dialect_url, sqlstate
from services.chassis.schema import TABLES

_LOCK = 7_301_001
LOCK_TIMEOUT = "2s"
"""How long a step queues for a lock: everything that comes behind it on the table waits as long."""
STATEMENT_TIMEOUT = "30min"
PATIENCE = 600.0
"""Seconds after which a migration that others keep from its locks gives up."""
PAUSE_SECONDS = 0.5


def script_of(service: str) -> Config:
    """Alembic's configuration of a service's history."""
    package = importlib.import_module(f"services.{service}")
    config = Config()
    config.set_main_option("script_location", str(Path(package.__path__[0]) / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


@cache
def revisions(service: str) -> tuple[str, ...]:
    """Revisions of a service's history, the newest first."""
    return tuple(item.revision for item in ScriptDirectory.from_config(script_of(service)).walk_revisions())


def required_revision(service: str) -> str:
    """The newest revision of a service's history."""
    known = revisions(service)
    if not known:
        raise RuntimeError(f"{service} has no migrations")
    return known[0]


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What a migration did: the revisions of the database before and after, and how long it took."""

    service: str
    before: str
    after: str
    seconds: float

    def __str__(self) -> str:
        if self.before == self.after:
            return f"{self.service}: at {self.after}, nothing to do"
        return f"{self.service}: from {self.before or 'an empty database'} to {self.after} in {self.seconds:.1f} s"


class MigrationBlocked(Exception):
    """A lock that a migration needs was not to be had; nothing of the step that needed it was done."""


def upgrade(service: str, url: str, revision: str = "head", *, patience: float = PATIENCE) -> Upgraded:
    """Bring a service's database to a revision, and say what was done; MigrationBlocked after so many seconds.

    A second migrator waits for the first. A step that does not get its locks within LOCK_TIMEOUT gives up the place
    in the queue, so that the calls behind it go on, and is tried again (REL-82); each revision is a transaction.
    """
    begin = time.monotonic()
    engine = create_engine(dialect_url(url, "psycopg"), poolclass=pool.NullPool)
    config = script_of(service)
    try:
        with engine.connect() as connection:
            _alone(connection, begin + patience)
            connection.execute(text(f"set role {service}_owner"))
            connection.execute(text(f"set lock_timeout = '{LOCK_TIMEOUT}'"))
            connection.execute(text(f"set statement_timeout = '{STATEMENT_TIMEOUT}'"))
            connection.commit()
            config.attributes["connection"] = connection
            config.attributes["service"] = service
            before = _revision(connection)
            if not before or before in revisions(service):  # else the next release was here: nothing to do (OPS-39)
                _stepwise(config, connection, revision, begin + patience)
            for login in ("app", "migrator"):  # services compare the revision; they never change it
                connection.execute(text(f"grant select on alembic_version to {service}_{login}"))
            connection.commit()
            after = _revision(connection)
            connection.execute(text("reset role"))
            connection.execute(text("select pg_advisory_unlock(:key)"), {"key": _LOCK})
            connection.commit()
    finally:
        engine.dispose()
    return Upgraded(service, before, after, time.monotonic() - begin)


def _alone(connection: Connection, until: float) -> None:
    """Wait for the migrators' lock by asking again: a session that waits in a statement would hold a snapshot, for
    which an index that the other one builds concurrently would wait in turn."""
    while not connection.execute(text("select pg_try_advisory_lock(:key)"), {"key": _LOCK}).scalar():
        connection.rollback()
        if time.monotonic() > until:
            raise MigrationBlocked("another migrator holds the lock")
        time.sleep(PAUSE_SECONDS)


def _revision(connection: Connection) -> str:
    versioned = connection.execute(text("select to_regclass('public.alembic_version') is not null")).scalar()
    found = connection.execute(text("select version_num from alembic_version")).scalar() if versioned else ""
    connection.commit()
    return str(found or "")


def _stepwise(config: Config, connection: Connection, revision: str, until: float) -> None:
    while True:
        try:
            command.upgrade(config, revision)
            return
        except OperationalError as error:
            connection.rollback()
            if sqlstate(error) != "55P03":
                raise
            if time.monotonic() > until:
                raise MigrationBlocked(
                    f"a table stayed locked by others (revision {_revision(connection) or 'none'} is done)"
                ) from error
            time.sleep(random.uniform(0.5, 1.5) * PAUSE_SECONDS)


def index_later(op: Any, name: str, on: str) -> None:
    """An index on a table that is in use, built beside the writers and outside of the transaction (REL-82).

    `on` is what stands behind ON: `"stock (item, lot)"`. What an attempt that broke off left behind is replaced; since
    the whole revision is then run again, it holds nothing else.
    """
    with op.get_context().autocommit_block():
        op.execute(f"drop index concurrently if exists {name}")
        op.execute(f"create index concurrently {name} on {on}")


def constraint_later(op: Any, table: str, name: str, rule: str) -> None:
    """A rule for a table that is in use: at once for what is written, afterwards compared with what is there (REL-82).

    `rule` is a check, foreign key or not-null constraint as SQL: `"check (quantity > 0)"`, `"not null lot"`. Like
    `index_later` it stands in a revision of its own.
    """
    op.execute(f"alter table {table} drop constraint if exists {name}")
    op.execute(f"alter table {table} add constraint {name} {rule} not valid")
    with op.get_context().autocommit_block():
        op.execute(f"alter table {table} validate constraint {name}")


def ours(name: str | None, kind: str) -> bool:
    """Whether autogenerate looks at an object: not at the chassis's tables and partitions."""
    if kind != "table" or name is None:
        return True
    return name not in {*TABLES, "alembic_version", "schema_info"} and not name.startswith(("outbox_p", "inbox_p"))


def run(context: Any, metadata: MetaData) -> None:
    """What a service's env.py does: run the history on the connection that upgrade() opened."""
    connection: Connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        compare_server_default=False,
        include_name=lambda name, kind, parents: ours(name, kind),
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


_KNOWN = text("""
    select to_regclass('public.alembic_version') is not null, to_regclass('public.schema_info') is not null
""")


async def current_revision(session: AsyncSession) -> str:
    """The revision of the database that a session is connected to; "" when it has none."""
    return (await marks(session))[0]


async def marks(session: AsyncSession) -> tuple[str, str]:
    """Revision of the database and oldest release that may run on it; "" for what it does not say (OPS-39)."""
    versioned, marked = (await session.execute(_KNOWN)).one()
    revision = oldest = ""
    if versioned:
        revision = str((await session.execute(text("select version_num from alembic_version"))).scalar() or "")
    if marked:
        oldest = str((await session.execute(text("select min_release from schema_info"))).scalar() or "")
    return revision, oldest


def misfit(service: str, revision: str, oldest: str) -> list[str]:
    """Why a database does not fit this code, with what to do; empty when it does (OPS-39).

    Older than needed is refused. An unknown revision is a newer one and fits, since the release before runs on the
    next one's schema, until a contract step of the schema says that it does not.
    """
    needed = required_revision(service)
    run = f"run `plantops migrate {service}`"
    if not revision:
        return [f"the database has no schema and {needed} is needed: {run}"]
    if revision in revisions(service)[1:]:
        return [f"the schema is at {revision} and {needed} is needed: {run}"]
    if oldest and _ordered(oldest) > _ordered(release()):
        return [
            f"the schema is at {revision} and needs release {oldest} or newer, this is {release()}: "
            f"start {service} from the newer image"
        ]
    return []


def release() -> str:
    """The release of this code."""
    return version("plantops")


def _ordered(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", name))


def contract(op: Any, service: str, oldest: str) -> None:
    """Say in a revision that takes something away which release is the oldest that may run from here on (OPS-39).

    The table comes with the first such step: until then every release that knows an older revision may run.
    """
    op.execute(
        "create table if not exists schema_info (single boolean not null default true, min_release text not null, "
        "constraint pk_schema_info primary key (single), constraint ck_schema_info_single check (single))"
    )
    op.execute(
        f"insert into schema_info (min_release) values ('{oldest}') "  # noqa: S608
        "on conflict (single) do update set min_release = excluded.min_release"
    )
    for login in ("app", "migrator"):
        op.execute(f"grant select on schema_info to {service}_{login}")
