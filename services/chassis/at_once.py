"""Calls that wait together, done by one call of a database function: one round trip, commit included (PERF-1).

    what calls speak of, kept here with its versions -> checks -> one function call, which compares the versions,
    claims the request ids, does the work and writes what is told, audited and answered -> replies

What is kept is never trusted: the function says STALE, with nothing done, where a version is another one by now. What
cannot be done like this - a refusal, a fact that is not kept, a fault - is left to a unit (lanes.py), which reads
everything anew.
"""

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from services.chassis import access, conventions, fault_points, requests
from services.chassis.db import CLASHES, LOCKED, sqlstate
from services.chassis.faults import Fault, RequestIdReused
from services.chassis.idempotency import Answer, count, request_hash

if TYPE_CHECKING:
    from services.chassis.command import Commands
    from services.chassis.lanes import Member

log = structlog.get_logger("lanes")

TRIES = 3
"""Calls of the function for one batch, until units do it."""
MOST_KEPT = 20_000
"""Facts of a kind that a process keeps; beyond it they are read anew."""
TAKEN = "23505"
"""Somebody else used a request id meanwhile."""


class Work(Protocol):
    """How calls of one rpc are done at once."""

    statement: str
    """The function: gives n, outcome (POSTED, DONE, REUSED, APART or STALE), code, answer and subject."""

    def fits(self, request: Any) -> bool:
        """Whether the function does calls of this kind at all."""

    def names(self, request: Any) -> Iterable[str]:
        """Names of facts that a request speaks of."""

    def wants(self, request: Any) -> Iterable[str]:
        """Those of them that are not kept."""

    async def load(self, session: AsyncSession, names: Iterable[str]) -> None:
        """Keep facts; a name that stands for nothing stays unknown."""

    def forget(self, names: Iterable[str]) -> None:
        """Facts that are not so any more."""

    def element(self, member: "Member", caller: access.Caller) -> Sequence[Any] | None:
        """What the function is given for a call; None, or a fault, leaves it to a unit."""

    def arguments(
        self, names: list[str], marks: list[str], members: Sequence["Member"], elements: Sequence[Sequence[Any]]
    ) -> Sequence[Any]:
        """Arguments of the function: callers with their marks, facts with their versions, the elements by columns."""


class Line:
    """A connection of its own for a lane, of the process's pool, with its prepared statements; commits by itself."""

    def __init__(self, commands: "Commands") -> None:
        self._commands = commands
        self._held: AsyncConnection | None = None
        self._driver: Any = None
        self._prepared: dict[str, Any] = {}
        self.calls = 0
        """Statements sent so far; each is a transaction."""

    async def fetch(self, statement: str, arguments: Sequence[Any], seconds: float) -> list[Any]:
        """Rows of a statement; the connection is given up when anything but the statement goes wrong."""
        try:
            if self._held is None:
                engine: AsyncEngine = self._commands.sessions.kw["bind"]
                self._held = await engine.connect()
                self._driver = (await self._held.get_raw_connection()).driver_connection
            prepared = self._prepared.get(statement)
            if prepared is None:
                prepared = self._prepared[statement] = await self._driver.prepare(statement)
            self.calls += 1
            rows: list[Any] = await prepared.fetch(*arguments, timeout=seconds)
            return rows
        except BaseException as error:
            if not sqlstate(error) or sqlstate(error)[:2] in ("08", "57"):
                await self.close()
            raise

    async def close(self) -> None:
        """Give the connection back for good: what stands open in it ends with it."""
        held, self._held, self._driver, self._prepared = self._held, None, None, {}
        if held is not None:
            await held.invalidate()
            await held.close()


_MARKS = text("select name, mark from caller_marks(cast(:names as text[]))")


async def caller_marks(session: AsyncSession, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Callers with the marks by which the database tells whether they hold what they held."""
    rows = (await session.execute(_MARKS, {"names": sorted(set(names))})).all()
    return [row.name for row in rows], [row.mark for row in rows]


class Callers:
    """Who calls, with what they hold and a mark by which the database tells whether that is still so."""

    def __init__(self, commands: "Commands") -> None:
        self._commands = commands
        self._kept: dict[int, tuple[access.Claims, str, access.Caller]] = {}

    def of(self, claims: access.Claims) -> tuple[str, access.Caller] | None:
        """Mark and caller of verified claims, which are one object for as long as the token is remembered."""
        found = self._kept.get(id(claims))
        return None if found is None or found[0] is not claims else (found[1], found[2])

    async def load(self, session: AsyncSession, asked: Sequence[access.Claims]) -> None:
        """Keep callers. The mark is read first: what changes between makes it stale, never the roles."""
        if len(self._kept) > MOST_KEPT:
            self._kept.clear()
        marks = dict(zip(*await caller_marks(session, [claims.subject for claims in asked]), strict=True))
        found = await access.load_callers(session, asked, self._commands.config)
        for claims, caller in zip(asked, found, strict=True):
            if isinstance(caller, access.Caller):
                self._kept[id(claims)] = (claims, marks[claims.subject], caller)

    def drop(self, claims: access.Claims) -> None:
        """Read a caller anew the next time."""
        self._kept.pop(id(claims), None)

    def forget(self, names: Iterable[str]) -> None:
        """Callers that hold something else by now."""
        gone = set(names)
        self._kept = {key: kept for key, kept in self._kept.items() if kept[0].subject not in gone}


class AtOnce:
    """Does batches of the lanes of one process by one function call each."""

    def __init__(self, commands: "Commands") -> None:
        self._commands = commands
        self.callers = Callers(commands)
        self._works: dict[str, Work] = {}

    def _work_of(self, member: "Member") -> Work:
        """How calls of a method are done, with what is kept for them."""
        name = member.method.full_name
        if name not in self._works:
            assert member.shared.work is not None
            self._works[name] = member.shared.work()
        return self._works[name]

    async def run(self, line: Line, batch: Sequence["Member"], ends: float) -> list["Member"]:
        """Do what can be done; gives the calls that need a unit."""
        work = self._work_of(batch[0])
        if fault_points.planned("unit.after_idempotency_insert"):
            return list(batch)  # a place that only units have
        left = [member for member in batch if work.fits(member.request)]
        others = [member for member in batch if not work.fits(member.request)]
        again = bool(left)
        try:
            for _ in range(TRIES):
                if again:
                    left, again = await self._tried(work, line, left, ends)
        except Exception as error:
            state = sqlstate(error)
            if state and state != LOCKED:
                self._commands.metrics.inc("plantops_db_retries_total", state)
            log.info("batch left to units", calls=len(left), error=type(error).__name__, sqlstate=state)
            if state == LOCKED and len(left) > 1:
                for member in left:
                    member.apart = True  # one of them waits for somebody: the others need not
        return left + others

    async def _tried(self, work: Work, line: Line, left: list["Member"], ends: float) -> tuple[list["Member"], bool]:
        """(calls that are not done, whether to try them again)."""
        await self._read(work, left)
        members: list[Member] = []
        elements: list[Sequence[Any]] = []
        others: list[Member] = []
        for member in left:
            element = self._element(work, member)
            if element is None:
                others.append(member)
            else:
                members.append(member)
                elements.append(element)
        if not members:
            return left, False
        name = members[0].method.name
        await fault_points.reach("unit.before_commit", name)
        began = time.perf_counter()
        tracing = self._commands.tracing
        try:
            with tracing.inside(*conventions.statement(work.statement)):
                rows = await line.fetch(
                    work.statement,
                    work.arguments(*self.marks(members), members, elements),
                    max(0.001, ends - time.monotonic()),
                )
        except Exception as error:
            state = sqlstate(error)
            if state not in CLASHES - {LOCKED} and state != TAKEN:
                raise
            self._commands.metrics.inc("plantops_db_retries_total", state)
            return left, True
        self._commands.metrics.observe("plantops_db_commit_seconds", time.perf_counter() - began)
        await fault_points.reach("unit.after_commit", name)
        if rows and rows[0]["outcome"] == "STALE":
            gone = [row["subject"] for row in rows]
            self.callers.forget(gone)
            work.forget(gone)
            return left, True
        posted = False
        for row in rows:
            member = members[row["n"] - 1]
            outcome = row["outcome"]
            if outcome == "POSTED":
                member.reply_with(row["answer"])
                posted = True
            elif outcome == "DONE":
                count(self._commands.metrics, "plantops_idempotent_replays_total", member.method.full_name)
                member.replay(Answer(row["code"], row["answer"]))
            elif outcome == "REUSED":
                count(self._commands.metrics, "plantops_idempotency_conflicts_total", member.method.full_name)
                member.refuse(RequestIdReused(request_id=UUID(member.request.request_id)))
            else:
                others.append(member)
        if posted:
            self._commands.wake()
        return others, False

    async def _read(self, work: Work, members: Sequence["Member"]) -> None:
        """Read what is not kept of callers and facts; nothing, as a rule."""
        claims = {id(m.claims): m.claims for m in members if self.callers.of(m.claims) is None}
        names = {name for member in members for name in work.wants(member.request)}
        if not claims and not names:
            return
        async with self._commands.sessions() as session:
            if claims:
                await self.callers.load(session, list(claims.values()))
            if names:
                await work.load(session, names)

    def _element(self, work: Work, member: "Member") -> Sequence[Any] | None:
        known = self.callers.of(member.claims)
        if known is None:
            return None
        _, caller = known
        try:
            access.check(caller, member.method, member.request)
            if not member.checked:
                requests.check(member.request, member.method)
                member.hash = request_hash(member.request)
                member.checked = True
            return work.element(member, caller)
        except Fault:  # judged once more by what holds now; what was kept may be what is wrong
            self.callers.drop(member.claims)
            work.forget(work.names(member.request))
            return None

    def marks(self, members: Sequence["Member"]) -> tuple[list[str], list[str]]:
        """Callers of a batch and their marks."""
        known = {(m.claims.subject, found[0]) for m in members if (found := self.callers.of(m.claims)) is not None}
        return [name for name, _ in known], [mark for _, mark in known]


__all__ = ["AtOnce", "Callers", "Line", "Work"]
