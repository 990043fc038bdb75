"""The canonical form of a movement and the chain of hashes over a site's ledger (MAT-43)."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

FORM = 1
"""Version of the canonical form: a later one changes nothing of what is sealed already."""

MOVEMENT = (
    "name", "site", "kind", "effective_time", "record_time", "reason_code", "source", "actor", "device", "reverses",
    "correlation",
)  # fmt: skip
ENTRY = (
    "side", "item", "lot", "serial", "handling_unit", "owner", "project", "location", "status", "quantity",
    "unit_code", "second_quantity", "second_quantity_unit_code", "entered_quantity", "entered_quantity_unit_code",
    "factor_numerator", "factor_denominator", "value", "returns", "item_sequence", "effective_time", "balance",
)  # fmt: skip

REVALUATION = ("item", "cause", "since", "value", "variance", "currency_code")

Plain = Sequence[str | int | None]


def canonical(movement: Any, entries: Iterable[Any], revaluation: Any = None) -> bytes:
    """A movement with its entries as bytes: JSON of the fields in this order, entries by side, UTF-8.

    A change of value alone has no entries; its amounts stand in their place.
    """
    rows: list[Plain] = [tuple(map(plain, _ENTRY(entry))) for entry in sorted(entries, key=_SIDE)]
    if revaluation is not None:
        rows.append(revalued(revaluation))
    return encoded(tuple(map(plain, _MOVEMENT(movement))), rows)


def revalued(revaluation: Any) -> Plain:
    """What stands in the place of entries where a movement changes a value alone."""
    return tuple(plain(getattr(revaluation, name)) for name in REVALUATION)


def encoded(movement: Plain, rows: Sequence[Plain]) -> bytes:
    """The canonical bytes of a movement and its entries, whose fields are as `plain` gives them."""
    return _JSON.encode([FORM, movement, rows]).encode()


_MOVEMENT, _ENTRY, _SIDE = attrgetter(*MOVEMENT), attrgetter(*ENTRY), attrgetter("side")
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def chained(before: bytes, content: bytes) -> bytes:
    """Hash of a movement behind another: SHA-256 of the hash before and the canonical bytes."""
    return hashlib.sha256(before + content).digest()


def plain(value: Any) -> str | int | None:
    """A field as the canonical form has it: instants in UTC to the microsecond, numbers without zeros at their end."""
    if value is None or type(value) is str or type(value) is int:  # what most of it is
        return value  # type: ignore[no-any-return]
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, Decimal):
        text = format(value, "f")
        return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
    return value if isinstance(value, int) else str(value)
