"""Every token with an unknown key asks for the key set."""

from services.chassis import tokens
from tests.planted.planting import replace

RULE = "SEC-2"


def plant() -> None:
    replace(tokens, "REFRESH_SECONDS", 0)
