"""Whoever is suspended keeps the access."""

from services.chassis import access
from tests.planted.planting import replace, without

RULE = "SEC-4"


def plant() -> None:
    replace(access, "_GRANTS", without(access._GRANTS, "known.state", "null as state"))
