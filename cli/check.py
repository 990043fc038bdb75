"""`plantops check`: whether the plant's books agree, asked through the rpcs that operations may call.

Balances equal the ledger, every movement sums to zero per item and lot, no reservation dangles; every event
that a service told was published and has been applied, or waits visibly, in every service that follows it.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message
from plantops.maintenance.v1.sites_pb2 import ListSitesRequest
from plantops.materials.v1.movements_pb2 import CheckLedgerRequest

from cli.home import SERVICES
from cli.session import Session, module

PERSON = "people/opal"
CHUNK = 1000
LEDGER_SECONDS = 30.0
"""A part of a ledger takes longer than other questions; no service works longer on one."""
LEDGER_PART = 200_000
"""Entries of a part."""
ARRIVAL_SECONDS = 10.0
QUIET_SECONDS = 60.0
"""Longer than a delivery that was lost with its process waits for the next one (REL-25)."""


async def check(session: Session, site: str = "", *, person: str = PERSON) -> int:
    """Print what was compared and every difference; 0 when there is none."""
    findings = await ledgers(session, site, person=person)
    findings += await _messaging(session, person)
    for service in SERVICES:
        until = time.monotonic() + ARRIVAL_SECONDS
        while True:  # the broker counts a message as pending a moment after it has acknowledged it
            lines, missing = await _inboxes(session, person, service)
            if not missing or time.monotonic() > until:
                break
            await asyncio.sleep(0.2)
        print("\n".join(lines))
        findings += missing
    for finding in findings:
        print(f"difference: {finding}")
    print("no difference" if not findings else f"{len(findings)} differences")
    return 1 if findings else 0


async def ledgers(session: Session, site: str = "", *, person: str = PERSON) -> list[str]:
    """Compare balances with the ledger, at one site or all; gives the differences."""
    findings: list[str] = []
    sites = [site] if site else [row.name async for row in session.pages(person, ListSitesRequest())]
    for name in sites:
        request = CheckLedgerRequest(name=name, entry_count=LEDGER_PART)
        counted = ""
        while not counted or request.page_token:
            ledger = await session.call(person, request, seconds=LEDGER_SECONDS)
            counted = counted or f"{ledger.movement_count} movements and {ledger.balance_count} balances"
            findings += [f"{name}: {finding}" for finding in ledger.findings]
            request.page_token = ledger.next_page_token
        print(f"{name}: {counted} compared")
    return findings


async def _messaging(session: Session, person: str) -> list[str]:
    """Wait a while for events on their way, then report what is still not published, waiting or parked."""
    until = time.monotonic() + QUIET_SECONDS
    while True:
        findings: list[str] = []
        for service in SERVICES:
            state = await session.call(person, request_of(service, "Get{}Messaging"))
            findings += _open(service, state)
        if not findings or time.monotonic() > until:
            break
        await asyncio.sleep(0.2)
    for service in SERVICES:
        state = await session.call(person, request_of(service, "Get{}Messaging"))
        print(f"{service}: {state.told_count} events told, {state.stream_message_count} in its stream")
    return findings


def _open(service: str, state: Any) -> list[str]:
    findings = []
    if state.unpublished_count:
        findings.append(f"{service}: {state.unpublished_count} events are not published")
    if state.HasField("stream_message_count") and state.stream_message_count < state.told_count:
        findings.append(f"{service}: {state.told_count} events told, {state.stream_message_count} in the stream")
    for consumer in state.consumers:
        for what, count in (
            ("are not delivered", consumer.pending_count),
            ("are not acknowledged", consumer.unacknowledged_count),
            ("wait for an earlier one", consumer.waiting_count),
            ("are parked", consumer.dead_letter_count),
        ):
            if count:
                findings.append(f"{service}: {count} events of {consumer.source} {what}")
    return findings


async def _inboxes(session: Session, person: str, source: str) -> tuple[list[str], list[str]]:
    """Every event told by a service against the inboxes of the others: what was compared, what is missing."""
    findings: list[str] = []
    followed: dict[str, int] = {}
    request = request_of(source, "List{}ToldEvents", page_size=500)
    rows = [row async for row in session.pages(person, request)]
    for begin in range(0, len(rows), CHUNK):
        part: Sequence[Any] = rows[begin : begin + CHUNK]
        for service in SERVICES:
            if service == source:
                continue
            question = request_of(service, "Check{}Inbox", source=source)
            for row in part:
                question.events.add(event_id=row.event_id, event_type=row.event_type)  # type: ignore[attr-defined]
            answer = await session.call(person, question)
            followed[service] = followed.get(service, 0) + answer.followed_count
            findings += [
                f"{service} has not applied event {event_id} of {source}" for event_id in answer.missing_event_ids
            ]
    lines = [
        f"{source} -> {service}: {count} of {len(rows)} events followed and compared"
        for service, count in followed.items()
    ]
    return lines, findings


def request_of(service: str, pattern: str, **fields: Any) -> Message:
    """A request of a service's operations, such as `List{}ToldEvents` for the pattern."""
    contract = module(f"{service}.operations")
    kind = getattr(contract, pattern.format(service.capitalize()) + "Request")
    message: Message = kind(**fields)
    return message
