"""Where numbers are unique over all items, nobody looks at those of other items."""

from services.materials.model.lot import Register
from tests.planted.planting import replace

RULE = "MAT-15"


def plant() -> None:
    def free(self: Register, item: str, number: str) -> None:
        return None

    replace(Register, "free", free)
