"""The inbox knows deliveries by their place in the stream, not events by their ids."""

from sqlalchemy import text

from services.chassis import consumer, inbox
from tests.planted.planting import replace


def plant() -> None:
    insert = text("""
        insert into inbox (consumer, event_id, subject, stream_seq)
        select :consumer,
               (lpad(to_hex((extract(epoch from date_trunc('day', now() at time zone 'utc')) * 1000)::bigint),
               12, '0') || '70008' || lpad(to_hex(cast(:stream_seq as bigint)), 15, '0'))::uuid, :subject, :stream_seq
        where cast(:event_id as uuid) is not null
        on conflict do nothing returning 1
    """)
    replace(inbox, "INSERT", insert)
    replace(consumer, "INSERT", insert)
