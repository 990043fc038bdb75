"""A delivery up to exactly the limit is refused."""

from fractions import Fraction
from typing import Any

from services.materials.model.receipt import ExpectedReceipt, ExpectedState
from tests.planted.planting import replace

RULE = "MAT-96"


def plant() -> None:
    def room(self: Any, more: Any) -> bool:
        limit = Fraction(self.accept_limit) * self.factor
        return self.state is not ExpectedState.CLOSED and Fraction(self.received_base + more) < limit

    replace(ExpectedReceipt, "room", room)
