"""A serial is counted in two places, and nobody minds."""

from services.materials.model import count_lines
from tests.planted.planting import replace, without

RULE = "MAT-148"


def plant() -> None:
    part = "and l.serial <> ''"
    replace(count_lines, "_TWINS", without(count_lines._TWINS, part, "and l.serial = ''"))
