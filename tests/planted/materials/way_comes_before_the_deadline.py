"""The nearest task comes first, however late another is."""

from collections.abc import Iterable

from services.materials.rules import next_task
from services.materials.rules.next_task import Candidate, Worker
from tests.planted.planting import replace

RULE = "MAT-109"


def plant() -> None:
    def nearest(tasks: Iterable[Candidate], worker: Worker) -> list[Candidate]:
        fitting = (task for task in tasks if worker.fits(task))
        return sorted(fitting, key=lambda task: (task.priority, abs(task.path - worker.path), task.due, task.name))

    replace(next_task, "order", nearest)
