"""Entries are not part of what is sealed."""

from typing import Any

from services.materials.rules import seal
from tests.planted.planting import replace

RULE = "MAT-43"


def plant() -> None:
    encoded: Any = seal.encoded
    replace(seal, "encoded", lambda movement, entries: encoded(movement, ()))
