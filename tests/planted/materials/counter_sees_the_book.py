"""Who has still to count sees the book."""

from services.materials.api import count_entries
from tests.planted.planting import replace

RULE = "MAT-149"


def plant() -> None:
    replace(count_entries, "HIDDEN", ("counted",))
