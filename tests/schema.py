"""The schema that migrations make, as text: for comparing it with the checked-in one.

`python -m tests.schema` migrates empty databases and writes `services/<service>/migrations/schema.sql` of each
service. Owners and rights stay in; comments, session settings and the partitions of outbox and inbox, whose
names hold dates, are left out.
"""

import importlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from cli import databases
from cli.engines import postgres
from services.chassis import bind, migrate
from services.chassis.db import dialect_url
from tests.plant import PASSWORDS

ROOT = Path(__file__).parents[1]

_NOISE = re.compile(r"^(--.*|SET .*|SELECT pg_catalog\.set_config.*|\\(un)?restrict .*)\n", re.MULTILINE)
_GAPS = re.compile(r"\n{3,}")


def path_of(service: str) -> Path:
    """The checked-in schema of a service."""
    return ROOT / "services" / service / "migrations" / "schema.sql"


def dump(url: str) -> str:
    """The schema of a database as SQL without noise: two databases of one schema give the same text.

    `url` is a superuser's address of the database. pg_dump sorts by kind and name, never by age.
    """
    program = postgres._installed() / "bin" / "pg_dump"
    left_out = ("outbox_p*", "inbox_p*")
    command = [str(program), "--schema-only", *(f"--exclude-table={name}" for name in left_out), f"--dbname={url}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    return _GAPS.sub("\n\n", _NOISE.sub("", done.stdout)).strip() + "\n"


def migrated_url(superuser_url: str, service: str) -> str:
    """A superuser's address of a service's migrated database."""
    return superuser_url.rsplit("/", 1)[0] + f"/{service}"


def differences(service: str, url: str) -> list[str]:
    """What autogenerate would change on a migrated database so that it is like the models; nothing, if all is well."""
    bind.load(importlib.import_module(f"services.{service}.api"))
    metadata = importlib.import_module(f"services.{service}.model.base").Table.metadata
    engine = create_engine(dialect_url(url, "psycopg"))
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(
                connection,
                opts={
                    "compare_type": True,
                    "include_name": lambda name, kind, parents: migrate.ours(name, kind),
                },
            )
            return [str(difference) for difference in compare_metadata(context, metadata)]
    finally:
        engine.dispose()


def main() -> int:
    """Write the schema files of the services named, or of all."""
    services = sys.argv[1:] or list(databases.SERVICES)
    with tempfile.TemporaryDirectory(prefix="plantops-schema-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # the server's account passes through
        with postgres.Postgres(Path(folder), durable=False) as server:
            databases.bootstrap(server.url, PASSWORDS)
            for service in services:
                migrate.upgrade(service, databases.urls(server.url, service, PASSWORDS).migrator)
                path_of(service).write_text(dump(migrated_url(server.url, service)))
                print(path_of(service).relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
