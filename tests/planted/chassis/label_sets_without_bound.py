"""A histogram has as many label sets as come."""

from services.chassis import metrics
from tests.planted.planting import replace

RULE = "OPS-41"


def plant() -> None:
    replace(metrics, "MOST_LABEL_SETS", 10**9)
