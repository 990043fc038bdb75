"""The gateway does not verify the signature of a token."""

import base64
import json
from typing import Any

from gateway.identity import Identity, bearer
from services.chassis.tokens import Claims
from tests.planted.planting import replace

RULE = "SEC-1"


def plant() -> None:
    async def believed(self: Any, headers: Any) -> tuple[str, Claims]:
        token = bearer(headers)
        part = token.split(".")[1] if token.count(".") == 2 else ""
        claims = json.loads(base64.urlsafe_b64decode(part + "==") or b"{}") if part else {}
        return token, Claims(str(claims.get("sub", "people/nobody")))

    replace(Identity, "verify", believed)
