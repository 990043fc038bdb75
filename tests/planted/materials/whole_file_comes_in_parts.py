"""all_or_nothing is only asked at the check: a row that turned bad since then leaves the others in."""

from services.materials.api import exchange
from tests.planted.planting import replace

RULE = "MAT-321"


def plant() -> None:
    class Never:
        """No outcome is this."""

    replace(exchange, "Outcome", type("Outcome", (), {"ERROR": Never()}))
