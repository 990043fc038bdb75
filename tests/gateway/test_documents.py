"""JSON bodies against a message type: every fault is named, and what passes can be parsed."""

from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from plantops.materials.v1 import items_pb2, movements_pb2

from gateway import documents
from gateway.refusals import BodyInvalid
from services.chassis.faults import FieldInvalid


def faults(value: Any, message: Any = None) -> dict[str, str]:
    found = message if message is not None else items_pb2.Item()
    return {path: rule for path, rule, _ in documents.violations(found.DESCRIPTOR, value, "")}


def test_all_faults_are_listed_by_their_paths() -> None:
    found = faults(
        {
            "title": 5,
            "colour": "red",
            "tracking": "SOMETIMES",
            "gtins": "4006381333931",
            "inspectReceipts": "yes",
            "standardCost": {"units": 1.5, "currencyCode": None, "nanos": 2**31},
            "conversions": [{"numerator": "x"}, None, []],
            "createTime": "yesterday",
        }
    )
    assert list(found) == [
        "title", "colour", "tracking", "gtins", "inspect_receipts", "standard_cost.units", "standard_cost.nanos",
        "conversions[0].numerator", "conversions[1]", "conversions[2]", "create_time",
    ]  # fmt: skip
    assert found["tracking"].startswith("must be one of ")


def test_both_spellings_are_read_but_not_at_once() -> None:
    assert not faults({"base_unit_code": "H87", "inspectReceipts": True, "standardCost": {"units": "7"}})
    assert faults({"base_unit_code": "H87", "baseUnitCode": "KGM"}) == {"base_unit_code": "is given twice"}


@pytest.mark.parametrize("value", [None, [], "text", 1, True])
def test_a_body_is_an_object(value: Any) -> None:
    assert faults(value) == {"body": "must be an object"}
    with pytest.raises(FieldInvalid):
        documents.parse(value, items_pb2.Item())


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "Expecting"), (b"", "Expecting"), (b"\xff", "UTF-8"), (b'{"a": NaN}', "NaN"),
        (b'{"a": 1, "a": 2}', "twice"), (b"[" * 100_000, "32"), (b"[" * 34 + b"]" * 34, "32"),
        (b'{"a": ' + b"9" * 5000 + b"}", "limit"),
    ],
)  # fmt: skip
@pytest.mark.rule("SEC-31")
def test_what_is_no_document_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(BodyInvalid, match=why):
        documents.load(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KINDS = (items_pb2.Item, items_pb2.CreateItemRequest, movements_pb2.BatchCreateMovementsRequest)


@pytest.mark.rule("SEC-34")
@given(st.data())
def test_what_passes_is_parsed(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    names = [field.json_name for field in kind.DESCRIPTOR.fields]
    value = data.draw(st.dictionaries(st.sampled_from(names), JSON, max_size=4))
    if not faults(value, kind()):
        json_format.ParseDict(value, kind())
