"""Work done after its required date counts as done in time."""

from services.maintenance import measures
from tests.planted.planting import replace, without

RULE = "MNT-287"


def plant() -> None:
    replace(
        measures,
        "_COMPLIANCE",
        without(
            measures._COMPLIANCE,
            "and (o.satisfy_time at time zone :zone)::date <= o.required_date",
            "and cast(:zone as text) is not null",
        ),
    )
