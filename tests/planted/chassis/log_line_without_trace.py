"""Log lines do not say which trace they belong to."""

from services.chassis.tracing import Work
from tests.planted.planting import replace

RULE = "OPS-43"


def plant() -> None:
    replace(Work, "ids", property(lambda self: {}))
