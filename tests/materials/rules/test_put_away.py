"""Where goods are put: the steps in order, each with its places; the same inputs give the same outcome."""

import json
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.chassis.db import json_text
from services.materials.rules.capacity import Exceeded, Goods, Limits, Mixed
from services.materials.rules.put_away import (
    WITHOUT_POLICY,
    Asked,
    Fit,
    Locked,
    Place,
    PolicyStep,
    Step,
    Steps,
    inputs,
    outcome,
    plan,
    record,
    replay,
    words,
)

LOT, ITEM, EMPTY, OTHER = Fit.SAME_LOT, Fit.SAME_ITEM, Fit.EMPTY, Fit.OTHER
FULL = Limits(max_weight=D(0))


def goods(**given: Any) -> Goods:
    return Goods(**{"item": "a", "quantity": D(1), "weight": D(1), **given})


def asked(**given: Any) -> Asked:
    return Asked(goods(), **given)


def steps(*kinds: Any) -> list[PolicyStep]:
    return [kind if isinstance(kind, PolicyStep) else PolicyStep(kind) for kind in kinds]


def zone(name: str, **given: str) -> PolicyStep:
    return PolicyStep(Step.ZONE, name, **given)


def place(name: str, fit: Fit = EMPTY, path: int = 0, **given: Any) -> Place:
    zones = frozenset(given.pop("zones", ()))
    return Place(name, path, fit, zones, **given)


SHELVES = [
    place("far", path=9), place("near", path=1), place("item", ITEM, 5), place("lot", LOT, 7), place("own", OTHER, 8),
    place("cold-1", EMPTY, 3, zones=["cold"]), place("cold-2", OTHER, 2, zones=["cold"]),
]  # fmt: skip


@pytest.mark.rule("MAT-100")
@pytest.mark.parametrize(
    ("told", "what", "expected"),
    [
        # in the order of the steps, within a step the nearest first; each place once, by the first step that finds it
        (
            steps(Step.SAME_LOT_WITH_ROOM, Step.SAME_ITEM_WITH_ROOM, Step.NEAREST_EMPTY), asked(),
            ["lot", "item", "near", "cold-1", "far"],
        ),
        (steps(Step.NEAREST_EMPTY, Step.SAME_LOT_WITH_ROOM), asked(), ["near", "cold-1", "far", "lot"]),
        (steps(Step.SAME_ITEM_WITH_ROOM), asked(), ["item", "lot"]),
        # the item's own place is for loose goods
        (steps(Step.FIXED_BIN), asked(fixed_location="own"), ["own"]),
        (steps(Step.FIXED_BIN), asked(), []),
        (steps(Step.FIXED_BIN), Asked(goods(handling_unit="box"), fixed_location="own"), []),
        # a zone is for its classes, and takes what is empty or has the item
        (steps(zone("cold")), asked(), ["cold-1"]),
        (steps(zone("cold", storage_class="COLD")), asked(), []),
        (steps(zone("cold", storage_class="COLD")), asked(storage_class="COLD"), ["cold-1"]),
        (steps(zone("cold", abc_class="A")), asked(abc_class="A"), ["cold-1"]),
        (steps(zone("cold", abc_class="A")), asked(), []),
        # an overflow takes what has room, whatever is there
        (steps(PolicyStep(Step.OVERFLOW, "cold")), asked(), ["cold-2", "cold-1"]),
        # what is in one handling unit stays together, whatever the steps say
        (steps(Step.NEAREST_EMPTY), asked(together="own"), ["own"]),
        (WITHOUT_POLICY, asked(fixed_location="own"), ["own", "lot", "item", "near", "cold-1", "far"]),
    ],
)  # fmt: skip
def test_steps_find_their_places_in_order(told: list[PolicyStep], what: Asked, expected: list[str]) -> None:
    assert [row.name for row, _ in plan(told, what, SHELVES).candidates] == expected
    assert [row.name for row, _ in plan(told, what, SHELVES, first=True).candidates] == expected[:1]


@pytest.mark.rule("MAT-100")
def test_a_place_without_room_is_passed_over_with_the_refusal_and_never_chosen() -> None:
    heavy = Limits(max_weight=D("1.5"))
    apart = Limits(apart=frozenset({"items"}))
    rows = [
        place("lot", LOT, limits=heavy, content=[goods()]),
        place("mixed", ITEM, limits=apart, content=[goods(), goods(item="b")]),
        place("shut", locked=Locked("INBOUND", "water", "today")),
        place("last", path=9, limits=Limits(max_weight=D(1))),
    ]
    found = plan(WITHOUT_POLICY, asked(), rows)
    assert [(row.name, step) for row, step in found.candidates] == [("last", Step.NEAREST_EMPTY)]
    assert [(row.name, step, why) for row, step, why in found.passed] == [
        ("lot", Step.SAME_LOT_WITH_ROOM, Exceeded("max_weight", D("1.5"), D(1), D(0), D(1), "KGM")),
        ("mixed", Step.SAME_ITEM_WITH_ROOM, Mixed("items", "b", "a")),
        ("shut", Step.NEAREST_EMPTY, Locked("INBOUND", "water", "today")),
    ]
    assert words(outcome(found), "1 KGM of a") == [
        "1 KGM of a go to last: nearest empty",
        "lot is passed over: capacity exceeded",
        "mixed is passed over: mixing forbidden",
        "shut is passed over: locked inbound",
    ]
    nothing = plan(WITHOUT_POLICY, asked(), [place("full", limits=FULL)])
    assert words(outcome(nothing), "1 KGM of a") == [
        "1 KGM of a find no place", "full is passed over: capacity exceeded",
    ]  # fmt: skip


amounts = st.decimals(0, 9, places=3)
contents = st.builds(
    Goods, item=st.sampled_from("ab"), quantity=amounts, weight=amounts, volume=amounts, coming=st.booleans(),
    lot=st.sampled_from(["", "l"]),
)  # fmt: skip
limits = st.builds(
    Limits, max_weight=st.none() | amounts, max_handling_units=st.none() | st.integers(0, 2),
    quantities=st.dictionaries(st.just("a"), amounts), item_classes=st.frozensets(st.sampled_from(["", "x"])),
    apart=st.frozensets(st.sampled_from(["items", "lots"])),
)  # fmt: skip
places = st.lists(
    st.builds(
        Place, name=st.sampled_from("pqrstuvw"), path=st.integers(0, 3), fit=st.sampled_from(Fit),
        zones=st.frozensets(st.sampled_from("yz")), locked=st.none() | st.just(Locked("COUNT")),
        limits=st.none() | limits, content=st.lists(contents, max_size=3),
    ),
    max_size=8, unique_by=lambda row: row.name,
)  # fmt: skip
policies = st.lists(
    st.builds(PolicyStep, st.sampled_from([one for one in Step if one is not Step.WITH_UNIT]), st.sampled_from("yz")),
    min_size=1, max_size=6,
)  # fmt: skip
sought = st.builds(
    Goods, item=st.just("a"), quantity=amounts, weight=amounts, handling_unit=st.sampled_from(["", "u"])
)  # fmt: skip
wanted = st.builds(
    Asked, sought, fixed_location=st.sampled_from(["", "p"]), abc_class=st.sampled_from("ABC"),
)  # fmt: skip


@pytest.mark.rule("MAT-100")
@pytest.mark.rule("MAT-162")
@settings(max_examples=40)
@given(policies, wanted, places)
def test_what_was_recorded_gives_the_same_bytes_again(told: Any, what: Asked, rows: Any) -> None:
    found, recorded, came = record(Steps("r1", told), what, rows)
    assert json_text(replay(json.loads(json_text(recorded)))) == json_text(came)
    looked = [row for row, _ in found.candidates] + [row for row, _, _ in found.passed]
    assert recorded == inputs(Steps("r1", told), what, looked)
    for row, _ in found.candidates:
        assert row.refusal(what.goods) is None
    whole = plan(told, what, rows)
    assert [row.name for row, _ in found.candidates] == [row.name for row, _ in whole.candidates]
