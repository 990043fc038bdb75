"""A consumer receives only the types that a listener has, so that every other type is a gap."""

from typing import Any

from services.chassis import inbox
from tests.planted.planting import replace

RULE = "REL-36"


def plant() -> None:
    original = inbox.followed

    def heard(known: Any, events: Any) -> Any:
        return {name: kind for name, kind in original(known, events).items() if name in known}

    replace(inbox, "followed", heard)
