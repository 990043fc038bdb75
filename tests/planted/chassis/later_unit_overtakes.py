"""A unit goes on although one that came before has what it wants."""

from services.chassis import turns
from tests.planted.planting import replace

RULE = "PERF-2"


def plant() -> None:
    original = turns.Turns.ask

    def overtaking(self: turns.Turns, keys: object) -> turns.Turn:
        turn = original(self, keys)  # type: ignore[arg-type]
        turn.before = 0
        return turn

    replace(turns.Turns, "ask", overtaking)
