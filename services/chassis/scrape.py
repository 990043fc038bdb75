"""The page that Prometheus reads, on a port of its own (OPS-41).

It is answered in a thread from what was counted and sampled before: a scrape asks no database and no broker, and
thousands of lines do not hold up the event loop.
"""

import asyncio
import threading
from dataclasses import dataclass
from typing import Any
from wsgiref.simple_server import WSGIServer

from prometheus_client import start_http_server

from services.chassis.config import ConfigInvalid
from services.chassis.metrics import Metrics

CLIENT_SECONDS = 10
"""A client that sends or reads nothing for so long is let go."""


@dataclass(frozen=True, slots=True)
class Page:
    """The listening page; `port` is where."""

    port: int
    _server: WSGIServer
    _thread: threading.Thread

    async def close(self) -> None:
        """Stop to listen."""
        await asyncio.to_thread(self._server.shutdown)
        self._server.server_close()


async def serve(metrics: Metrics, address: str) -> Page | None:
    """Listen at host:port, None for an empty address; ConfigInvalid when it cannot be had."""
    if not address:
        return None
    host, _, port = address.rpartition(":")
    try:
        server, thread = await asyncio.to_thread(start_http_server, int(port), host, metrics.registry)
    except (OSError, OverflowError) as error:
        raise ConfigInvalid(f"{metrics.process}: metrics_listen: {address} cannot be had: {error}") from None
    kind: Any = server.RequestHandlerClass
    server.RequestHandlerClass = type("Bounded", (kind,), {"timeout": CLIENT_SECONDS})
    return Page(server.server_port, server, thread)
