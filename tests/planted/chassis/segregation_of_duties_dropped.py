"""Who wrote a revision may approve it."""

from typing import Any

from services.chassis.revisions import RevisionColumns
from tests.planted.planting import replace

RULE = "SEC-27"


def plant() -> None:
    def anybody(self: Any, by: str) -> None:
        return None

    replace(RevisionColumns, "_other_than_author", anybody)
