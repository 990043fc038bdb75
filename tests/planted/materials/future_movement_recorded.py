"""A movement may be effective in the future."""

from typing import Any

from services.chassis.wire import python_of
from services.materials.api import postings
from tests.planted.planting import replace

RULE = "MAT-42"


def plant() -> None:
    def effective(unit: Any, message: Any, backdating: Any) -> Any:
        return python_of(message.effective_time) if message.HasField("effective_time") else None

    replace(postings, "_effective", effective)
