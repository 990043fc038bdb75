"""An event whose version has passed is remembered as applied."""

from services.chassis import inbox
from tests.planted.planting import replace

RULE = "REL-89"


def plant() -> None:
    original = inbox.Inbox._in_order

    async def in_order(self, unit, kind, message, envelope, payload):  # type: ignore[no-untyped-def]
        try:
            return await original(self, unit, kind, message, envelope, payload)
        except inbox._Stale:
            return "stale"

    replace(inbox.Inbox, "_in_order", in_order)
