"""The value at an instant counts what was recorded later."""

from services.materials.api import values
from tests.planted.planting import replace, without

RULE = "MAT-187"


def plant() -> None:
    replace(values, "VALUES", without(values.VALUES, "m.record_time <= :known", "(m.record_time <= :known or true)"))
