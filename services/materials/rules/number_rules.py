"""What numbers of lots look like at a plant: a prefix, a length, digits; as printed, after Unicode NFC (MAT-12)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class NumberRule:
    """Prefix, number of characters with it (0 = any), and whether digits alone follow it."""

    prefix: str = ""
    length: int = 0
    digits: bool = False

    @classmethod
    def of(cls, kept: Mapping[str, Any] | None) -> "NumberRule":
        """From its plain form; None allows anything."""
        return cls(**kept) if kept else cls()

    def broken(self) -> bool:
        """Whether no number could keep it."""
        return 0 < self.length <= len(self.prefix)

    def refusal(self, number: str) -> str:
        """What a number ought to look like; empty for one that does."""
        rest = number[len(self.prefix) :]
        fits = (
            number.startswith(self.prefix)
            and self.length in (0, len(number))
            and rest != ""
            and (not self.digits or (rest.isascii() and rest.isdigit()))
        )
        return "" if fits else f"must {self}"

    def __str__(self) -> str:
        words = [f"begin with {self.prefix!r}"] if self.prefix else []
        words += [f"have {self.length} characters"] if self.length else []
        words += ["have digits behind the prefix" if self.prefix else "have digits alone"] if self.digits else []
        return " and ".join(words) or "not be empty"
