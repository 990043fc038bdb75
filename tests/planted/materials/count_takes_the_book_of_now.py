"""A continuous count takes the book of now, whatever happened since somebody looked."""

from services.materials.model import count_lines
from tests.planted.planting import replace, without

RULE = "MAT-146"
_PART = "coalesce(sum(e.quantity) filter (where e.effective_time > x.count_time), 0) as later,"


def plant() -> None:
    replace(count_lines, "_FIGURES", without(count_lines._FIGURES, _PART, "0 as later,"))
