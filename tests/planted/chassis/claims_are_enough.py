"""A role counts where the token claims it, whether or not a grant holds it."""

from typing import Any

from services.chassis import access
from tests.planted.planting import replace

RULE = "SEC-14"


def plant() -> None:
    async def believed(session: Any, claims: Any, config: Any) -> access.Caller:
        return access.Caller(claims.subject, claims.device, claims.on_behalf_of, claims.roles)

    replace(access, "load_caller", believed)
