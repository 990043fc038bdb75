"""What revisions of all kinds of policies share here: drafts that others edit, and no two policies for the same."""

import hashlib
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from sqlalchemy import Text, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from services.chassis.db import json_text
from services.chassis.faults import FailedPrecondition, SegregationOfDuties
from services.chassis.revisions import RevisionColumns, State
from services.chassis.unit import Unit

COMING = (State.SUBMITTED, State.APPROVED, State.ACTIVE)
"""States of revisions that are in force or on their way to be."""


class AmbiguousScope(FailedPrecondition):
    """Two policies would hold for the same (MAT-160)."""

    text = "{policy} holds for {selector} already; {other} cannot hold for the same."


class EditedRevision(RevisionColumns):
    """A revision whose draft may be changed by others, who then do not approve it (MAT-161).

    ADDED names columns that came after revisions were submitted: they count for the content where they say something.
    """

    ADDED: ClassVar[tuple[str, ...]] = ()

    editors: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), nullable=False)  # type: ignore[call-overload]

    def digest(self) -> str:
        """SHA-256 over the content, canonical JSON with sorted keys."""
        content = {name: getattr(self, name) for name in self.CONTENT}
        fields = type(self).model_fields
        for name in self.ADDED:
            value = getattr(self, name)
            if value not in (None, fields[name].default):
                content[name] = value
        return hashlib.sha256(json_text(dict(sorted(content.items()))).encode()).hexdigest()

    def edited(self, by: str) -> Self:
        """Note who changed the draft; RevisionImmutable for what is no draft."""
        self.editable()
        if by != self.author and by not in self.editors:
            self.editors = [*self.editors, by]
        return self

    def _other_than_author(self, by: str) -> None:
        super()._other_than_author(by)
        if by in self.editors:
            raise SegregationOfDuties(duty="editor and approver of a revision", earlier_act=by)


async def refuse_twin(unit: Unit, policy: Any, revision: Any, columns: Sequence[str]) -> None:
    """AmbiguousScope when another policy with the same in `columns` holds, or is on its way to."""
    kind: Any = type(policy)
    same = [getattr(kind, column).is_not_distinct_from(getattr(policy, column)) for column in columns]
    rows = await unit.all(select(kind).where(*same).order_by(kind.name).with_for_update())
    others = [row.name for row in rows if row.name != policy.name]
    taken = await unit.first(
        select(revision.policy).where(revision.policy.in_(others), revision.state.in_(COMING)).order_by(revision.policy)
    )
    if taken is not None:
        raise AmbiguousScope(policy=taken, selector=str(policy.selector), other=policy.name)
