"""Versions that do not come are asked for at their owner, who tells them again from its outbox (REL-35, REL-92).

A consumer that was away for longer than a stream keeps its messages, or whose stream lost some, would wait for ever.
It asks over the broker; any replica of the owner answers which of the versions its outbox holds and has the relay
publish them once more. What the outbox does not hold any more will never come: the first event that waits for it is
put aside, and a person decides. The owner answers consumers that ask for types of a time (`catching_up`) as well.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from sqlalchemy import text

from services.chassis import replay
from services.chassis.inbox import Inbox
from services.chassis.replay import Wanted

log = structlog.get_logger("gaps")

PATIENCE = timedelta(seconds=30)
"""How long an event waits before its gap is asked for; a redelivery takes as long (REL-25)."""
ASK_SECONDS = 5.0
UNANSWERED = (NatsError, TimeoutError, OSError, ValueError, KeyError, TypeError)
AT_ONCE = 100
WIDEST = 10_000
"""Versions that are asked for at once; a wider gap is closed step by step."""

_GAPS = text("""
    select w.aggregate, a.version + 1 as first, min(w.version) - 1 as last
    from waiting_event w join applied a on a.consumer = w.consumer and a.aggregate = w.aggregate
    where w.consumer = :consumer
    group by w.aggregate, a.version
    having min(w.received_at) < now() - cast(:patience as interval) and min(w.version) > a.version + 1
       and not exists (select 1 from dead_letter d where d.consumer = :consumer and d.aggregate = w.aggregate
                       and d.state = 'PARKED' and d.version between a.version + 1 and min(w.version) - 1)
    order by min(w.received_at) limit :size
""")
_HELD = text("""
    select distinct aggregate_version from outbox
    where aggregate_id = :aggregate and aggregate_version between :first and :last order by 1
""")

OpenUnit = Callable[..., Any]


def subject_of(service: str) -> str:
    """Where a service is asked to tell events again; outside of its stream."""
    return f"plantops.{service}.replay"


async def close(open_unit: OpenUnit, inboxes: Iterable[Inbox], nc: Client | None) -> None:
    """Ask for the versions that each inbox waits for; what will never come is put aside."""
    if nc is None or not nc.is_connected:
        return
    for inbox in inboxes:
        async with open_unit() as unit:
            values = {"consumer": inbox.consumer, "patience": PATIENCE, "size": AT_ONCE}
            gaps = (await unit.execute(_GAPS, values)).all()
        for gap in gaps:
            last = min(gap.last, gap.first + WIDEST - 1)
            held = await _ask(nc, inbox, gap.aggregate, gap.first, last)
            if held is None:
                break  # the owner is away; the next run asks again
            missing = sorted(set(range(gap.first, last + 1)) - held)
            log.warning(
                "gap", consumer=inbox.consumer, aggregate=gap.aggregate, first=gap.first, last=last, lost=len(missing)
            )
            if missing:
                await _give_up(inbox, gap.aggregate, missing)


async def ask_owner(nc: Client, service: str, question: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a service answers to a question for its events; one of UNANSWERED when it does not or says nothing known."""
    answer = await nc.request(subject_of(service), json.dumps(question).encode(), timeout=ASK_SECONDS)
    found: Mapping[str, Any] = json.loads(answer.data)
    return found


async def _ask(nc: Client, inbox: Inbox, aggregate: str, first: int, last: int) -> set[int] | None:
    """Versions that the owner will tell again; None when nobody answers."""
    question = {"consumer": inbox.consumer, "aggregate": aggregate, "first": first, "last": last}
    try:
        answer = await ask_owner(nc, inbox.stream.lower(), question)
        return {int(version) for version in answer["held"]}
    except UNANSWERED as error:
        log.warning("gap is not answered", consumer=inbox.consumer, aggregate=aggregate, error=repr(error))
        return None


async def _give_up(inbox: Inbox, aggregate: str, missing: list[int]) -> None:
    span = f"{missing[0]}" if len(missing) == 1 else f"{missing[0]} to {missing[-1]}"
    reason = f"version {span} of {aggregate} is not in its owner's outbox; a replay applies this event without it"
    async with inbox.open_unit() as unit:
        if await inbox.give_up(unit, aggregate, reason):
            log.error("gap will never close", consumer=inbox.consumer, aggregate=aggregate, missing=span)


async def serve(nc: Client, service: str, open_unit: OpenUnit, wake: Callable[[], None]) -> None:
    """Answer what other services miss of this one's events; one replica answers each question."""

    async def on_question(message: Msg) -> None:
        try:
            question = json.loads(message.data)
            answer = await (_history(question, open_unit) if "types" in question else _answer(question, open_unit))
        except Exception:  # the asker hears nothing and asks again
            log.exception("question for events failed")
            return
        wake()
        await message.respond(json.dumps(answer).encode())

    await nc.subscribe(subject_of(service), queue=service, cb=on_question)


async def _answer(question: Mapping[str, Any], open_unit: OpenUnit) -> dict[str, Any]:
    aggregate, first, last = str(question["aggregate"]), int(question["first"]), int(question["last"])
    if not (0 < first <= last < first + WIDEST):
        return {"held": [], "error": f"expected 0 < first <= last and at most {WIDEST} versions"}
    async with open_unit() as unit:
        values = {"aggregate": aggregate, "first": first, "last": last}
        held = list((await unit.execute(_HELD, values)).scalars())
        if held and not await replay.asked(unit, aggregate, first, last):
            wanted = Wanted(aggregate=aggregate, from_version=first, to_version=last)
            await replay.ask(unit, wanted, by=_asker(question), reason="versions that a consumer waits for")
    return {"held": held}


async def _history(question: Mapping[str, Any], open_unit: OpenUnit) -> dict[str, Any]:
    since, until = (datetime.fromisoformat(question[key]) for key in ("since", "until"))
    wanted = Wanted(since=since, until=until, event_types=[str(name) for name in question["types"]])
    async with open_unit() as unit:
        number = await replay.open_for(unit, wanted)
        if number is None:
            reason = f"what {question['consumer']} cannot get from its stream"
            number = await replay.ask(unit, wanted, by=_asker(question), reason=reason)
    return {"replay": number}


def _asker(question: Mapping[str, Any]) -> str:
    return f"services/{str(question['consumer']).partition('-')[0]}"
