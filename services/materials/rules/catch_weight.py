"""Catch weight: a second quantity beside the first, conserved by itself and never computed from it (MAT-9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from services.materials.rules.unit_codes import discrete, ratio, unit

STEP = Decimal("0.001")
HUNDRED = 100


@dataclass(frozen=True, slots=True)
class CatchWeight:
    """Unit and grid of the second quantity, what one base unit usually has, and how far from it is still usual."""

    unit_code: str
    step: Decimal
    nominal: Decimal
    tolerance_percent: Decimal

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "CatchWeight":
        """From its plain form, in which a decimal is {"value": text}."""

        def number(name: str, otherwise: Decimal) -> Decimal:
            text = kept.get(name, {}).get("value", "")
            return Decimal(text) if text else otherwise

        zero = Decimal(0)
        step = number("step", STEP) or STEP
        return cls(kept.get("unit_code", ""), step, number("nominal", zero), number("tolerance_percent", zero))

    def broken(self, base_unit: str) -> tuple[str, str] | None:
        """(field, rule) of what does not fit; None for a sound one."""
        if unit(self.unit_code) is None or discrete(self.unit_code):
            return "unit_code", "must be a unit of what is measured"
        if ratio(self.unit_code, base_unit) is not None:
            return "unit_code", "must measure something else than the base unit"
        if self.step <= 0 or (self.step % 1 and 1 % self.step):
            return "step", "must be a whole number or a part that goes into 1"
        if self.nominal <= 0:
            return "nominal", "must be more than 0"
        if not 0 <= self.tolerance_percent <= HUNDRED:
            return "tolerance_percent", "must be 0 to 100"
        return None

    def usual(self, quantity: Decimal) -> tuple[Fraction, Fraction]:
        """Least and most that a quantity in the base unit usually has, both still within."""
        expected = Fraction(quantity) * Fraction(self.nominal)
        room = expected * Fraction(self.tolerance_percent) / HUNDRED
        return expected - room, expected + room

    def is_usual(self, quantity: Decimal, second: Decimal) -> bool:
        """Whether the second quantity is what a quantity usually has; exactly, at the limits too."""
        least, most = self.usual(quantity)
        return least <= Fraction(second) <= most
