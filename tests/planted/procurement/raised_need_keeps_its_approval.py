"""A need that was raised is not decided again."""

from typing import Any

from services.procurement.model.requisition import Requisition
from tests.planted.planting import replace

RULE = "PRC-65"


def plant() -> None:
    def withdraw(self: Any, reason: str) -> None:
        return None

    replace(Requisition, "withdraw", withdraw)
