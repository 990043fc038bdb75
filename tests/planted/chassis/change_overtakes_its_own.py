"""A stream of changes does not look whether an event has one of its own resource before it."""

from sqlalchemy import text

from services.chassis import changes
from tests.planted.planting import replace

RULE = "REL-91"


def plant() -> None:
    replace(changes, "_OVERTAKES", text("select cast(null as text) where cast(:start as text) = cast(:end as text)"))
