"""A supplier that is not active is proposed."""

from typing import Any

from services.procurement.model import sourcing
from tests.planted.planting import replace

RULE = "PRC-25"


def plant() -> None:
    def none_excluded(item: Any, supplier: Any, own: set[str]) -> str:
        return ""

    replace(sourcing, "_excluded", none_excluded)
