"""A migrator does not wait for another one."""

from services.chassis import migrate
from tests.planted.planting import replace

RULE = "REL-83"


def plant() -> None:
    replace(migrate, "_alone", lambda connection, until: None)
