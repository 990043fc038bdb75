"""The relay reads what stands behind the last position it has seen, at any time (REL-4's example)."""

from typing import Any

from services.chassis import relay
from services.chassis.relay import Relay
from tests.planted.planting import replace


def plant() -> None:
    begin = vars(Relay)["_begin"]

    def on_from_there(self: Any, end: int | None, last: int = -1) -> None:
        seen = getattr(self, "_last", -1)
        begin(self, end, max(last, seen))

    replace(
        relay,
        "_WINDOW",
        """
        select o.pos, o.xid::text as xid, o.aggregate_id, o.aggregate_version, o.subject, o.payload, o.headers,
               false as held
        from outbox o where o.pos > $2 and $1::text is not null and $3::text is not null order by o.pos limit $4
        """,
    )
    replace(Relay, "_begin", on_from_there)
