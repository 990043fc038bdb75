"""Exact values on the wire: the same before and after a round trip."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from google.type.money_pb2 import Money
from hypothesis import given
from hypothesis import strategies as st

from services.chassis import wire
from services.chassis.faults import FieldInvalid
from services.chassis.wire import amount_of, canonical, date_message, decimal_of, fill, money, to_date, values_for
from tests.chassis.sample.protos import pb
from tests.chassis.sample.service import Box

amounts = st.decimals(min_value=-(10**12) + 1, max_value=10**12 - 1, places=6, allow_nan=False)


@given(amounts)
@pytest.mark.rule("API-3")
def test_a_decimal_comes_back_as_it_was(value: Decimal) -> None:
    text = canonical(value)
    assert decimal_of(text) == value
    assert canonical(decimal_of(text)) == text
    assert "e" not in text.lower()
    assert not text.startswith("+")
    assert "." not in text or not text.endswith(("0", "."))
    assert text != "-0"


@pytest.mark.rule("API-3")
@pytest.mark.parametrize(
    ("value", "text"),
    [("1E+3", "1000"), ("-0", "0"), ("2.500", "2.5"), ("1E-6", "0.000001"), ("-10.0", "-10"), ("0.10", "0.1")],
)
def test_there_is_one_text_for_one_number(value: str, text: str) -> None:
    assert canonical(Decimal(value)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "1e3",
        "NaN",
        "Infinity",
        "1_000",
        " 1",
        "1 ",
        "0x1",
        "1" * 13,
        "0.0000001",
        "1.2.3",
        "--1",
        "1,5",
        "٣e1",
    ],
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(FieldInvalid):
        decimal_of(text, "quantity.value")


@given(st.decimals(min_value=-(10**12) + 1, max_value=10**12 - 1, places=9, allow_nan=False))
@pytest.mark.rule("API-3")
def test_money_comes_back_as_it_was(value: Decimal) -> None:
    message = money(value, "EUR")
    assert amount_of(message) == value
    assert message.units * message.nanos >= 0
    assert Money.FromString(message.SerializeToString()) == message


def test_money_has_nine_decimals_at_most() -> None:
    with pytest.raises(ValueError, match="nine"):
        money(Decimal("0.0000000001"), "EUR")


@given(st.dates())
def test_a_day_comes_back_as_it_was(day: date) -> None:
    assert to_date(date_message(day)) == day


@given(
    title=st.text(min_size=1, max_size=20),
    capacity=amounts,
    labels=st.lists(st.tuples(st.text(max_size=9), st.dates(min_value=date(1, 1, 1))), max_size=3),
    marks=st.lists(st.text(max_size=5), max_size=3),
)
def test_a_message_comes_back_from_its_row(
    title: str, capacity: Decimal, labels: list[tuple[str, date]], marks: list[str]
) -> None:
    given_ = pb.Box(
        title=title,
        capacity={"value": canonical(capacity), "unit_code": "KGM"},
        marks=marks,
        labels=[pb.Box.Label(text=text, day=date_message(day)) for text, day in labels],
    )
    row: Any = Box(name="sites/x/boxes/y", **values_for(Box, given_))
    found = fill(pb.Box(), row)
    assert (found.title, found.capacity, list(found.marks)) == (title, given_.capacity, marks)
    assert list(found.labels) == list(given_.labels)
    assert (found.name, found.level.value) == ("sites/x/boxes/y", "0")


@pytest.mark.rule("API-7")
def test_what_the_server_sets_is_not_taken_from_a_message() -> None:
    message = pb.Box(name="sites/x/boxes/y", state="SEALED", etag='"9"', title="t", level={"value": "5"})
    assert set(values_for(Box, message)) == {"title", "marks", "labels"}
    assert values_for(Box, message, ["state", "level"]) == {}


def test_an_unset_field_that_a_mask_names_is_cleared() -> None:
    assert values_for(Box, pb.Box(), ["title", "marks"]) == {"title": "", "marks": []}


def test_a_quantity_without_a_unit_is_a_defect() -> None:
    with pytest.raises(TypeError, match="unit_code"):
        wire.fill(pb.Box(), {"capacity": Decimal(1)})
