"""Who wants the stock of items asks for the rows alone, where who came last may be first."""

from tests.planted.planting import execute

RULE = "PERF-4"


def plant() -> None:
    execute(
        "materials",
        "create or replace function queue_for_items(p_site text, p_items text[]) returns void language sql as"
        " $$ select $$",
    )
