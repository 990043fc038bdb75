"""Whether goods fit into a place."""

from decimal import Decimal as D
from typing import Any

import pytest

from services.materials.rules.capacity import Exceeded, Goods, Limits, Mixed, NotAllowed, refusal


def goods(item: str = "a", quantity: int | str = 1, **given: Any) -> Goods:
    return Goods(item=item, quantity=D(quantity), **given)


def coming(item: str = "a", quantity: int | str = 1, **given: Any) -> Goods:
    return goods(item, quantity, coming=True, **given)


@pytest.mark.rule("MAT-32")
@pytest.mark.rule("MAT-33")
@pytest.mark.parametrize(
    ("limits", "content", "asked", "expected"),
    [
        (Limits(), [goods(weight=D(9))], goods("b", weight=D(999)), None),
        # up to exactly the limit
        (Limits(max_weight=D(100)), [goods(weight=D(60))], goods(weight=D(40)), None),
        (
            Limits(max_weight=D(100)), [goods(weight=D(60))], goods(weight=D("40.001")),
            Exceeded("max_weight", D(100), D(60), D(0), D("40.001"), "KGM"),
        ),
        # what has no weight is not stopped by weight, also where too much is there already
        (Limits(max_weight=D(100)), [goods(weight=D(160))], goods(), None),
        # two pallets on their way count both
        (
            Limits(max_weight=D(100)), [coming(weight=D(50)), coming(weight=D(50))], goods(weight=D(50)),
            Exceeded("max_weight", D(100), D(0), D(100), D(50), "KGM"),
        ),
        (
            Limits(max_volume=D(1000)), [goods(volume=D(600)), coming(volume=D(300))], goods(volume=D(101)),
            Exceeded("max_volume", D(1000), D(600), D(300), D(101), "LTR"),
        ),
        (
            Limits(max_handling_units=2),
            [goods(handling_unit="p1"), goods("b", handling_unit="p1"), goods(handling_unit="p2")],
            goods(handling_unit="p3"), Exceeded("max_handling_units", D(2), D(2), D(0), D(1), "H87"),
        ),
        # a handling unit that is there takes no second position, loose goods take none
        (Limits(max_handling_units=1), [goods(handling_unit="p1")], goods("b", handling_unit="p1"), None),
        (Limits(max_handling_units=1), [goods(handling_unit="p1")], goods(), None),
        (
            Limits(quantities={"a": D(10)}), [goods("a", 6), coming("a", 3), goods("b", 99)], goods("a", 2),
            Exceeded("item_limits", D(10), D(6), D(3), D(2), ""),
        ),
        (Limits(quantities={"a": D(10)}), [goods("a", 6), coming("a", 3)], goods("a", 1), None),
        (Limits(quantities={"a": D(10)}), [goods("a", 10)], goods("b", 11), None),
        (Limits(item_classes=frozenset({"x"})), [], goods(item_class="y"), NotAllowed("item_classes", "y")),
        (Limits(item_classes=frozenset({"x", "y"})), [], goods(item_class="y"), None),
        (
            Limits(handling_unit_types=frozenset({"pallet"})), [],
            goods(handling_unit="u", handling_unit_type="box"), NotAllowed("handling_unit_types", "box"),
        ),
        (
            Limits(handling_unit_types=frozenset({"pallet"})), [],
            goods(handling_unit="u", handling_unit_type="pallet"), None,
        ),
        (Limits(handling_unit_types=frozenset({"pallet"})), [], goods(), None),
        (Limits(apart=frozenset({"items"})), [goods("a")], goods("b"), Mixed("items", "a", "b")),
        (Limits(apart=frozenset({"items"})), [coming("a")], goods("b"), Mixed("items", "a", "b")),
        (Limits(apart=frozenset({"items"})), [goods("a")], goods("a"), None),
        # different lots are of one item
        (Limits(apart=frozenset({"lots"})), [goods("a", lot="1")], goods("a", lot="2"), Mixed("lots", "1", "2")),
        (Limits(apart=frozenset({"lots"})), [goods("a", lot="1")], goods("b", lot="2"), None),
        (Limits(apart=frozenset({"owners"})), [goods("a")], goods("b", owner="s"), Mixed("owners", "", "s")),
        (
            Limits(apart=frozenset({"statuses"})), [goods(status="BLOCKED")], goods(),
            Mixed("statuses", "BLOCKED", "UNRESTRICTED"),
        ),
    ],
)  # fmt: skip
def test_examples(limits: Limits, content: list[Goods], asked: Goods, expected: object) -> None:
    assert refusal(limits, content, asked) == expected
