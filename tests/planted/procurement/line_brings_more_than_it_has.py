"""The needs of a line get more than the line brings."""

from typing import Any

from services.procurement.rules import cover
from tests.planted.planting import replace

RULE = "PRC-61"


def plant() -> None:
    original = cover.coming

    def unlimited(needed: Any, accepted: Any, top: Any) -> Any:
        return original(needed, accepted, sum(needed, top))

    replace(cover, "coming", unlimited)
