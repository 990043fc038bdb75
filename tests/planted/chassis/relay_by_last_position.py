"""The relay reads behind the last position: a row that commits late is skipped."""

from services.chassis import relay
from tests.planted.planting import replace

RULE = "REL-4"


def plant() -> None:
    replace(
        relay,
        "_WINDOW",
        """
        select o.pos, o.xid::text as xid, o.aggregate_id, o.aggregate_version, o.subject, o.payload, o.headers,
               false as held
        from outbox o where o.xid >= $1::text::xid8 and o.pos > $2 and $3::text is not null
        order by o.pos limit $4
        """,
    )
