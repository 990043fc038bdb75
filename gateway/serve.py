"""The gateway as a process: listen, serve, drain on SIGTERM; a second signal ends at once (OPS-17)."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Coroutine, Iterator
from typing import Any

import structlog
import uvicorn

from gateway.app import Gateway
from gateway.issuer import KeyUnusable
from gateway.protocol import behind
from services.chassis import fault_points, sampling, scrape, telemetry
from services.chassis.config import ConfigInvalid, GatewayConfig

log = structlog.get_logger("serve")

GRACE_SECONDS = 20
IDLE_SECONDS = 60
LOOK_SECONDS = 0.02


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the process, which drains before it stops the server."""
        yield


class Server:
    """A gateway that listens; `start`, then `stop`."""

    def __init__(self, config: GatewayConfig) -> None:
        self.config = config
        self.port = 0
        self.gateway = Gateway(config)
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                self.gateway.app,
                http=behind(self.gateway.gate),
                ws="none",
                loop="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
                limit_concurrency=config.max_connections,
            )
        )
        self.metrics_port = 0
        self._page: scrape.Page | None = None
        self._listener: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._lag: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; ConfigInvalid when the address is not free. Connections are accepted from here on."""
        listener = bound(self.config.listen)
        self.port = listener.getsockname()[1]
        self._page = await scrape.serve(self.gateway.metrics, self.config.metrics_listen)
        self.metrics_port = self._page.port if self._page is not None else 0
        self._lag = asyncio.create_task(sampling.loop_lag(self.gateway.metrics))
        self._listener = listener.dup()
        self._task = asyncio.create_task(self._uvicorn.serve(sockets=[listener]))
        while not self._uvicorn.started and not self._task.done():  # noqa: ASYNC110
            await asyncio.sleep(0)
        log.info("listening", service="gateway", port=self.port)

    async def stop(self) -> None:
        """Drain (OPS-17): not ready, a word with each answer, no new connections, the last requests, close.

        From the first moment each answer says `Connection: close`. A connection on which nothing was asked meanwhile
        could not be told; it stays open for a while after the door is shut, so that a client who asks at that very
        moment is answered and told instead of cut off.
        """
        begin = time.monotonic()
        self.gateway.draining = True
        await asyncio.sleep(self.config.drain_delay)
        await self._shut()
        await self._last_requests()
        self._uvicorn.should_exit = True
        if self._task is not None:
            await self._task
        await self.gateway.close()
        if self._lag is not None:
            self._lag.cancel()
            await self._lag
        if self._page is not None:
            await self._page.close()
        log.info("stopped", service="gateway", seconds=round(time.monotonic() - begin, 2))

    async def _shut(self) -> None:
        """Take no more connections; those that the kernel has taken already are served, not reset."""
        if self._listener is None:
            return
        for server in self._uvicorn.servers:
            server.close()
        loop = asyncio.get_running_loop()
        self._listener.setblocking(False)
        while True:
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                break
            await loop.connect_accepted_socket(self._protocol, connection)
        self._listener.close()  # at once after the last look: the loop must not turn in between

    def _protocol(self) -> asyncio.Protocol:
        config = self._uvicorn.config
        kind: Any = config.http_protocol_class
        made: asyncio.Protocol = kind(config=config, server_state=self._uvicorn.server_state, app_state={})
        return made

    async def _last_requests(self) -> None:
        """Wait until every open connection was told to close by an answer, for as long as configured."""
        until = time.monotonic() + self.config.linger
        await asyncio.sleep(LOOK_SECONDS)  # the last that were accepted have no protocol before the loop turns
        while self._uvicorn.server_state.connections and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)


def bound(address: str) -> socket.socket:
    """A listening socket at host:port; ConfigInvalid when that cannot be had."""
    host, _, port = address.rpartition(":")
    listener = socket.socket(socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, int(port)))
        listener.listen(1024)
    except (OSError, OverflowError) as error:
        listener.close()
        why = "is in use" if getattr(error, "errno", 0) == 98 else f"cannot be had: {error}"
        raise ConfigInvalid(f"gateway: listen: {address} {why}") from None
    listener.setblocking(False)
    return listener


async def _run(config: GatewayConfig) -> None:
    server = Server(config)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if ended.is_set():
            os._exit(1)
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    await server.start()
    await ended.wait()
    await server.stop()


def main() -> None:
    """Run the gateway until SIGTERM; a wrong configuration ends it with one line for each fault and code 2."""
    try:
        config = GatewayConfig.load("gateway")
        telemetry.start("gateway", config.log_level)
        fault_points.arm(fault_points.parse(config.fault))
        _loop_run(_run(config))
    except (ConfigInvalid, KeyUnusable) as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


def _loop_run(work: Coroutine[Any, Any, None]) -> None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)
