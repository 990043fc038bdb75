"""The weights of the check digit begin with 1."""

from services.materials.rules import gtin
from tests.planted.planting import replace

RULE = "MAT-255"


def plant() -> None:
    def turned(digits: str) -> int:
        total = sum(int(digit) * (1 if index % 2 == 0 else 3) for index, digit in enumerate(reversed(digits)))
        return (10 - total % 10) % 10

    replace(gtin, "check_digit", turned)
