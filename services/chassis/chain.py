"""The chain of work as this service's journal tells it."""

from typing import Any

from google.protobuf.message import Message
from plantops.type.v1.chain_pb2 import ChainEntry
from sqlalchemy import text

from services.chassis.query import MAX_SIZE, page_size, position
from services.chassis.unit import Unit

_PAGE = text("""
    select pos, event_id, event_type, resource, version, actor, correlation, causation, occurred_at
    from journal where correlation = :correlation and pos > :after order by pos limit :size
""")


async def page(unit: Unit, request: Any, response: Any) -> Message:
    """Entries of a chain in the order of the journal; the token is the last position."""
    size = page_size(request) if request.page_size else MAX_SIZE
    rows = (
        await unit.execute(
            _PAGE,
            {"correlation": request.correlation, "after": position(request), "size": size + 1},
        )
    ).all()
    for row in rows[:size]:
        entry = ChainEntry(
            event_id=str(row.event_id),
            event_type=row.event_type,
            service=unit.context.service,
            resource=row.resource,
            version=row.version,
            actor=row.actor,
            correlation=row.correlation,
            causation=str(row.causation or ""),
            position=row.pos,
        )
        entry.occur_time.FromDatetime(row.occurred_at)
        response.entries.append(entry)
    if len(rows) > size:
        response.next_page_token = str(rows[size - 1].pos)
    message: Message = response
    return message
