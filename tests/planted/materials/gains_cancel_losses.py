"""In the gross variance of counts a gain cancels a loss."""

from collections.abc import Iterable
from dataclasses import replace as changed

from services.materials.rules import counting
from tests.planted.planting import replace

RULE = "MAT-152"


def plant() -> None:
    real = counting.accuracies

    def netted(lines: Iterable[counting.Counted]) -> list[counting.Accuracy]:
        return [changed(row, gross_variance=abs(row.net_variance)) for row in real(lines)]

    replace(counting, "accuracies", netted)
