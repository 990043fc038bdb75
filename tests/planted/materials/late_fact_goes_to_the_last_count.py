"""Of several posted counts the last one takes a late fact."""

from services.materials.model import late_facts
from tests.planted.planting import replace, without

RULE = "MAT-150"


def plant() -> None:
    part = "order by c.count_time, c.name"
    replace(late_facts, "_POSTED", without(late_facts._POSTED, part, "order by c.count_time desc, c.name"))
