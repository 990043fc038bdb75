"""Movements inside the plant of one batch, by a few calls of the function that posts them (decision 0026).

The next part is prepared while the database posts the one before. Each movement sees those before it of its item, and
what others do is nothing to it: places that have limits are left to the caller.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from services.chassis.access import scope_of
from services.chassis.at_once import caller_marks
from services.chassis.faults import Fault
from services.chassis.idempotency import request_hash
from services.chassis.unit import Unit
from services.materials.api import moves
from services.materials.api.postings import Known
from services.materials.model import ledger

_POST = text(moves.NAMED)
SHARES = (0.32, 0.28, 0.24, 0.16)
"""Parts of a large batch: each is prepared in about the time that the database takes for the one before."""
LARGE = 200
"""Movements from which on a batch is worth parts."""
_BREATH = 25
"""Movements that are prepared until the process may look after others."""

Entries = Mapping[int, Any]
"""Requests by their index in the batch."""
Element = tuple[int, Sequence[Any]]
"""Index, and what the function is given."""


async def post(unit: Unit, site: str, known: Known, entries: Entries) -> dict[int, bytes]:
    """Outcomes by index of what was posted.

    Nothing is, where other movements are among them that could come before: each sees those before it.
    """
    twins = {entry.request_id.lower() for entry in entries.values()}
    if not entries or len(twins) < len(entries) or not all(moves.plain(entry, known) for entry in entries.values()):
        return {}
    parts = list(_parts(entries))
    if len(parts) > 1:  # in one order for all of them
        await ledger.hold(unit, site, known.items.keys() & {entry.movement.item for entry in entries.values()})
    assert unit.context.method is not None
    what = (site, f"{unit.context.method.full_name}#entry", scope_of(unit.context.method))
    posting = _Posting(unit, known, what, await caller_marks(unit.session, [unit.caller.name]))
    try:
        for part in parts:
            ready = await posting.prepared(part)
            if not await posting.settled():
                return posting.done
            posting.begin(ready)
        await posting.settled()
    finally:
        await posting.stop()
    return posting.done


def _parts(entries: Entries) -> Iterator[Entries]:
    """The entries in one part, or in parts of about the shares; those of one item in one part, in their order.

    A balance is written once for each part that speaks of it.
    """
    if len(entries) < LARGE:
        yield entries
        return
    by_item: dict[str, dict[int, Any]] = {}
    for index, entry in entries.items():
        by_item.setdefault(entry.movement.item, {})[index] = entry
    part: dict[int, Any] = {}
    gone, number = 0, 1
    for some in by_item.values():
        part.update(some)
        if gone + len(part) >= len(entries) * sum(SHARES[:number]):
            yield part
            gone, number, part = gone + len(part), number + 1, {}
    if part:
        yield part


@dataclass(slots=True)
class _Call:
    """A call of the function that is under way."""

    rows: "asyncio.Task[Any]"
    indices: list[int]


class _Posting:
    """What is posted of one batch, at most one part at a time."""

    def __init__(
        self, unit: Unit, known: Known, what: tuple[str, str, str], callers: tuple[list[str], list[str]]
    ) -> None:
        self._unit, self._known, self._what, self._callers = unit, known, what, callers
        self._call: _Call | None = None
        self.done: dict[int, bytes] = {}

    async def prepared(self, entries: Entries) -> list[Element]:
        """What the function is given of a part; without what is refused, or was answered before."""
        context, caller = self._unit.context, self._unit.caller
        ready: list[Element] = []
        for number, (index, entry) in enumerate(entries.items()):
            if self._call is not None and number % _BREATH == 0:
                await asyncio.sleep(0)
            try:
                posting = self._known.posting(self._unit, entry)
            except Fault:
                continue
            given = moves.columns(
                posting, caller, entry.request_id, request_hash(entry), context.traceparent, context.ip, wrapped=True
            )
            ready.append((index, given))
        return ready

    def begin(self, ready: list[Element]) -> None:
        """Call the function for a part, and do not wait for it."""
        if not ready:
            return
        known = self._known
        elements = [given for _, given in ready]
        values = moves.arguments(self._what, self._callers, elements, known.items, known.lots, known.places)
        given = {f"p{number}": value for number, value in zip(moves.NUMBERS, values, strict=True)}
        self._call = _Call(asyncio.ensure_future(self._unit.execute(_POST, given)), [index for index, _ in ready])

    async def settled(self) -> bool:
        """Wait for the part that is under way; False when what was known is not so any more, and nothing was done."""
        if self._call is None:
            return True
        rows = (await self._call.rows).all()
        indices, self._call = self._call.indices, None
        if rows and rows[0].outcome == "STALE":
            return False
        self.done.update({indices[row.n - 1]: row.answer for row in rows if row.outcome == "POSTED"})
        return True

    async def stop(self) -> None:
        """End what is under way, because the batch does not go on."""
        if self._call is not None:
            self._call.rows.cancel()
            await asyncio.wait([self._call.rows])
