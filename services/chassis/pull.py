"""A standing pull on a durable consumer: messages come as soon as they are published.

The client library's `fetch` waits for a whole batch or its timeout once the first message is there, and loses what
lay in its queue when a status interrupts it; one event would take seconds, a burst half a minute. Here a request
for a batch stands open, each message is handed on when it arrives, and idle heartbeats show that the broker
still knows the request (REL-27).
"""

import asyncio
import contextlib
import json
from types import TracebackType
from typing import Any, Self

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeout

BATCH = 64
EXPIRES_SECONDS = 10
HEARTBEAT_SECONDS = 1
SILENCE_SECONDS = 2.5 * HEARTBEAT_SECONDS
ENDING_SECONDS = 2
_SECOND = 1_000_000_000
_GONE = frozenset({"404", "408"})
"""No messages, request expired: the next request is due."""


class PullEnded(Exception):
    """The broker ended the request or fell silent; the subscription is built anew."""


class Pull:
    """Messages of one durable consumer, one after the other; an async context manager."""

    def __init__(self, nc: Client, stream: str, consumer: str) -> None:
        self._nc = nc
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._inbox = nc.new_inbox()
        self._open = 0
        self._ended = False
        self._subscription: Any = None

    async def __aenter__(self) -> Self:
        self._subscription = await self._nc.subscribe(self._inbox)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._nc.is_closed and not self._ended:
            await self._subscription.unsubscribe()

    async def next(self) -> Msg | None:
        """The next message; None after a sign of life without one. PullEnded when the request is gone."""
        if self._open <= 0:
            await self._ask()
        try:
            message: Msg = await self._subscription.next_msg(timeout=SILENCE_SECONDS)
        except NatsTimeout:
            raise PullEnded(f"the broker was silent for {SILENCE_SECONDS:g} s") from None
        if message.reply.startswith("$JS.ACK."):
            self._open -= 1
            return message
        status = (message.headers or {}).get("Status", "")
        if status in _GONE:
            self._open = 0
        elif status != "100":
            raise PullEnded(f"{status} {(message.headers or {}).get('Description', '')}".strip())
        return None

    async def give_back(self) -> None:
        """Hand back what was delivered and not taken, so that another process gets it at once.

        The interest ends first: while the request stands, the broker would deliver to it again what is given back.
        """
        ending = asyncio.ensure_future(asyncio.wait_for(self._subscription.drain(), ENDING_SECONDS))
        left: list[Msg] = []
        while not ending.done():
            with contextlib.suppress(NatsTimeout):
                left.append(await self._subscription.next_msg(timeout=0.02))
        with contextlib.suppress(TimeoutError, NatsError):
            ending.result()
        self._ended = True
        for message in left:
            if message.reply.startswith("$JS.ACK."):
                await message.nak()

    async def _ask(self) -> None:
        request = {
            "batch": BATCH,
            "expires": EXPIRES_SECONDS * _SECOND,
            "idle_heartbeat": HEARTBEAT_SECONDS * _SECOND,
        }
        await self._nc.publish(self._subject, json.dumps(request).encode(), reply=self._inbox)
        self._open = BATCH
