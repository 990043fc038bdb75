"""Postings keep the base quantity alone, as if it had been stated so."""

from typing import Any

from services.materials.model.item import Item
from services.materials.model.ledger import Entered
from tests.planted.planting import replace

RULE = "MAT-2"


def plant() -> None:
    original = Item.stated

    def stated(self: Any, given: Any, field: str) -> Any:
        amount, _ = original(self, given, field)
        return amount, Entered(amount, self.base_unit_code)

    replace(Item, "stated", stated)
