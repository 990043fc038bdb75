"""A trace that ends at its depth says that there is nothing further."""

from services.materials.model import tracing
from tests.planted.planting import replace

RULE = "MAT-136"


def plant() -> None:
    replace(
        tracing,
        "_FURTHERS",
        tuple(one.replace("select exists", "select false and exists") for one in tracing._FURTHERS),
    )
