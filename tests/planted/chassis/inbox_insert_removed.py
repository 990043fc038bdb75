"""The inbox insert is removed: an event that is known is handed on again."""

from sqlalchemy import text

from services.chassis import inbox
from tests.planted.planting import replace

RULE = "REL-31"


def plant() -> None:
    replace(
        inbox,
        "INSERT",
        text("""
            select 1 where cast(:consumer as text) is not null and cast(:event_id as uuid) is not null
            and cast(:subject as text) is not null and cast(:stream_seq as bigint) is not null
        """),
    )
