"""Stored answers are forgotten after a day."""

from datetime import timedelta

from services.chassis import idempotency
from tests.planted.planting import replace

RULE = "REL-65"


def plant() -> None:
    replace(idempotency, "KEPT", timedelta(days=1))
