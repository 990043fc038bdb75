"""A zone takes goods of any storage class."""

from services.materials.rules.put_away import Asked, PolicyStep
from tests.planted.planting import replace

RULE = "MAT-100"


def plant() -> None:
    def has(self: Asked, step: PolicyStep) -> bool:
        return True

    replace(Asked, "has", has)
