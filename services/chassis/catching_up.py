"""What a consumer could not get from its stream any more is asked for at the owner, by type and time (REL-92).

A consumer that is new, since a release follows what the one before did not, reads its stream from the beginning; so
does one that comes back after a long time where it stood. But a stream keeps its messages for 30 days. So each
consumer notes, now and then, when it had got everything. Where its stream does not reach back to that instant, the
owner tells the consumer's types again, from then to where the stream begins; the inbox knows what was applied.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from nats.aio.client import Client
from sqlalchemy import text

from services.chassis import bus, gaps

log = structlog.get_logger("catching_up")

MARGIN = timedelta(hours=1)
"""What an event may have waited for its relay, and by how much clocks differ; what comes twice is known."""
NOTED_EVERY = timedelta(hours=1)
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)

_NOTED = text("""
    select c.consumer, now() as now, u.at
    from unnest(cast(:consumers as text[])) as c(consumer) left join caught_up u on u.consumer = c.consumer
    order by c.consumer
""")
_NOTE = text("""
    insert into caught_up (consumer, at) values (:consumer, :at)
    on conflict (consumer) do update set at = greatest(caught_up.at, excluded.at)
""")

OpenUnit = Callable[..., Any]


async def ask(open_unit: OpenUnit, service: str, nc: Client | None) -> None:
    """Ask for what each consumer of a service cannot get any more, and note which have got everything.

    It is safe to stop anywhere and to run beside another replica: an owner may be asked twice, and tells once more
    what inboxes know. An owner that does not answer is asked again by the next run.
    """
    if nc is None or not nc.is_connected:
        return
    sources = bus.received().get(service, {})
    known = {name: (source, types) for source in sources for name, types in bus.durables(service, source).items()}
    if not known:
        return
    async with open_unit() as unit:
        rows = (await unit.execute(_NOTED, {"consumers": list(known)})).all()
    for row in rows:
        source, types = known[row.consumer]
        stream = await bus.standing_of(nc, bus.stream_of(source))
        backlog = await bus.backlog_of(nc, bus.stream_of(source), row.consumer)
        if stream is None or backlog is None:
            continue
        noted: datetime | None = row.at
        oldest = row.now if stream.oldest is None else stream.oldest
        if not stream.whole and (noted is None or noted < oldest):
            if not await _asked(nc, row.consumer, source, types, noted or _BEGIN + MARGIN, oldest):
                continue
            await _note(open_unit, row.consumer, oldest)
        if backlog == (0, 0) and (noted is None or row.now - noted > NOTED_EVERY):
            await _note(open_unit, row.consumer, row.now)


async def _asked(
    nc: Client, consumer: str, source: str, types: Sequence[str], since: datetime, until: datetime
) -> bool:
    """Ask the owner for some types of a time; whether it has written down that it will tell them."""
    since, until = since - MARGIN, until + MARGIN
    question = {"consumer": consumer, "types": types, "since": since.isoformat(), "until": until.isoformat()}
    try:
        number = int((await gaps.ask_owner(nc, source, question))["replay"])
    except gaps.UNANSWERED as error:
        log.warning("history is not answered", consumer=consumer, error=repr(error))
        return False
    log.info("history asked for", consumer=consumer, since=since, until=until, replay=number)
    return True


async def _note(open_unit: OpenUnit, consumer: str, at: datetime) -> None:
    async with open_unit() as unit:
        await unit.execute(_NOTE, {"consumer": consumer, "at": at})
