"""`make upgrade`: a plant of the release before is taken over by the present version, and back, under load.

1. The release runs with its sample data and its demonstration, and stops (PROOF-8).
2. The present version starts on the same data: it migrates, its check is clean, its demonstration runs again.
3. On the migrated schema two replicas of everything run the release again; under mixed load they are replaced by the
   present version, services in random order, then gateways, and back again (F14, OPS-38): no request fails, no event
   that the release follows is lost, the books agree. The next one is stopped when the one before has been ready for
   as long as the manifests say: gateways look for a replica that was away every few seconds only.
4. The present version starts once more, and its check is clean: it has also got what it alone follows.

Ends with 1 when something of this is not so, and where there is no history to take the release from.
"""

import argparse
import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from cli.engines import start
from cli.home import SERVICES, Addresses, Home
from tests.load.fleet import PRESENT, REPLICAS, Fleet, Version, fleet, lost
from tests.load.mixed import Load
from tests.upgrade.released import checked_out

START_SECONDS = 300.0
STEP_SECONDS = 600.0
CLIENTS = 4
MIN_READY_SECONDS = 10.0
"""As k8s/base/rollout.yaml."""


class NotAsItMust(Exception):
    """A step did not end as it must; the text says what it printed."""


def main() -> int:
    """Run all steps."""
    parser = argparse.ArgumentParser(prog="make upgrade")
    parser.add_argument("--seed", type=int, default=None, help="order in which services are replaced")
    seed = parser.parse_args().seed
    seed = random.randrange(10**6) if seed is None else seed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started here is ended too
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    with tempfile.TemporaryDirectory(prefix="plantops-upgrade-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        before = checked_out(folder / "release")
        if before is None:
            print("upgrade: NOTHING WAS PROVED: no git history here with the commit that protos/RELEASED names")
            return 1
        try:
            _take_over(before, folder / "plant")
            asyncio.run(_to_and_fro(before, folder / "plant", random.Random(seed), seed))
            _come_again(folder / "plant")
        except NotAsItMust as error:
            print(f"upgrade: {error}")
            return 1
    print("upgrade: as it must be")
    return 0


def _take_over(before: Version, plant: Path) -> None:
    """The release's plant with a finished demonstration, started by the present version (PROOF-8)."""
    with _running(before, plant):
        _command(before, plant, "demo")
    with _running(PRESENT, plant) as printed:
        for line in printed.read_text().splitlines():
            if line.startswith("database:"):
                _say(line)
        _command(PRESENT, plant, "check")
        _command(PRESENT, plant, "demo")


async def _to_and_fro(before: Version, plant: Path, rng: random.Random, seed: int) -> None:
    """Release -> present -> release under load on the present schema (F14)."""
    home = Home(plant)
    with start(plant) as engines:
        async with fleet(home, engines, before) as found:
            load = Load(found.doors, found.token())
            services = rng.sample(SERVICES, len(SERVICES))
            _say(f"two replicas of everything run {before.name}; seed {seed}: {', '.join(services)}, gateway")
            async with load.running(CLIENTS):
                for version in (PRESENT, before):
                    names = [*services, "gateway"]
                    for name in names if version is PRESENT else reversed(names):
                        for number in range(REPLICAS):
                            await found.roll(name, number, version)
                            await asyncio.sleep(MIN_READY_SECONDS)
                    _say(f"all run {version.name}: {load.requests} requests, {len(load.failures)} failed")
            told, missing = await lost(found, before)
            _say(f"{len(found.drains)} replacements, {told} events followed, {len(missing)} lost")
            _judge(load, missing)
            home.save(_addresses(found))
            try:
                await asyncio.to_thread(_command, before, plant, "check")
            finally:
                home.forget()


def _come_again(plant: Path) -> None:
    """The present version comes back to what was told while the release before ran, and did not follow it (REL-92)."""
    with _running(PRESENT, plant):
        _command(PRESENT, plant, "check")


def _judge(load: Load, missing: list[str]) -> None:
    for line in [*load.failures[:10], *missing[:10]]:
        print(f"  {line}")
    if load.failures or missing:
        raise NotAsItMust(f"{len(load.failures)} requests failed, {len(missing)} events were lost")


def _addresses(found: Fleet) -> Addresses:
    return Addresses(
        gateway=found.doors[0],
        services={service: f"127.0.0.1:{found.ports[service, 0]}" for service in SERVICES},
        postgres_url=found.engines.postgres_url,
        nats_url=found.engines.nats_url,
        nats_monitor_url=found.engines.nats_monitor_url,
        pids={},
    )


@contextlib.contextmanager
def _running(version: Version, plant: Path) -> Iterator[Path]:
    """`plantops run` of a version on a folder; gives what it has printed."""
    plant.mkdir(parents=True, exist_ok=True)
    log = plant.parent / f"run-{version.folder.name}.log"
    begin = time.monotonic()
    with log.open("w") as out:
        process = subprocess.Popen(
            [version.python, "-m", "cli", "--data", str(plant), "run", "--free-ports"],
            cwd=version.folder,
            env=_environment(version),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while "Plantops runs" not in log.read_text():
                if process.poll() is not None or time.monotonic() - begin > START_SECONDS:
                    raise NotAsItMust(f"{version.name} does not start:\n{log.read_text()}")
                time.sleep(0.1)
            _say(f"{version.name} runs after {time.monotonic() - begin:.0f} s")
            yield log
        finally:
            process.send_signal(signal.SIGINT)
            ended = process.wait(120)
        if ended:
            raise NotAsItMust(f"{version.name} did not end well:\n{log.read_text()}")


def _command(version: Version, plant: Path, name: str) -> None:
    """A command of a version on a plant that runs."""
    done = subprocess.run(
        [version.python, "-m", "cli", "--data", str(plant), name],
        cwd=version.folder,
        env=_environment(version),
        capture_output=True,
        text=True,
        timeout=STEP_SECONDS,
        check=False,
    )
    if done.returncode:
        raise NotAsItMust(f"{name} of {version.name} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    _say(f"{name} of {version.name}: {done.stdout.strip().splitlines()[-1]}")


def _environment(version: Version) -> Mapping[str, str]:
    found = {key: value for key, value in os.environ.items() if not key.startswith("PLANTOPS_")}
    if version.path:
        programs = str(Path(sys.executable).parent)
        found |= {"PYTHONPATH": os.pathsep.join(version.path), "PATH": programs + os.pathsep + found.get("PATH", "")}
    return found


def _say(text: str) -> None:
    print(f"upgrade: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
