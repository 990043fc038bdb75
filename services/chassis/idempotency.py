"""Replay by request_id: the first answer is stored in the command's transaction and given again (REL-59..63).

Only answers that cannot change by themselves are stored: OK and the final business refusals. Everything
else leaves no row, so that the same request may be tried again.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from google.rpc import code_pb2, status_pb2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.faults import Fault, RequestIdReused
from services.chassis.metrics import Metrics

HASH_VERSION = 1
KEPT = timedelta(days=30)
STORED_CODES = frozenset({code_pb2.FAILED_PRECONDITION, code_pb2.ALREADY_EXISTS, code_pb2.OUT_OF_RANGE})
_IGNORED = frozenset({"request_id"})


class StoredRefusal(Exception):
    """The command was refused before; carries the stored google.rpc.Status."""

    def __init__(self, status: status_pb2.Status) -> None:
        super().__init__(status.message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered the first time: response bytes, or a refusal's Status bytes with its code."""

    code: int
    content: bytes

    def into(self, response: Message) -> Message:
        """The stored answer as a message; raises StoredRefusal for a stored refusal."""
        if self.code != code_pb2.OK:
            raise StoredRefusal(status_pb2.Status.FromString(self.content))
        response.ParseFromString(self.content)
        return response


def request_hash(request: Message) -> bytes:
    """SHA-256 over the normalised fields without request_id; independent of the wire encoding (REL-61)."""
    digest = hashlib.sha256()
    _feed(digest, request)
    return digest.digest()


def _feed(digest: Any, message: Message) -> None:
    for field, value in sorted(message.ListFields(), key=lambda pair: pair[0].number):
        if field.name in _IGNORED:
            continue
        digest.update(b"(%d" % field.number)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            for key in sorted(value):
                _feed_one(digest, key)
                _feed_one(digest, value[key])
        elif field.is_repeated:
            for item in value:
                _feed_one(digest, item)
        else:
            _feed_one(digest, value)
        digest.update(b")")


def _feed_one(digest: Any, value: Any) -> None:
    if isinstance(value, Message):
        digest.update(b"{")
        _feed(digest, value)
        digest.update(b"}")
    else:
        content = value if isinstance(value, bytes) else str(value).encode()
        digest.update(b"%d:" % len(content) + content)


_CLAIM = text("""
    insert into idempotency (principal, method, request_id, request_hash, hash_version, expires_at)
    select :principal, :method, id, hash, :hash_version, now() + :kept
    from unnest(cast(:ids as uuid[]), cast(:hashes as bytea[])) with ordinality as entry(id, hash, place)
    order by id, place
    on conflict do nothing
    returning request_id
""")

_LOAD = text("""
    select request_id, request_hash, status_code, answer from idempotency
    where principal = :principal and method = :method and request_id = any(cast(:ids as uuid[]))
""")

_STORE = text("""
    update idempotency set status_code = entry.code, answer = entry.content
    from unnest(cast(:ids as uuid[]), cast(:codes as int[]), cast(:contents as bytea[]))
        as entry(id, code, content)
    where principal = :principal and method = :method and request_id = entry.id
""")

_FORGET = text("""
    delete from idempotency
    where principal = :principal and method = :method and request_id = any(cast(:ids as uuid[]))
""")


@dataclass(frozen=True, slots=True)
class Ledger:
    """The stored answers of one principal and method."""

    session: AsyncSession
    principal: str
    method: str
    metrics: Metrics | None = None

    async def claim(self, keys: Sequence[tuple[UUID, bytes]]) -> dict[UUID, Answer | Fault | None]:
        """Claim (request id, hash) pairs in one statement.

        None = ours to do; Answer = done before; Fault = the id was used for another request. A concurrent
        twin is waited for on the unique index; it ends before we read.
        """
        unique = dict(reversed(keys))
        ids = sorted(unique)
        won = set(
            (
                await self.session.execute(
                    _CLAIM,
                    {
                        "principal": self.principal,
                        "method": self.method,
                        "ids": ids,
                        "hashes": [unique[key] for key in ids],
                        "hash_version": HASH_VERSION,
                        "kept": KEPT,
                    },
                )
            ).scalars()
        )
        found: dict[UUID, Answer | Fault | None] = dict.fromkeys(won)
        rest = [key for key in ids if key not in won]
        if rest:
            rows = await self.session.execute(_LOAD, {"principal": self.principal, "method": self.method, "ids": rest})
            for row in rows:
                if row.request_hash != unique[row.request_id]:
                    found[row.request_id] = RequestIdReused(request_id=row.request_id)
                    self._count("plantops_idempotency_conflicts_total")
                else:
                    self._count("plantops_idempotent_replays_total")
                    found[row.request_id] = Answer(row.status_code, row.answer)
        return found

    def _count(self, name: str) -> None:
        if self.metrics is not None:
            service, _, rpc = self.method.partition("#")[0].rpartition(".")
            self.metrics.inc(name, f"{service.rpartition('.')[2]}/{rpc}")

    async def store(self, answers: Iterable[tuple[UUID, Answer]]) -> None:
        """Keep answers with the effect, in one statement."""
        pairs = list(answers)
        if pairs:
            await self.session.execute(
                _STORE,
                {
                    "principal": self.principal,
                    "method": self.method,
                    "ids": [key for key, _ in pairs],
                    "codes": [answer.code for _, answer in pairs],
                    "contents": [answer.content for _, answer in pairs],
                },
            )

    async def forget(self, ids: Sequence[UUID]) -> None:
        """Give back the ids of entries whose refusal may change by itself."""
        if ids:
            await self.session.execute(_FORGET, {"principal": self.principal, "method": self.method, "ids": list(ids)})
