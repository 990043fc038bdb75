"""A back-test knows demand before it was recorded."""

from dataclasses import replace as with_
from typing import Any

from services.materials.rules import backtests
from services.materials.rules.backtests import History, Measures
from services.materials.rules.replenishment import Parameters
from tests.planted.planting import replace

RULE = "MAT-163"


def plant() -> None:
    original = backtests.run

    def clairvoyant(given: Parameters, history: History, review_days: int = 0) -> Measures:
        needs: list[Any] = [with_(need, known=history.first) for need in history.needs]
        return original(given, with_(history, needs=tuple(needs)), review_days)

    replace(backtests, "run", clairvoyant)
