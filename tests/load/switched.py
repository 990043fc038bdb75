"""A service whose watching can be switched while it runs: SIGUSR1 makes it read the mode from a file.

`python -m tests.load.switched <service> <file>`; modes: bare (nothing counted, no spans), counted, traced.
"""

import signal
import sys
from pathlib import Path
from typing import Any

from services.chassis import serve
from services.chassis.metrics import Metrics
from services.chassis.tracing import Tracing

MADE: list[Tracing] = []
COUNTED = {name: vars(Metrics)[name] for name in ("inc", "observe", "add")}


def switch(mode: str) -> None:
    """Count or not, make spans or not."""
    for name, method in COUNTED.items():
        setattr(Metrics, name, _nothing if mode == "bare" else method)
    for one in MADE:
        one._tracer = one.provider.get_tracer("plantops") if mode == "traced" and one.provider else None


def _nothing(*_: Any, **__: Any) -> None:
    return None


def follow(path: Path) -> None:
    """Switch to what the file says, now and at each signal."""
    made = Tracing.__init__

    def known(self: Tracing, *given: Any, **more: Any) -> None:
        made(self, *given, **more)
        MADE.append(self)

    Tracing.__init__ = known  # type: ignore[method-assign]

    def told(*_: object) -> None:
        switch(path.read_text())
        path.with_suffix(".done").write_text("")

    signal.signal(signal.SIGUSR1, told)


if __name__ == "__main__":
    follow(Path(sys.argv[2]))
    serve.main(sys.argv[1])
