"""Which policy holds for an item at a site."""

import pytest

from services.materials.rules.selectors import Selector, most_specific

ALL = Selector()
HERE = Selector(site="x")
SEALS = Selector(item_class="seals")
SEALS_HERE = Selector(item_class="seals", site="x")
ITEM = Selector(item="items/i")
ITEM_HERE = Selector(item="items/i", site="x")
EVERY = [ALL, HERE, SEALS, SEALS_HERE, ITEM, ITEM_HERE]


@pytest.mark.rule("MAT-160")
@pytest.mark.parametrize("count", range(1, 7))
def test_the_item_comes_before_the_class_and_these_before_the_site(count: int) -> None:
    assert most_specific(EVERY[:count], "items/i", "seals", "x") == EVERY[count - 1]


@pytest.mark.rule("MAT-160")
@pytest.mark.parametrize(
    ("item", "item_class", "site", "wanted"),
    [
        ("items/j", "seals", "x", SEALS_HERE),
        ("items/j", "bolts", "x", HERE),
        ("items/j", "bolts", "y", ALL),
        ("items/i", "bolts", "y", ITEM),
        ("items/i", "", "x", ITEM_HERE),
    ],
)
def test_one_that_does_not_fit_does_not_hold(item: str, item_class: str, site: str, wanted: Selector) -> None:
    assert most_specific(EVERY, item, item_class, site) == wanted
    assert most_specific([ITEM_HERE], "items/j", "seals", "x") is None


def test_it_says_where_it_holds() -> None:
    assert [str(row) for row in (ALL, SEALS_HERE, ITEM)] == [
        "all items at all sites", "class seals at sites/x", "items/i at all sites",
    ]  # fmt: skip


@pytest.mark.rule("MAT-160")
def test_a_place_comes_before_its_site_and_holds_nowhere_else() -> None:
    face = Selector(item="items/i", site="x", location="sites/x/locations/face")
    rows = [ITEM_HERE, face, SEALS_HERE]
    assert most_specific(rows, "items/i", "seals", "x", "sites/x/locations/face") == face
    assert most_specific(rows, "items/i", "seals", "x", "sites/x/locations/other") == ITEM_HERE
    assert most_specific(rows, "items/i", "seals", "x") == ITEM_HERE
    assert str(face) == "items/i at sites/x/locations/face"
