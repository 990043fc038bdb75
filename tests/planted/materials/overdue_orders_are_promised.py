"""Goods of an order that is past due are promised."""

from services.materials.model import availability
from tests.planted.planting import replace, without

RULE = "MAT-72"


def plant() -> None:
    replace(availability, "_OUTLOOK", without(availability._OUTLOOK, " and e.expected_date >= w.today"))
