"""Which task a person does next: what fits, then priority, deadline, and the way from where the person is (MAT-109)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

USUAL = timedelta(hours=4)
"""A task without a deadline should be done so long after it was made."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A task that nobody has; `path` is where its place lies on the way through the plant."""

    name: str
    kind: str
    priority: int
    created: datetime
    deadline: datetime | None = None
    path: int = 0
    skills: frozenset[str] = frozenset()
    equipment: str = ""
    in_zone: bool = True

    @property
    def due(self) -> datetime:
        """The hour in which it should be done: within one hour the way decides, so that kinds of work interleave."""
        at = self.deadline if self.deadline is not None else self.created + USUAL
        return at.replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Worker:
    """Who asks for work: where, able to what, with what at hand, and for which kinds (empty = all)."""

    path: int = 0
    skills: frozenset[str] = frozenset()
    equipment: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()

    def fits(self, task: Candidate) -> bool:
        """Whether the person may do it: kind, zone, every skill, and the equipment where one is needed."""
        return (
            task.in_zone
            and (not self.kinds or task.kind in self.kinds)
            and task.skills <= self.skills
            and (not task.equipment or task.equipment in self.equipment)
        )


def order(tasks: Iterable[Candidate], worker: Worker) -> list[Candidate]:
    """What fits, best first; the name breaks ties, so that the same inputs give the same task."""
    return sorted(
        (task for task in tasks if worker.fits(task)),
        key=lambda task: (task.priority, task.due, abs(task.path - worker.path), task.name),
    )
