"""A part of a large batch whose facts are old is skipped, and the parts behind it are posted."""

from services.materials.api import batch_moves
from tests.planted.planting import replace

RULE = "PERF-3"


def plant() -> None:
    original = batch_moves._Posting.settled

    async def going_on(self: batch_moves._Posting) -> bool:
        await original(self)
        return True

    replace(batch_moves._Posting, "settled", going_on)
