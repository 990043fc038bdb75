"""Cells of CSV files: what is marked comes back, packs come back, what two rows say is compared."""

import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules import alternates
from services.materials.rules.csv_cells import (
    CellInvalid,
    digest,
    flag,
    marked,
    missing,
    packs,
    packs_cell,
    unmarked,
    whole,
)

codes = st.text("ABCDEFGHX0123456789", min_size=2, max_size=3)
numbers = st.integers(1, 10**18 - 1)
names = st.text(st.characters(exclude_characters="|", exclude_categories=("Cs", "Cc")), max_size=64)


@pytest.mark.rule("MAT-322")
@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx", "'quoted"])
def test_what_a_spreadsheet_would_calculate_is_marked(cell: str) -> None:
    assert marked(cell) == f"'{cell}"
    assert marked(cell[1:]) == cell[1:] or cell[1:].startswith("'")


@pytest.mark.rule("MAT-322")
@given(st.text())
def test_a_mark_is_undone(cell: str) -> None:
    assert unmarked(marked(cell)) == cell


@pytest.mark.rule("MAT-322")
@given(st.lists(st.tuples(codes, numbers, numbers, names)))
def test_packs_come_back(rows: list[tuple[str, int, int, str]]) -> None:
    assert packs(packs_cell(rows)) == rows


@pytest.mark.rule("MAT-320")
@pytest.mark.parametrize("cell", ["BX", "BX=0", "BX=1.5", "BX=1,5", "bx=1", "BX=1/0", "BX=1:", "BX=-1", "B=1"])
def test_packs_that_are_none_are_refused(cell: str) -> None:
    with pytest.raises(CellInvalid):
        packs(cell)


@pytest.mark.rule("MAT-320")
def test_cells_are_read_as_they_stand() -> None:
    assert [flag("true"), flag("false"), flag("")] == [True, False, False]
    assert [whole("007"), whole("-3")] == [7, -3]
    for read, cell in ((flag, "yes"), (flag, "1"), (whole, "1.0"), (whole, ""), (whole, "١"), (whole, "1e3")):
        with pytest.raises(CellInvalid):
            read(cell)
    known, required = ("item", "unit"), ("item",)
    assert missing(["unit", "item"], known, required) == ""
    assert [missing(head, known, required) for head in (["unit"], ["item", "Unit"], ["item", "item"])] == [
        "the file has no column item", "the file has a column 'Unit'; known are item, unit",
        "the column 'item' stands twice",
    ]  # fmt: skip


@pytest.mark.rule("MAT-321")
def test_rows_that_say_the_same_are_the_same() -> None:
    row = {"external_id": "1", "item": "A", "lot": "", "unit": "H87"}
    assert digest(row) == digest({"unit": "H87", "item": "A", "external_id": "2"})
    assert digest(row) != digest({**row, "lot": "A"})
    assert digest({"item": "A", "lot": "B"}) != digest({"item": "B", "lot": "A"})


@pytest.mark.rule("MAT-10")
@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdefgh"), max_size=3)))
def test_alternates_are_followed_and_ordered(chains: dict[str, list[str]]) -> None:
    order = alternates.last_first(chains)
    assert sorted(order) == sorted(chains)
    if not any(alternates.back(item, chains) for item in chains):
        assert all(
            order.index(other) < order.index(item) for item in chains for other in chains[item] if other in chains
        )
    for item in chains:
        way = alternates.back(item, chains)
        assert not way or (way[0] == way[-1] == item and all(b in chains[a] for a, b in itertools.pairwise(way)))


@pytest.mark.rule("MAT-320")
def test_a_cell_that_cannot_be_read_says_what_it_must_be() -> None:
    for read, cell, said in (
        (flag, "yes", "must be true or false"),
        (whole, "1.5", "must be a whole number"),
        (packs, "BX", "'BX' must be like BX=10, CS=1/3 or BX=10:Box"),
    ):
        with pytest.raises(CellInvalid) as refused:
            read(cell)
        assert str(refused.value) == said
    assert missing([], ("item", "unit"), ("item", "unit")) == "the file has no column item, unit"


@pytest.mark.rule("MAT-321")
def test_what_a_row_says_is_kept_in_this_form_for_good() -> None:
    """Hashes of earlier files stand in the database: with another form each row of theirs would count as changed."""
    said = hashlib.sha256(b"item\x1fA\x1eunit\x1fH87").hexdigest()
    assert digest({"unit": "H87", "item": "A", "lot": "", "external_id": "9"}) == said
