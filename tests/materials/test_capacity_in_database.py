"""Whether goods fit into a place: the database says the same as the rule, for the same reason."""

import json
from collections.abc import Iterator
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.engines import Engines
from services.materials.model import capacity
from services.materials.rules.capacity import Goods, refusal
from tests.plant import superuser


def goods(item: str, quantity: int, **given: Any) -> Goods:
    return Goods(item=item, quantity=D(quantity), **given)


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
