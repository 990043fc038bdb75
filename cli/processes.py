"""The plant's processes: started with their configuration, revived when they die, stopped in order."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from cli import databases
from cli.engines import Engines, PortBusy
from cli.engines.ports import claim
from cli.home import METRICS_PORT, PORTS, SERVICES, Home

ISSUER = "http://plantops.local/dev"
AUDIENCE = "plantops"
STOP_SECONDS = 45.0
"""The longest drain of a process (REL-80)."""
CALM_SECONDS = 10.0
"""A process that ran this long before it died is revived at once."""

PASSED_ON = ("LOG_LEVEL", "OTLP_ENDPOINT", "TRACE_RATIO")
"""What `plantops run` takes from its own environment for all processes."""

Environment = Mapping[str, str]


@dataclass
class Child:
    """One process of the plant."""

    name: str
    command: Sequence[str]
    environment: Environment
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    _out: IO[bytes] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int:
        """Process id; 0 before the start."""
        return self.process.pid if self.process is not None else 0

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it, in a session of its own so that a terminal's Ctrl-C reaches the command line alone."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self._out is None:
            self._out = self.log.open("ab")
        self.process = subprocess.Popen(
            self.command,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.started = time.monotonic()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; whether it ended in time."""
        if self.process is None:
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
            return True
        return False

    def close(self) -> None:
        """Close its log."""
        if self._out is not None:
            self._out.close()
            self._out = None

    def tail(self, lines: int = 5) -> str:
        """Last lines of its log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""


class Processes:
    """All processes of a plant; `watch` revives what died, `stop` drains the door first, then the services."""

    def __init__(self, children: Sequence[Child]) -> None:
        self.children = list(children)

    def __getitem__(self, name: str) -> Child:
        return next(child for child in self.children if child.name == name)

    def start(self) -> None:
        """Start all of them."""
        for child in self.children:
            child.start()

    def watch(self) -> list[Child]:
        """Revive processes that died; gives those that were revived. One that dies at once waits longer each time."""
        revived: list[Child] = []
        for child in self.children:
            if child.alive:
                continue
            lived = time.monotonic() - child.started
            child.deaths = 0 if lived > CALM_SECONDS else child.deaths
            if lived >= min(30.0, 0.25 * 2**child.deaths):
                child.deaths += 1
                child.start()
                revived.append(child)
        return revived

    def stop(self) -> None:
        """SIGTERM to the gateway, then to the services; SIGKILL to what does not end in time."""
        for wave in (
            [c for c in self.children if c.name == "gateway"],
            [c for c in self.children if c.name != "gateway"],
        ):
            for child in wave:
                child.send(signal.SIGTERM)
            until = time.monotonic() + STOP_SECONDS
            for child in wave:
                if not child.wait(max(0.1, until - time.monotonic())):
                    child.send(signal.SIGKILL)
                    child.wait(5)
                child.close()


def ports(gateway: int, free: bool) -> dict[str, int]:
    """Port of each process: the usual ones, or free ones; PortBusy names the option for a busy one."""
    if free:
        names = ("gateway", *SERVICES)
        return {name: claim(0, "") for name in (*names, *map(measured, names))}
    found = {"gateway": claim(gateway, "--gateway-port")}
    for service in SERVICES:
        try:
            found[service] = claim(PORTS[service], "--free-ports")
        except PortBusy:
            raise PortBusy(PORTS[service], "--free-ports") from None
    for number, name in enumerate(("gateway", *SERVICES)):
        try:
            found[measured(name)] = claim(METRICS_PORT + number, "")
        except PortBusy:  # no reason not to run
            found[measured(name)] = claim(0, "")
    return found


def measured(name: str) -> str:
    """Under which name the ports have the one on which a process shows its metrics."""
    return f"{name} metrics"


def children(home: Home, engines: Engines, at: Mapping[str, int], people: Sequence[str]) -> list[Child]:
    """The three services and the gateway with their configuration; `people` are the first administrators."""
    hidden = home.secrets()
    common = {
        "ENVIRONMENT": "development",
        "ISSUER": ISSUER,
        "AUDIENCE": AUDIENCE,
        "JWKS": str(home.jwks.resolve()),
    }
    principals = {f"services/{name}": {"-": ["auditor"]} for name in (*SERVICES, "gateway")}
    found = []
    for service in SERVICES:
        urls = databases.urls(engines.postgres_url, service, hidden)
        settings: dict[str, Any] = common | {
            "LISTEN": f"127.0.0.1:{at[service]}",
            "DATABASE_URL": urls.app,
            "RELAY_URL": urls.relay,
            "NATS_URL": engines.nats_url,
            "NATS_MONITOR_URL": engines.nats_monitor_url,
            "PAGE_TOKEN_KEY": hidden["page_token_key"],
            "REFLECTION": "true",
            "ADMINISTRATORS": json.dumps(list(people)),
            "PRINCIPALS": json.dumps(principals),
        }
        if measured(service) in at:
            settings["METRICS_LISTEN"] = f"127.0.0.1:{at[measured(service)]}"
        found.append(_child(home, service, f"services.{service}", settings))
    gateway = common | {
        "LISTEN": f"127.0.0.1:{at['gateway']}",
        "DEV_ISSUER_KEY": str(home.issuer_key.resolve()),
        "LINGER": "0",  # Ctrl-C is not to wait for a browser that keeps its connection
        "ADMINISTRATORS": json.dumps(list(people)),
        "PRINCIPALS": json.dumps(principals),
        **{service.upper(): f"127.0.0.1:{at[service]}" for service in SERVICES},
    }
    if measured("gateway") in at:
        gateway |= {"METRICS_LISTEN": f"127.0.0.1:{at[measured('gateway')]}"}
    found.append(_child(home, "gateway", "gateway", gateway))
    return found


def _child(home: Home, name: str, module: str, settings: Mapping[str, str]) -> Child:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PLANTOPS_")}
    own = {f"PLANTOPS_{name.upper()}_{key}": value for key, value in settings.items()}
    for key in PASSED_ON:
        if value := os.environ.get(f"PLANTOPS_{key}"):
            own[f"PLANTOPS_{name.upper()}_{key}"] = value
    return Child(
        name=name,
        command=[sys.executable, "-m", module],
        environment=clean | own,
        log=home.logs / f"{name}.log",
    )
