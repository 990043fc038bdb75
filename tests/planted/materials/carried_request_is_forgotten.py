"""A request that a requisition carries is asked for again."""

from services.materials.model import policy
from services.materials.model import stock as _stock
from tests.planted.planting import replace

RULE = "MAT-167"


def plant() -> None:
    assert _stock.COMING is policy.COMING
    replace(policy, "COMING", (policy.RequestState.OPEN,))
