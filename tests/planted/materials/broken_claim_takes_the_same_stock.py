"""Who loses stock may take the same stock again."""

from services.materials.model import stock
from tests.planted.planting import replace

RULE = "MAT-77"


def plant() -> None:
    replace(stock, "_left", lambda free, spared: free)
