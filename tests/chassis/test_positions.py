"""A page token that is a plain position is digits and nothing else."""

from types import SimpleNamespace

import pytest

from services.chassis import query
from services.chassis.faults import FieldInvalid


@pytest.mark.parametrize(("token", "found"), [("", 0), ("7", 7), ("9" * 18, 10**18 - 1)])
def test_a_position_is_read(token: str, found: int) -> None:
    assert query.position(SimpleNamespace(page_token=token)) == found


@pytest.mark.parametrize("token", ["²", "x", "-1", "1.5", "9" * 19, "١"])
def test_anything_else_names_the_field(token: str) -> None:
    with pytest.raises(FieldInvalid, match="page_token"):
        query.position(SimpleNamespace(page_token=token))
