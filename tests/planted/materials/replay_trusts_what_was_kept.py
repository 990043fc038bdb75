"""A replay gives the outcome that was kept."""

from typing import Any

from plantops.materials.v1 import decisions_pb2

from services.materials.api import decisions
from tests.planted.planting import replace

RULE = "MAT-162"


def plant() -> None:
    async def as_kept(self: Any, request: Any, unit: Any) -> Any:
        kept = await decisions._found(unit, request.name)
        return decisions_pb2.ReplayDecisionResponse(outcome=kept.outcome, same=True)

    replace(decisions.DecisionService, "replay_decision", as_kept)
