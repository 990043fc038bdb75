"""Runs what the manifests of the development overlay say, from the installed wheel, without a cluster.

A container becomes a process with the command, the variables and the mounted files of its manifest. Only what a
cluster would give is replaced: names of services by addresses on loopback, /etc/plantops by a folder of the pod's own.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from k8s.checks.manifests import Manifests, Workload
from tests.image.installed import Installed

MOUNT = "/etc/plantops"


@dataclass
class Process:
    """A container that runs."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    alone: bool

    @property
    def text(self) -> str:
        """What it said."""
        return self.log.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """The container's first process; in a namespace the child of what made it."""
        if not self.alone:
            return self.process.pid
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    def peak(self) -> int:
        """Most memory that it ever had, in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) // 1024

    def end(self, seconds: float) -> tuple[int, float]:
        """SIGTERM; the exit code and how long it took."""
        begin = time.monotonic()
        os.kill(self.pid, signal.SIGTERM)
        return self.process.wait(seconds), time.monotonic() - begin

    def kill(self) -> None:
        """Whatever it does, it ends."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


@dataclass
class Pods:
    """Makes processes of workloads; `secrets` is what Secrets hold, `named` replaces parts of values."""

    installed: Installed
    manifests: Manifests
    secrets: Mapping[str, Mapping[str, str]]
    folder: Path
    named: Mapping[str, str]
    alone: bool
    running: list[Process] = field(default_factory=list)

    def start(
        self, workload: Workload, container: Mapping[str, Any], given: Mapping[str, str] | None = None
    ) -> Process:
        """Start one container with its files and variables; `given` goes over its variables."""
        name = f"{workload.name}-{container['name']}"
        root = self._mount(name, workload, dict(container))
        environment = {
            key: self._local(value, root)
            for key, value in {**self.manifests.environment(dict(container)), **(given or {})}.items()
        }
        words = [self._local(word, root) for word in [*container["command"], *container.get("args", [])]]
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                self.installed.command(*words, alone=self.alone),
                env=self.installed.environment(**environment),
                cwd="/", stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.running.append(Process(name, process, log, self.alone))
        return self.running[-1]

    def _mount(self, name: str, workload: Workload, container: dict[str, Any]) -> Path:
        root = self.folder / name
        for path, kind, source, key in self.manifests.mounted(workload, container):
            target = root / path.removeprefix(f"{MOUNT}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            content = self.secrets[source][key] if kind == "Secret" else self.manifests.config(source)[key]
            target.write_text(self._local(content, root))
        return root

    def _local(self, value: str, root: Path) -> str:
        for name, here in self.named.items():
            value = value.replace(name, here)
        return value.replace(MOUNT, str(root))

    def stop(self) -> None:
        """End what still runs."""
        for process in self.running:
            process.kill()
