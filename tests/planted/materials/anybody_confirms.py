"""A task is confirmed by somebody else than who has it."""

from typing import Any

from services.materials.model.task import Task
from tests.planted.planting import replace

RULE = "MAT-105"


def plant() -> None:
    def nobody(self: Task, person: str, device: str, now: Any) -> bool:
        return False

    replace(Task, "held_by_another", nobody)
