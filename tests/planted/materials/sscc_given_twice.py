"""Numbers that nobody else took meanwhile are given once more."""

from services.materials.model import sscc_range
from tests.planted.planting import replace, without

RULE = "MAT-24"


def plant() -> None:
    replace(
        sscc_range,
        "_TAKE",
        without(sscc_range._TAKE, "do update set next = r.next + :count", "do update set next = r.next"),
    )
