"""A planning snapshot goes on with what was changed since it began."""

from tests.planted.planting import execute

RULE = "MAT-130"


def plant() -> None:
    execute(
        "materials",
        "create or replace function written_since(p_writer xid, p_seen pg_snapshot) returns boolean language sql stable"
        " as $$ select false $$",
    )
