"""Schema migrations: Alembic, one history per service, run by the migrator under an advisory lock (REL-83).

The migrator acts as owner, so that every object belongs to a role that cannot log in. Services only check.
"""

import importlib
from functools import cache
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
    return name not in TABLES and not name.startswith(("outbox_p", "inbox_p")) and name != "alembic_version"


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


async def current_revision(session: AsyncSession) -> str:
    """The revision of the database that a session is connected to; "" when it has none."""
    known = await session.execute(text("select to_regclass('public.alembic_version') is not null"))
    if not known.scalar():
        return ""
    return str((await session.execute(text("select version_num from alembic_version"))).scalar() or "")
