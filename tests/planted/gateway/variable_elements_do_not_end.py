"""An element of variable length takes the rest of the code."""

from gateway import gs1
from tests.planted.planting import replace

RULE = "MAT-253"


def plant() -> None:
    original = gs1._raw

    def endless(text: str) -> tuple[tuple[str, str], ...]:
        return original(text.replace(gs1.FNC1, ""))

    replace(gs1, "_raw", endless)
