"""The content of a request is not compared when its id comes again."""

from services.chassis import idempotency
from tests.planted.planting import replace

RULE = "REL-61"


def plant() -> None:
    replace(idempotency, "request_hash", lambda request: b"always the same")
