"""What is short at its need time is noted as covered."""

from sqlalchemy import text

from services.materials.model import need_cover
from tests.planted.planting import replace

RULE = "MAT-331"


def plant() -> None:
    changed = need_cover._NOTE.text.replace("r.issued + r.allocated", "r.issued + r.allocated + r.short")
    replace(need_cover, "_NOTE", text(changed))
