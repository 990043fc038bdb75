"""The check digit of an SSCC is that of other weights."""

from services.materials.rules import sscc
from tests.planted.planting import replace

RULE = "MAT-23"


def plant() -> None:
    def always_zero(extension: int, prefix: str, serial: int) -> str:
        return f"{extension}{prefix}{serial:0{16 - len(prefix)}d}0"

    replace(sscc, "make", always_zero)
