"""What is wrong with a part that a process needs: one line that ends with what to do (REL-79).

The lines name settings and commands, never a password: addresses lose theirs.
"""

import time
from urllib.parse import urlsplit


def place_of(url: str) -> str:
    """Hosts and ports of one address or several separated by commas, without user and password."""
    places = [urlsplit(part.strip()) for part in url.split(",")]
    return ",".join(place.netloc.rpartition("@")[2] + place.path.rstrip("/") for place in places)


def said(error: BaseException) -> str:
    """What an error says, on one line: the driver's own words rather than the library's around them."""
    origin = getattr(error, "orig", None)
    cause = getattr(origin, "__cause__", None) or origin or error
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__


def of_broker(url: str, refusal: str) -> str:
    """Why there is no connection to the broker; `refusal` is what it said last, if it said anything."""
    if refusal:
        return f"NATS refuses the connection ({refusal}): correct the user and password in nats_url"
    return f"NATS is not connected: nothing answers at {place_of(url)}: start the broker, or correct nats_url"


class Seldom:
    """Lets a repeated line through once in a while, so that an outage is a line and not a flood."""

    def __init__(self, seconds: float = 30.0) -> None:
        self.seconds = seconds
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def due(self, line: str) -> bool:
        """Whether the line is to be written now; lines that were not are counted."""
        now = time.monotonic()
        if now - self._last.get(line, float("-inf")) < self.seconds:
            self._left_out[line] = self._left_out.get(line, 0) + 1
            return False
        self._last[line] = now
        return True

    def left_out(self, line: str) -> int:
        """How many were left out since it was written; counts anew from here."""
        return self._left_out.pop(line, 0)
