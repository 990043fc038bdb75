"""A call that is answered with the stored answer is not counted."""

from services.chassis.idempotency import Ledger
from tests.planted.planting import replace

RULE = "OPS-41"


def plant() -> None:
    replace(Ledger, "_count", lambda self, name: None)
