"""Whether goods fit into a place, by the rule and by the database."""

import json
from collections.abc import Iterator
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.engines import Engines
from services.materials.model import capacity
from services.materials.rules.capacity import Exceeded, Goods, Limits, Mixed, NotAllowed, refusal
from tests.plant import superuser


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


amounts = st.integers(0, 9).map(D)
anything = st.builds(
    goods, st.sampled_from("ab"), st.integers(1, 9), lot=st.sampled_from(["", "1", "2"]),
    owner=st.sampled_from(["", "s"]), status=st.sampled_from(["UNRESTRICTED", "BLOCKED"]),
    handling_unit=st.sampled_from(["", "p1", "p2"]),
)  # fmt: skip
weights = st.fixed_dictionaries({name: st.none() | amounts for name in ("aw", "av", "bw", "bv")})


def quantity(unit_code: str) -> st.SearchStrategy[dict[str, str]]:
    return st.integers(0, 40).map(lambda value: {"value": str(value), "unit_code": unit_code})


mixing = st.sampled_from(["ALLOWED", "FORBIDDEN"])
limits_kept = st.fixed_dictionaries(
    {},
    optional={
        "max_weight": quantity("KGM"), "max_volume": quantity("LTR"), "max_handling_units": st.integers(1, 2),
        "item_limits": quantity("H87").map(lambda value: [{"item": "a", "quantity": value}]),
        "handling_unit_types": st.just(["handlingUnitTypes/pallet"]),
        "item_classes": st.just(["class-a"]), "item_mixing": mixing, "lot_mixing": mixing, "owner_mixing": mixing,
        "status_mixing": mixing,
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def look(templates: Engines) -> Iterator[Any]:
    with superuser(templates, "materials") as connection:
        yield connection


@pytest.mark.rule("MAT-32")
@pytest.mark.rule("MAT-33")
@given(kept=limits_kept, here=st.lists(anything, max_size=3), on_its_way=st.lists(anything, max_size=2),
       asked=anything, of_one=weights)  # fmt: skip
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_rule_and_database_refuse_the_same_for_the_same_reason(
    look: Any, kept: dict[str, Any], here: list[Goods], on_its_way: list[Goods], asked: Goods, of_one: dict[str, Any]
) -> None:
    with look.transaction(force_rollback=True):
        for item in "ab":
            look.execute(
                "insert into item (name, version, event_version, correlation, create_time, update_time, number, title,"
                " item_class, base_unit_code, base_step, tracking, conversions, gtins, inspect_receipts,"
                " standard_cost_currency_code, state, gross_weight, volume) values"
                " (%s, 1, 0, '', now(), now(), %s, '', %s, 'H87', 1, 'LOT', '[]', '{}', false, '', 'ACTIVE', %s, %s)",
                [item, item, f"class-{item}", of_one[f"{item}w"], of_one[f"{item}v"]],
            )
        for number, row in enumerate(here):
            look.execute(
                "insert into balance (name, site, item, lot, owner, status, handling_unit, location, virtual, on_hand,"
                " reserved, unit_code, update_time, project) values (%s, 's', %s, %s, %s, %s, %s, 'l', false, %s, 0,"
                " 'H87', now(), %s)",
                [str(number), row.item, row.lot, row.owner, row.status, row.handling_unit, row.quantity, str(number)],
            )
        for number, row in enumerate(on_its_way):
            look.execute(
                "insert into put_away_task (name, site, version, event_version, correlation, create_time, update_time,"
                " item, lot, from_location, proposed_location, to_location, quantity, unit_code, status, receipt,"
                " receipt_line, movement, state, handling_unit) values (%s, 's', 1, 0, '', now(), now(), %s, %s, 'f',"
                " 'l', '', %s, 'H87', %s, 'r', 1, '', 'READY', %s)",
                [str(number), row.item, row.lot, row.quantity, row.status, row.handling_unit],
            )
        outcome, subject = look.execute(
            "select r.outcome, r.subject from posting_lines(%s) p, capacity_refusal(p, 's', %s) r",
            [
                json.dumps(
                    [
                        {
                            "item": asked.item, "lot": asked.lot, "to_owner": asked.owner, "to_status": asked.status,
                            "to_handling_unit": asked.handling_unit, "quantity": str(asked.quantity),
                            "unit_code": "H87", "from_location": "f", "to_location": "l",
                        }
                    ]
                ),
                json.dumps(kept),
            ],
        ).fetchone()  # fmt: skip

    def weighed(row: Goods, *, moving: bool = False) -> Goods:
        return Goods(
            item=row.item, quantity=row.quantity, unit_code="H87", lot=row.lot, owner="" if moving else row.owner,
            status=row.status, handling_unit=row.handling_unit, item_class=f"class-{row.item}",
            weight=row.quantity * (of_one[f"{row.item}w"] or 0), volume=row.quantity * (of_one[f"{row.item}v"] or 0),
            coming=moving,
        )  # fmt: skip

    content = [*map(weighed, here), *(weighed(row, moving=True) for row in on_its_way)]
    expected = refusal(capacity.limits_of(kept), content, weighed(asked))
    told = capacity.refused(outcome or "", subject or "")
    wanted = capacity.fault_of("l", expected) if expected is not None else None
    assert (type(told), told and told.metadata) == (type(wanted), wanted and wanted.metadata)
