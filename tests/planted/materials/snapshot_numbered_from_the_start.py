"""The snapshot of a line goes without the number of the item's last entry."""

from services.materials.model import count_lines
from tests.planted.planting import replace, without

RULE = "MAT-145"


def plant() -> None:
    replace(count_lines, "_OPEN", without(count_lines._OPEN, "v.sequence, '', '{}'", "0, '', '{}'"))
