"""Serial shipping container codes: N18 of extension digit, company prefix, serial reference, check digit (MAT-23)."""

import re

from services.materials.rules import gtin

LENGTH = 18
_IDENTIFIER = re.compile(r"^(?:\][A-Za-z][0-9])?(?:\(00\)|00)(\d{18})$")


def capacity(prefix: str) -> int:
    """How many serial references a company prefix leaves: those of 16 digits without the prefix."""
    return int(10 ** (LENGTH - 2 - len(prefix)))


def make(extension: int, prefix: str, serial: int) -> str:
    """The code of a serial reference; ValueError beyond what the prefix leaves."""
    if not 0 <= extension <= 9 or not 0 <= serial < capacity(prefix):
        raise ValueError(f"{serial} is beyond the range {extension} {prefix}")
    digits = f"{extension}{prefix}{serial:0{LENGTH - 2 - len(prefix)}d}"
    return f"{digits}{gtin.check_digit(digits)}"


def valid(code: str) -> bool:
    """Whether a code is an SSCC with the right check digit."""
    return len(code) == LENGTH and code.isascii() and code.isdigit() and gtin.check_digit(code[:-1]) == int(code[-1])


def from_scan(raw: str) -> str:
    """The 18 digits of a scan, with or without AI 00 and symbology identifier; "" for what is no SSCC."""
    text = raw.strip().strip("\x1d")
    found = _IDENTIFIER.match(text)
    code = found[1] if found else text
    return code if valid(code) else ""


def scarce(prefix: str, following: int) -> bool:
    """Whether 80 % of a range or more is used; `following` is the next serial reference (MAT-24)."""
    return 10 * (following - 1) >= 8 * (capacity(prefix) - 1)
