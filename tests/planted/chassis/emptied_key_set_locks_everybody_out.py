"""A key set that was emptied replaces the known keys."""

import json

from joserfc.jwk import KeySet

from services.chassis import tokens
from tests.planted.planting import replace

RULE = "SEC-2"


def plant() -> None:
    def any_set(content: bytes) -> KeySet:
        known = json.loads(content)
        return KeySet.import_key_set(known) if known["keys"] else KeySet([])

    replace(tokens, "_key_set", any_set)
