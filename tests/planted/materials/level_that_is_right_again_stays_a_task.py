"""The task of a level in process stays when the level is right again."""

from sqlalchemy import text

from services.materials.model import wip_levels
from tests.planted.planting import replace

RULE = "MAT-128"


def plant() -> None:
    replace(
        wip_levels,
        "_SETTLED",
        text(wip_levels._SETTLED.text.replace("'LEASED', 'STARTED', ", "").replace("'READY'", "''")),
    )
