"""What is handed out of an alternate does not count for the demand that it covers."""

from typing import Any

from services.materials.model.substituting import Whose
from tests.planted.planting import replace

RULE = "MAT-10"


def plant() -> None:
    def told(_: Whose, event: Any, *__: Any) -> Any:
        return event

    replace(Whose, "told", told)
