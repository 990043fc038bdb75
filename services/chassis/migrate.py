"""Schema migrations: Alembic, one history per service, run by the migrator under an advisory lock (REL-83).

The migrator acts as owner, so that every object belongs to a role that cannot log in. Services only check.
"""

import importlib
import re
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine, pool, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.db import dialect_url
from services.chassis.schema import TABLES

_LOCK = 7_301_001


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


def upgrade(service: str, url: str, revision: str = "head") -> None:
    """Bring a service's database to a revision; a second migrator waits for the first."""
    engine = create_engine(dialect_url(url, "psycopg"), poolclass=pool.NullPool)
    config = script_of(service)
    with engine.connect() as connection:
        connection.execute(text("select pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.execute(text(f"set role {service}_owner"))
        connection.commit()
        config.attributes["connection"] = connection
        config.attributes["service"] = service
        command.upgrade(config, revision)
        for login in ("app", "migrator"):  # services compare the revision; they never change it
            connection.execute(text(f"grant select on alembic_version to {service}_{login}"))
        connection.commit()
        connection.execute(text("reset role"))
        connection.execute(text("select pg_advisory_unlock(:key)"), {"key": _LOCK})
        connection.commit()
    engine.dispose()


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
        "create table if not exists schema_info (only boolean not null default true, min_release text not null, "
        "constraint pk_schema_info primary key (only), constraint ck_schema_info_only check (only))"
    )
    op.execute(
        f"insert into schema_info (min_release) values ('{oldest}') "  # noqa: S608
        "on conflict (only) do update set min_release = excluded.min_release"
    )
    for login in ("app", "migrator"):
        op.execute(f"grant select on schema_info to {service}_{login}")
