"""Process start: configuration -> database -> broker -> gRPC server, relay, listeners, jobs; drain on SIGTERM.

Health "" says that the loop turns; health "ready" that schema, streams, database and broker are as wanted
(REL-79). The order of the drain is that of REL-80; a second SIGTERM ends at once.
"""

import asyncio
import contextlib
import gc
import importlib
import os
import signal
import socket
import sys
import time
from collections.abc import Coroutine, Iterable
from datetime import timedelta
from types import ModuleType
from typing import Any

import grpc
import structlog
from google.protobuf.descriptor import Descriptor, ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from nats.aio.client import Client
from sqlalchemy import text

from services.chassis import bus, catching_up, db, fault_points, gaps, migrate, remedies, scrape, telemetry
from services.chassis.bind import bind, implementations, rpc_services
from services.chassis.command import Commands
from services.chassis.config import ConfigInvalid, ServiceConfig
from services.chassis.consumer import Consumer
from services.chassis.inbox import Inbox, followed, listeners
from services.chassis.jobs import Job, Runner, job, jobs_of
from services.chassis.metrics import Metrics
from services.chassis.relay import Relay
from services.chassis.sampling import Sampler
from services.chassis.tokens import Verifier
from services.chassis.tracing import Tracing

log = structlog.get_logger("serve")

READY = "ready"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
STOP_GRACE = 20.0
STREAMS_PER_PLACE = 4
"""Calls that one connection may have open for each place of the process: the others learn at once that it is full,
and still a connection is bounded. The library's own limit of calls would refuse health calls too (REL-76)."""
CHECK_SECONDS = 2.0
SAY_AGAIN_SECONDS = 10.0
"""A process that stays not ready says a changed reason at most this often."""


@job(every=timedelta(hours=6))
async def keep_house(open_unit: Any) -> None:
    """Partitions of the coming days, and answers that nobody may ask for any more (REL-16, REL-65)."""
    async with open_unit() as unit:
        await unit.execute(text("select make_partitions(14)"))
        await unit.execute(text("delete from idempotency where expires_at < now()"))


class Process:
    """One service in this process; `start`, then `stop`."""

    def __init__(
        self,
        service: str,
        config: ServiceConfig,
        *,
        api: ModuleType,
        services: Iterable[ServiceDescriptor],
        listeners_module: ModuleType | None = None,
        jobs_module: ModuleType | None = None,
    ) -> None:
        self.service = service
        self.config = config
        self.metrics = Metrics(service)
        self.tracing = Tracing(service, config.otlp_endpoint, config.trace_ratio)
        self.port = 0
        self.metrics_port = 0
        self.nc: Client | None = None
        self.ready = False
        self.why = ["starting"]
        self._draining = False
        self._ending = asyncio.Event()
        self._refusal = ""
        self._ended: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.engine = db.engine(
            config.database_url.get_secret_value(),
            pool_size=config.pool_size,
            application=service,
            metrics=self.metrics,
        )
        self.tracing.watch(self.engine.sync_engine)
        self.sessions = db.sessions(self.engine)
        self.relay = Relay(
            config.relay_url.get_secret_value(), lambda: self.nc, bus.stream_of(service), 0, self.metrics, self.tracing
        )
        self.verifier = Verifier(config.issuer, config.audience, config.jwks)
        self.commands = Commands(
            service, config, self.sessions, self.verifier.verify, self.relay.wake, self.metrics, self.tracing
        )
        self.commands.standing = self
        self.consumers = list(self._consumers(listeners_module))
        pairs = [(consumer.inbox.stream, consumer.durable) for consumer in self.consumers]
        self.sampler = Sampler(self.metrics, self.sessions, lambda: self.nc, pairs)
        self._watched()
        self._page: scrape.Page | None = None
        own: list[Job] = jobs_of(jobs_module) if jobs_module is not None else []

        @job(every=gaps.PATIENCE)
        async def close_gaps(open_unit: Any) -> None:
            inboxes = {consumer.inbox.consumer: consumer.inbox for consumer in self.consumers}
            await gaps.close(open_unit, inboxes.values(), self.nc)

        @job(every=gaps.PATIENCE)
        async def catch_up(open_unit: Any) -> None:
            await catching_up.ask(open_unit, service, self.nc)

        self.runner = Runner([keep_house, close_gaps, catch_up, *own], self.commands.open_unit)
        self.services = list(services)
        self.server = grpc.aio.server(
            options=(
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", config.max_message_bytes),
                ("grpc.max_concurrent_streams", STREAMS_PER_PLACE * config.max_concurrent_calls),
                ("grpc.max_connection_age_ms", 300_000),
                ("grpc.max_connection_age_grace_ms", 30_000),
            ),
        )
        found = implementations(api, self.services)
        for descriptor in self.services:
            handler = bind(descriptor, found[descriptor.full_name], self.commands)
            self.server.add_generic_rpc_handlers((handler,))
        self.health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        if config.reflection:
            names = [descriptor.full_name for descriptor in self.services]
            names += [health.SERVICE_NAME, reflection.SERVICE_NAME]
            reflection.enable_server_reflection(names, self.server)

    def _consumers(self, module: ModuleType | None) -> Iterable[Consumer]:
        known = listeners(module) if module is not None else {}
        for source in sorted({name.split(".")[1] for name in known}):
            mine = {name: function for name, function in known.items() if name.split(".")[1] == source}
            types = followed(mine, events_of(source))
            consumer, stream = bus.consumer_of(self.service, source), bus.stream_of(source)
            inbox = Inbox(consumer, stream, types, self.commands.open_unit, self.metrics)
            for durable in bus.durables(self.service, source):
                yield Consumer(inbox, lambda: self.nc, self.sessions, self.metrics, self.tracing, durable)

    async def start(self) -> None:
        """Listen at once; become ready when everything that is needed is there."""
        await self.health.set("", SERVING)
        await self.health.set(READY, NOT_SERVING)
        host, _, port = self.config.listen.rpartition(":")
        try:
            socket.create_server((host, int(port))).close()  # the rpc library would say it in its own words
            self.port = self.server.add_insecure_port(f"{host}:{port}")
        except (OSError, RuntimeError):
            raise ConfigInvalid(f"{self.service}: listen: {self.config.listen} is in use or not of this host") from None
        self._page = await scrape.serve(self.metrics, self.config.metrics_listen)
        self.metrics_port = self._page.port if self._page is not None else 0
        await self.server.start()
        self.sampler.start()
        self._keep("broker", self._connect())
        self._keep("watch", self._watch())
        self._keep("relay", self.relay.run())
        self._keep("jobs", self.runner.run())
        for consumer in self.consumers:
            self._keep(consumer.durable, consumer.run())
        log.info("listening", service=self.service, port=self.port)

    def _keep(self, part: str, work: Coroutine[Any, Any, None]) -> None:
        """Run a part as long as the process; one that ends by a defect takes the liveness with it (REL-79)."""

        async def kept() -> None:
            try:
                await work
            except Exception as error:
                log.exception("part ended", part=part)
                self._ended.append(f"{part} ended: {error!r}")
                await self.health.set("", NOT_SERVING)

        self._tasks.append(asyncio.create_task(kept(), name=part))

    async def _connect(self) -> None:
        name = f"{self.service}@{socket.gethostname()}-{os.getpid()}"
        while self.nc is None:
            try:
                self.nc = await bus.connect(self.config.nats_url.get_secret_value(), name, report=self._broker_trouble)
            except (bus.NatsError, OSError) as error:  # e.g. a wrong password, which may be mended at the server
                self._refusal = remedies.said(error)
                await asyncio.sleep(CHECK_SECONDS)
        await gaps.serve(self.nc, self.service, self.commands.open_unit, self.relay.wake)

    def _broker_trouble(self, kind: str, said: str) -> None:
        self.metrics.inc("plantops_nats_errors_total", kind)
        self._refusal = said if "authori" in said.lower() or "authent" in said.lower() else ""

    def _watched(self) -> None:
        """Gauges that are read off objects of this process when they are scraped."""
        shard = str(self.relay.shard)
        pool: Any = self.engine.pool
        self.metrics.watch("plantops_relay_leader", lambda: self.relay.leading, shard)
        self.metrics.watch("plantops_outbox_held", lambda: self.relay.held if self.relay.leading else 0)
        self.metrics.watch("plantops_db_pool_in_use", lambda: pool.checkedout())
        self.metrics.watch("plantops_lane_waiting", lambda: self.commands.lanes.waiting)
        self.metrics.watch("plantops_nats_connected", lambda: self.nc is not None and self.nc.is_connected)

    async def _watch(self) -> None:
        seldom, told = remedies.Seldom(SAY_AGAIN_SECONDS), self.why
        while not self._draining:
            try:
                async with asyncio.timeout(10):
                    self.why = await self.problems()
            except Exception as error:
                self.why = [f"the check of readiness failed ({error!r}): read the process's log"]
            if self._draining:
                return
            changed = bool(self.why) == self.ready
            self.ready = not self.why
            if changed or (self.why != told and seldom.due("not ready")):
                told = self.why
                write = log.info if self.ready else log.warning
                write("readiness", ready=self.ready, why="; ".join(self.why))
            if changed:
                await self.health.set(READY, SERVING if self.ready else NOT_SERVING)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), CHECK_SECONDS if self.ready else 0.1)

    async def problems(self) -> list[str]:
        """What keeps the service from being ready, each with what to do."""
        found: list[str] = list(self._ended)
        try:
            async with self.sessions() as session:
                found += migrate.misfit(self.service, *await migrate.marks(session))
        except Exception as error:
            found.append(db.what_is_wrong(error, self.service, self.config.database_url.get_secret_value()))
        if self.nc is None or not self.nc.is_connected:
            found.append(remedies.of_broker(self.config.nats_url.get_secret_value(), self._refusal))
        else:
            found += await self._streams()
            if self.config.environment == "production" and not await self._durable():
                found.append(
                    "the broker does not write through to disk: set jetstream sync_interval: always and restart it, "
                    "or correct nats_monitor_url"
                )
        if lacking := await self.verifier.lacking():
            found.append(lacking)
        return found

    async def _streams(self) -> list[str]:
        assert self.nc is not None
        try:
            differences = await bus.drift(self.nc, self.service)
            for kind in ("stream", "consumer"):
                self.metrics.set("plantops_stream_drift", sum(one.kind == kind for one in differences), kind)
            return [f"{item}: run `plantops nats apply`" for item in differences]
        except (bus.NatsError, TimeoutError, RuntimeError) as error:
            return [
                f"NATS does not tell its streams ({remedies.said(error)}): look whether JetStream is on, "
                "its volume has space and nats_url's user may read them"
            ]

    async def _durable(self) -> bool:
        if not self.config.nats_monitor_url:
            return False
        try:
            return await asyncio.to_thread(bus.sync_always, self.config.nats_monitor_url)
        except (OSError, ValueError):
            return False

    async def stop(self) -> None:
        """Drain in the order of REL-80; calls are taken until those who send them had time to see that it is over."""
        begin = time.monotonic()
        self._draining = True
        self._ending.set()
        self.ready = False
        await self.health.set(READY, NOT_SERVING)
        await asyncio.sleep(self.config.drain_delay)
        await self.health.enter_graceful_shutdown()
        for consumer in self.consumers:
            consumer.stop()
        self.runner.stop()
        await self.server.stop(STOP_GRACE)
        await self.commands.lanes.drain()
        self.relay.stop()
        for task in self._tasks:
            if task.get_name() == "broker":  # still looking for one: it would go on for ever
                task.cancel()
        _, late = await asyncio.wait(self._tasks, timeout=10)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.nc is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self.nc.drain(), 3)
            if not self.nc.is_closed:
                await self.nc.close()
        await self.sampler.stop()
        await self.engine.dispose()
        await self.tracing.close()
        if self._page is not None:
            await self._page.close()
        log.info("stopped", service=self.service, seconds=round(time.monotonic() - begin, 2))


def events_of(source: str) -> list[Descriptor]:
    """All events that a service tells, from its events.proto."""
    module = importlib.import_module(f"plantops.{source}.v1.events_pb2")
    return [
        message for message in module.DESCRIPTOR.message_types_by_name.values() if "version" in message.fields_by_name
    ]


def process_of(service: str, config: ServiceConfig) -> Process:
    """A service's process, put together from its folder."""
    package = f"services.{service}"
    return Process(
        service,
        config,
        api=importlib.import_module(f"{package}.api"),
        services=rpc_services(f"plantops.{service}.v1"),
        listeners_module=importlib.import_module(f"{package}.listeners"),
        jobs_module=importlib.import_module(f"{package}.jobs"),
    )


async def _run(service: str, config: ServiceConfig) -> None:
    process = process_of(service, config)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if ended.is_set():
            os._exit(1)  # a second signal ends at once
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    await process.start()
    gc.collect()
    gc.freeze()  # what the start made stays: no later collection looks through its half a million objects
    await ended.wait()
    await process.stop()


def main(service: str) -> None:
    """Run a service until SIGTERM; a wrong configuration ends it with one line for each fault."""
    try:
        config = ServiceConfig.load(service)
        telemetry.start(service, config.log_level)
        fault_points.arm(fault_points.parse(config.fault))
        _loop_run(_run(service, config))
    except ConfigInvalid as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


def _loop_run(work: Any) -> None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)
