"""A count compares with its snapshot alone: what comes in later from before it makes no difference."""

from services.materials.model import count_lines
from tests.planted.planting import replace, without

RULE = "MAT-146"


def plant() -> None:
    replace(count_lines, "_FIGURES", without(count_lines._FIGURES, "e.effective_time <= x.count_time)", "false)"))
