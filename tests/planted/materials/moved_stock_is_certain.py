"""What moved about the time of a count is no doubt."""

from services.materials.model import count_lines
from tests.planted.planting import replace, without

RULE = "MAT-147"


def plant() -> None:
    replace(
        count_lines, "_FIGURES", without(count_lines._FIGURES, "), false) as moved", " and false), false) as moved")
    )
