"""No row is held back while an earlier one of its aggregate is above the horizon."""

from services.chassis import relay
from tests.planted.planting import replace, without

RULE = "REL-5"


def plant() -> None:
    replace(
        relay,
        "_WINDOW",
        without(relay._WINDOW, "exists (select from beyond b where", "exists (select from beyond b where false and"),
    )
