"""A statutory policy may leave out what was missed."""

from typing import Any

from services.maintenance.model.policy import Revision
from tests.planted.planting import replace

RULE = "MNT-11"


def plant() -> None:
    original = vars(Revision)["checked"]

    def lenient(self: Any, statutory: bool) -> Any:
        return original(self, False)

    replace(Revision, "checked", lenient)
