"""Safety stock, reorder point and cards, against worked examples."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.materials.rules.safety_stock import Demand, cards, reorder_point, safety_stock, up

D = Decimal
positive = st.decimals(0, 1000, places=3)


@pytest.mark.rule("MAT-165")
@pytest.mark.parametrize(
    ("demand", "factor", "safety", "point"),
    [
        # demand 150 a day, deviation 16; 5 days, deviation 1; z 1.65: 1.65 * sqrt(5 * 256 + 22500)
        (Demand(D(150), D(5), D(16), D(1)), D("1.65"), "254.4426", "1004.4426"),
        # lead time is certain: z * sqrt(L) * sd
        (Demand(D(50), D(4), D(5)), D("1.28"), "12.8", "212.8"),
        # demand is certain: z * d * sL
        (Demand(D(10), D(6), D(0), D(2)), D("2"), "40", "100"),
        (Demand(D(10), D(6)), D("1.65"), "0", "60"),
    ],
)
def test_a_reorder_point_covers_the_lead_time_and_its_spread(
    demand: Demand, factor: Decimal, safety: str, point: str
) -> None:
    assert round(safety_stock(demand, factor), 4) == D(safety)
    assert round(reorder_point(demand, factor), 4) == D(point)


@pytest.mark.rule("MAT-165")
@given(mean=positive, lead=positive, sd=positive, sl=positive, factor=st.decimals(0, 4, places=2))
def test_the_root_does_not_depend_on_the_precision_around_it(
    mean: Decimal, lead: Decimal, sd: Decimal, sl: Decimal, factor: Decimal
) -> None:
    demand = Demand(mean, lead, sd, sl)
    found = safety_stock(demand, factor)
    with localcontext(prec=6):
        assert safety_stock(demand, factor) == found
    with localcontext(prec=60):
        assert abs(found**2 - factor**2 * (lead * sd**2 + mean**2 * sl**2)) < D("1e-20")


@pytest.mark.rule("MAT-170")
@pytest.mark.parametrize(
    ("mean", "lead_time", "safety", "container", "count"),
    [
        (D(2000), D("0.10"), D("0.10"), D(22), 10),  # exactly 10
        (D(2000), D("0.10"), D("0.10"), D(23), 10),
        (D(2000), D("0.10"), D("0.11"), D(22), 11),
        (D(100), D(3), D(0), D(100), 3),
        (D(1), D(1), D(0), D(100), 1),
        (D(0), D(1), D(0), D(100), 0),
    ],
)
def test_cards_cover_the_demand_of_one_round_in_whole_containers(
    mean: Decimal, lead_time: Decimal, safety: Decimal, container: Decimal, count: int
) -> None:
    assert cards(mean, lead_time, safety, container) == count


@pytest.mark.rule("MAT-165")
def test_a_proposal_is_brought_up_to_the_grid() -> None:
    assert [up(D(value), D(step)) for value, step in (("254.44", "1"), ("254", "1"), ("1.01", "0.25"))] == [
        255, 254, D("1.25"),
    ]  # fmt: skip
