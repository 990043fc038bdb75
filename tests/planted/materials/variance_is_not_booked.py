"""What a change of value left as variance is missing in the books."""

from services.materials.api import values
from tests.planted.planting import replace, without

RULE = "MAT-188"


def plant() -> None:
    replace(values, "_BOOKS", without(values._BOOKS, ", ('VARIANCE', r.variance)"))
