"""Unit codes with their size in the unit of their dimension, exactly.

Codes: UN/ECE Recommendation 20. Sizes: the SI and its prefixes; the inch of 25.4 mm, the pound of 0.453 592 37 kg, the
US gallon of 231 cubic inches and the UK gallon of 4.546 09 l (NIST SP 811, appendix B). Only units whose size is exact
stand here; months and years do not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

COUNT = "count"

_SIZES = {
    "mass": (  # kilogram
        "KGM 1, GRM 0.001, MGM 0.000001, MC 0.000000001, CGM 0.00001, DG 0.0001, DJ 0.01, HGM 0.1, DTN 100, TNE 1000, "
        "KTN 1000000, LBR 0.45359237, ONZ 0.028349523125, GRN 0.00006479891, DWT 0.00155517384, APZ 0.0311034768, "
        "STI 6.35029318, CWA 45.359237, CWI 50.80234544, STN 907.18474, LTN 1016.0469088"
    ),
    "length": (  # metre
        "MTR 1, DMT 0.1, CMT 0.01, MMT 0.001, 4H 0.000001, C45 0.000000001, KMT 1000, INH 0.0254, FOT 0.3048, "
        "YRD 0.9144, SMI 1609.344, NMI 1852"
    ),
    "area": (  # square metre
        "MTK 1, DMK 0.01, CMK 0.0001, MMK 0.000001, KMK 1000000, ARE 100, HAR 10000, INK 0.00064516, FTK 0.09290304, "
        "YDK 0.83612736"
    ),
    "volume": (  # litre
        "LTR 1, DLT 0.1, CLT 0.01, MLT 0.001, HLT 100, MTQ 1000, DMQ 1, CMQ 0.001, MMQ 0.000001, INQ 0.016387064, "
        "FTQ 28.316846592, YDQ 764.554857984, GLL 3.785411784, QTL 0.946352946, PTL 0.473176473, OZA 0.0295735295625, "
        "BLL 158.987294928, GLI 4.54609, QTI 1.1365225, PTI 0.56826125, OZI 0.0284130625"
    ),
    "time": "SEC 1, C26 0.001, MIN 60, HUR 3600, DAY 86400, WEE 604800",  # second
    "energy": (  # joule
        "JOU 1, KJO 1000, 3B 1000000, GV 1000000000, WHR 3600, KWH 3600000, MWH 3600000000, GWH 3600000000000"
    ),
    COUNT: (
        "H87 1, C62 1, EA 1, PR 2, NPR 2, SCO 20, TPR 20, DZN 12, DPC 12, DPR 24, GRO 144, GGR 1728, CEN 100, "
        "MIL 1000, MIO 1000000"
    ),
}
_OF_THEIR_OWN = ("SET", "KT", "NMP", "RO", "ST", "LEF")
"""Counted things without a size in pieces: set, kit, packs, roll, sheet, leaf; as are packages, X and their code."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: what it measures, and how much of that dimension's unit it is."""

    code: str
    dimension: str
    size: Fraction


def _table() -> Iterator[Unit]:
    for dimension, listed in _SIZES.items():
        for row in listed.split(", "):
            code, size = row.split()
            yield Unit(code, dimension, Fraction(Decimal(size)))
    for code in _OF_THEIR_OWN:
        yield Unit(code, code, Fraction(1))


UNITS = {unit.code: unit for unit in _table()}


def unit(code: str) -> Unit | None:
    """The unit of a code; None for one that is not known here. Each kind of package is a dimension of its own."""
    if len(code) == 3 and code.startswith("X") and code.isascii() and code.isalnum():
        return UNITS.get(code, Unit(code, code, Fraction(1)))
    return UNITS.get(code)


def ratio(code: str, other: str) -> Fraction | None:
    """How many of the other unit one is; None where they measure different things or one is not known."""
    one, two = unit(code), unit(other)
    return one.size / two.size if one is not None and two is not None and one.dimension == two.dimension else None


def discrete(code: str) -> bool:
    """Whether it counts things: off the grid there is nothing. Units that are not known here do too (MAT-4)."""
    found = unit(code)
    return found is None or found.dimension in (COUNT, code)
