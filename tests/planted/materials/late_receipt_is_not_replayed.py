"""What is entered late leaves the value of later issues as it was booked."""

from collections.abc import Iterable

from services.chassis.unit import Unit
from services.materials.model import revaluing
from services.materials.model.ledger import Posting
from tests.planted.planting import replace

RULE = "MAT-186"


def plant() -> None:
    async def follow(unit: Unit, site: str, postings: Iterable[Posting]) -> None:
        return None

    replace(revaluing, "follow", follow)
