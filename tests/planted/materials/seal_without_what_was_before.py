"""The hash of a movement does not hold those before it."""

from typing import Any

from services.materials.rules import seal
from tests.planted.planting import replace

RULE = "MAT-43"


def plant() -> None:
    chained: Any = seal.chained
    replace(seal, "chained", lambda before, content: chained(b"", content))
