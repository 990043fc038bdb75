"""What a site decides about counting: when stock is due, how far a count may be off, who accepts it (MAT-149, 151)."""

from dataclasses import dataclass, field
from typing import Any

from services.chassis.unit import Unit
from services.materials.model.count import Mode
from services.materials.rules.count_planning import Triggers

DAILY_LINES = 200


@dataclass(frozen=True, slots=True)
class CountPolicy:
    """Mode, daily capacity in lines, reasons to count, and the parameters that a document keeps at its start."""

    mode: Mode = Mode.FROZEN
    daily_lines: int = DAILY_LINES
    triggers: Triggers = field(default_factory=Triggers)
    parameters: dict[str, Any] = field(default_factory=dict)


async def count_policy(unit: Unit, site: str) -> CountPolicy:
    """The policy in force at a site; typical values where there is none."""
    return CountPolicy()
