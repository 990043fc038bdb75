"""A stream of changes reads whatever is visible: a late commit appears behind a token that was given out."""

from sqlalchemy import text

from services.chassis import changes
from tests.planted.planting import replace

RULE = "REL-91"


def plant() -> None:
    statement = "select pg_snapshot_xmax(pg_current_snapshot())::text as horizon, clock_timestamp() as at"
    replace(changes, "_HORIZON", text(statement))
