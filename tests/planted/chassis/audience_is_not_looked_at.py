"""A token for another audience is accepted."""

from typing import Any

from services.chassis.tokens import Verifier
from tests.planted.planting import replace

RULE = "SEC-1"


def plant() -> None:
    original = vars(Verifier)["_claims"]

    def whatever(self: Any, claims: dict[str, Any]) -> Any:
        return original(self, {**claims, "aud": self.audience})

    replace(Verifier, "_claims", whatever)
