"""What is promised to a claim is less by those that come after it."""

from services.materials.rules import availability
from tests.planted.planting import replace

RULE = "MAT-72"


def plant() -> None:
    replace(availability, "_earlier", lambda turn, before: True)
