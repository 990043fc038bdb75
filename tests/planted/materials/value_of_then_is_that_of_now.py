"""The value at an instant counts what was recorded later."""

from services.materials.api import values
from tests.planted.planting import replace, without

RULE = "MAT-187"


def plant() -> None:
    replace(values, "_VALUES", without(values._VALUES, "m.record_time <= :known", "(m.record_time <= :known or true)"))
