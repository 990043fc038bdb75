"""What a cancelled receipt had counted is awaited no more."""

from typing import Any

from services.materials.model.receipt import ExpectedReceipt
from tests.planted.planting import replace

RULE = "MAT-97"


def plant() -> None:
    def uncount(self: Any, less: Any) -> None:
        return None

    replace(ExpectedReceipt, "uncount", uncount)
