"""A movement is told with two sides that both gain."""

from typing import Any

from services.materials.model import ledger
from tests.planted.planting import replace

RULE = "MAT-40"


def plant() -> None:
    original = ledger.told

    def turned(item: Any) -> Any:
        message = original(item)
        message.entries[0].quantity.CopyFrom(message.entries[1].quantity)
        return message

    replace(ledger, "told", turned)
