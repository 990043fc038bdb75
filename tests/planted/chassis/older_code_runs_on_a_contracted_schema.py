"""The oldest release that a schema allows is compared as text: 0.10 counts as older than 0.9, 99 as older than 0."""

from services.chassis import migrate
from tests.planted.planting import replace

RULE = "OPS-39"


def plant() -> None:
    replace(migrate, "_ordered", lambda name: (str(name)[:2],))
