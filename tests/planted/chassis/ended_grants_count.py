"""A grant counts after its end."""

from services.chassis import access
from tests.planted.planting import replace, without

RULE = "SEC-14"


def plant() -> None:
    replace(access, "_GRANTS", without(access._GRANTS, " and (g.to_time is null or g.to_time > now())"))
