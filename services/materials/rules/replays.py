"""How decisions of each kind are decided again from their inputs (MAT-162)."""

from collections.abc import Callable, Mapping
from typing import Any

from services.materials.rules import decisions, put_away, replenishment, substitution

REPLAYS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "ALLOCATION": decisions.replay,
    "ALTERNATES": substitution.replay,
    "PUT_AWAY": put_away.replay,
    "REPLENISHMENT": replenishment.replay,
}
