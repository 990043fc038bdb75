"""What a scanned code says: symbology identifier off, GS1 element strings taken apart (GS1 General Specifications).

A code that is no valid element string stays what it is: a number that somebody printed on a label.
"""

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass

FNC1 = "\x1d"
"""How a scanner transmits the function character between elements of variable length (ASCII 29)."""

GS1_SYMBOLOGIES = frozenset({"C1", "e0", "d2", "Q3", "J1"})
"""Identifiers (ISO/IEC 15424) that say: the code is a GS1 element string."""

_DATES = frozenset({"11", "12", "13", "15", "16", "17"})
_CHECKED = frozenset({"00", "01", "02", "410", "411", "412", "413", "414", "415", "416", "417"})
_FIXED: Mapping[str, int] = {
    "00": 18, "01": 14, "02": 14, "20": 2,
    **dict.fromkeys(_DATES, 6),
    **{f"41{last}": 13 for last in range(8)},
    **{f"{head}{decimals}": 6 for head in range(310, 370) for decimals in range(6)},
}  # fmt: skip
_VARIABLE: Mapping[str, int] = {
    "10": 20, "21": 20, "22": 20, "30": 8, "37": 8, "235": 28, "240": 30, "241": 30, "243": 20, "250": 30,
    "251": 30, "254": 20, "400": 30, "401": 30, "403": 30, "8008": 12, "8020": 25,
}  # fmt: skip
_LETTERS = re.compile(r"[!-\"%-?A-Z_a-z]+")
_BRACKETED = re.compile(r"\((\d{2,4})\)")


@dataclass(frozen=True, slots=True)
class Scan:
    """A scanned code: the plain code, and its elements (application identifier, value) if it is an element string."""

    code: str
    symbology: str = ""
    elements: tuple[tuple[str, str], ...] = ()

    def value(self, identifier: str) -> str:
        """Value of an application identifier, empty where the code has none."""
        return dict(self.elements).get(identifier, "")

    @property
    def gtin(self) -> str:
        """Trade item number, 14 digits (AI 01)."""
        return self.value("01")

    @property
    def lot(self) -> str:
        """Lot or batch number (AI 10)."""
        return self.value("10")

    @property
    def keys(self) -> tuple[str, ...]:
        """What to look for: GTIN, lot, serial and location of an element string, else the code as it is."""
        found = [self.value(identifier) for identifier in ("01", "10", "21", "414", "254")]
        return tuple(dict.fromkeys(key for key in found if key)) or (self.code,)


def parse(raw: str) -> Scan:
    """Take a scanned code apart; never fails."""
    text, symbology = raw.strip(" \t\r\n"), ""
    if len(text) > 3 and text[0] == "]" and text[1].isalpha() and text[2].isalnum():
        text, symbology = text[3:], text[1:3]
    elements = _bracketed(text)
    if not elements and (symbology in GS1_SYMBOLOGIES or (not symbology and _looks_raw(text))):
        elements = _raw(text.removeprefix(FNC1))
    if elements and len(dict(elements)) == len(set(elements)):  # one identifier with two values is an error
        return Scan("".join(f"({identifier}){value}" for identifier, value in elements), symbology, elements)
    return Scan(text.replace(FNC1, ""), symbology)


def check_digit(digits: str) -> int:
    """Check digit over the digits before it: weights 3, 1, 3 ... from the right (section 7.9)."""
    return -sum(int(digit) * (1 if index % 2 else 3) for index, digit in enumerate(reversed(digits))) % 10


def _looks_raw(text: str) -> bool:
    """Bare digits are never guessed to be an element string; they may be any number (MAT-250)."""
    if text.isdigit():
        return False
    return FNC1 in text or (len(text) >= 16 and text.startswith("01") and _valid("01", text[2:16]))


def _bracketed(text: str) -> tuple[tuple[str, str], ...]:
    parts = _BRACKETED.split(text)
    if len(parts) < 3 or parts[0]:
        return ()
    elements = tuple(zip(parts[1::2], (value.rstrip(FNC1) for value in parts[2::2]), strict=True))
    return elements if all(_valid(identifier, value) for identifier, value in elements) else ()


def _raw(text: str) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    while text:
        identifier = next((text[:size] for size in (2, 3, 4) if text[:size] in _FIXED or text[:size] in _VARIABLE), "")
        if not identifier:
            return ()
        text = text[len(identifier) :]
        if identifier in _FIXED:
            value, text = text[: _FIXED[identifier]], text[_FIXED[identifier] :].removeprefix(FNC1)
        else:
            value, _, text = text.partition(FNC1)
        if not _valid(identifier, value):
            return ()
        found.append((identifier, value))
    return tuple(found)


def _valid(identifier: str, value: str) -> bool:
    if identifier in _VARIABLE:
        return 1 <= len(value) <= _VARIABLE[identifier] and bool(_LETTERS.fullmatch(value))
    if len(value) != _FIXED.get(identifier, 0) or not (value.isascii() and value.isdigit()):
        return False
    if identifier in _CHECKED:
        return check_digit(value[:-1]) == int(value[-1])
    return identifier not in _DATES or _day(value)


def _day(value: str) -> bool:
    year, month, day = int(value[:2]), int(value[2:4]), int(value[4:])  # day 00 = the last of the month
    return 1 <= month <= 12 and day <= calendar.monthrange(2000 + year, month)[1]
