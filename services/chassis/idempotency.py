"""Replay by request_id: the first answer is stored in the command's transaction and given again (REL-59..63).

Only answers that cannot change by themselves are stored: OK and the final business refusals. Everything
else leaves no row, so that the same request may be tried again.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
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
    parts: list[bytes] = []
    _feed(parts, request)
    return hashlib.sha256(b"".join(parts)).digest()


def _feed(parts: list[bytes], message: Message) -> None:
    for field, value in message.ListFields():  # in the order of their numbers
        if field.name in _IGNORED:
            continue
        parts.append(b"(%d" % field.number)
        if type(value) is str:
            _feed_text(parts, value)
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            for key in sorted(value):
                _feed_one(parts, key)
                _feed_one(parts, value[key])
        elif field.is_repeated:
            for item in value:
                _feed_one(parts, item)
        else:
            _feed_one(parts, value)
        parts.append(b")")


def _feed_one(parts: list[bytes], value: Any) -> None:
    if isinstance(value, Message):
        parts.append(b"{")
        _feed(parts, value)
        parts.append(b"}")
    elif isinstance(value, bytes):
        parts.append(b"%d:%b" % (len(value), value))
    else:
        _feed_text(parts, str(value))


def _feed_text(parts: list[bytes], text: str) -> None:
    content = text.encode()
    parts.append(b"%d:%b" % (len(content), content))


_CLAIM = text("""
    insert into idempotency (principal, method, request_id, request_hash, hash_version, expires_at)
    select principal, :method, id, hash, :hash_version, now() + :kept
    from unnest(cast(:principals as text[]), cast(:ids as uuid[]), cast(:hashes as bytea[]))
        as entry(principal, id, hash)
    order by id, principal
    on conflict do nothing
    returning principal, request_id
""")

_LOAD = text("""
    select known.principal, known.request_id, known.request_hash, known.status_code, known.answer
    from unnest(cast(:principals as text[]), cast(:ids as uuid[])) as entry(principal, id)
    join idempotency known on known.principal = entry.principal and known.method = :method
                          and known.request_id = entry.id
""")

_STORE = text("""
    update idempotency set status_code = entry.code, answer = entry.content
    from unnest(cast(:principals as text[]), cast(:ids as uuid[]), cast(:codes as int[]), cast(:contents as bytea[]))
        as entry(principal, id, code, content)
    where idempotency.principal = entry.principal and method = :method and request_id = entry.id
""")

_FORGET = text("""
    delete from idempotency using unnest(cast(:principals as text[]), cast(:ids as uuid[])) as entry(principal, id)
    where idempotency.principal = entry.principal and method = :method and request_id = entry.id
""")


def waits_for_twin(error: BaseException) -> bool:
    """Whether a database error came from waiting for the end of another request with the same id."""
    return "insert into idempotency" in str(getattr(error, "statement", ""))


def count(metrics: Metrics | None, name: str, method: str) -> None:
    """Count a replay or a conflict of a method, named in full."""
    if metrics is not None:
        service, _, rpc = method.partition("#")[0].rpartition(".")
        metrics.inc(name, f"{service.rpartition('.')[2]}/{rpc}")


Key = tuple[str, UUID]
"""A principal and the request id that it made."""


@dataclass(frozen=True, slots=True)
class Ledgers:
    """The stored answers of one method, of any number of principals."""

    session: AsyncSession
    method: str
    metrics: Metrics | None = None

    async def claim(self, hashes: Mapping[Key, bytes]) -> dict[Key, Answer | Fault | None]:
        """Claim keys with the hashes of their requests in one statement.

        None = ours to do; Answer = done before; Fault = the id was used for another request. A concurrent
        twin is waited for on the unique index; it ends before we read.
        """
        keys = sorted(hashes, key=lambda key: (key[1], key[0]))
        values = {**self._of(keys), "hashes": [hashes[key] for key in keys], "hash_version": HASH_VERSION, "kept": KEPT}
        won = {(row.principal, row.request_id) for row in await self.session.execute(_CLAIM, values)}
        found: dict[Key, Answer | Fault | None] = dict.fromkeys(won)
        rest = [key for key in keys if key not in won]
        if rest:
            for row in await self.session.execute(_LOAD, self._of(rest)):
                key = (row.principal, row.request_id)
                if row.request_hash != hashes[key]:
                    found[key] = RequestIdReused(request_id=row.request_id)
                    self._count("plantops_idempotency_conflicts_total")
                else:
                    self._count("plantops_idempotent_replays_total")
                    found[key] = Answer(row.status_code, row.answer)
        return found

    async def store(self, answers: Mapping[Key, Answer]) -> None:
        """Keep answers with the effect, in one statement."""
        if answers:
            contents = {
                "codes": [row.code for row in answers.values()],
                "contents": [row.content for row in answers.values()],
            }
            await self.session.execute(_STORE, {**self._of(list(answers)), **contents})

    async def forget(self, keys: Sequence[Key]) -> None:
        """Give back the ids of requests whose refusal may change by itself."""
        if keys:
            await self.session.execute(_FORGET, self._of(keys))

    def _of(self, keys: Sequence[Key]) -> dict[str, Any]:
        principals, ids = ([key[part] for key in keys] for part in (0, 1))
        return {"method": self.method, "principals": principals, "ids": ids}

    def _count(self, name: str) -> None:
        count(self.metrics, name, self.method)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The stored answers of one principal and method."""

    session: AsyncSession
    principal: str
    method: str
    metrics: Metrics | None = None

    @property
    def _all(self) -> Ledgers:
        return Ledgers(self.session, self.method, self.metrics)

    async def claim(self, keys: Sequence[tuple[UUID, bytes]]) -> dict[UUID, Answer | Fault | None]:
        """Claim (request id, hash) pairs in one statement; of two with one id the first counts."""
        found = await self._all.claim({(self.principal, key): content for key, content in reversed(keys)})
        return {key: outcome for (_, key), outcome in found.items()}

    async def store(self, answers: Iterable[tuple[UUID, Answer]]) -> None:
        """Keep answers with the effect, in one statement."""
        await self._all.store({(self.principal, key): answer for key, answer in answers})

    async def forget(self, ids: Sequence[UUID]) -> None:
        """Give back the ids of entries whose refusal may change by itself."""
        await self._all.forget([(self.principal, key) for key in ids])
