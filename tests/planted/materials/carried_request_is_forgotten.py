"""A request that a requisition carries is asked for again."""

from services.materials.model import replenishing, supply_request
from tests.planted.planting import replace

RULE = "MAT-167"


def plant() -> None:
    assert replenishing.COMING is supply_request.COMING
    replace(supply_request, "COMING", (supply_request.RequestState.OPEN,))
