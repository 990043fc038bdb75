"""How lot numbers are compared: as printed, case-sensitive, after Unicode NFC only (MAT-12)."""

import unicodedata


def normal(number: str) -> str:
    """The number in NFC; leading zeros, case and inner spaces stay."""
    return unicodedata.normalize("NFC", number)
