"""A batch of events hangs below the first of its producers and links to none."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from services.chassis.tracing import SpanKind, Tracing
from tests.planted.planting import replace

RULE = "OPS-42"


def plant() -> None:
    @contextmanager
    def below_the_first(self: Any, stream: str, traceparents: Iterable[str]) -> Iterator[None]:
        with self.work(f"publish {stream}", SpanKind.PRODUCER, next(iter(traceparents), "")):
            yield

    replace(Tracing, "publishing", below_the_first)
