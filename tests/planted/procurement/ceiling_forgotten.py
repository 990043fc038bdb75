"""A person approves above the ceiling."""

from typing import Any

from services.procurement.model import approval
from tests.planted.planting import replace

RULE = "SEC-29"


def plant() -> None:
    def never(revision: Any, amount: Any, currency: str, history: Any) -> bool:
        return False

    replace(approval, "_above_ceiling", never)
