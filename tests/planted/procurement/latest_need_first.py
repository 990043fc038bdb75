"""What has come goes to the latest need."""

from typing import Any

from services.procurement.rules import cover
from tests.planted.planting import replace

RULE = "PRC-63"


def plant() -> None:
    original = cover.coming

    def turned(needed: Any, accepted: Any, top: Any) -> Any:
        return original(needed[::-1], accepted, top)[::-1]

    replace(cover, "coming", turned)
