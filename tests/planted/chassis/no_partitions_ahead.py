"""Partitions for the days to come are not made."""

from tests.planted.planting import execute

RULE = "REL-16"


def plant() -> None:
    execute(
        "sample",
        "create or replace function make_partitions(days int) returns void language sql security definer"
        " set search_path = public, pg_temp as 'select 1'",
    )
