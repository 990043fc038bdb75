"""The canonical form of a movement, and the chain over them."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from typing import Any

import pytest

from services.materials.rules import seal

AT = datetime(2026, 3, 1, 9, 30, 0, 120_000, tzinfo=UTC)


@dataclass
class Entry:
    side: int = 1
    item: str = "items/bolt"
    lot: str = ""
    serial: str = ""
    handling_unit: str = ""
    owner: str = ""
    project: str = ""
    location: str = "sites/a/locations/b"
    status: str = "UNRESTRICTED"
    quantity: Decimal = Decimal("-2.500000")
    unit_code: str = "KGM"
    second_quantity: Decimal | None = None
    second_quantity_unit_code: str = ""
    entered_quantity: Decimal = Decimal("-2500")
    entered_quantity_unit_code: str = "GRM"
    factor_numerator: int = 1
    factor_denominator: int = 1000
    value: Decimal | None = Decimal("-5.00")
    returns: str = ""
    item_sequence: int = 7
    effective_time: datetime = AT
    balance: str = "sites/a/balances/x"


@dataclass
class Movement:
    name: str = "sites/a/movements/m"
    site: str = "a"
    kind: str = "ISSUE"
    effective_time: datetime = AT
    record_time: datetime = AT
    reason_code: str = "é"
    source: str = ""
    actor: str = "people/sam"
    device: str = ""
    reverses: str = ""
    correlation: str = ""
    entries: list[Entry] = field(default_factory=lambda: [Entry()])


KNOWN = (
    '[1,["sites/a/movements/m","a","ISSUE","2026-03-01T09:30:00.120000Z","2026-03-01T09:30:00.120000Z","é","",'
    '"people/sam","","",""],[[1,"items/bolt","","","","","","sites/a/locations/b","UNRESTRICTED","-2.5","KGM",null,'
    '"","-2500","GRM",1,1000,"-5","",7,"2026-03-01T09:30:00.120000Z","sites/a/balances/x"]]]'
)


@pytest.mark.rule("MAT-43")
def test_the_canonical_form_is_this_one_for_good() -> None:
    """What is sealed can be verified only as long as the form stays: a new one gets a new version."""
    movement = Movement()
    assert seal.canonical(movement, movement.entries) == KNOWN.encode()
    first = seal.chained(b"", KNOWN.encode())
    assert first == hashlib.sha256(KNOWN.encode()).digest()
    assert seal.chained(first, b"x") == hashlib.sha256(first + b"x").digest()


@pytest.mark.rule("MAT-43")
@pytest.mark.parametrize(
    "change",
    [{"kind": "SCRAP"}, {"actor": "people/eve"}, {"effective_time": AT + timedelta(microseconds=1)}, {"reverses": "y"}],
)
def test_each_fact_of_a_movement_is_part_of_its_form(change: dict[str, Any]) -> None:
    changed = replace(Movement(), **change)
    assert seal.canonical(changed, changed.entries) != KNOWN.encode()


@pytest.mark.rule("MAT-43")
@pytest.mark.parametrize(
    "change", [{"quantity": Decimal("-2.5001")}, {"value": None}, {"location": "sites/a/locations/c"}, {"lot": "l"}]
)
def test_each_fact_of_an_entry_is_part_of_its_form(change: dict[str, Any]) -> None:
    assert seal.canonical(Movement(), [replace(Entry(), **change)]) != KNOWN.encode()


@pytest.mark.rule("MAT-43")
def test_what_means_the_same_has_one_form() -> None:
    cest = timezone(timedelta(hours=2))
    entries = [Entry(side=2), Entry(quantity=Decimal("-2.5"), value=Decimal("-5"))]
    same = seal.canonical(Movement(effective_time=AT.astimezone(cest)), entries)
    assert same == seal.canonical(Movement(), [Entry(), Entry(side=2)])


@dataclass
class Revaluation:
    item: str = "items/bolt"
    cause: str = "sites/a/landedCosts/1"
    since: datetime = AT
    value: Decimal = Decimal("100.00")
    variance: Decimal = Decimal("-0.50")
    currency_code: str = "EUR"


@pytest.mark.rule("MAT-43")
def test_a_change_of_value_alone_stands_where_entries_would() -> None:
    sealed = seal.canonical(Movement(entries=[]), [], Revaluation())
    head = KNOWN[: KNOWN.index(",[[1,")]
    assert sealed.decode() == (
        head + ',[["items/bolt","sites/a/landedCosts/1","2026-03-01T09:30:00.120000Z","100","-0.5","EUR"]]]'
    )


class Word(str):
    """Text of the database's driver."""

    def __str__(self) -> str:
        return self.lower()


class Side(IntEnum):
    OUT = 7


@pytest.mark.rule("MAT-43")
@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Decimal("0.000000"), "0"), (Decimal(0), "0"), (Decimal("1E+2"), "100"), (Decimal("1200"), "1200"),
        (Decimal("0.0000001"), "0.0000001"), (Decimal("-10.50"), "-10.5"), (None, None), (7, 7), ("07.50", "07.50"),
        (Side.OUT, 7), (Word("X"), "x"),
    ],
)  # fmt: skip
def test_a_value_has_one_plain_form(value: object, plain: object) -> None:
    class Fact(Movement):
        pass

    fact = Fact(device=value)  # type: ignore[arg-type]
    assert json.loads(seal.canonical(fact, []))[1][8] == plain
