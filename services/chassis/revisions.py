"""Revisions with four eyes: DRAFT -> SUBMITTED -> APPROVED -> ACTIVE -> RETIRED, one in force at a time.

From SUBMITTED on the content is immutable; its SHA-256 is stored and the approval binds it. Who wrote a
revision neither approves nor activates it (SEC-27), checked at both steps.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Self

from sqlalchemy import Text, select
from sqlmodel import Field

from services.chassis.db import json_text
from services.chassis.faults import Aborted, RevisionImmutable, SegregationOfDuties
from services.chassis.resource import ResourceColumns, enum_text, instant
from services.chassis.unit import Unit


class State(StrEnum):
    """Where a revision stands."""

    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    APPROVED = "APPROVED"
    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"


PAIRS = frozenset(
    {
        (State.DRAFT, State.SUBMITTED),
        (State.SUBMITTED, State.DRAFT),
        (State.SUBMITTED, State.APPROVED),
        (State.APPROVED, State.ACTIVE),
        (State.APPROVED, State.RETIRED),
        (State.ACTIVE, State.RETIRED),
    }
)


class ContentChanged(Aborted):
    """What was read is not what would be approved."""

    text = "{revision} has the content {content_hash}, not the one that was read."


class RevisionColumns(ResourceColumns):
    """Columns and steps of a revision; CONTENT names the columns that the hash covers."""

    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = PAIRS
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"state"})
    CONTENT: ClassVar[tuple[str, ...]] = ()

    state: State = Field(default=State.DRAFT, sa_type=enum_text(State), nullable=False)
    content_hash: str = Field(default="", sa_type=Text, nullable=False)
    author: str = Field(sa_type=Text)
    approver: str = Field(default="", sa_type=Text, nullable=False)
    approve_time: datetime | None = Field(default=None, sa_type=instant())
    effective_time: datetime | None = Field(default=None, sa_type=instant())
    policy: str = Field(sa_type=Text, index=True)

    def digest(self) -> str:
        """SHA-256 over the content, canonical JSON with sorted keys."""
        content = {name: getattr(self, name) for name in sorted(self.CONTENT)}
        return hashlib.sha256(json_text(content).encode()).hexdigest()

    def submit(self) -> Self:
        """Offer for approval; fixes the content."""
        self.move(State.SUBMITTED)
        self.content_hash = self.digest()
        return self

    def send_back(self) -> Self:
        """To the author again."""
        self.move(State.DRAFT)
        self.content_hash = ""
        return self

    def approve(self, by: str, content_hash: str, at: datetime) -> Self:
        """Approve what was read, as another person."""
        if content_hash != self.content_hash or self.digest() != self.content_hash:
            raise ContentChanged(revision=self.name, content_hash=self.content_hash)
        self._other_than_author(by)
        self.move(State.APPROVED)
        self.approver, self.approve_time = by, at
        return self

    def retire(self) -> Self:
        """Withdraw or end."""
        return self.move(State.RETIRED)

    def editable(self) -> Self:
        """Refused unless DRAFT."""
        if self.state is not State.DRAFT:
            raise RevisionImmutable(revision=self.name, state=self.state)
        return self

    def _other_than_author(self, by: str) -> None:
        if by == self.author:
            raise SegregationOfDuties(duty="author and approver of a revision", earlier_act=self.author)


async def activate(unit: Unit, revision: RevisionColumns, policy: Any) -> str:
    """Put an approved revision in force and retire the one before; gives that one's name or ""."""
    revision._other_than_author(revision.approver)
    kind = type(revision)
    before: RevisionColumns | None = await unit.first(
        select(kind).where(kind.policy == policy.name, kind.state == State.ACTIVE)  # type: ignore[arg-type]
    )
    if before is not None:
        before.retire()
        await unit.flush()
    revision.move(State.ACTIVE)
    revision.effective_time = unit.now
    policy.active_revision = revision.name
    return before.name if before is not None else ""


def next_id(known: Iterable[str]) -> str:
    """Id of a policy's next revision: r1, r2, ..."""
    numbers = [int(name.rsplit("/r", 1)[-1]) for name in known]
    return f"r{max(numbers, default=0) + 1}"
