"""A call that is answered with the stored answer is not counted."""

from services.chassis.idempotency import Ledgers
from tests.planted.planting import replace

RULE = "OPS-41"


def plant() -> None:
    replace(Ledgers, "_count", lambda self, name: None)
