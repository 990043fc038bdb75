"""Outbox rows -> JetStream: in one atomic batch, else singly, in order within each aggregate (REL-9 .. REL-11)."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError

from services.chassis.metrics import Metrics
from services.chassis.remedies import Seldom
from services.chassis.tracing import Tracing

log = structlog.get_logger("relay")

PUBLISH_SECONDS = 1.0
PARALLEL = 64
FULL = frozenset({10023, 10047, 10077})
"""Error codes of a broker or stream that has no room (REL-21)."""
FULL_SECONDS = 2.0
"""How long nothing is tried after such an answer: it holds for every row."""

Row = Mapping[str, Any]
"""pos, aggregate_id, subject, payload and headers (JSON text) of an outbox row."""


class Publisher:
    """Publishes rows to one stream and remembers what its acknowledgements say about the stream."""

    def __init__(self, stream: str, metrics: Metrics, shard: str, tracing: Tracing) -> None:
        self.tracing = tracing
        self.stream = stream
        self.metrics = metrics
        self.shard = shard
        self.sequence = 0
        """Highest sequence that the stream has given."""
        self.doubtful = False
        """Something was not acknowledged as expected: the stream may be gone, full, or another one."""
        self.duplicates = 0
        self._stalled = False
        self._lowest = 0
        self._rests_until = 0.0
        self._refused = False
        self._seldom = Seldom()

    async def publish(self, nc: Client, rows: Sequence[Row]) -> set[int]:
        """Positions that the broker has acknowledged; the first failure of an aggregate stops that aggregate."""
        with self.tracing.publishing(self.stream, (json.loads(row["headers"]).get("traceparent", "") for row in rows)):
            return await self._publish(nc, rows)

    async def _publish(self, nc: Client, rows: Sequence[Row]) -> set[int]:
        if time.monotonic() < self._rests_until:
            return set()
        self._stalled = False
        before, self._lowest = self.sequence, 0
        done: set[int] = set()
        if len(rows) > 1:
            done = await self._atomic(nc, rows)
            if not done:
                self.metrics.inc("plantops_relay_batch_fallbacks_total", self.shard)
        if not done:
            done = await self._one_by_one(nc, rows)
        if 0 < self._lowest <= before:  # the numbers of one stream only rise
            self.doubtful = True
        if done and self._refused and not self._stalled:
            self._refused = False
            log.info("publishes are acknowledged again", stream=self.stream)
        return done

    async def _one_by_one(self, nc: Client, rows: Sequence[Row]) -> set[int]:
        keys: dict[str, list[Row]] = {}
        for row in rows:
            keys.setdefault(row["aggregate_id"], []).append(row)
        limit = asyncio.Semaphore(PARALLEL)

        async def serial(mine: list[Row]) -> list[int]:
            done: list[int] = []
            async with limit:
                for row in mine:
                    if not await self._single(nc, row):
                        break
                    done.append(row["pos"])
            return done

        found = await asyncio.gather(*(serial(mine) for mine in keys.values()))
        return {pos for done in found for pos in done}

    async def _single(self, nc: Client, row: Row) -> bool:
        if self._stalled or not nc.is_connected:
            return False
        headers = {**json.loads(row["headers"]), "Nats-Expected-Stream": self.stream}
        began = time.perf_counter()
        try:
            answer = await nc.request(row["subject"], row["payload"], timeout=PUBLISH_SECONDS, headers=headers)
        except (NatsError, TimeoutError, OSError) as error:
            self._give_up(error, 1)
            return False
        self._took(began)
        return self._accepted(answer.data)

    async def _atomic(self, nc: Client, rows: Sequence[Row]) -> set[int]:
        """All in one JetStream batch or none: none for a known message id or any other refusal (REL-9)."""
        batch = str(uuid4())
        began = time.perf_counter()
        try:
            for number, row in enumerate(rows, 1):
                headers = json.loads(row["headers"])
                headers |= {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
                headers["Nats-Expected-Stream"] = self.stream
                if number < len(rows):
                    await nc.publish(row["subject"], row["payload"], headers=headers)
                else:
                    headers["Nats-Batch-Commit"] = "1"
                    answer = await nc.request(row["subject"], row["payload"], timeout=PUBLISH_SECONDS, headers=headers)
        except (NatsError, TimeoutError, OSError) as error:
            self._give_up(error, len(rows))
            return set()
        self._took(began)
        content = json.loads(answer.data or b"{}")
        if "error" in content or content.get("stream") != self.stream:
            return set()  # a single publish says what is wrong
        self._count(int(content["seq"]) - len(rows) + 1, int(content["seq"]))
        return {row["pos"] for row in rows}

    def _give_up(self, error: Exception, count: int) -> None:
        """No answer is no matter of one row: the others of this batch wait for the next round."""
        self.doubtful = True
        if not self._stalled and self._seldom.due("not acknowledged"):
            log.warning("publish not acknowledged", stream=self.stream, count=count, error=repr(error))
        self._stalled = self._refused = True

    def _accepted(self, data: bytes) -> bool:
        content = json.loads(data or b"{}")
        if "error" in content or content.get("stream") != self.stream:
            self._refuse(content.get("error") or {"description": f"stream {content.get('stream')} took it"})
            return False
        if content.get("duplicate") is True:
            self.duplicates += 1
            self.metrics.inc("plantops_relay_duplicates_total", self.shard)
        else:
            self._count(int(content["seq"]), int(content["seq"]))
        return True

    def _refuse(self, error: Mapping[str, Any]) -> None:
        """Say once in a while why the broker takes nothing; what a full one refuses need not be tried row by row."""
        self.doubtful = self._refused = True
        remedy = "read the broker's log"
        if error.get("err_code") in FULL:
            self._stalled, self._rests_until = True, time.monotonic() + FULL_SECONDS
            remedy = (
                f"give {self.stream} room: raise max_bytes in services/streams.toml and run `plantops nats apply`, "
                "or add space to the broker; nothing is lost, the outbox keeps its events"
            )
        if self._seldom.due(str(error.get("err_code"))):
            log.error("publish refused", stream=self.stream, error=dict(error), remedy=remedy)

    def _took(self, began: float) -> None:
        self.metrics.observe("plantops_relay_publish_seconds", time.perf_counter() - began, self.shard)

    def _count(self, first: int, last: int) -> None:
        self._lowest = min(self._lowest or first, first)
        self.sequence = max(self.sequence, last)
