"""A batch of entries, each with its own request_id and outcome, in one commit (AIP-231, REL-63).

An entry is checked before it writes anything, so there is no savepoint per entry: a method refuses an entry
instead of raising. All keys are claimed in one statement and all answers stored in one.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, TypeVar
from uuid import UUID

from google.protobuf.message import Message
from google.rpc import code_pb2, status_pb2

from services.chassis.fault_points import reach
from services.chassis.faults import Fault, FieldInvalid
from services.chassis.idempotency import STORED_CODES, Answer, Ledger, request_hash
from services.chassis.wire import fill

R = TypeVar("R", bound=Message)
E = TypeVar("E", bound=Message)


class Entry(Generic[E]):
    """One entry: answer it with a row or message, or refuse it with a fault."""

    def __init__(self, request: E, index: int) -> None:
        self.request = request
        self.index = index
        self.replayed = False
        self.fault: Fault | None = None
        self.result: object | None = None
        self.stored: Answer | None = None

    @property
    def open(self) -> bool:
        """Whether the entry still has to be worked on."""
        return not self.replayed and self.fault is None and self.result is None

    def answer(self, result: object) -> None:
        """Set the outcome: a row or a message."""
        self.result = result

    def refuse(self, fault: Fault) -> None:
        """Set the outcome: refused, with nothing written for this entry."""
        self.fault = fault


class Batch(Generic[E]):
    """The entries of one batch call, in order."""

    def __init__(
        self, domain: str, ledger: Ledger, requests: Sequence[E], done: Mapping[int, bytes] = MappingProxyType({})
    ) -> None:
        self._domain = domain
        self._ledger = ledger
        self.entries = [Entry(request, index) for index, request in enumerate(requests)]
        for index, outcome in done.items():
            self.entries[index].stored, self.entries[index].replayed = Answer(code_pb2.OK, outcome), True
        self._twins: dict[int, int] = {}
        self._owned: dict[UUID, Entry[E]] = {}

    def __iter__(self) -> Iterator[Entry[E]]:
        return iter(self.entries)

    @property
    def open(self) -> list[Entry[E]]:
        """Entries that are neither replayed nor refused yet."""
        return [entry for entry in self.entries if entry.open]

    async def claim(self, refused: dict[int, Fault]) -> None:
        """Claim the keys of all entries that are not refused already; marks what was answered before."""
        first: dict[UUID, Entry[E]] = {}
        hashes: dict[int, bytes] = {}
        for entry in self.open:
            if entry.index in refused:
                entry.refuse(refused[entry.index])
                continue
            key = UUID(entry.request.request_id)  # type: ignore[attr-defined]
            hashes[entry.index] = request_hash(entry.request)
            twin = first.setdefault(key, entry)
            if twin is not entry:
                if hashes[twin.index] == hashes[entry.index]:
                    self._twins[entry.index] = twin.index
                    entry.replayed = True
                else:
                    entry.refuse(FieldInvalid(field="request_id", rule="stands twice in this batch", value=key))
        claimed = await self._ledger.claim([(key, hashes[entry.index]) for key, entry in first.items()])
        await reach("unit.after_idempotency_insert")
        for key, entry in first.items():
            outcome = claimed[key]
            if isinstance(outcome, Fault):
                entry.refuse(outcome)
            elif outcome is not None:
                entry.replayed, entry.stored = True, outcome
            else:
                self._owned[key] = entry

    def response(self, kind: type[R]) -> "BatchAnswer[R]":
        """The response, filled after everything was written: `repeated Outcome{oneof result, status}`."""
        return BatchAnswer(self, kind)

    async def finish(self, kind: type[R]) -> R:
        """Fill the outcomes in order and store the answers of what was done here."""
        response = kind()
        outcomes: Any = response.outcomes  # type: ignore[attr-defined]
        for entry in self.entries:
            outcome = outcomes.add()
            if entry.index in self._twins:
                outcome.CopyFrom(outcomes[self._twins[entry.index]])
            elif entry.fault is not None:
                outcome.status.CopyFrom(entry.fault.status(self._domain))
            elif entry.stored is not None:
                outcome.ParseFromString(entry.stored.content)
            elif entry.result is None:
                raise RuntimeError(f"entry {entry.index} of the batch has no outcome")
            else:
                _put(outcome, entry.result)
        keep: list[tuple[UUID, Answer]] = []
        drop: list[UUID] = []
        for key, entry in self._owned.items():
            if entry.fault is not None and entry.fault.code not in STORED_CODES:
                drop.append(key)
            else:
                keep.append((key, Answer(code_pb2.OK, outcomes[entry.index].SerializeToString())))
        await self._ledger.store(keep)
        await self._ledger.forget(drop)
        return response


class BatchAnswer(Generic[R]):
    """A response that is filled when the unit has written its rows."""

    def __init__(self, batch: Batch[Any], kind: type[R]) -> None:
        self.batch = batch
        self.kind = kind


def _put(outcome: Message, result: object) -> None:
    field = next(
        field
        for field in outcome.DESCRIPTOR.fields
        if field.message_type is not None and field.message_type is not status_pb2.Status.DESCRIPTOR
    )
    target = getattr(outcome, field.name)
    target.SetInParent()
    if isinstance(result, Message):
        target.CopyFrom(result)
    else:
        fill(target, result)
