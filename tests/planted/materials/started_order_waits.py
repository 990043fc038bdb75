"""What an order that was started needs waits for the asset too."""

from sqlalchemy import text

from services.materials.model import standing
from tests.planted.planting import replace

RULE = "MAT-112"


def plant() -> None:
    replace(standing, "_WAIT", text(str(standing._WAIT).replace("and not r.started", "")))
