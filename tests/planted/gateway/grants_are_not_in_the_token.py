"""The built-in issuer writes no role of a person's grants into a token."""

from typing import Any

from gateway.identity import Identity
from tests.planted.planting import replace

RULE = "SEC-14"


def plant() -> None:
    async def all_of_them(self: Any, signer: Any, person: str, held: dict[str, set[str]], *, optional: bool) -> bool:
        return True

    replace(Identity, "_grants", all_of_them)
