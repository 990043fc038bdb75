"""A unit that came from another site leaves with its SSCC although it was opened and filled anew."""

from services.materials.model.handling_unit import HandlingUnit, State
from tests.planted.planting import replace

RULE = "MAT-24"


def plant() -> None:
    def unfrozen(self: HandlingUnit) -> None:
        self.move(State.OPEN)

    replace(HandlingUnit, "open", unfrozen)
