"""GS1 identification numbers: check digits and the forms of one GTIN."""


def check_digit(digits: str) -> int:
    """Check digit over the digits before it, weights 3, 1, 3 ... from the right (GS1 General Specifications 7.9)."""
    total = sum(int(digit) * (3 if index % 2 == 0 else 1) for index, digit in enumerate(reversed(digits)))
    return (10 - total % 10) % 10


def valid(code: str) -> bool:
    """Whether a code is a GTIN of 8, 12, 13 or 14 digits with the right check digit."""
    return (
        code.isascii() and code.isdigit() and len(code) in (8, 12, 13, 14) and check_digit(code[:-1]) == int(code[-1])
    )


def forms(code: str) -> list[str]:
    """The same GTIN as it may be printed: with and without leading zeros."""
    if not code.isascii() or not code.isdigit() or len(code) > 14:
        return []
    full = code.zfill(14)
    return sorted({full, *(full[14 - length :] for length in (8, 12, 13) if set(full[: 14 - length]) <= {"0"})})


def from_scan(raw: str) -> str:
    """The plain code of a scan: without symbology identifier, the GTIN of an element string that begins with AI 01."""
    text = raw.strip()
    if len(text) > 3 and text[0] == "]":
        text = text[3:]
    text = text.replace("\x1d", "")
    if text.startswith("(01)") and len(text) >= 18:
        return text[4:18]
    if text.startswith("01") and len(text) >= 16 and text[2:16].isdigit() and valid(text[2:16]):
        return text[2:16]
    return text
