"""The inbox knows deliveries by their place in the stream, not events by their ids."""

from sqlalchemy import text

from services.chassis import consumer, inbox
from tests.planted.planting import replace


def plant() -> None:
    insert = text("""
        with added as (
            insert into inbox (consumer, event_id, subject, stream_seq)
            select :consumer, :event_id, :subject, :stream_seq where not exists (
                select 1 from inbox where consumer = :consumer and stream_seq = :stream_seq)
            on conflict do nothing)
        select 1 where not exists (select 1 from inbox where consumer = :consumer and stream_seq = :stream_seq)
    """)
    replace(inbox, "INSERT", insert)
    replace(consumer, "INSERT", insert)
