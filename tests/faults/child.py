"""The plant's processes as the fault runs start them: forked from one that has loaded everything already.

    python -m tests.faults.child

It reads one JSON line for each process to start ({"module", "environment", "log"}), forks it and answers with its
process id; it tells how each one ended. A process starts in a tenth of a second instead of two, so that one that is
killed every second or two still lives for most of the time. A forked process is a session of its own, runs `main` of
its module with the given environment, and dies with this one.

Before `main` the harness may plant a bug, shorten timers and shift the clock; only here, never in product code, and
only with the environment `test`.
"""

import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

MODULES = ("services.maintenance", "services.materials", "services.procurement", "gateway")
_PR_SET_PDEATHSIG = 1
_for_life = ExitStack()
"""Holds what a forked process changed in itself as long as it lives."""


def main() -> None:
    """Start processes as told until the input ends."""
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    for module in ("services.chassis.serve", "gateway.serve", *(f"{m}.api" for m in MODULES), "uvloop"):
        importlib.import_module(module)
    for service in MODULES[:3]:
        importlib.import_module(f"{service}.listeners")
        importlib.import_module(f"{service}.jobs")
        importlib.import_module(f"plantops.{service.partition('.')[2]}.v1.events_pb2")
    gc.freeze()
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    chooser = selectors.DefaultSelector()
    chooser.register(sys.stdin, selectors.EVENT_READ)
    chooser.register(wake, selectors.EVENT_READ)
    alive: set[int] = set()
    _tell({"ready": os.getpid()})
    pending = b""
    while True:
        for key, _ in chooser.select():
            if key.fd == wake:
                os.read(wake, 4096)
                _reap(alive)
                continue
            data = os.read(sys.stdin.fileno(), 1 << 20)
            if not data:
                for pid in alive:
                    os.kill(pid, signal.SIGKILL)
                return
            pending += data
            *lines, pending = pending.split(b"\n")
            for line in lines:
                alive.add(_start(json.loads(line)))


def _reap(alive: set[int]) -> None:
    while alive:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        alive.discard(pid)
        _tell({"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def _start(wanted: Any) -> int:
    pid = os.fork()
    if pid:
        _tell({"started": pid, "number": wanted["number"]})
        return pid
    try:
        _become(wanted)
    except SystemExit as end:
        sys.stdout.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def _become(wanted: Any) -> NoReturn:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    os.setsid()
    log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(wanted["environment"])
    if not any(name.endswith("_ENVIRONMENT") and value == "test" for name, value in os.environ.items()):
        print("the harness's entry is for the environment test", file=sys.stderr)
        raise SystemExit(2)
    prepare(wanted)
    module = wanted["module"]
    if module == "gateway":
        importlib.import_module("gateway.serve").main()
    else:
        importlib.import_module("services.chassis.serve").main(module.partition(".")[2])
    raise SystemExit(0)


def prepare(wanted: Any) -> None:
    """What only a test does to a process: a clock that is wrong, shorter timers, a planted bug."""
    if wanted.get("clock"):
        _shift(float(wanted["clock"]))
    if wanted.get("timers"):
        _for_life.enter_context(shortened(wanted["timers"]))
    _count_aloud()
    for bug in wanted.get("bugs", ()):
        importlib.import_module(bug).plant()


def _shift(seconds: float) -> None:
    """The process's wall clock is wrong by so many seconds; the monotonic one is not."""
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + seconds
    time.time_ns = lambda: now_ns() + int(seconds * 1e9)


COUNTED = ("plantops_relay_duplicates_total", "plantops_inbox_duplicates_total")


def _count_aloud() -> None:
    """What is absorbed is counted in the log too, since a process that is killed takes its counters with it."""
    from services.chassis.metrics import Metrics

    inc = Metrics.inc

    def counted(self: Any, name: str, *labels: Any, **more: Any) -> None:
        if name in COUNTED:
            print(f"counted {name}", flush=True)
        inc(self, name, *labels, **more)

    Metrics.inc = counted  # type: ignore[method-assign]


@contextmanager
def shortened(timers: Any) -> Iterator[None]:
    """Shorter waits than those of production inside, so that what they lead to happens within a run."""
    from services.chassis import bus, consumer, relay

    ack_wait = float(timers["ack_wait"])
    known = bus.wanted_consumers

    def wanted() -> Any:
        return {key: config | {"ack_wait": int(ack_wait * bus.SECOND)} for key, config in known().items()}

    changes: tuple[tuple[Any, str, Any], ...] = (
        (bus, "wanted_consumers", wanted),
        (consumer, "ACK_WAIT", ack_wait),
        (relay, "BEAT_SECONDS", float(timers["beat"])),
        (relay, "BEAT_LIMIT", float(timers["beat_limit"])),
    )
    before = [(module, name, getattr(module, name)) for module, name, _ in changes]
    for change in changes:
        setattr(*change)
    try:
        yield
    finally:
        for change in before:
            setattr(*change)


def _tell(content: Any) -> None:
    os.write(1, json.dumps(content).encode() + b"\n")


if __name__ == "__main__":
    main()
