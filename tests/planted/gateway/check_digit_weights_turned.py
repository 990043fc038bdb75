"""The weights of the check digit begin with 1."""

from gateway import gs1
from tests.planted.planting import replace

RULE = "MAT-255"


def plant() -> None:
    def turned(digits: str) -> int:
        return -sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(reversed(digits))) % 10

    replace(gs1, "check_digit", turned)
