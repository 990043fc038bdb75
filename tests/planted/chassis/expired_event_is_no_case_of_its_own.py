"""An event older than the inbox is taken for poison."""

from services.chassis import consumer
from tests.planted.planting import replace

RULE = "REL-30"


def plant() -> None:
    replace(consumer, "_expired", lambda error: False)
