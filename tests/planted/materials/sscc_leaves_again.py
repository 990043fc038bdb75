"""An SSCC leaves the plant again as soon as its unit is back."""

from typing import Any

from services.materials.model import loading
from tests.planted.planting import replace

RULE = "MAT-24"


def plant() -> None:
    def whatever(rows: Any, at: Any, elsewhere: Any) -> None:
        return None

    replace(loading, "refuse_recent", whatever)
