"""Cells of CSV files: marks for spreadsheets, packs, and what makes a row known (MAT-320 .. MAT-322)."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence

CALCULATED = ("=", "+", "-", "@", "\t", "\r")
"""How cells begin that a spreadsheet takes for a formula."""
MARK = "'"
BETWEEN = "|"
"""What stands between the parts of a cell that holds several."""

_PACK = re.compile(r"([A-Z0-9]{2,3})=([1-9]\d{0,17})(?:/([1-9]\d{0,17}))?(?::([^|]{1,64}))?")


class CellInvalid(ValueError):
    """A cell cannot be read; the text says what it must be."""


def marked(cell: str) -> str:
    """The cell so that a spreadsheet shows it and calculates nothing; also one that begins with the mark itself."""
    return MARK + cell if cell.startswith((*CALCULATED, MARK)) else cell


def unmarked(cell: str) -> str:
    """The cell as it was before it was marked."""
    return cell.removeprefix(MARK)


def packs(cell: str) -> list[tuple[str, int, int, str]]:
    """(unit, numerator, denominator, pack's name) of `BX=10:Box|CS=1/3`: 1 BX is 10 base units, 1 CS a third."""
    found: list[tuple[str, int, int, str]] = []
    for part in filter(None, cell.split(BETWEEN)):
        match = _PACK.fullmatch(part)
        if match is None:
            raise CellInvalid(f"{part!r} must be like BX=10, CS=1/3 or BX=10:Box")
        unit, above, below, name = match.groups()
        found.append((unit, int(above), int(below or 1), name or ""))
    return found


def packs_cell(rows: Iterable[tuple[str, int, int, str]]) -> str:
    """The cell of packs."""
    return BETWEEN.join(
        f"{unit}={above}" + (f"/{below}" if below != 1 else "") + (f":{name}" if name else "")
        for unit, above, below, name in rows
    )


def flag(cell: str) -> bool:
    """true or false; nothing is false."""
    if cell not in ("", "true", "false"):
        raise CellInvalid("must be true or false")
    return cell == "true"


def whole(cell: str) -> int:
    """A whole number of up to nine digits."""
    if not re.fullmatch(r"-?\d{1,9}", cell, re.ASCII):
        raise CellInvalid("must be a whole number")
    return int(cell)


def digest(cells: Mapping[str, str]) -> str:
    """What a row says, whatever the order of its columns and its external id."""
    said = sorted((name, cell) for name, cell in cells.items() if cell and name != "external_id")
    return hashlib.sha256("\x1e".join(f"{name}\x1f{cell}" for name, cell in said).encode()).hexdigest()


def missing(header: Sequence[str], known: Iterable[str], required: Iterable[str]) -> str:
    """What is wrong with a header; empty for one that fits."""
    names = list(known)
    for name in header:
        if name not in names:
            return f"the file has a column {name!r}; known are {', '.join(names)}"
        if list(header).count(name) > 1:
            return f"the column {name!r} stands twice"
    lacks = [name for name in required if name not in header]
    return f"the file has no column {', '.join(lacks)}" if lacks else ""
