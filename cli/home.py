"""The plant's folder: its secrets, made once, and the addresses under which it runs now.

.plantops/secrets.json   passwords of the database roles, key of the page tokens (made once, mode 0600)
.plantops/issuer.pem     private key of the development issuer (made once, mode 0600)
.plantops/plant.json     addresses while the plant runs
"""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cli import databases

DEFAULT = Path(".plantops")
SERVICES = databases.SERVICES
GATEWAY_PORT = 8080
METRICS_PORT = 9464
"""Of the gateway; the services have the next three."""
PORTS: Mapping[str, int] = {"maintenance": 50051, "materials": 50052, "procurement": 50053}


class NotRunning(Exception):
    """No plant runs on the folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"no plant runs on {folder}; start one with `make run` or name its folder with --data")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts of a running plant are: host:port of each service, base address of the gateway.

    `metrics` are the addresses that Prometheus reads, by process.
    """

    gateway: str
    services: Mapping[str, str]
    postgres_url: str
    nats_url: str
    nats_monitor_url: str
    pids: Mapping[str, int]
    metrics: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Home:
    """One plant's folder."""

    folder: Path

    @property
    def issuer_key(self) -> Path:
        """Private key of the development issuer."""
        return self.folder / "issuer.pem"

    @property
    def jwks(self) -> Path:
        """Public keys of the development issuer."""
        return self.folder / "jwks.json"

    @property
    def logs(self) -> Path:
        """Folder of the processes' logs."""
        return self.folder / "logs"

    def secrets(self) -> dict[str, str]:
        """Passwords by role name and `page_token_key`; made at the first call."""
        path = self.folder / "secrets.json"
        known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        wanted = [f"{service}_{login}" for service in SERVICES for login in databases.LOGINS]
        missing = [name for name in (*wanted, "page_token_key") if name not in known]
        if missing:
            known |= {name: secrets.token_urlsafe(24) for name in missing}
            write_private(path, json.dumps(known, indent=2))
        return known

    def save(self, addresses: Addresses) -> None:
        """Say where the plant runs."""
        content = asdict(addresses)
        if not addresses.metrics:
            del content["metrics"]  # the release before does not know them
        write_private(self._running, json.dumps(content, indent=2))

    def forget(self) -> None:
        """The plant does not run any more."""
        self._running.unlink(missing_ok=True)

    def addresses(self) -> Addresses:
        """Where the plant runs; NotRunning when it does not."""
        try:
            content: dict[str, Any] = json.loads(self._running.read_text())
        except FileNotFoundError:
            raise NotRunning(self.folder) from None
        return Addresses(**content)

    @property
    def _running(self) -> Path:
        return self.folder / "plant.json"


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)
