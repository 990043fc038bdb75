"""More arrives of a line than is under way with it."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from services.materials.model.transfer import Part
from services.materials.rules import under_way
from tests.planted.planting import replace

RULE = "MAT-111"


def plant() -> None:
    def all_on_the_last(open_quantities: Sequence[Decimal], amount: Decimal) -> list[Decimal]:
        return [Decimal(0)] * (len(open_quantities) - 1) + [amount]

    def check(self: Any, transfer: str) -> Any:
        return self

    replace(under_way, "spread", all_on_the_last)
    replace(Part, "check", check)
