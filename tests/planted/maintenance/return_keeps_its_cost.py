"""Parts that come back are counted as handed out."""

from typing import Any

from services.maintenance.model.demand import PartDemand
from tests.planted.planting import replace

RULE = "MNT-184"


def plant() -> None:
    original = vars(PartDemand)["handed_out"]

    def out(self: Any, quantity: Any) -> None:
        original(self, abs(quantity))

    replace(PartDemand, "handed_out", out)
