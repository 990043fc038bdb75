"""Alternates stand in whatever their direction and dates say."""

from typing import Any

from services.materials.rules import substitution
from tests.planted.planting import replace

RULE = "MAT-10"


def plant() -> None:
    def refusal(*_: Any) -> None:
        return None

    replace(substitution, "refusal", refusal)
