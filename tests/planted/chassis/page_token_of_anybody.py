"""A page token is not bound to caller, filter and order."""

import hashlib
import hmac

from services.chassis import query
from tests.planted.planting import replace

RULE = "SEC-33"


def plant() -> None:
    replace(query, "_sign", lambda content, bound, key: hmac.new(key, content, hashlib.sha256).digest()[:16])
